"""Every example of every rule's docstring, and what each rule makes of nested sites when all change together."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import libcst as cst
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

import astmut
from astmut.rulebook import NAME

RULES = [astmut.RULES[name] for name in sorted(astmut.RULES)]
NAMES = [rule.name for rule in RULES]
SINCE = re.compile(r"#\s*3\.(\d+)\b")  # an example may say which Python it needs


def is_too_new(text: str) -> bool:
    """Whether an example is for a newer Python than the running one: it does not parse here, and says so."""
    since = SINCE.search(text)
    if since is not None:
        return sys.version_info < (3, int(since[1]))
    return False


def examples() -> Iterator[tuple[str, astmut.Example]]:
    for rule in RULES:
        for example in rule.examples:
            yield rule.name, example


def texts(text: str, name: str, mode: str = "each") -> list[str]:
    return [mutant.text for mutant in astmut.mutate(text, rules=[name], mode=mode)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "example"), list(examples()), ids=lambda value: str(getattr(value, "before", value))[:50]
)
def test_examples_of_docstrings_are_true(name: str, example: astmut.Example) -> None:
    if is_too_new(example.before):
        pytest.skip("for a newer Python")
    assert texts(example.before, name) == list(example.after)
    if not example.after:  # the rule leaves it alone, not the check: at the top, `await f()` is no Python
        assert astmut.sites(example.before, rules=[name]) == []


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_rules_say_what_they_do_and_what_they_leave(rule: astmut.Rule) -> None:
    assert re.fullmatch(r"[A-Z][^\n]+[^.\s]", rule.summary)
    assert "=>" not in rule.summary
    assert "=>" not in rule.prose
    assert any(example.after for example in rule.examples)
    assert any(not example.after for example in rule.examples), "no example of not applying"
    assert all(example.before.strip() for example in rule.examples)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_rules_have_groups_and_a_file_of_their_name(rule: astmut.Rule) -> None:
    assert rule.groups
    assert all(NAME.fullmatch(group) for group in rule.groups)
    function = rule.rewrites
    assert function.__name__ == rule.name.replace("-", "_")
    if function.__module__.startswith("astmut."):
        assert function.__module__ == f"astmut.rules.{function.__name__}"


def test_the_papers_groups_are_complete() -> None:
    members = {group: {rule.name for rule in RULES if group in rule.groups} for group in ("sync", "disco", "natural")}
    rule_4 = {"number-to-string", "string-to-int", "string-to-float"}
    shared = {*rule_4, "flip-comparators", "if-to-body"}
    # Library substitution (SYNC rule 1) is an issue of its own.
    assert members["sync"] - {"substitute-library-function"} == shared | {
        "list-to-set", "set-to-list", "flip-booleans", "flip-boolean-operators", "call-to-name",
    }  # fmt: skip
    assert members["disco"] == shared | {"swap-arguments", "if-to-else", "variable-misuse", "divide-by-zero"}
    left_out = rule_4 | {"call-to-name", "variable-misuse", "divide-by-zero"}
    assert members["natural"] == (members["sync"] | members["disco"]) - left_out


# --- together -------------------------------------------------------------------------------------

# rule: [(before, after)]; after is None where there is nothing to change. Worked out by hand: what rewriting the
# tree from the root downwards gives, with the author's formatting kept.
TOGETHER: dict[str, list[tuple[str, str | None]]] = {
    "list-to-set": [
        ("[[i for i in j] for j in k]", "{{i for i in j} for j in k}"),
        ("[a, f([b, c]), (d, [e])]", "{a, f({b, c}), (d, {e})}"),
        ("[[1], [2, 3]]", "[{1}, {2, 3}]"),
        ("[x for x in [1, 2] if x in [y for y in z]]", "{x for x in {1, 2} if x in {y for y in z}}"),
        ("a = []\nb = [*c]\n[d, e] = [f, g]\n", "a = []\nb = {*c}\n[d, e] = {f, g}\n"),
        ("x[[i for i in j][0]] = {k: [v] for k in [w]}", "x[{i for i in j}[0]] = {k: {v} for k in {w}}"),
        ('f"{[a]}{[b for b in [c]]}"', 'f"{ {a}}{ {b for b in {c}}}"'),
        ("[  # why\n    a,\n\n    [b for b in c],\n]", "[  # why\n    a,\n\n    {b for b in c},\n]"),
        ("[a for [b, c] in d]", "{a for [b, c] in d}"),
        ("{a}", None),
    ],
    "set-to-list": [
        ("{f(i) for i in {j for j in {1, 2}}}", "[f(i) for i in [j for j in [1, 2]]]"),
        ("{*{a}, (b, {c})}", "[*[a], (b, [c])]"),
        ("{a: {b}, **{c: {d for d in e}}}", "{a: [b], **{c: [d for d in e]}}"),
        ('f"{ {a} }"', 'f"{ [a] }"'),
        ("{}", None),
    ],
    "number-to-string": [
        ("x = 1 + -2 * (3.5 - 0xFF)", 'x = "1" + "-2" * ("3.5" - "0xFF")'),
        ("f(1)[2:-3, 4j](k=5)", 'f("1")["2":"-3", "4j"](k="5")'),
        ("x = - 1, -(2), --3", 'x = "-1", -("2"), -"-3"'),
        ("a = 1if 2else 3", 'a = "1"if "2"else "3"'),
        ("f(1, f'{2}')", "f(\"1\", f'{2}')"),
        ("x: A[1] = 2", 'x: A[1] = "2"'),
        ("a - 1", 'a - "1"'),
        ("a", None),
    ],
    "string-to-int": [
        ("f('a', g(\"bc\"), d['e']['fg'])", "f(1, g(2), d[1][2])"),
        ("x = 'a' 'b' + ('c'\n    'd')", "x = 2 + (2)"),
        ("', '.join('a'.split(''))", "(2).join((1).split(0))"),
        ("{'k': 'v', 'é': b'b', f'{x}': 'w'}", "{1: 1, 1: b'b', f'{x}': 1}"),
        ("def f(a='x'):\n    'doc'\n    return 'y'\n", "def f(a=1):\n    'doc'\n    return 1\n"),
        ("'a'\n'b'\n", "'a'\n1\n"),
        ("'''doc'''", None),
    ],
    "string-to-float": [
        ("f('a', g(\"bc\"))", "f(1.0, g(2.0))"),
        ("'a'.join(x) + 'b' % c", "(1.0).join(x) + 1.0 % c"),
        ("x = 'nan' if 'inf' else ''", "x = 3.0 if 3.0 else 0.0"),
        ("f'{x}'", None),
    ],
    "flip-booleans": [
        ("f(True, g(False), *[True], k=False)", "f(False, g(True), *[False], k=True)"),
        ("x = True is not False is None", "x = False is not True is None"),
        ("def f(a=True): return None if a is True else False", "def f(a=False): return None if a is False else True"),
        ("while True: x = not False", "while False: x = not True"),
        ("x = None", None),
    ],
    "flip-comparators": [
        ("a < b <= c > d >= e == f != g", "a >= b > c <= d < e != f == g"),
        ("a in b not in c is d is not e", "a not in b in c is not d is e"),
        ("(a == b) == (c < (d > e))", "(a != b) != (c >= (d <= e))"),
        ("[x for x in y if x in z if x > f(x < 1)]", "[x for x in y if x not in z if x <= f(x >= 1)]"),
        ("if a==b and not c<d: assert e is None", "if a!=b and not c>=d: assert e is not None"),
        ("for x in y: x <<= 1", None),
    ],
    "flip-boolean-operators": [
        ("a and b or c", "(a or b) and c"),
        ("a or b and c", "a and (b or c)"),
        ("a or b and c or not d", "a and (b or c) and not d"),
        ("a and b or c and d", "(a or b) and (c or d)"),
        ("a and (b or c) and d", "a or (b and c) or d"),
        ("(a and b) or (c and (d or e))", "(a or b) and (c or (d and e))"),
        ("a or b or c and d and e or f", "a and b and (c or d or e) and f"),
        ("a and not b or not (c or d)", "(a or not b) and not (c and d)"),
        ("(a or b) and (c or d)", "(a and b) or (c and d)"),
        ("a and b if c or d else e and f", "a or b if c and d else e or f"),
        ("f(a or b)[c and d] or (lambda: e and f)", "f(a and b)[c or d] and (lambda: e or f)"),
        ("x = a and(b)or(c)", "x = (a or(b))and(c)"),
        ("not a", None),
    ],
    "call-to-name": [
        ("f(g(x), h(y))", "f"),
        ("f(a)(b)(c)", "f"),
        ("a.b(c).d(e).f(g)", "a.b.d.f"),
        ("x = f(a) + g(b)[h(c)]", "x = f + g[h]"),
        ("f(a).b = [g(c) for c in h(d) if i(e).j]", "f.b = [g for c in h if i.j]"),
        ("(lambda: f(x))(g(y))", "(lambda: f)"),
        ("@d(1)\ndef f(a=g(b)): return h(a)\n", "@d(1)\ndef f(a=g): return h\n"),
        ("super().f(g(x))", "super().f"),
        ("f(\n    a,  # why\n    b)\n", "f\n"),
        ("a[b]", None),
    ],
    "if-to-body": [
        ("a if b else c", "a"),
        ("(a if b else c) if d else e", "(a)"),
        ("x = a if b else c if d else e", "x = a"),
        ("x = f(a if b else c) if d else e", "x = f(a)"),
        ("x = [a if b else c for d in e if (f if g else h)]", "x = [a for d in e if (f)]"),
        ("if a: b\nelif c: d\nelse: e\n", "b\n"),
        ("if a:\n    if b:\n        c\n    else:\n        d\n    e\nelse:\n    if f:\n        g\n", "c\ne\n"),
        ("if a:\n    b\nif c:\n    d\nelif e:\n    f\ng\n", "b\nd\ng\n"),
        ("while a:\n    if b:\n        if c:\n            if d: break\n    e\n", "while a:\n    break\n    e\n"),
        ("if a:\n    x = b if c else d\n    if e: f\n", "x = b\nf\n"),
        (
            "def f():\n\tif a:\n\t\tif b:\n\t\t\t'''s\n\t\t\t'''\n\n\t\t\t# c\n\t\t\treturn 1\n\treturn 2\n",
            "def f():\n\t'''s\n\t\t\t'''\n\n\t# c\n\treturn 1\n\treturn 2\n",
        ),
        ("[a for a in b if a]", None),
    ],
    "if-to-else": [
        ("a if b else c", "c"),
        ("a if b else (c if d else e)", "(e)"),
        ("x = f(a if b else c) if d else f(g if h else i)", "x = f(i)"),
        ("if a:\n    b\nelse:\n    if c:\n        d\n    else:\n        e\n        f\n", "e\nf\n"),
        ("if a: b\nelif c: d\nelif e: f\nelse: g\nh\n", "g\nh\n"),
        ("if a: b\nelse: x = c if d else e\n", "x = e\n"),
        ("if a: b\nif c: d\nelse: e\n", "if a: b\ne\n"),
        ("if a:\n    if b: c\n    else: d\n", "if a:\n    d\n"),
        ("if a: b\n", None),
    ],
    "swap-arguments": [
        ("f(a, b)", "f(b, a)"),
        ("f(g(a, b), h(c, d))", "f(h(d, c), g(b, a))"),
        ("f(a, b)(c, d)", "f(b, a)(d, c)"),
        ("f(g(h(a, b), c), d)", "f(d, g(c, h(b, a)))"),
        ("f(a, *b, c, k=g(d, e))", "f(c, *b, a, k=g(e, d))"),
        ("f(x for x in y)", None),
        ("f(a, a)", None),
        ("f(a, f'{(b := 1)}', c)", None),
        ("f(g(':='), [a for a in b if (c := a)], d)", None),
        ("f(g(':='), a)", "f(a, g(':='))"),
    ],
    "divide-by-zero": [
        ("a / b // c % d", "a / 0 // 0 % 0"),
        ("a / (b / c)", "a / 0"),
        ("(a / b) / f(c % d)", "(a / 0) / 0"),
        ("a /= b / c\nd %= e // 2 + 1\n", "a /= 0\nd %= 0\n"),
        ("f(a / b, c)[d // e]", "f(a / 0, c)[d // 0]"),
        ('"%d" % (a / b)', '"%d" % (a / 0)'),
        ('text % (a, b)\ntext %= {"k": a}\nx = ("a" * 2 + b) % c\np = q / f"{a}" / b / c\n', None),
        ("x = a / (b, c)\nd /= f('s') / len('s')\n", "x = a / 0\nd /= 0\n"),
        ("a / 0.0\na //= 0x0\na % -0j\n", "a / 0.0\na //= 0x0\na % 0\n"),
        ("a * b", None),
    ],
    "flip-unary": [
        ("-a + +b - -1", "+a + -b - +1"),
        ("- -a", "+ +a"),
        ("not not a", "a"),
        ("~-~a", "+a"),
        ("not (a and not b)", "(a and b)"),
        ("not -a in [~b, not c]", "+a in [b, c]"),
        ("x = -(not a)", "x = +(a)"),
        ("a - b", None),
    ],
    "call-to-none": [
        ("f(g(x)) + h(y)", "None + None"),
        ("a.b(c).d(e)", "None"),
        ("f(a)(b)", "None"),
        ("f(a).b[g(c)] = d", "None.b[None] = d"),
        ("@f(a)\ndef g(b=h(c)): return i()\n", "@f(a)\ndef g(b=None): return None\n"),
        ("print(f(x)if y(z)else 1)", "None"),
        ("f", None),
    ],
    "negate-value": [
        ("a = 1\nb = -2\nc = +3\n", "a = -1\nb = 2\nc = -3\n"),
        ("a = b = c + 1\n", "a = b = -(c + 1)\n"),
        ("a: int = b * (c - d)\n", "a: int = -(b * (c - d))\n"),
        ("a = 00\nb = +0.0\nc: int = 0x0\nd = -0e5J\ne = (0)\n", None),
        ("a = 0xE\nb = 0.5\n", "a = -0xE\nb = -0.5\n"),
        ("a = b\n", None),
    ],
}


def same(before: str, after: str) -> bool:
    return ast.dump(ast.parse(before)) == ast.dump(ast.parse(after))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [(name, *case) for name, cases in TOGETHER.items() for case in cases],
    ids=lambda value: str(value).replace("\n", ";")[:40],
)
def test_all_sites_together(name: str, before: str, after: str | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about `(1).split`, `1()`: the compiler's opinion of a mutant
        assert texts(before, name, "together") == ([] if after is None else [after])


def test_every_rule_with_one_outcome_has_a_table() -> None:
    # variable-misuse has its tests beside the scopes it needs.
    assert set(TOGETHER) >= {rule.name for rule in RULES if {"sync", "disco", "extra"} & {*rule.groups}} - {
        "substitute-library-function",
        "variable-misuse",
    }


@pytest.mark.parametrize(
    ("name", "before"), [(name, case[0]) for name, cases in TOGETHER.items() for case in cases], ids=lambda v: v[:40]
)
def test_one_site_together_is_that_site_alone(name: str, before: str) -> None:
    source = astmut.Source(before)
    first = [site for site in astmut.sites(source, rules=[name]) if site.choice == 0]
    if len(first) == 1:
        alone = [m.text for m in astmut.mutate(source, rules=[name]) if m.sites[0].choice == 0]
        together = texts(before, name, "together")
        assert len(alone) == len(together)
        assert all(same(a, b) for a, b in zip(alone, together, strict=True))


@given(
    st.sampled_from(["'", '"', "'''", '"""']),
    st.sampled_from(["", "r", "u", "R"]),
    st.lists(
        st.sampled_from(
            ["\\", "\\\\", "\\'", '\\"', "\\n", "\\x41", "\\0", "\\101", "\\N{BULLET}", "a", "é", "n", "\n"]
        )
    ),
)
def test_a_string_becomes_the_length_that_python_gives_it(quote: str, prefix: str, parts: list[str]) -> None:
    text = prefix + quote + "".join(parts) + quote
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            length = len(ast.literal_eval(text))
        except SyntaxError:
            reject()
    source = f"x = {text}\n"
    (site,) = astmut.sites(source, rules="string-to-int")
    assert site.edits[0].text == str(length)


