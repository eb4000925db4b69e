"""One tree in many spellings: no mutant is the source, or another mutant, written in another way.

Whole texts are compared by `ast.dump`, without the engine's word on them.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import libcst as cst
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import astmut
from astmut.words import sequence_of, words


def tree(text: str) -> str:
    """The whole text's tree, where Python compiles it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(text, "<whole>", "exec", dont_inherit=True, optimize=0)
        return ast.dump(ast.parse(text))


def hold(text: str) -> None:
    """Compare the trees of all mutants of a text with each other and with its own."""
    original = tree(text)
    for mode in ("each", "together"):
        seen = {original: text}
        for mutant in astmut.mutate(text, mode=mode):
            got = tree(mutant.text)
            assert got not in seen, f"{mode}, {mutant.rule}: {mutant.text!r} is {seen[got]!r}"
            seen[got] = mutant.text


LONG = ", ".join(f"number_{n}_of_many" for n in range(30))
TEXTS = [
    "f(1.e5, 1.E5)\n",
    "f(1.j, 1.J)\n",
    "f(1.e5, 1.e05)\n",
    "f(.5, 0.5)\nf(0B1, 1)\nf(1e1_0, 1e10)\nf(0xAB, 0Xab)\nf(00, 0)\n",
    "f('a\\\nbc', 'ab\\\nc')\n",
    "f('''a\\'''', 'p' 'q', 'pq')\n",
    'f("""\\"""", "p" "q", "pq")\n',
    "f(F'{a}' 'b', f'{a}b')\n",
    "f(\ufb01, fi)\nf(x.\ufb01, x.fi)\n",
    # An `elif` is an `if` in an `else`.
    "if a:\n    x\nelif b:\n    if b:\n        y\n",
    "if a:\n    x\nelse:\n    if b:\n        if b:\n            y\n",
    "def f():\n    if a:\n        x\n    elif b:\n        if b:\n            y\n    z\n",
    "def f():\n    if a:\n        x\n    elif f'{b[1]}':\n        if F'{b[1]}':\n            y\n        else: 0x1F\n    31\n",
    "if 0o17:\n    if 15:\n        y\n",
    "def f():\n    if 1.e5:\n        if 1.e5:\n            if 1.e5:\n                1.e5\n    return 1.e5\n",
    "def f():\n    if b'a':\n        if b'a':\n            if b'a':\n                b'a'\n    return b'a'\n",
    "def f():\n    if 1e-5:\n        if 1e-5:\n            if .1:\n                if .1: 1e-5\n    return 1.\n",
    "if x in'b ' or y == 'c d':\n    if x in 'b ' or y == 'c d':\n        y\n",
    # The line that a node stands on decides on byte code, not on the tree.
    "if not (\nnot 1): x\n",
    "while not (\nnot 1): x\n",
    "def f():\n    if not (\n    not 1): return 2\n    return 3\n",
    "if ~(\n~1): x\n",
    "y = (a if not (\n not 1) else b)\n",
    "assert not (\nnot 1)\n",
    "y = x(x)(\nx)\n",
    f"f({LONG}, not (\nnot 1))\n",
    f"f({LONG}, [lambda: 1, g(lambda: 1, (lambda:\n1))])\n",
    # Folding leaves a constant that is not equal to itself.
    "g(a+b, a + b, 1e999-1e999)\n",
    "g(a+b, a + b, (1e999-1e999, 1))\n",
    "g(a+b, a + b, x in {1e999-1e999, 1})\n",
]
if sys.version_info >= (3, 12):
    TEXTS += [
        "def f():\n    if a:\n        x\n    elif f'{b['c']}':\n        if f\"{b['c']}\":\n            y\n    z\n",
        "def f():\n    if f'{b['c']}':\n        if f'{b[\"c\"]}':\n            y\n    z\n",
    ]


@pytest.mark.parametrize("text", TEXTS)
def test_no_mutant_is_another_spelling(text: str) -> None:
    hold(text)


def reversed_call(node: cst.Call, source: astmut.Source) -> Iterator[Any]:
    if len(node.args) == 2:
        one, other = (source.code(arg.value) for arg in node.args)
        yield {node: f"{source.code(node.func)}({other}, {one})"}


@pytest.mark.parametrize(
    "frame", ["x = g({0}, [{1}])\n", "def f():\n    x = g({0}, [{1}])\n", "x = g({1}, f(a, {0}))\n"]
)
def test_equal_changes_meet_though_one_is_judged_by_an_element(frame: str) -> None:
    rules = [astmut.Rule(name, (), (cst.Call,), reversed_call) for name in ("a", "z")]
    text = frame.format(LONG, "f(a, b)")
    source = astmut.Source(text)
    one, *_ = astmut.mutate(source, rules=[rules[0]])
    assert [m.rule for m in astmut.mutate(source, rules=[*rules, "swap-arguments"]) if m.text == one.text] == ["a"]
    trees = [tree(mutant.text) for mutant in astmut.mutate(source, rules=[*rules, "swap-arguments"])]
    assert len(trees) == len(set(trees))


