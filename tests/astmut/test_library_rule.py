"""What `substitute-library-function` resolves, what it writes, and what it leaves alone."""

import ast
import importlib
import sys
import warnings
from pathlib import Path

import pytest

import astmut
from astmut import substitutes
from astmut.imports import imports
from astmut.library.index import IndexFileError, opened, packed
from astmut.library.signature import Parameter, Signature

RULE = "substitute-library-function"


def texts(program: str, **options: object) -> list[str]:
    return [m.text for m in astmut.mutate(program, rules=[RULE], options={RULE: options})]


def written(program: str, **options: object) -> list[str]:
    """The substitutes, as they are written at the first place that has some."""
    found = astmut.sites(program, rules=[RULE], options={RULE: options})
    return [site.edits[0].text for site in found if site.span == found[0].span]


# --- what a callee means ---


@pytest.mark.parametrize(
    "program",
    [
        "import copy\ncopy.copy(x)",
        "import copy as c\nc.copy(x)",
        "from copy import copy, deepcopy\ncopy(x)",
        "from copy import copy as c, deepcopy\nc(x)",
        "from copy import *\ncopy(x)",
        "import os\nos.path.join(x)",
        "import os.path\nos.path.join(x)",
        "import os.path as p\np.join(x)",
        "from os import path\npath.join(x)",
        "from os.path import join, exists\njoin(x)",
        "import xml.etree.ElementTree as ET\nET.parse(x)",
        "import xml.etree.ElementTree\nxml.etree.ElementTree.parse(x)",
        "def f(x):\n    import copy\n    return copy.copy(x)",
        "def f(x): import copy; return copy.copy(x)",
        "class A:\n    import copy\n    x = copy.copy(1)",
        "class A:\n    copy = 1\n    def f(self): return copy.copy(1)\nimport copy",
        "import copy\nx = [copy.copy(y) for y in z]",
        "import copy\nf'{copy.copy(x)}'",
        "import copy\n(copy.copy)(x)",
        "import copy\ncopy . copy (x)",
        "import copy\ncopy.copy(x)\ndef f(copy): pass",
        "import copy\ncopy.copy(x)\nlambda copy: 1",
        "import copy\n@copy.copy(x)\ndef f(copy): pass",
        "import copy\nimport copy\ncopy.copy(x)",
        "import copy\nif x:\n    import copy\ncopy.copy(x)",
        "import copy\nx.copy = 1\nf(copy=2)\ncopy.copy(x)",
        "import copy\nx = [copy for copy in y]\ncopy.copy(z)",
    ],
)
def test_a_call_of_a_library_is_found(program: str) -> None:
    assert written(program)


@pytest.mark.parametrize(
    "program",
    [
        "copy.copy(x)",
        "x.copy.copy(x)",
        "copy(x)",
        "import copy\ncopy.copy",
        "import copy\ncopy.nothing(x)",
        "import copy\ncopy(x)",
        "import copy\ncopy.copy.copy(x)",
        "import copy\nf().copy(2)",
        "import copy\nx[0].copy(2)",
        "import mine as copy\ncopy.copy(x)",
        "from . import copy\ncopy.copy(x)",
        "from .copy import copy, deepcopy\ncopy(x)",
        "from mine import copy\ncopy.copy(x)",
        "from mine import *\nfrom copy import *\ncopy(x)",
        "from .mine import *\nfrom copy import *\ncopy(x)",
        "from copy import *\ndef copy(x): pass\ncopy(x)",
        "from copy import copy\ncopy(x)",
        "import copy\ncopy = 1\ncopy.copy(x)",
        "import copy\ncopy: int = 1\ncopy.copy(x)",
        "import copy\ncopy += 1\ncopy.copy(x)",
        "import copy\na, (copy, b) = 1\ncopy.copy(x)",
        "import copy\n[a, *copy] = 1\ncopy.copy(x)",
        "import copy\nfor copy in y: copy.copy(x)",
        "import copy\nfor a, copy in y: copy.copy(x)",
        "import copy\n[copy.copy(x) for copy in y]",
        "import copy\n[copy.copy(x) for a, copy in y]",
        "import copy\nwith a as copy: copy.copy(x)",
        "import copy\nwith a as (b, copy): copy.copy(x)",
        "import copy\ntry: pass\nexcept E as copy: copy.copy(x)",
        "import copy\nif (copy := 1): copy.copy(x)",
        "import copy\n[(copy := y) for y in z]\ncopy.copy(x)",
        "import copy\ndef copy(): pass\ncopy.copy(x)",
        "import copy\nclass copy: pass\ncopy.copy(x)",
        "import copy\ndef f(copy): copy.copy(x)",
        "import copy\ndef f(*copy): copy.copy(x)",
        "import copy\ndef f(**copy): copy.copy(x)",
        "import copy\ndef f(copy):\n    def g(): copy.copy(x)",
        "import copy\nlambda copy: copy.copy(x)",
        "import copy\ndef f():\n    copy.copy(x)\n    copy = 1",
        "import copy\ndef f():\n    global copy\n    copy = 1\ncopy.copy(x)",
        "import copy\ndel copy\ncopy.copy(x)",
        "import copy\nmatch x:\n    case copy: copy.copy(x)",
        "import copy\nmatch x:\n    case [*copy]: copy.copy(x)",
        "import copy\nmatch x:\n    case {**copy}: copy.copy(x)",
        "import copy\nimport json as copy\ncopy.copy(x)",
        "try: import copy\nexcept ImportError: copy = None\ncopy.copy(x)",
        "def f():\n    import copy\ncopy.copy(x)",
        "class A:\n    import copy\n    def f(self): copy.copy(x)",
        "print(x)",
        "''.join(x)",
    ],
)
def test_what_may_be_something_else_is_left_alone(program: str) -> None:
    assert not written(program)