@pytest.mark.parametrize("name", ["string-to-int", "string-to-float"])
def test_a_string_that_is_a_statement_is_trivial(name: str) -> None:
    text = "class A:\n    'What it is.'\n    a = 'a'\n    'What a is.'; 'b' 'c'\n    'd'.join('e')\n"
    found = [(site.origin.cut(*site.span), site.tags) for site in astmut.sites(text, rules=[name])]
    assert found == [
        ("'a'", ()),
        ("'What a is.'", ("trivial",)),
        ("'b' 'c'", ("trivial",)),
        ("'d'", ()),
        ("'e'", ()),
    ]


@pytest.mark.parametrize(
    ("text", "trivial"),
    [
        ("max(a, b)\n", True),
        ("def f(a, b): return [min(a, c, key=d) for c in b]\n", True),
        ("def f(max): pass\nmax(a, b)\n", True),
        ("def f(max): max(a, b)\n", False),
        ("from m import max\nmax(a, b)\n", False),
        ("from m import *\nmax(a, b)\n", False),
        ("max = f\ndef g(): return max(a, b)\n", False),
        ("[max(a, b) for max in c]\n", False),
        ("def f():\n    global max\n    max = g\nmax(a, b)\n", False),
        ("a.max(b, c)\n", False),
        ("pow(a, b)\n", False),
    ],
)
def test_swapping_what_has_no_order_is_trivial(text: str, trivial: bool) -> None:
    (mutant,) = astmut.mutate(text, rules=["swap-arguments"])
    assert mutant.tags == (("trivial",) if trivial else ())


