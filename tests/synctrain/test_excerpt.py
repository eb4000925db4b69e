"""Answers of a search as they are shown."""

import io
import re

import pytest
from rich.text import Text

from synctrain import excerpt
from synctrain.evaluate.search import Entry, Hit

CODE = "def sort(values):\n    return sorted(values, key=lambda value: (value is None, value, 'long', 12345678901234567890))"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_excerpt_is_highlighted_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    hit = Hit(Entry("a.py", "sort", 7, 12, CODE, (7, 12)), 0.5)
    plain, coloured = io.StringIO(), Terminal()
    excerpt.show(hit, plain)
    excerpt.show(hit, coloured)
    first, second = CODE.split("\n")
    assert plain.getvalue() == f"a.py:7 sort  0.500\n      7  {first}\n     12  {second}\n"
    assert Text.from_ansi(coloured.getvalue()).plain.rstrip() == plain.getvalue().rstrip()
    assert re.search(r"\x1b\[[0-9;]*mreturn\x1b", coloured.getvalue())