# --- what is written ---


@pytest.mark.parametrize(
    ("program", "has", "lacks"),
    [
        ("import json, pickle\njson.dumps(x)", {"dump", "pickle.dumps"}, {"dumps", "pickle.Pickler"}),
        ("import json\njson.dumps(x)\nimport pickle", {"dump"}, {"pickle.dumps"}),
        ("import json\ndef f(): json.dumps(x)\nimport pickle", {"dump", "pickle.dumps"}, set()),
        ("import json\ntry: import pickle\nexcept E: pass\njson.dumps(x)", {"dump"}, {"pickle.dumps"}),
        ("import json\nif x: import pickle\njson.dumps(x)", {"dump"}, {"pickle.dumps"}),
        ("import json, pickle\ndef f(pickle): json.dumps(x)", {"dump"}, {"pickle.dumps"}),
        ("import json\ndef g(): import pickle\njson.dumps(x)", {"dump"}, {"pickle.dumps"}),
        ("import json\nimport pickle as p\njson.dumps(x)", {"p.dumps"}, {"pickle.dumps"}),
        ("import json\nfrom pickle import dumps\njson.dumps(x)", {"dump"}, {"dumps", "pickle.dumps"}),
        ("from json import dumps\nfrom pickle import dumps as d\ndumps(x)", {"d"}, {"dumps", "dump"}),
        ("from json import *\ndumps(x)", {"dump", "loads"}, {"dumps"}),
        ("from json import *\nload = 1\ndumps(x)", {"dump", "loads"}, {"load"}),
        ("from json import *\nfrom pickle import *\ndumps(x)", {"dump", "load"}, {"dumps"}),
        ("import os\nos.path.exists(x)", {"isfile"}, {"exists"}),
    ],
)
def test_what_is_written_is_reachable_there(program: str, has: set[str], lacks: set[str]) -> None:
    found = set(written(program, alternatives=500))
    assert has <= found
    assert not lacks & found


def test_the_spelling_around_the_name_stays() -> None:
    assert texts("import copy as c\n( c . copy )( x )", alternatives=1) == ["import copy as c\n( c . deepcopy )( x )"]


def test_the_same_function_under_another_name_is_no_substitute() -> None:
    found = written("import numpy as np\nnp.absolute(x)", alternatives=2000)
    assert "abs" not in found
    definitions = [opened()[site.tags[0]].definition for site in astmut.sites(
        "import numpy as np\nnp.sqrt(x)", rules=[RULE], options={RULE: {"alternatives": 2000}})]  # fmt: skip
    assert len(set(definitions)) == len(definitions)


@pytest.mark.parametrize("program", ["import numpy as np\nnp.sqrt(x)", "import os, json\njson.dumps(x)"])
def test_the_order_is_that_of_the_index(program: str) -> None:
    sites = astmut.sites(program, rules=[RULE])
    assert len(sites) == 10
    full = "numpy.sqrt" if "np" in program else "json.dumps"
    ranked = [one.signature.qualified_name for one in opened().nearest(full, len(opened()))]
    places = [ranked.index(site.tags[0]) for site in sites]
    assert places == sorted(places)


