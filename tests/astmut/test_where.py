"""What `# astmut: skip` leaves out."""

from __future__ import annotations

from typing import Any

import pytest

import astmut

# A text, and the lines that still have sites.
SKIPS: list[tuple[str, list[int]]] = [
    ("a = 1  # astmut: skip\nb = 1\n", [2]),
    ("# astmut: skip\na = 1\nb = 1\n", [3]),
    ("a = 1\nb = 1  # astmut: skip-file\n", []),
    ("a = '# astmut: skip' < 1\n", [1]),
    ("if 1:  # astmut: skip\n    a = 1\nelse:\n    b = 1\nc = 1\n", [5]),
    ("def f(a=1,\n      b=1):  # astmut: skip\n    c = 1\nd = 1\n", [4]),
    # Beside the remarks of other tools.
    ("a = 1  # type: ignore  # astmut: skip\nb = 1\n", [2]),
    ("a = 1  # noqa: S101 # astmut:skip\nb = 1\n", [2]),
    ("a = 1  # pragma: no cover, astmut: skip\nb = 1\n", [2]),
    ("# fmt: off; astmut: skip-file\nb = 1\n", []),
    ("a = 1  # unlike `# astmut: skip`\nb = 1  # no astmut: skip\nc = 1  # astmut: skipping\n", [1, 2, 3]),
    # A match, one of its cases, one statement in it.
    ("match 1:  # astmut: skip\n    case 2:\n        a = 1\nb = 1\n", [4]),
    ("match (\n    1\n):  # astmut: skip\n    # why\n    case 2:\n        a = 1\nb = 1\n", [7]),
    ("match 1:\n    case 2:  # astmut: skip\n        a = 1\n    case 3:\n        b = 1\n", [1, 5]),
    ("match 1:\n    # astmut: skip\n    case 2: a = 1\n    case 3: b = 1\n", [1, 4]),
    ("match 1:\n    case 2:\n        a = 1  # astmut: skip\n        b = 1\n    case 3: c = 1\n", [1, 4, 5]),
    # A block of a statement.
    ("if 1:\n    a = 1\nelse:  # astmut: skip\n    b = 1\nc = 1\n", [1, 2, 5]),
    ("if 1: a = 1\nelse: b = 1  # astmut: skip\nc = 1\n", [1, 3]),
    ("if 1: a = 1  # astmut: skip\nelse: b = 1\nc = 1\n", [3]),
    ("while 1:\n    a = 1\n# astmut: skip\nelse:\n    b = 1\nc = 1\n", [1, 2, 6]),
    ("try:\n    a = 1\nexcept (A,\n        B):  # astmut: skip\n    b = 1\nexcept C:\n    c = 1\n", [2, 7]),
    ("try:\n    a = 1\nexcept A:\n    b = 1\nelse:  # astmut: skip\n    c = 1\nfinally:\n    d = 1\n", [2, 4, 8]),
    ("try:\n    a = 1\nfinally:  # astmut: skip\n    b = 1\nc = 1\n", [2, 5]),
    ("try:  # astmut: skip\n    a = 1\nfinally:\n    b = 1\nc = 1\n", [5]),
    # In the middle of a statement, on a line of its own.
    ("x = [\n    # astmut: skip\n    1,\n]\ny = 2\n", [5]),
    ("x = [\n    {'#': '['},\n    # astmut: skip\n    1,\n]\ny = 2\n", [6]),
    ("def f(\n    # astmut: skip\n    a=1,\n):\n    b = 1\nc = 1\n", [6]),
    ("if 1:\n    a = (1)\n    # astmut: skip\n    b = (\n        1)\n    c = 1\n", [1, 2, 6]),
    # Decorators belong to the statement that they decorate, also where it is the first of its block.
    ("class A:\n    @d(1)  # astmut: skip\n    def f():\n        a = 1\n    def g():\n        b = 1\n", [6]),
    ("class A:\n    @d(1)\n    # astmut: skip\n    def f():\n        a = 1\n        b = 1\n    c = 1\n", [7]),
    ("if 1:\n    @d(1)\n    class B:  # astmut: skip\n        a = 1\n    b = 1\n", [1, 5]),
]


@pytest.mark.parametrize(("text", "left"), SKIPS)
def test_skip_comments(text: str, left: list[int]) -> None:
    sites = astmut.sites(text, rules=["number-to-string"])
    assert sorted({site.start.line for site in sites}) == left


MARKED = "a = f()\nb = g()\nprint(a, b)  # astmut: skip\nprint(a - b)\n"


@pytest.mark.parametrize("mode", ["each", "together", "sample"])
def test_no_mutant_writes_into_what_is_skipped(mode: Any) -> None:
    """The exchange of two variables begins with the module, and has edits all over it."""
    plain = MARKED.replace("  # astmut: skip", "")
    assert any("print(b, a)" in mutant.text for mutant in astmut.mutate(plain, rules=["variable-misuse"], mode=mode))
    found = list(astmut.mutate(MARKED, rules=["variable-misuse"], mode=mode))
    assert all("print(a, b)  # astmut: skip" in mutant.text for mutant in found)
    assert len(found) == (0 if mode == "together" else 2)


def test_what_is_skipped_may_vanish_with_what_it_stands_in() -> None:
    text = "if a:\n    b = 1  # astmut: skip\nelse:\n    c = 1\n"
    assert [m.text for m in astmut.mutate(text, rules=["if-to-else", "if-to-body"])] == [
        "b = 1\n",
        "c = 1\n",
    ]


# An operator that begins a line, as a formatter leaves it, and where it stands.
BROKEN: list[tuple[str, tuple[int, int]]] = [
    ("x = (a\n     < b)\n", (2, 6)),
    ("x = (a\n\t< b)\n", (2, 2)),
    ("x = a \\\n  in b\n", (2, 3)),
    ("x = a \\\r\n  in b\r\n", (2, 3)),
    ("x = (a  # < b\n     # why\n\n     is not b)\n", (4, 6)),
    ("x = a  < b\n", (1, 8)),
]


@pytest.mark.parametrize(("text", "place"), BROKEN)
def test_a_comparison_is_where_its_operator_stands(text: str, place: tuple[int, int]) -> None:
    (site,) = astmut.sites(text, rules=["flip-comparators"])
    assert site.start == place
    lines = range(1, text.count("\n") + 1)
    found = [line for line in lines if astmut.sites(text, rules=["flip-comparators"], lines=[(line, line)])]
    assert found == [place[0]]
