"""Functions are read exactly as they stand, docstrings become queries, and all that is left out is counted."""

import ast
import os
import sys
import textwrap
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctrain.data import (
    Harvest,
    Limits,
    functions,
    harvest,
    modules,
    normalised,
    normalised_query,
    read_pairs,
    read_source,
    split,
    write_pairs,
)
from synctrain.data.docstrings import is_english, summary, words
from synctrain.types import DataError

GOOD = '''
def {name}(path):
    """Return the {what} of a file."""
    with open(path) as file:
        return file.{name}()
'''


def tree(folder: Path, below: dict[str, str | bytes] | None = None, **files: str | bytes) -> Path:
    """Write files, named without their suffix."""
    for name, text in {**(below or {}), **files}.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def good(name: str, what: str = "") -> str:
    return GOOD.format(name=name, what=what or name)


@pytest.fixture(scope="module")
def stdlib() -> Harvest:
    return harvest(["stdlib"])


CUT = [
    # One line for each way in which a docstring may stand: its function, and what stays.
    ('def f():\n    "Doc."\n    return 1', "def f():\n    return 1"),
    ('def f():\n    """Doc.\n\n    More.\n    """\n\n\n    return 1\n', "def f():\n    return 1"),
    ('def f():\n    """Doc."""  # noqa\n    return 1', "def f():\n    # noqa\n    return 1"),
    ('def f():\n    "Doc."; return 1', "def f():\n    return 1"),
    ('def f(): "Doc."; return 1  # one', "def f(): return 1  # one"),
    ('def f(): """Doc.\nmore"""; return 1', "def f(): return 1"),
    ('def f(): "Doc."', "def f(): pass"),
    ('def f():\n    """Doc.\n    """  # why', "def f():\n    pass  # why"),
    (
        'def f():\n    # before\n    "Doc."\n    # after\n    return 1',
        "def f():\n    # before\n    # after\n    return 1",
    ),
    ("def f():\n    ('Doc'\n     'more')\n    return 1", "def f():\n    return 1"),
    ("def f():\n    'Dōc.' ;  return 'é'  # ü", "def f():\n    return 'é'  # ü"),
    ("def f():\n    return 1", "def f():\n    return 1"),
    ("def f():\n    f'Doc.'\n    return 1", "def f():\n    f'Doc.'\n    return 1"),
    ("def f():\n    b'Doc.'\n    return 1", "def f():\n    b'Doc.'\n    return 1"),
    ("@a\n@b(\n    1)\ndef f():\n    'Doc.'\n    x", "@a\n@b(\n    1)\ndef f():\n    x"),
    ("@(\n  a)\ndef f(): x", "@(\n  a)\ndef f(): x"),
    ("class A:\n\tdef f(self):\n\t\t'Doc.'\n\t\treturn 1", "def f(self):\n\treturn 1"),
    ("class A:\n    def f(self):\n  # left\n        x", "def f(self):\n# left\n    x"),
    ("class A:\n    def f(self):\n\n        x  # end\n    # not of f", "def f(self):\n\n    x  # end"),
    (
        'class A:\n    def f(self):\n        "Doc."\n        x = """\n    kept\n        kept"""\n        y',
        'def f(self):\n    x = """\n    kept\n        kept"""\n    y',
    ),
    (
        "class A:\n    def f(self):\n        x = 'a\\\n        kept'\n        y = ('a'\n             'b')",
        "def f(self):\n    x = 'a\\\n        kept'\n    y = ('a'\n         'b')",
    ),
    (
        "class A:\n    def f(self):\n        x = f'''{a}\n        kept'''",
        "def f(self):\n    x = f'''{a}\n        kept'''",
    ),
    ("if x:\r\n    def f():\r\n        'Doc.'\r\n        x\r\n", "def f():\n    x"),
    ("\ufeffdef f(): x", "def f(): x"),
]


