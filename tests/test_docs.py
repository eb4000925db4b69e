"""What the pages show is what happens.

The convention, for README.md and docs/*.md:

- A fenced block whose first line is ```` ```python shop.py ```` (any language, then a file name) is a file.
- A fenced block marked `console` is one `$ command` and, below it, everything it prints, compared exactly.
  A line with nothing but `...` stands for any number of lines.
- All blocks of a page are taken in order, in one empty folder. Other blocks (`sh`, `python`) are not run.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
RULES = ROOT / "docs" / "rules.md"
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path != RULES)]
BLOCK = re.compile(r"^(?P<fence>`{3,})(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL)


class Run(NamedTuple):
    command: str
    expected: str
    printed: str

    def agrees(self) -> bool:
        lines = self.expected.splitlines(keepends=True)
        pattern = "".join(r"(?:.*\n)*" if line == "...\n" else re.escape(line) for line in lines)
        return bool(re.fullmatch(pattern, self.printed))


def shell(command: str, folder: Path) -> str:
    """All that a command prints, run as a reader would, with this environment's programs first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONUTF8": "1", "COLUMNS": "110"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    return done.stdout


def play(page: str, folder: Path) -> list[Run]:
    """Write the files that a page shows and run its commands, in order."""
    runs = []
    for block in BLOCK.finditer(page):
        language, _, name = block["info"].strip().partition(" ")
        if name:
            (folder / name).write_text(block["body"], "utf-8", newline="")
        elif language == "console":
            first, _, expected = block["body"].partition("\n")
            assert first.startswith("$ "), f"a console block starts with '$ ', not {first!r}"
            command = first.removeprefix("$ ")
            runs.append(Run(command, expected, shell(command, folder)))
    return runs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    for run in play(page.read_text("utf-8"), tmp_path):
        assert run.agrees(), f"{run.command!r} printed:\n{run.printed}"


def test_the_readme_shows_a_real_run() -> None:
    assert "```console\n$ astmut mutate " in (ROOT / "README.md").read_text("utf-8")


def test_the_page_of_rules_is_the_generators_output(tmp_path: Path) -> None:
    assert RULES.read_text("utf-8") == shell("astmut rules --markdown", tmp_path)


@pytest.mark.parametrize(
    ("expected", "agrees"),
    [
        ("one\ntwo\nthree\n", True),
        ("one\n...\n", True),
        ("...\nthree\n", True),
        ("one\n...\ntwo\nthree\n", True),
        ("one\ntwo\n", False),
        ("...\ntwo\n", False),
        ("on.\ntwo\nthree\n", False),
        ("", False),
    ],
)
def test_the_test_itself(tmp_path: Path, expected: str, agrees: bool) -> None:
    page = f"# A page\n\n```text some.txt\none\ntwo\nthree\n```\n\n```console\n$ cat some.txt\n{expected}```\n"
    (run,) = play(page, tmp_path)
    assert run.agrees() == agrees


def test_the_results_in_the_readme_are_those_on_record() -> None:
    script = ROOT / "benchmarks" / "readme.py"
    made = subprocess.run([sys.executable, str(script)], capture_output=True, encoding="utf-8", check=True).stdout
    assert made in (ROOT / "README.md").read_text(encoding="utf-8")
