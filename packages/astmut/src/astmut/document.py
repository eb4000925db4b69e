"""The pages about rules: the table, one rule's page, and docs/rules.md, all out of the rules' docstrings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from astmut.rulebook import Example, Rule

_HEAD = """\
# Rules

<!-- Written by `nox -s docs` from the rules' docstrings. Change those, not this page. -->

A rule looks at one place and says what could be written there instead. `astmut mutate --rule NAME` takes single rules,
`--group NAME` all rules of a group:

- `sync`: what the paper trains with (its rules 1 to 9),
- `disco`: the rules of DISCO for Python, which shares some of them,
- `natural`: those of both whose mutants look like a programmer's mistakes: without numbers for strings and the like,
  `call-to-name`, `variable-misuse` and `divide-by-zero`,
- `extra`: three more of the paper's released code.

Some changes carry tags, by which `--without TAG` leaves them out; `trivial` ones hardly matter when the program runs.
"""
_GAP = 2


def markdown(rules: Iterable[Rule]) -> str:
    """Return docs/rules.md: a table of all rules, then a section for each, in the order of their names."""
    ordered = sorted(rules, key=lambda rule: rule.name)
    rows = [f"| [`{r.name}`](#{r.name}) | {', '.join(r.groups)} | {_cell(r.summary)} |" for r in ordered]
    overview = "\n".join(["| rule | groups | what it does |", "|---|---|---|", *rows])
    return "\n".join([_HEAD, overview, "", *(section(rule) for rule in ordered)]).rstrip("\n") + "\n"


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def section(rule: Rule) -> str:
    """Return a rule's part of docs/rules.md."""
    paragraphs = [f"## {rule.name}", f"Groups: {', '.join(rule.groups)}", f"{rule.summary}.", rule.prose]
    return "\n\n".join([*filter(None, paragraphs), *_examples(rule.examples)]) + "\n"


def _examples(examples: Sequence[Example]) -> Iterator[str]:
    """Yield the blocks that show examples: one-liners side by side, longer ones one below the other."""
    lines = [example for example in examples if not _is_long(example)]
    changed = [example for example in lines if example.after]
    if changed:
        width = max(len(example.before) for example in changed)
        yield _fenced(f"{e.before:{width}}  # => {'  or  '.join(e.after)}" for e in changed)
    for example in examples:
        if _is_long(example) and example.after:
            yield _fenced([example.before])
            yield "becomes"
            yield "\n\nor\n\n".join(_fenced([after]) for after in example.after)
    alone = [example.before for example in examples if not example.after]
    if alone:
        yield "Left alone:"
        yield _fenced(alone)


def _is_long(example: Example) -> bool:
    return any("\n" in text for text in (example.before, *example.after))


def _fenced(lines: Iterable[str]) -> str:
    body = "\n".join(lines)
    fence = "```"
    while fence in body:
        fence += "`"
    return f"{fence}python\n{body}\n{fence}"


def table(rules: Iterable[Rule]) -> str:
    """Return names, groups and summaries of rules as a table for a terminal."""
    rows = [(rule.name, ", ".join(rule.groups), rule.summary.replace("``", "`")) for rule in rules]
    name, groups = (max((len(row[column]) for row in rows), default=0) + _GAP for column in (0, 1))
    return "".join(f"{row[0]:{name}}{row[1]:{groups}}{row[2]}\n" for row in rows)


def page(rule: Rule) -> str:
    """Return all that a rule says about itself, as text for a terminal."""
    return f"{rule.name}  ({', '.join(rule.groups)})\n\n{textwrap.indent(rule.doc, '  ')}\n"


def row(rule: Rule) -> dict[str, Any]:
    """Return all that a rule says about itself as plain values."""
    examples = [{"before": before, "after": list(after)} for before, after in rule.examples]
    return {
        "name": rule.name,
        "groups": list(rule.groups),
        "summary": rule.summary,
        "prose": rule.prose,
        "examples": examples,
    }
