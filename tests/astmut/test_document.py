"""The pages about rules say what the docstrings say."""

import re

import pytest

from astmut import RULES, document
from astmut.rulebook import Rewrites, Rule


def shout(node: object, source: object) -> Rewrites:  # noqa: ARG001 - only its docstring is looked at
    """Turn a | b into ``c``.

    Some prose, with ``code``.

    a < b  =>  c
    longer  =>  x  |  y

    if a:
        b
    =>
    b
    |
    c

    d        =>
    """
    return []


RULE = Rule("shout", ("loud", "sync"), (), shout)


def test_the_section_of_a_rule() -> None:
    assert document.section(RULE) == (
        "## shout\n\nGroups: loud, sync\n\nTurn a | b into ``c``.\n\nSome prose, with ``code``.\n\n"
        "```python\na < b   # => c\nlonger  # => x  or  y\n```\n\n"
        "```python\nif a:\n    b\n```\n\nbecomes\n\n```python\nb\n```\n\nor\n\n```python\nc\n```\n\n"
        "Left alone:\n\n```python\nd\n```\n"
    )


def test_the_page_has_a_table_and_a_section_for_each_rule() -> None:
    page = document.markdown([RULE, *RULES.values()])
    assert "| [`shout`](#shout) | loud, sync | Turn a \\| b into `c` |\n" in page
    names = sorted(["shout", *RULES])
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == names
    assert re.findall(r"^\| \[`(.*?)`\]", page, re.MULTILINE) == names
    assert "\n\n\n" not in page
    assert page.endswith("```\n")


def test_the_page_does_not_depend_on_the_order_of_rules() -> None:
    rules = list(RULES.values())
    assert document.markdown(rules) == document.markdown(reversed(rules))


def test_a_fence_is_longer_than_what_it_holds() -> None:
    assert document._fenced(["'```'"]) == "````python\n'```'\n````"


def test_the_table() -> None:
    assert document.table([RULE]) == "shout  loud, sync  Turn a | b into `c`\n"
    assert document.table([]) == ""


def test_the_page_of_one_rule_has_its_examples() -> None:
    page = document.page(RULE)
    assert page.startswith("shout  (loud, sync)\n\n  Turn a | b into ``c``.\n")
    assert "\n  a < b  =>  c\n" in page


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_rule_can_be_documented(rule: Rule) -> None:
    row = document.row(rule)
    assert row["name"] == rule.name
    assert row["groups"]
    assert row["summary"]
    assert row["examples"]
    assert all(example.before in document.section(rule) for example in rule.examples)