@pytest.mark.parametrize(("text", "code"), CUT)
def test_the_docstring_is_cut_and_all_else_stays(text: str, code: str) -> None:
    (found,) = functions(text, "a.py")
    assert found.code == code
    assert len(found.lines) == len(code.split("\n"))
    ast.parse(found.code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("\fdef f(a):\n    return a\n", "def f(a):\n    return a"),
        ("class A:\n\f    def f(a):\n        b = 1\n \f        return b\n", "def f(a):\n    b = 1\n    return b"),
        ('def f(a):\n    return """\n\f  """\n', 'def f(a):\n    return """\n\f  """'),
    ],
)
def test_behind_a_form_feed_indentation_is_counted_anew(text: str, code: str) -> None:
    (found,) = functions(text, "a.py")
    assert found.code == code


def test_lines_of_the_code_are_those_of_the_file() -> None:
    """The docstring goes with the blank line behind it; the other blank line stays."""
    text = "class A:\n    @property\n    def f(self):\n        '''One.\n\n        Two.\n        '''\n\n        x = 1\n\n        return x\n"
    (found,) = functions(text, "a.py")
    assert found.lines == (2, 3, 9, 10, 11)
    assert found.code == "@property\ndef f(self):\n    x = 1\n\n    return x"


def test_functions_come_in_order_with_names_lines_and_docstrings() -> None:
    text = textwrap.dedent('''
        async def one(x):
            """First.

                Indented.
            """
            def two():
                pass
        class A:
            @property
            def three(self): return 1
            @three.setter
            def three(self, x): self.x = x
            class B:
                def four(self):
                    """Say no."""
                    raise NotImplementedError("no")
        try:
            def five(): ...
        except E:
            def six(): x
        else:
            match x:
                case 1:
                    def __seven__(): return lambda: 1
    ''')
    found = list(functions(text, "a.py"))
    assert [(one.name, one.first, one.last) for one in found] == [
        ("one", 2, 8),
        ("one.<locals>.two", 7, 8),
        ("A.three", 10, 11),
        ("A.three", 12, 13),
        ("A.B.four", 15, 17),
        ("five", 19, 19),
        ("six", 21, 21),
        ("__seven__", 25, 25),
    ]
    assert [one.stub for one in found] == [False, True, False, False, True, True, False, False]
    assert [one.accessor for one in found] == [False, False, False, True, False, False, False, False]
    assert [one.is_magic for one in found] == [False] * 7 + [True]
    assert [one.docstring for one in found if one.docstring] == ["First.\n\nIndented.", "Say no."]
    assert {one.path for one in found} == {"a.py"}


def test_a_text_that_does_not_parse_names_path_line_and_cause() -> None:
    for text, message in [
        ("x\nprint 'a'", "a.py, line 2: does not parse (Missing parentheses in call to 'print'"),
        ("x = \0", "a.py, line 1: does not parse (source code"),
        ("(" * 500, "a.py, line 1: does not parse ("),
        ("-" * 99999 + "1", "a.py, line 1: does not parse ("),
    ]:
        with pytest.raises(DataError) as error:
            list(functions(text, "a.py"))
        assert str(error.value).startswith(message)


def test_code_is_never_run_and_never_warned_about(tmp_path: Path) -> None:
    trap = "import sys\nsys.exit('run')\n" + good("read").replace("file.read()", r"'\d' is 1")
    assert [one.module for one in harvest([tree(tmp_path, trap=trap)]).found] == ["trap"]
    assert "trap" not in sys.modules


def sources(*packages: str) -> list[tuple[str, str]]:
    found = []
    for module in modules(packages, tests=True):
        try:
            text = read_source(module.file)
            list(functions(text, module.path))
        except DataError:
            continue
        found.append((module.path, text))
    return found


def test_real_functions_keep_their_meaning() -> None:
    files = sources("email", "unittest", "logging", "inspect")
    assert sum(agree(text, path) for path, text in files) > 1000


@pytest.mark.slow
def test_all_functions_of_the_standard_library_keep_their_meaning() -> None:
    assert sum(agree(text, path) for path, text in sources("stdlib")) > 40_000