SPELLINGS = [
    ("1.e5", "1.E5", "1e5", "1.0e05", "10_0000.", "100000.0", "(1e5)"),
    ("1.j", "1.J", "1j", "1e0j", "0x1 * 1j"),
    ("15", "0xf", "0XF", "0o17", "0b1111", "1_5", "(15)", "(\n15)"),
    ("0", "00", "0_0", "0x0", "-0"),
    (".5", "0.5", "5e-1", "0_0.5", "00.5"),
    ("'ab'", '"ab"', "r'ab'", "'a' 'b'", "'''ab'''", "'a\\\nb'", "'\\x61b'", "('a'\n'b')", "'ab' ''", 'R"a" "b"'),
    ("'\\''", '"\'"', "'''\\''''", "'\\x27'", "'' '\\'' r''"),
    ("b'ab'", 'B"ab"', "rb'ab'", "bR'''ab'''", "b'a' b'b'"),
    ("f'{a}b'", "F'{a}b'", "f'{a}' 'b'", "f'{ a }b'", "rf'''{a}b'''", "f'{(a)}b'", "f'{a}' f'b'"),
    ("f'{a[\"b\"]}'", "f'''{a['b']}'''", "f'{a[\"b\"]}' ''", "fr\"{a['b']}\""),
    ("a", "(a)", "((a))", "( a )", "(\na)"),
    ("(a, b)", "(a, b,)", "(a,\nb)", "((a), b)"),
    ("[a]", "[a,]", "[ (a) ]", "[a\n]"),
    ("not a", "not(a)", "not (\na)", "(not a)"),
    ("not not a", "not (\nnot a)", "not(not(a))", "not \\\n not a"),
    ("a not in b", "a  not  in  b", "(a)not in(b)", "(a not\nin b)"),
    ("a is not b", "a is   not b", "(a is\nnot b)"),
    ("a or b and c", "a or (b and c)", "(a) or(b and(c))", "(a\nor b and c)"),
    ("x(x)(x)", "x(x)(\nx)", "(x(x))(x)", "x(x,)(x)"),
    ("a + b", "a+b", "(a)+(b)", "(a\n+ b)", "a \\\n+ b"),
    ("fi", "\ufb01", "(fi)", "\ufb01 "),
    ("1e999-1e999", "1e999 - 1e999"),
    ("a if b else c", "(a)if b else(c)", "(a if\nb else c)"),
    ("lambda: 1", "(lambda: 1)", "(lambda:\n1)"),
]
if sys.version_info >= (3, 12):
    SPELLINGS.append(("f'{a['b']}'", 'f"{a["b"]}"', "f'{a[\"b\"]}'", "f'{a[\n'b']}'", "f'{a['b']}' f''"))
FRAMES = [
    "f({0}, {1}, {2})\n",
    "f({0}, g({1}, [{2}]), {0})\n",
    f"f({LONG}, {{0}}, [{{1}}, g({{2}}, {{3}})])\n",
    "if {0}:\n    if {1}:\n        y\n",
    "if {0}:\n    x\nelif {1}:\n    if {2}:\n        {3}\n",
    "if {0}:\n    x\nelse:\n    if {1}:\n        if {2}:\n            y\n",
    "def f():\n    if {0}:\n        x\n    elif {1}:\n        if {2}: {3}\n        else: {3}\n    else:\n        {2}\n    z\n",
    "def f():\n    if {0}:\n        if {1}:\n            if {2}:\n                {3}\n    return {0}\n",
    "def f():\n    while 1:\n        if {0}: {1}; {2}\n        else:\n            if {1}:\n                {2}\n                {3}\n",
    "while not ({0}):\n    y = not (\n {1}) or {2}\nelse:\n    {3}\n",
    "def f(a):\n    y = {{{0}: [{1}], 's': {{{2}}}}}; z = {3}\n    return {0} and {1}\n",
    "class A:\n    def f(self, b={0}):\n        if {1}:\n            return {2}\n        return {3}\n    x = [{0}, {1}]\n",
    "y = {0} if {1} else {2}\nassert {0}, {1}\nz = [{2} for x in {3} if {0}]\n",
]


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Draw a program with one value in several spellings."""
    frame = draw(st.sampled_from(FRAMES))
    spellings = draw(st.sampled_from(SPELLINGS))
    values = [draw(st.one_of(st.sampled_from(spellings), st.sampled_from((*spellings, "q")))) for _ in range(4)]
    text = frame.format(*values)
    try:
        tree(text)
    except SyntaxError:  # `x if a if b else c` needs brackets
        reject()
    return text


@settings(max_examples=150, deadline=None, derandomize=True)
@given(programs())
def test_no_mutant_is_another_spelling_of_any_program(text: str) -> None:
    hold(text)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(programs())
def test_no_mutant_is_another_spelling_of_very_many_programs(text: str) -> None:
    hold(text)


@pytest.mark.parametrize("spellings", SPELLINGS, ids=lambda spellings: spellings[0])
def test_programs_of_one_tree_have_the_same_words(spellings: tuple[str, ...]) -> None:
    trees = {tree(f"({one})"): [word for _, word in words(one) or ()] for one in spellings}
    for one in spellings:
        assert [word for _, word in words(one) or ()] == trees[tree(f"({one})")]


@pytest.mark.parametrize("prefix", ["f", "F", "fr", "fR", "rf", "Rf", "rF", "RF"])
def test_a_text_with_an_f_string_of_any_prefix_is_a_sequence(prefix: str) -> None:
    """Without one, changes of a large file are compared as trees of all of it."""
    one, other = (sequence_of(f'{name} = {prefix}"b {{c}}"\n') for name in "ad")
    assert one is not None
    assert other is not None
    assert one.hash != other.hash
