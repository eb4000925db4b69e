"""An answer of a search to read: where it stands, and how it begins, highlighted on a terminal."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from synctrain.evaluate.search import Hit

THEME = "ansi_dark"  # the terminal's own colours


def show(hit: Hit, file: TextIO | None = None) -> None:
    """Print an answer, each line of it with its number in the file. What is no terminal gets plain text."""
    console = Console(file=sys.stdout if file is None else file, highlight=False)
    entry, lines = hit.entry, hit.excerpt()
    where = Text.assemble((f"{entry.path}:{entry.first}", "cyan"), " ", (entry.name, "bold"), f"  {hit.score:.3f}")
    code = Syntax("", "python", theme=THEME).highlight("\n".join(line for _, line in lines))
    numbered = zip(lines, code.split("\n"), strict=True)
    shown = [where, *(Text.assemble("  ", (f"{number:5}", "dim"), "  ", line) for (number, _), line in numbered)]
    for text in shown:
        console.print(text, soft_wrap=True)  # neither folded nor cut, for those who copy or search in it