@pytest.mark.parametrize(
    ("text", "trivial"),
    [
        ("raise E()\n", [True]),
        ("raise E(1)\n", [False]),
        ("raise E() from F()\n", [True, True]),
        ("raise E(f())\n", [False, False]),
        ("def f():\n    yield from E()\n    return F()\n", [False, False]),
    ],
)
def test_to_raise_a_class_is_to_call_it(text: str, trivial: list[bool]) -> None:
    assert [bool(site.tags) for site in astmut.sites(text, rules=["call-to-name"])] == trivial


@pytest.mark.parametrize(
    ("text", "tags"), [("f(x)\ng(y)\n", ("trivial",)), ("f(x)\na = g(y)\n", ()), ("a = f(x)\n", ())]
)
def test_all_changes_together_are_trivial_where_each_is(text: str, tags: tuple[str, ...]) -> None:
    (mutant,) = astmut.mutate(text, rules=["call-to-name"], mode="together")
    assert mutant.tags == tags


TRIVIAL = "f(x)\nmax(a, b)\ny = g(a, b)\n"


@pytest.mark.parametrize("mode", ["each", "together", "sample"])
def test_without_a_tag_no_site_has_it(mode: Any) -> None:
    rules = ["call-to-name", "swap-arguments"]
    stats = astmut.Stats()
    found = list(astmut.mutate(TRIVIAL, rules=rules, without="trivial", mode=mode, count=9, stats=stats))
    assert sorted((mutant.rule, mutant.text) for mutant in found) == [
        ("call-to-name", TRIVIAL.replace("g(a, b)", "g")),
        ("swap-arguments", TRIVIAL.replace("g(a, b)", "g(b, a)")),
    ]
    assert stats.sites == {"call-to-name": 1, "swap-arguments": 1}
    assert len(astmut.sites(TRIVIAL, rules=rules)) == 5
    assert len(astmut.sites(TRIVIAL, rules=rules, without=("none-of-this-name", "trivial"))) == 2


