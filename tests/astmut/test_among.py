"""What a rule names as worth asking about is all that it has sites at."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import libcst as cst
import pytest

import astmut

LIBRARY = Path(sysconfig.get_path("stdlib"))
CHOOSY = sorted(name for name, rule in astmut.RULES.items() if rule.among is not None)
TEXT = "x = f(True, y)\nz = x\n"


def same_sites(text: bytes) -> None:
    for name in CHOOSY:
        rule = astmut.RULES[name]
        assert astmut.sites(text, rules=[rule]) == astmut.sites(text, rules=[replace(rule, among=None)])


def test_rules_that_name_nodes_miss_none() -> None:
    assert CHOOSY == ["flip-booleans", "variable-misuse"]
    found = sorted(LIBRARY.glob("*.py")) + sorted(LIBRARY.glob("test/test_[a-g]*.py"))
    read = 0
    for path in found[::23]:
        if path.stat().st_size < 60_000:
            try:
                same_sites(path.read_bytes())
            except astmut.ParseError:
                continue
            read += 1
    assert read > 5


@pytest.mark.parametrize("name", sorted(astmut.RULES))
def test_examples_have_the_same_sites(name: str) -> None:
    for example in astmut.RULES[name].examples:
        try:
            same_sites(example.before.encode())
        except astmut.ParseError:
            continue  # of a newer Python


def name_of_x(node: cst.Name, _source: astmut.Source) -> Iterator[Any]:
    if node.value == "x":
        yield {node: "w"}


def every_name(node: cst.Name, _source: astmut.Source) -> Iterator[Any]:
    yield {node: f"{node.value}_"}


def written_x(source: astmut.Source) -> Iterator[cst.CSTNode]:
    for at in source.of_types((cst.Name,)):
        node: Any = source.nodes[at]
        if node.value == "x":
            yield node
            yield node  # twice is once


def edits(*rules: astmut.Rule) -> list[tuple[str, str]]:
    return [(site.rule, TEXT[slice(*site.span)]) for site in astmut.sites(TEXT, rules=rules)]


def test_a_rule_is_asked_about_what_it_names_and_once() -> None:
    choosy = astmut.Rule("choosy", (), (cst.Name,), every_name, among=written_x)
    assert edits(choosy) == [("choosy", "x"), ("choosy", "x")]


def test_another_rule_is_asked_about_all() -> None:
    choosy = astmut.Rule("choosy", (), (cst.Name,), name_of_x, among=written_x)
    everything = astmut.Rule("everything", (), (cst.Name,), every_name)
    found = edits(choosy, everything)
    assert [text for rule, text in found if rule == "everything"] == ["x", "f", "True", "y", "z", "x"]
    assert [text for rule, text in found if rule == "choosy"] == ["x", "x"]


def test_what_is_named_keeps_to_lines_and_contexts() -> None:
    text = "def f(x: x) -> x:\n    return x\n"
    choosy = astmut.Rule("choosy", (), (cst.Name,), name_of_x, frozenset({"annotation"}), among=written_x)
    assert [site.span.start for site in astmut.sites(text, rules=[choosy])] == [6, 29]
    assert [site.span.start for site in astmut.sites(text, rules=[choosy], lines=[(2, 2)])] == [29]


def of_nothing(_source: astmut.Source) -> None:
    return None


def numbers(_source: astmut.Source) -> list[int]:
    return [1, 2]


def foreign(_source: astmut.Source) -> list[cst.CSTNode]:
    return [cst.Name("x")]


def calls(source: astmut.Source) -> list[cst.CSTNode]:
    return [source.nodes[at] for at in source.of_types((cst.Call,))]


def test_what_a_choice_raises_is_its_own() -> None:
    def broken(source: astmut.Source) -> list[cst.CSTNode]:
        return [node for node in source.nodes if len(node)]  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="has no len"):
        astmut.sites(TEXT, rules=[astmut.Rule("my-rule", (), (cst.Name,), every_name, among=broken)])


@pytest.mark.parametrize(
    ("among", "fault"),
    [
        (of_nothing, "its `among` gave what are no nodes of the source"),
        (numbers, "its `among` gave what are no nodes of the source"),
        (foreign, "its `among` gave what are no nodes of the source"),
        (calls, "its `among` gave a Call, which it is not asked about"),
    ],
)
def test_a_faulty_choice_is_named(among: Callable[[astmut.Source], Any], fault: str) -> None:
    rule = astmut.Rule("my-rule", (), (cst.Name,), every_name, among=among)
    with pytest.raises(astmut.RuleError) as caught:
        astmut.sites(TEXT, rules=[rule])
    assert str(caught.value) == f"rule 'my-rule', line 1: {fault}"
