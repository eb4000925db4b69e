"""A text is not parsed where its tokens rule out a site: never wrongly, and with the same errors and counts."""

from __future__ import annotations

import ast
import json
import re
import sysconfig
from bisect import bisect_left
from pathlib import Path

import libcst as cst
import pytest
from click.testing import CliRunner

import astmut
from astmut.cli import commands
from astmut.rulebook import choose, may_apply
from astmut.tokens import TOKENS, bare, tokens_of

LIBRARY = Path(sysconfig.get_path("stdlib"))
NAMES = sorted(astmut.RULES)
# Where a number runs into a keyword, and where little stands between two tokens.
ODD = """\
x = 0xfor 1
x = 1or 2
x = 1jand 2
x = 1if 2else 3
x = 1in(2,)
x = 1is 2
x = 5 if not(a)else.5
x = [a for a in(1)if 2]
x = [a for a in 1if a]
x = a[.5:]
x = a@b;y@=z
x = a**b;y**=z;y//=z;y>>=z;y|=z
x = not-1
x = ()
x = a or\\
b
x = "a"if"b"else'c'
(lambda:0)()
x: int = 1
x = True;del x
def f(): return(yield)
class A(b):pass
while(1):break
try:pass
except:pass
with(a):pass
for a in(b):continue
assert(a);raise(a)
async def f(): await(a)
match(a):
    case 1:pass
x={};x={1};x={a for a in b};x={a:b for a in b};x=[];x=[a];x=a.b;x=f"{a}";x="a" "b"
"""


def files() -> list[Path]:
    found = sorted(LIBRARY.glob("*.py")) + sorted(LIBRARY.glob("test/test_[a-g]*.py"))
    return [path for path in found[::29] if path.stat().st_size < 60_000]


def missed(source: astmut.Source) -> list[str]:
    """The nodes of types in the table whose own text no match of their expression touches."""
    text, wrong = source.text.bytewise, []
    for kind, expression in TOKENS.items():
        matches = [match.span() for match in re.finditer(expression, text)]
        ends = [end for _, end in matches]
        for number in source.of_types([kind]):
            node = source.nodes[number]  # () has its tokens outside of its span
            start, end = source.outer(node) if isinstance(node, cst.BaseExpression) else source.span(node)
            at = bisect_left(ends, start + 1)
            if at == len(ends) or matches[at][0] >= end:
                wrong.append(f"{kind.__name__}: {text[start:end]!r}")
    return wrong


def test_every_node_has_a_token_of_its_type() -> None:
    seen: set[type[cst.CSTNode]] = set()
    for text in [ODD.encode(), *(path.read_bytes() for path in files())]:
        try:
            source = astmut.Source(text)
        except astmut.ParseError:  # a file that is broken on purpose
            continue
        assert not missed(source)
        seen.update(source.by_type)
    assert not TOKENS.keys() - seen


@pytest.mark.parametrize("line", [line for line in ODD.splitlines() if line.startswith("x = ") and line[-1] != "\\"])
def test_no_rule_misses_a_site_of_an_odd_line(line: str) -> None:
    source = astmut.Source(line)
    with_sites = {site.rule for site in astmut.sites(source)}
    assert with_sites <= {name for name in NAMES if may_apply(choose(name), line)}


@pytest.mark.parametrize("name", NAMES)
def test_examples_with_a_site_have_the_tokens(name: str) -> None:
    for example in astmut.RULES[name].examples:
        assert not example.after or may_apply(choose(name), example.before)


def no_parse(*_: object, **__: object) -> None:
    raise AssertionError("libcst was asked")


@pytest.mark.parametrize("mode", ["each", "together", "sample"])
def test_libcst_is_not_asked_where_no_rule_can_apply(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cst, "parse_module", no_parse)
    stats = astmut.Stats()
    rules = ["flip-boolean-operators", "set-to-list", "divide-by-zero"]
    assert not list(astmut.mutate("x = f(a, b) + 1", rules=rules, mode=mode, stats=stats))  # type: ignore[arg-type]
    assert not astmut.sites(b"x = f(a, b) + 1", rules=rules)
    assert not stats.sites
    with pytest.raises(AssertionError, match="libcst was asked"):
        astmut.sites("x = a / b", rules=rules)
    with pytest.raises(astmut.ParseError):
        astmut.sites("x = = 1", rules=rules)
    with pytest.raises(astmut.ParseError):
        astmut.sites(b"x = '\xff'", rules=rules)