def odd(node: cst.Call, source: astmut.Source) -> astmut.Rewrites:
    """Write what is no Python for calls without arguments, what changes nothing for those of `same`."""
    if not node.args:
        yield {node: "1 1"}
    else:
        yield {node: "same(1)" if source.code(node.func) == "same" else "0"}


def test_together_does_without_the_sites_that_spoil_it() -> None:
    stats = astmut.Stats()
    rule = astmut.Rule("odd", (), (cst.Call,), odd)
    text = "f(1)\nf()\nsame(1)\ng()\nf(2)\n"
    (mutant,) = astmut.mutate(text, rules=[rule], mode="together", stats=stats)
    assert mutant.text == "0\nf()\nsame(1)\ng()\n0\n"
    assert stats.refused == {("odd", "invalid-syntax"): 2}
    assert stats.mutants == {"odd": 1}


DECORATED = """\
if a:
    @one  # why
    # how
    @two(1)
    {head}: pass
    b
else:
    @three
    {head}: pass
"""


@pytest.mark.parametrize("mode", ["each", "together"])
@pytest.mark.parametrize("head", ["def f()", "async def f()", "class A"])
def test_a_branch_keeps_the_decorators_of_its_first_statement(head: str, mode: str) -> None:
    text = DECORATED.format(head=head)
    assert texts(text, "if-to-body", mode) == [f"@one  # why\n# how\n@two(1)\n{head}: pass\nb\n"]
    assert texts(text, "if-to-else", mode) == [f"@three\n{head}: pass\n"]


def test_the_last_branch_of_a_ladder_keeps_its_decorators() -> None:
    text = "if a:\n    b\nelif c:\n    d\nelse:\n    @e\n    def f(): pass\n"
    assert texts(text, "if-to-else", "together") == ["@e\ndef f(): pass\n"]


def test_indentation_is_counted_anew_behind_a_form_feed() -> None:
    assert texts("\x0cif a:\n    b\n    c\n", "if-to-body") == ["\x0cb\nc\n"]