def test_what_is_written_runs() -> None:
    """Every name that a mutant calls is there when it is called, for modules of the standard library."""
    program = """
import bisect, copy, glob, heapq as h, json, math, operator, os, random, re, shutil, statistics, textwrap
from os import path as p
from itertools import tee
from functools import reduce, partial
[bisect.bisect(a, b), copy.copy(a), glob.glob(a), h.heappop(a), json.dumps(a), math.sqrt(a), operator.add(a, b)]
[os.listdir(a), os.path.join(a), p.exists(a), random.randint(a, b), re.sub(a, b, c), shutil.copy(a, b)]
[statistics.mean(a), textwrap.dedent(a), tee(a), reduce(a, b)]
"""
    names: dict[str, object] = {}
    exec(program.split("[bisect", maxsplit=1)[0], names)  # noqa: S102 - the imports above
    found = 0
    for mutant in astmut.mutate(program, rules=[RULE], options={RULE: {"alternatives": 60}}):
        site = mutant.sites[0]
        tree = ast.parse(mutant.text)
        for call in ast.walk(tree):
            if isinstance(call, ast.Call):
                assert callable(eval(ast.unparse(call.func), names))  # noqa: S307 - a dotted name
        module, _, last = site.tags[0].rpartition(".")
        assert callable(getattr(importlib.import_module(module), last))
        found += 1
    assert found > 400


# --- paper ---


@pytest.mark.parametrize(
    ("program", "first"),
    [
        ("np.sqrt(x)", "square"),
        ("import numpy as np\nnp.sqrt(x)", "square"),
        ("from math import sqrt\nsqrt(x)", "cos"),
        ("pd.read_csv(x)", "read_table"),
        ("plt.plot(x)", "polar"),
        ("os.listdir(x)", ""),
        ("df.join(os.path.join(a, b))", ""),
        ("F.relu(x)", ""),
    ],
)
def test_the_papers_way_takes_any_function_and_knows_common_names(program: str, first: str) -> None:
    found = written(program, library="paper")
    assert len(found) == 10
    assert len(set(found)) == 10
    assert all(name.isidentifier() for name in found)
    assert not first or found[0] == first


@pytest.mark.parametrize(
    "program",
    [
        "sqrt(x)",
        "df.join(x)",
        "np.nothing(x)",
        "numpy.sqrt",
        "def f(np): np.sqrt(x)",
        "np = 1\nnp.sqrt(x)",
        "for np in y: np.sqrt(x)",
        "import mine as np\nnp.sqrt(x)",
        "x.np.sqrt(x)",
        "string.split(x)",
    ],
)
def test_the_papers_way_leaves_other_names_alone(program: str) -> None:
    assert not written(program, library="paper")


def test_every_common_name_stands_for_something_in_the_index() -> None:
    modules = opened().modules
    for name in substitutes.CONVENTIONS:
        full = substitutes.ALIASES.get(name, name)
        assert any(module == full or module.startswith(f"{full}.") for module in modules), name


def test_the_papers_way_never_repeats_the_name() -> None:
    for program in ("json.load(x)", "pickle.dumps(x)", "os.path.join(a)", "np.abs(x)"):
        last = program.split("(")[0].rpartition(".")[2]
        assert last not in written(program, library="paper", alternatives=300)


def test_a_name_that_python_mangles_is_not_written_where_there_are_classes() -> None:
    program = "import json\nimport pickle as __p\n"
    assert "__p.dumps" in written(f"{program}json.dumps(x)", alternatives=40)
    assert "__p.dumps" not in written(f"{program}class A:\n    def f(self): json.dumps(x)", alternatives=40)


def test_names_are_compared_as_python_does() -> None:
    wide = "".join(chr(ord(each) + 0xFEE0) for each in "pickle")
    assert "pickle.dumps" in written("import json, pickle\njson.dumps(x)", alternatives=40)
    assert "pickle.dumps" not in written(f"import json, pickle\n{wide} = 1\njson.dumps(x)", alternatives=40)
    assert "pickle.dumps" in written(f"import json, {wide}\njson.dumps(x)", alternatives=40)
    assert texts(f"import copy\n{wide} = 1\ncopy.copy(x)") != []
    assert "deepcopy" in written("from copy import *\ncopy(x)")
    assert "deepcopy" not in written("from copy import *\ndeepcop\uff59 = 1\ncopy(x)")


# --- options ---


def test_k_alternatives() -> None:
    program = "import numpy as np\nnp.sqrt(x)"
    all_of_them = written(program, alternatives=40)
    assert len(all_of_them) == 40
    for k in (1, 2, 10):
        assert written(program, alternatives=k) == all_of_them[:k]