def agree(text: str, path: str) -> int:
    """Compare each function with Python's own syntax tree: its lines, its docstring, and the rest node by node."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = {}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min(item.lineno for item in (node, *node.decorator_list))
                own[first, node.end_lineno, node.name] = node
        found = list(functions(text, path))
        assert len(found) == len(own)
        for one in found:
            node = own[one.first, one.last, one.name.rpartition(".")[2]]
            assert one.docstring == (ast.get_docstring(node) or ""), (path, one.name)
            whole = list(node.body)
            if ast.get_docstring(node) is not None:
                node.body = whole[1:] or [ast.Pass()]
            assert ast.dump(ast.parse(one.code).body[0]) == ast.dump(node), (path, one.name)
            node.body = whole  # an outer function comes with this docstring
    return len(found)


NAMES = st.sampled_from(["a", "b", "é"])
TEXTS = st.sampled_from(["'s'", '"""s\n  s"""', "'s\\\n s'", "f'''{a}\n s'''", "'é'  # é", "('s'\n 's')"])
SIMPLE = st.one_of(TEXTS.map("x = {}".format), TEXTS, st.sampled_from(["pass", "return 1", "# c", "", "g(\n1)"]))


@st.composite
def defs(draw: st.DrawFn, depth: int = 2) -> str:
    body = [draw(st.sampled_from(["'Doc.'", '"""Doc.\n\n    é"""', "'Doc.'  # c", "'D'; x = 1", "x", "('D'\n'oc')"]))]
    body += draw(st.lists(SIMPLE, max_size=3))
    if depth:
        body += draw(st.lists(defs(depth - 1), max_size=2))
    head = draw(st.sampled_from(["def {}(self):", "async def {}(a='''x\n  y'''):", "@d\ndef {}():", "class {}:"]))
    margin = draw(st.sampled_from(["  ", "    ", "\t"]))
    # Lines of a string are moved as well here: that is what makes them differ from one another.
    return head.format(draw(NAMES)) + "\n" + textwrap.indent("\n".join(body), margin)


@given(st.lists(defs(), min_size=1).map("\n".join))
def test_made_up_functions_keep_their_meaning(text: str) -> None:
    try:
        ast.parse(text)
    except SyntaxError:
        return  # `return` in a class is none of ast's concern, but a margin may meet another
    agree(text, "a.py")


SUMMARIES = [
    ("Return the sum.", "Return the sum."),
    ("Return the sum\n    of all.\n\n    And more.", "Return the sum of all."),
    ("Return it. And more.", "Return it."),
    ("Return it, e.g. The sum, i.e. All. More.", "Return it, e.g. The sum, i.e. All."),
    ("Read version 2.0 of J. Smith's file. More", "Read version 2.0 of J. Smith's file."),
    ("Is it there?  Then yes.", "Is it there?"),
    ("Return it. but not this", "Return it. but not this"),
    ("Add two.\n>>> add(1, 1)\n2", "Add two."),
    ("Add two.\n:param a: one\n", "Add two."),
    ("Add two.\n@param a: one", "Add two."),
    ("Add two\n\nArgs:\n    a: one", "Add two"),
    ("Add two\nReturns:\n    it", "Add two"),
    ("Args:\n    a: one", ""),
    (">>> add(1, 1)\n2", ""),
    (":param x: y", ""),
    ("", ""),
    ("add(a, b) -> int\n\nAdd two.", "Add two."),
    ("S.add(a[, b]) -- Add two.", "Add two."),
    ("add(a, (b, c)) -> int -- Add two.", "Add two."),
    ("add(a, b)", "add(a, b)"),
    ("add -- Add two.", "Add two."),
    ("Title\n=====\n\nText.", "Title"),
    (".. versionadded:: 3\n", ""),
    ("Return ``a`` and `b`.", "Return a and b."),
    ("Return a :class:`~os.path.Path` of :func:`os.open`.", "Return a Path of os.open."),
    ("See :ref:`this page <target>` or `that <http://x.y>`_ now.", "See this page or that now."),
    ("Call `name`_ and C{this}, **now** or *later*.", "Call name and this, now or later."),
    ("Pass *args and **kwargs to a * b * c.", "Pass *args and **kwargs to a * b * c."),
    ("Give `this' back [1]_.", "Give 'this' back."),
]


@pytest.mark.parametrize(("docstring", "sentence"), SUMMARIES)
def test_a_query_is_the_first_sentence_in_plain_words(docstring: str, sentence: str) -> None:
    assert summary(docstring) == sentence


@given(st.text())
def test_a_summary_is_one_line_of_words_that_were_there(docstring: str) -> None:
    found = summary(docstring)
    assert found == " ".join(found.split())
    assert len(found) <= len(docstring)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Return the naïve sum.", True),
        ("Convert a German text with words like der and die to English.", True),
        ("Gibt die Summe der Werte und nicht mehr aus.", False),
        ("Retourne la somme des valeurs pour une liste.", False),
        ("Вернуть сумму.", False),
        ("返回 the sum 总和和所有其他的东西都在一起。", False),
        ("x = (1 + 2) * 3 / {4: [5]}", False),
    ],
)
def test_other_languages_are_told_from_english(text: str, answer: bool) -> None:
    assert is_english(text) is answer


def test_words_are_letters() -> None:
    assert words("Don't re-read x2 1.5 (é_a)!") == ["Don't", "re-read", "x", "é", "a"]


def test_what_is_harvested_says_where_it_comes_from(tmp_path: Path) -> None:
    text = f"class A:\n{textwrap.indent(good('read'), '    ')}"
    files: dict[str, str | bytes] = {"pack/sub/m": text, "pack/sub/__init__": "", "pack/__init__": ""}
    folder = tree(tmp_path, files)
    (one,) = harvest([folder / "pack" / "sub"]).found
    assert (one.path, one.module, one.name) == ("pack/sub/m.py", "pack.sub.m", "A.read")
    lines = text.split("\n")[one.first - 1 : one.last]
    assert lines == [line for line in textwrap.indent(good("read"), "    ").split("\n") if line]
    assert one.pair.query == "Return the read of a file."
    assert one.pair.intent == normalised_query(one.pair.query) == "return the read of a file"
    assert one.pair.code == good("read").strip().replace('    """Return the read of a file."""\n', "")
    # The same tree elsewhere, or only one file of it, gives the same id.
    other = tree(tmp_path / "copy", files)
    assert harvest([other]).pairs == harvest([str(folder / "pack" / "sub" / "m.py")]).pairs == [one.pair]


def test_each_reason_to_leave_something_out_is_counted(tmp_path: Path) -> None:
    def function(name: str, docstring: str = "Return the sum of all.", body: str = "return sum(a for a in x)") -> str:
        return f"def {name}(x):\n    '''{docstring}'''\n    {body}\n"

    folder = tree(
        tmp_path,
        {
            "test/a": function("twelve"),
            "sub/tests/b": function("thirteen"),
            "sub/contest": function("seventeen"),
        },
        a=good("read"),
        b=good("read").replace("    with", "    # again\n    with"),
        few=function("one", "Sum up."),
        many=function("two", "word " * 61),
        foreign=function("three", "Gibt die Summe der Werte und nicht mehr."),
        none="def four(x):\n    return 1\n",
        magic=function("__len__"),
        stub=function("five", body="raise NotImplementedError"),
        setter="class A:\n    @x.setter\n" + textwrap.indent(function("x"), "    "),
        short="def six(x): 'Return the sum of all.'; return 1",
        short_too="def six(x):\n    'Return the sum of all.'\n    return 1",
        long=function("seven", body="x = 1\n    " * 151),
        long_too=function("eight", body=f"x = '{'x' * 8000}'"),
        half=function("nine", body="return '\\ud800' or sum(x for x in y)"),
        broken="def ten(:\n",
        coded=b"# coding: nothing-known\nx = 1\n",
        bytes=b"x = '\xff'\n",
        made="# Generated by a program\n" + function("eleven"),
        test_c=function("fourteen"),
        d_test=function("fifteen"),
        conftest=function("sixteen"),
    )
    found = harvest([folder])
    assert [one.name for one in found.found] == ["read", "nine", "seventeen"]
    assert found.counts == {
        "files": 19,
        "functions": 15,
        "pairs": 3,
        "files of tests": 5,
        "functions that are too short": 2,
        "functions that are too long": 2,
        "files that cannot be read": 2,
        "files that do not parse": 1,
        "files that a program wrote": 1,
        "functions of the same code as another": 1,
        "docstrings of fewer than 3 words": 1,
        "docstrings of more than 60 words": 1,
        "docstrings that are not English": 1,
        "functions without a docstring": 1,
        "functions with names such as __len__": 1,
        "functions that do nothing": 1,
        "setters and deleters": 1,
    }
    assert found.functions == len(found.found) + sum(
        count for reason, count in found.skipped.items() if not reason.startswith("files")
    )
    assert "fourteen" in {one.name for one in harvest([folder], tests=True).found}
    wide = harvest([folder], limits=Limits(words=(1, 99), lines=(1, 999), characters=(1, 99999)))
    assert {"one", "two", "six", "seven", "eight"} <= {one.name for one in wide.found}


def test_files_are_decoded_as_python_does(tmp_path: Path) -> None:
    text = good("read", "größe")
    folder = tree(
        tmp_path,
        cookie=b"# -*- coding: latin-1 -*-\n" + text.encode("latin-1"),
        mark=b"\xef\xbb\xbf" + text.replace("read", "load").encode(),
        ends=text.replace("read", "keep").replace("\n", "\r\n").encode(),
    )
    found = harvest([folder])
    assert {one.query for one in found.pairs} == {"Return the größe of a file."}
    assert [one.name for one in found.found] == ["read", "keep", "load"]


def test_a_tree_is_walked_without_links_in_circles_or_other_peoples_code(tmp_path: Path) -> None:
    folder = tree(
        tmp_path / "own",
        {"a/c": good("load"), "venv/lib/x": good("drop")},
        b=good("read"),
        _hidden=good("keep"),
        site=good("name"),
    )
    tree(folder / ".git", x=good("one"))
    tree(folder / "lib" / "site-packages", x=good("two"))
    (folder / "venv" / "pyvenv.cfg").touch()
    (folder / "a" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "a" / "dead.py").symlink_to(folder / "nowhere.py")
    (folder / "z.py").symlink_to(folder / "b.py")
    os.mkfifo(folder / "pipe.py")
    (folder / "notes.txt").write_text("x", "utf-8")
    complaints: list[str] = []
    found = list(modules([folder, folder / "b.py"], complain=complaints.append))
    assert [module.path for module in found] == ["_hidden.py", "b.py", "site.py", "a/c.py"]
    assert [module.name for module in found] == ["_hidden", "b", "site", "a.c"]
    assert complaints == ["files named twice"] * 2
    if os.getuid():
        (folder / "b.py").chmod(0)
        assert harvest([folder]).skipped["files that cannot be read"] == 1


def test_a_file_is_read_whatever_its_name_and_a_huge_one_is_counted(tmp_path: Path) -> None:
    tree(tmp_path, {"tests/b": good("load")}, test_a=good("read"), big="x = 1\n" * 900_000)
    assert len(harvest([tmp_path / "test_a.py"]).found) == 1
    assert len(harvest([tmp_path / "tests"]).found) == 1  # asked for by name
    assert harvest([tmp_path]).counts["files that cannot be read"] == 1
    with pytest.raises(DataError, match=r"big\.py: 5,400,000 bytes, more than 5,000,000"):
        read_source(tmp_path / "big.py")
    (tmp_path / "script").write_text(good("keep"), "utf-8")
    assert len(harvest([tmp_path / "script"]).found) == 1


def test_installed_code_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = "raise SystemExit('imported')\n"
    tree(tmp_path, {"trapped/__init__": trap + good("read"), "trapped/sub/__init__": trap})
    tree(tmp_path, {"trapped/sub/m": good("load"), "space/part": good("drop"), "lone": trap + good("keep")})
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def found(target: str) -> list[str]:
        return [f"{one.module} {one.path}" for one in harvest([target]).found]

    assert found("trapped") == ["trapped trapped/__init__.py", "trapped.sub.m trapped/sub/m.py"]
    assert found("trapped.sub") == found("trapped.sub.m") == ["trapped.sub.m trapped/sub/m.py"]
    assert found("lone") == ["lone lone.py"]
    assert found("space") == ["space.part space/part.py"]
    assert harvest(["os"]).files == 1  # frozen into the interpreter, but its text is there
    assert harvest(["typing-extensions"]).files == 1  # a distribution's name, not a module's
    for target, message in [
        ("trapped.none", "trapped.none: no Python file in it"),
        ("sys", "sys: no Python file in it"),
        ("nowhere/at/all.py", "nowhere/at/all.py: no file or folder of this name, and nothing installed"),
        ("no-such-thing", "no-such-thing: no file or folder of this name, and nothing installed that is called so"),
        ("", ": no file or folder of this name"),
        ("x" * 5000, "x"),
        (str(tmp_path / "elsewhere"), f"{tmp_path / 'elsewhere'}: no Python file in it"),
    ]:
        with pytest.raises(DataError) as error:
            harvest([target])
        assert str(error.value).startswith(message)
    assert not {"trapped", "lone", "space"} & sys.modules.keys()


def test_the_standard_library_gives_thousands_of_pairs(stdlib: Harvest) -> None:
    pairs = stdlib.pairs
    assert len(pairs) > 4000
    assert len({one.id for one in pairs}) == len(pairs)
    assert len({normalised(one.code) for one in pairs}) == len(pairs)
    assert not {"test", "site-packages", "idle_test"} & {part for one in stdlib.found for part in one.path.split("/")}
    assert {"textwrap", "os", "email.message"} <= set(stdlib.modules.values())
    by_name = {f"{one.module}.{one.name}": one.pair for one in stdlib.found}
    assert by_name["textwrap.dedent"].query == "Remove any common leading whitespace from every line in text."
    assert "text" in by_name["textwrap.dedent"].code
    assert by_name["textwrap.dedent"].query not in by_name["textwrap.dedent"].code
    assert min(len(words(one.query)) for one in pairs) == 3


def test_a_second_harvest_is_equal(stdlib: Harvest, tmp_path: Path) -> None:
    again = [one.pair for one in harvest(["json", "email"]).found]
    there = [one.pair for one in stdlib.found if one.module.split(".")[0] in {"json", "email"}]
    assert {one.code for one in there} <= {one.code for one in again}
    assert len(again) > 100
    path = tmp_path / "pairs.jsonl.gz"
    write_pairs(path, stdlib.pairs, stdlib.extra)
    assert read_pairs(tmp_path) == stdlib.pairs


def test_whole_modules_can_be_held_out(stdlib: Harvest) -> None:
    where = stdlib.modules
    found = split(stdlib.pairs, validation=0.1, test=0.1, by=lambda one: where[one.id])
    train, validation, test = ({where[one.id] for one in part} for part in (found.train, found.validation, found.test))
    assert not train & validation
    assert not (train | validation) & test
    assert len(found.test) > 400
    assert not {one.intent for one in found.train} & {one.intent for one in found.validation + found.test}


def test_the_time_of_a_harvest_is_linear(tmp_path: Path) -> None:
    def seconds(size: int) -> float:
        folder = tree(tmp_path / str(size), a="".join(good(f"read{number}", "sum") for number in range(size)))
        start = time.process_time()
        assert len(harvest([folder]).found) == size
        return time.process_time() - start

    seconds(100)
    assert seconds(8000) < 4 * 8 * seconds(1000)  # quadratic would be 64 times


def test_files_whose_names_are_no_text_are_left_out(tmp_path: Path) -> None:
    for name in (b"bad\xff.py", b"good.py"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text(
            'def add(a, b):\n    """Return the sum of two numbers."""\n    return a + b\n'
        )
    reasons: list[str] = []
    assert [module.name for module in modules([tmp_path], complain=reasons.append)] == ["good"]
    assert reasons == ["files whose names are not utf-8"]


def test_a_pipe_is_no_tree(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(DataError, match="neither a file nor a folder"):
        list(modules([tmp_path / "pipe.py"]))
