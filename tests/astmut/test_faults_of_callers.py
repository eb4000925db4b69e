"""Rules that give what is no change, and arguments that mean nothing: one clear error each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import libcst as cst
import pytest
from click.testing import CliRunner

import astmut
from astmut import cli
from astmut.engine import MODES
from astmut.rulebook import RULES

TEXT = "class A:\n    def g(self):\n        f(a, b)\n"


def none(_node: cst.Call, _source: astmut.Source) -> None:
    return None


def empty(_node: cst.Call, _source: astmut.Source) -> Iterator[Any]:
    yield {}


def overlapping(node: cst.Call, _source: astmut.Source) -> Iterator[Any]:
    yield {node: "x", node.func: "y"}


def outside(_node: cst.Call, _source: astmut.Source) -> Iterator[Any]:
    yield {astmut.Span(0, 1000): "x"}


def reversed_span(_node: cst.Call, _source: astmut.Source) -> Iterator[Any]:
    yield {astmut.Span(9, 5): "x"}


def foreign(_node: cst.Call, _source: astmut.Source) -> Iterator[Any]:
    yield {cst.Name("x"): "y"}


def number(node: cst.Call, _source: astmut.Source) -> Iterator[Any]:
    yield {node: 3}


def text(_node: cst.Call, _source: astmut.Source) -> Iterator[Any]:
    yield "x"


def single(_node: cst.Call, _source: astmut.Source) -> int:
    return 5


def listed(node: cst.Call, _source: astmut.Source) -> Iterator[Any]:
    yield {node: ["x"]}


def used_up(node: cst.Call, _source: astmut.Source) -> Iterator[Any]:
    yield {node: (part for part in "x")}


FAULTS: list[tuple[Callable[..., Any], str]] = [
    (none, "it returned None, not an iterable"),
    (single, "it returned int, not an iterable"),
    (listed, "it gave no mapping from nodes or spans to texts"),
    (used_up, "it gave no mapping from nodes or spans to texts"),
    (empty, "there are no edits in what it gave"),
    (overlapping, "its edits overlap, or are not in the text"),
    (outside, "its edits overlap, or are not in the text"),
    (reversed_span, "its edits overlap, or are not in the text"),
    (foreign, "it names a node that is not in the source"),
    (number, "it gave no mapping from nodes or spans to texts"),
    (text, "it gave no mapping from nodes or spans to texts"),
]


@pytest.mark.parametrize(("function", "fault"), FAULTS)
@pytest.mark.parametrize("mode", ["each", "together", "sample"])
def test_a_faulty_rule_is_named(function: Callable[..., Any], fault: str, mode: Any) -> None:
    rule = astmut.Rule("my-rule", (), (cst.Call,), function)
    with pytest.raises(astmut.RuleError) as caught:
        list(astmut.mutate(TEXT, rules=[rule], mode=mode))
    assert str(caught.value) == f"rule 'my-rule', line 3: {fault}"


def test_a_rule_that_cuts_a_character_is_named() -> None:
    text, places = '\nprint("a€")\n', [astmut.Span(9, 12)]

    def rewrites(_node: cst.SimpleString, _source: astmut.Source) -> Iterator[Any]:
        yield {places[-1]: "x"}

    rule = astmut.Rule("my-rule", (), (cst.SimpleString,), rewrites)
    assert [mutant.text for mutant in astmut.mutate(text, rules=[rule])] == ['\nprint("ax")\n']
    for cut in (astmut.Span(10, 12), astmut.Span(8, 11)):
        places.append(cut)
        with pytest.raises(astmut.RuleError, match=r"rule 'my-rule', line 2: it cuts a character of the text"):
            list(astmut.sites(text, rules=[rule]))


@pytest.mark.parametrize("text", ["\ufeffx = 1\n", "\ufeffx = '\u20ac'\n"])
@pytest.mark.parametrize("place", [astmut.Span(0, 3), astmut.Span(0, 0), astmut.Span(2, 4)])
def test_a_byte_order_mark_is_no_part_of_the_program(text: str, place: astmut.Span) -> None:
    for edits in ({place: "y"}, {astmut.Span(3, 4): "y"}):
        rule = astmut.Rule("my-rule", (), (cst.Module,), lambda _node, _source, edits=edits: [edits])
        if place in edits:
            with pytest.raises(astmut.RuleError, match="are not in the text"):
                list(astmut.sites(text, rules=[rule]))
        else:
            assert [mutant.text for mutant in astmut.mutate(text, rules=[rule])] == [text.replace("x", "y")]


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        (astmut.Span(6, 7), "it cuts a character of the text"),
        (astmut.Span(60, 70), "its edits overlap, or are not in the text"),
        (cst.Name("x"), "it names a node that is not in the source"),
    ],
)
def test_what_a_rule_wants_together_is_seen_to(place: Any, fault: str) -> None:
    def rewrites(node: cst.SimpleString, _source: astmut.Source) -> Iterator[Any]:
        yield astmut.Rewrite({node: '"y"'}, together={place: "y"})

    rule = astmut.Rule("my-rule", (), (cst.SimpleString,), rewrites)
    with pytest.raises(astmut.RuleError, match=f"rule 'my-rule', line 1: {fault}"):
        list(astmut.mutate('x = "€ook"\n', rules=[rule], mode="together"))


@pytest.mark.parametrize(
    ("kind", "text", "edit", "mutated"),
    [
        (cst.SimpleString, 'x = "a book"\n', (7, 8, "c"), 'x = "a cook"\n'),
        (cst.SimpleString, 'x = "a book"\n', (8, 10, ""), 'x = "a bk"\n'),
        (cst.SimpleString, 'x = "a book"\n', (8, 8, "r"), 'x = "a brook"\n'),
        (cst.SimpleString, '1if"a"else 2\n', (3, 6, "b"), "1if b else 2\n"),
        (cst.FormattedStringText, 'f"book{x}s"\n', (2, 3, "c"), 'f"cook{x}s"\n'),
        (cst.FormattedString, 'f"book{x}s"\n', (2, 3, "c"), 'f"cook{x}s"\n'),
        (cst.FormattedString, 'f"book{look}s"\n', (7, 8, "r"), 'f"book{rook}s"\n'),
        (cst.ConcatenatedString, 'x = "o" "a book"\n', (11, 12, "c"), 'x = "o" "a cook"\n'),
        (cst.Integer, "x = 1234if y else z\n", (5, 6, "9"), "x = 1934if y else z\n"),
        (cst.Name, "lambda:book\n", (7, 8, "c"), "lambda:cook\n"),
    ],
)
@pytest.mark.parametrize("mode", ["each", "together"])
def test_a_part_of_a_token_is_changed_to_the_letter(
    kind: Any, text: str, edit: tuple[int, int, str], mutated: str, mode: Any
) -> None:
    """Where tokens are replaced, words are kept apart with a blank."""

    def rewrites(node: cst.CSTNode, source: astmut.Source) -> Iterator[Any]:
        (start, end), (first, last, new) = source.span(node), edit
        if start <= first <= last <= end:
            yield {astmut.Span(first, last): new}

    (mutant,) = astmut.mutate(text, rules=[astmut.Rule("my-rule", (), (kind,), rewrites)], mode=mode)
    assert mutant.text == mutated


@pytest.mark.parametrize("text", ['x = "a"\n', 'x = "€"\n'])
@pytest.mark.parametrize("mode", ["each", "together"])
def test_half_a_character_is_refused(text: str, mode: Any) -> None:
    def rewrites(node: cst.SimpleString, _source: astmut.Source) -> Iterator[Any]:
        yield {node: '"\udc80"'}

    stats = astmut.Stats()
    rule = astmut.Rule("my-rule", (), (cst.SimpleString,), rewrites)
    assert list(astmut.mutate(text, rules=[rule], mode=mode, stats=stats)) == []
    assert stats.refused == {("my-rule", "invalid-syntax"): 1}


def test_edits_that_touch_are_disjoint() -> None:
    def rewrites(node: cst.Call, source: astmut.Source) -> Iterator[Any]:
        start, end = source.span(node.func)
        yield {astmut.Span(start, start): "(", node.func: "g", astmut.Span(end, end): ")"}

    (mutant,) = astmut.mutate("f(a)\n", rules=[astmut.Rule("my-rule", (), (cst.Call,), rewrites)])
    assert mutant.text == "(g)(a)\n"


@pytest.mark.parametrize("command", ["mutate", "sites"])
def test_a_faulty_rule_costs_a_file(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "my-rule", astmut.Rule("my-rule", (), (cst.Call,), overlapping))
    path = tmp_path / "a.py"
    path.write_text(TEXT, "utf-8")
    done = CliRunner().invoke(cli.commands, [command, str(path), "--rule", "my-rule"])
    assert done.exit_code == 2
    assert done.stderr == f"{path}: rule 'my-rule', line 3: its edits overlap, or are not in the text\n"


def test_arguments_that_mean_nothing() -> None:
    with pytest.raises(ValueError, match="count is -1"):
        astmut.mutate(TEXT, count=-1)
    with pytest.raises(TypeError, match="count must be a whole number"):
        astmut.mutate(TEXT, count=1.5)  # type: ignore[arg-type]
    for face in (astmut.mutate, astmut.sites, astmut.Source):
        with pytest.raises(TypeError, match="must be str, bytes or Source, not NoneType"):
            face(None)  # type: ignore[arg-type]
    for face in (astmut.mutate, astmut.sites):
        for lines in (1, 2), [(1,)], [(1, 2, 3)], [("1", "2")], [(1.0, 2.0)], "12", 5, None:
            with pytest.raises(TypeError, match=r"lines are pairs of first and last line, such as \[\(1, 2\)\], not "):
                face(TEXT, lines=lines)  # type: ignore[arg-type]


SUBSTITUTE = "substitute-library-function"
CALL = "import json\njson.dumps(1)\n"


@pytest.mark.parametrize("face", [astmut.mutate, astmut.sites])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": None}, "groups are names, such as ['sync'], not None"),
        ({"groups": [3]}, "groups are names, such as ['sync'], not 3"),
        ({"rules": 3}, "rules are names or rules, such as ['if-to-body'], not 3"),
        ({"rules": b"if-to-body"}, "rules are names or rules, such as ['if-to-body'], not 105"),
        ({"rules": ["if-to-body", None]}, "rules are names or rules, such as ['if-to-body'], not None"),
        ({"function": 3}, "function is a qualified name, such as 'Class.method', not 3"),
        ({"options": 3}, "options are given by rule and name, such as {"),
        ({"options": None}, "options are given by rule and name, such as {"),
        ({"options": {SUBSTITUTE: "paper"}}, "options are given by rule and name, such as {"),
        ({"options": {SUBSTITUTE: {3: 3}}}, "options are given by rule and name, such as {"),
        ({"options": {3: {}}}, "options are given by rule and name, such as {"),
        ({"options": {SUBSTITUTE: {"library": []}}}, f"values for options of {SUBSTITUTE} must have a hash"),
        ({"options": {SUBSTITUTE: {"alternatives": "3"}}}, "alternatives must be a whole number, not '3'"),
        ({"options": {SUBSTITUTE: {"index": 3}}}, "index must be the path of a file, not 3"),
    ],
)
def test_arguments_of_a_wrong_kind_are_named(
    face: Callable[..., Iterable[object]], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        face(CALL, **arguments)
    assert str(caught.value).startswith(message)


def test_arguments_of_mutate_of_a_wrong_kind_are_named() -> None:
    for seed in None, "x", 1.5:
        with pytest.raises(TypeError, match=f"seed must be a whole number, not {seed!r}"):
            astmut.mutate(CALL, mode="sample", seed=seed)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"stats must be an astmut\.Stats, not \{\}"):
        astmut.mutate(CALL, stats={})  # type: ignore[arg-type]


def test_a_count_beyond_every_list_is_no_error() -> None:
    for mode in MODES:
        assert list(astmut.mutate(CALL, mode=mode, count=1 << 99)) == list(astmut.mutate(CALL, mode=mode, count=99))


@pytest.mark.parametrize("name", ["", "My-rule", "my_rule", "a,b", "../rule", "rule ", "3rd"])
def test_a_rule_needs_a_name_for_options_and_files(name: str) -> None:
    known = dict(RULES)
    for names in (name,), ("my-rule", name):
        with pytest.raises(ValueError, match=f"rules and groups have names such as 'my-rule', not {name!r}"):
            astmut.rule(*names)(empty)
    assert known == RULES


def test_a_decorator_without_its_name_is_an_error() -> None:
    for wrong in (empty, 3, None):
        with pytest.raises(TypeError, match=r"a rule is declared by @rule\('its-name', 'a-group'\), not by "):
            astmut.rule(wrong)  # type: ignore[arg-type]