def test_options_are_checked() -> None:
    with pytest.raises(astmut.UnknownOptionError, match="did you mean 'library'"):
        astmut.sites("", options={RULE: {"librar": "paper"}})
    with pytest.raises(astmut.UnknownRuleError, match="did you mean 'substitute-library-function'"):
        astmut.sites("", options={"substitute-library": {}})
    with pytest.raises(ValueError, match="no library 'papr'; there are: in-scope, paper"):
        astmut.sites("f(x)", rules=[RULE], options={RULE: {"library": "papr"}})
    for none in (0, -1):
        with pytest.raises(ValueError, match=f"alternatives={none} asks for none: give 1 or more"):
            astmut.sites("f(x)", rules=[RULE], options={RULE: {"alternatives": none}})
    assert astmut.sites("", rules=["flip-booleans"], options={RULE: {"library": "paper"}}) == []


def test_a_rule_with_the_same_options_is_the_same() -> None:
    rule = astmut.RULES[RULE]
    assert rule.options == {"library": "in-scope", "alternatives": 10, "index": None}
    one = rule.with_options(library="paper", alternatives=3)
    assert one is rule.with_options(alternatives=3, library="paper")
    assert rule.with_options() is rule
    assert (one.name, one.doc, one.examples) == (rule.name, rule.doc, rule.examples)
    assert one.options["alternatives"] == 3
    assert astmut.RULES["flip-booleans"].options == {}


def test_one_source_may_be_asked_with_different_options() -> None:
    source = astmut.Source("import json\njson.dumps(x)")
    few = astmut.sites(source, rules=[RULE], options={RULE: {"alternatives": 2}})
    many = astmut.sites(source, rules=[RULE])
    assert [site.edits for site in few] == [site.edits for site in many[:2]]
    paper = astmut.sites(source, rules=[RULE], options={RULE: {"library": "paper"}})
    assert {site.edits[0].text for site in paper} != {site.edits[0].text for site in many}


def own(path: Path) -> str:
    x = (Parameter("x", "positional"),)
    made = [Signature(f"shop.{name}", x, "int", f"shop.{name}", (), "shop") for name in ("buy", "pay", "sell")]
    path.write_bytes(packed(made, {"shop": "1"}, {})[1])
    return str(path)


def test_an_index_of_ones_own(tmp_path: Path) -> None:
    file = own(tmp_path / "shop.jsonl.gz")
    assert written("import shop\nshop.buy(1)", index=file) == ["pay", "sell"]
    assert written("import json\njson.dumps(1)", index=file) == []
    (tmp_path / "broken").write_bytes(b"?")
    with pytest.raises(IndexFileError):
        written("import shop\nshop.buy(1)", index=str(tmp_path / "broken"))


# --- real code ---


def test_real_modules_keep_their_imports_straight() -> None:
    """On modules of the standard library: a substitute's first name is bound by an import of the file."""
    calls = 0
    for name in ("argparse", "pydoc", "tarfile", "zipfile", "unittest.mock", "shutil", "inspect", "tempfile"):
        module = importlib.import_module(name)
        assert module.__file__ is not None
        text = Path(module.__file__).read_text("utf-8")
        source = astmut.Source(text)
        names = imports(source).names
        for site in astmut.sites(source, rules=[RULE]):
            edit = site.edits[0]
            before = source.text.cut(site.span.start, edit.span.start)
            root = f"{before}{edit.text}".strip("(").split(".")[0].strip()
            assert root in names
            calls += site.choice == 0
    assert calls > 50


def test_all_sites_together_use_the_nearest() -> None:
    program = "import copy, math\nmath.sin(math.cos(copy.copy(x)))\n"
    (text,) = [m.text for m in astmut.mutate(program, rules=[RULE], mode="together")]
    first = {site.span: site.edits[0].text for site in astmut.sites(program, rules=[RULE]) if site.choice == 0}
    assert len(first) == 3
    tree = ast.parse(text)
    assert "copy.deepcopy" in ast.unparse(tree)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters came with Python 3.12")
def test_names_of_types() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not written("import copy\ntype copy = int\ncopy.copy(x)")


def test_a_function_hides_the_module_of_its_name() -> None:
    imported = "import math\nfrom torch.nn import parallel\nfrom torch.nn.parallel import parallel_apply\n"
    found = written(f"{imported}math.sin(x)\n", alternatives=9_999)
    assert "parallel.parallel_apply" in found
    assert not [text for text in found if text.startswith("parallel_apply.")]
