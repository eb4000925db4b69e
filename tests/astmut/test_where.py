"""What `# astmut: skip` leaves out."""

from __future__ import annotations

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
]


@pytest.mark.parametrize(("text", "left"), SKIPS)
def test_skip_comments(text: str, left: list[int]) -> None:
    sites = astmut.sites(text, rules=["number-to-string"])
    assert sorted({site.start.line for site in sites}) == left