def test_a_function_or_lines_are_looked_for_all_the_same() -> None:
    with pytest.raises(astmut.UnknownFunctionError):
        astmut.sites("x = 1", rules="set-to-list", function="f")
    with pytest.raises(TypeError, match="pairs"):
        astmut.sites("x = 1", rules="set-to-list", lines=[1])  # type: ignore[list-item]


def test_the_command_line_does_not_ask_it_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cst, "parse_module", no_parse)
    (tmp_path / "a.py").write_text("x = f(a, b)\n")
    (tmp_path / "b.py").write_text("x = (\n")
    run = CliRunner().invoke(commands, ["mutate", str(tmp_path), "--rule", "set-to-list", "--stats"])
    assert "b.py:1: not Python" in run.stderr
    assert "a.py" not in run.stderr
    run = CliRunner().invoke(commands, ["sites", str(tmp_path / "a.py"), "--rule", "set-to-list"])
    assert (run.exit_code, run.stdout) == (1, "")  # nothing found, as ever


def test_a_text_that_only_libcst_refuses_is_one_error_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: str) -> None:
        raise cst.ParserSyntaxError("no", lines=["x"], raw_line=1, raw_column=0)

    monkeypatch.setattr(cst, "parse_module", refused)
    path = tmp_path / "a.py"
    path.write_text("x = a / b\n")
    for command in ("sites", "mutate"):
        run = CliRunner().invoke(commands, [command, str(path), "--rule", "divide-by-zero"])
        assert "a.py:1: libcst cannot parse it: no" in run.stderr
        assert run.exit_code == 2


def test_a_rule_of_ones_own_may_say_what_it_needs() -> None:
    assert tokens_of([cst.If, cst.IfExp]) is not None
    assert tokens_of([cst.If, cst.Name]) is None

    def shout(node: cst.Name, _source: astmut.Source) -> astmut.Rewrites:
        if node.value == "print":
            yield {node: "PRINT"}

    try:
        astmut.rule("test-shout", "test", tokens="print")(shout)
        rule = astmut.RULES["test-shout"]
        assert may_apply((rule,), "print(1)")
        assert not may_apply((rule,), "f(1)")
        assert json.dumps([m.text for m in astmut.mutate("print(1)", rules=[rule])]) == '["PRINT(1)"]'
    finally:
        astmut.RULES.pop("test-shout", None)
    with pytest.raises(re.error):
        astmut.rule("test-broken", "test", tokens="(")(shout)


# Where quotes and loops deceive.
DECEIVING = r"""
x = f'{a["b"] + 1}' "c"
x = rb'\'if a else"\"b'
x = 'a\\'# 1'  # and 'or
x = '''a'b''' or "'"
x = a if"f"else b < 1
x = [a for b in c if'in'in d]
x = [1for a in b for c in d if e in f]
for a[[b for b in c]] in d: pass
x = f'{a!r:>{b}}' in c
x = 'for' # in
x = "'" + '"' if a else '\''
""".strip().splitlines()


def statements() -> list[str]:
    """Statements of one line of the standard library, each as it stands there, and the deceiving lines."""
    found = list(DECEIVING)
    for path in files()[::3]:
        text = path.read_text("utf-8")
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]
        parts = (ast.get_source_segment(text, node) for node in nodes[:150] if node.end_lineno == node.lineno)
        found += filter(None, parts)
    return found


def test_no_rule_misses_a_site_of_a_short_statement() -> None:
    spared = 0
    for text in statements():
        try:
            source = astmut.Source(text)
        except astmut.ParseError:  # half a string of one that was put together
            continue
        with_sites = {site.rule for site in astmut.sites(source)}
        may = {name for name in NAMES if may_apply(choose(name), text)}
        assert with_sites <= may, text
        spared += len(NAMES) - len(may)
    assert spared > 1_000


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("x = 'a' + rb\"b\"  # c", 'x = "" + rb""  '),
        ("for a in b: c in d", "for a  b: c in d"),
        ("""x = 'a\\'' + "'" or '''it's'''""", 'x = "" + "" or ""'),
        ("x = f'{a}' + 'b'", "x = f'{a}' + 'b'"),
        ("x = 'if' if'f'else 'b'", 'x = "" if""else ""'),
    ],
)
def test_what_strings_and_comments_hold_is_no_token(text: str, left: str) -> None:
    assert bare(text) == left
