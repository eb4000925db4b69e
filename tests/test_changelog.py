"""CHANGELOG.md keeps to Keep a Changelog, and every entry names what changed."""

import re
from pathlib import Path

import pytest

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
RELEASE = re.compile(r"## \[(?P<version>\d+\.\d+\.\d+)\] - (?P<date>\d{4}-\d{2}-\d{2})")


def mistakes(text: str) -> list[str]:
    """What a reader would stumble over, with line numbers; the prose above the first release is free."""
    title, *lines = text.splitlines()
    heads = [line for line in lines if line.startswith("## ")]
    found = [] if title == "# Changelog" else ["1: the title is not '# Changelog'"]
    if heads[:1] != ["## [Unreleased]"]:
        found.append("'## [Unreleased]' is not on top")
    releases = [match for head in heads[1:] if (match := RELEASE.fullmatch(head))]
    found += [f"{head!r} is not '## [1.2.3] - 2026-01-31'" for head in heads[1:] if not RELEASE.fullmatch(head)]
    versions = [tuple(map(int, match["version"].split("."))) for match in releases]
    if versions != sorted(set(versions), reverse=True) or [m["date"] for m in releases] != sorted(
        (m["date"] for m in releases), reverse=True
    ):
        found.append("the releases do not go from the newest to the oldest")
    below, kind = False, ""
    for number, line in enumerate(lines, 2):
        if line.startswith("## "):
            below, kind = True, ""
        elif line.startswith("### "):
            kind = line.removeprefix("### ")
            found += [] if kind in KINDS else [f"{number}: {kind!r} is none of {', '.join(sorted(KINDS))}"]
        elif below and line and not line.startswith("  "):
            if not kind:
                found.append(f"{number}: an entry without a kind above it")
            if not re.match(r"- `[^`]+`", line):
                found.append(f"{number}: an entry starts with '- ' and the full name of what changed in backticks")
    return found


def test_the_changelog_keeps_its_form() -> None:
    assert mistakes(CHANGELOG.read_text("utf-8")) == []


GOOD = """# Changelog

What users notice.

## [Unreleased]

### Added

- `astmut.mutate` takes `seed`,
  so that a run can be repeated.

## [0.2.0] - 2026-03-01

### Fixed

- `astmut mutate --lines` counts from 1.

## [0.1.0] - 2026-01-31
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", None),
        ("# Changelog", "# News", "title"),
        ("## [Unreleased]", "## [0.3.0] - 2026-04-01", "not on top"),
        ("[0.2.0]", "[0.0.9]", "newest to the oldest"),
        ("2026-03-01", "2025-03-01", "newest to the oldest"),
        ("[0.1.0] - 2026-01-31", "0.1.0", "is not '## [1.2.3]"),
        ("### Fixed", "### Bugs", "'Bugs' is none of"),
        ("### Fixed\n", "", "without a kind"),
        ("`astmut mutate --lines` counts", "Lines count", "full name"),
    ],
)
def test_the_test_itself(old: str, new: str, said: str | None) -> None:
    found = mistakes(GOOD.replace(old, new, 1) if old else GOOD)
    assert any(said in mistake for mistake in found) if said else found == []
