"""Diffs apply, with git and by the letter; JSON lines say all that is to say; a site fits on a line."""

import difflib
import json
import random
import re
import shutil
import subprocess
import sysconfig
from itertools import islice
from pathlib import Path

import pytest

import astmut
from astmut import Edit, Mutant, Site, Source, Span, Text, formats
from astmut.engine import Mode

LIBRARY = Path(sysconfig.get_path("stdlib"))
HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@\n")
GIT_APPLY, PATCH = ("git", "apply", "-"), ("patch", "-p1", "-s")
NO_NEWLINE = b"\\ No newline at end of file\n"


def lines_of(data: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+", data)


def applied(patch: bytes, before: bytes) -> bytes:
    """What a patch makes of a text, strictly: every line number, size and context line has to be right."""
    old, new, at = lines_of(before), list[bytes](), 0
    lines = lines_of(patch)[3:]
    while lines:
        match = HUNK.fullmatch(lines.pop(0))
        assert match is not None
        start, size, new_start, new_size = (1 if part is None else int(part) for part in match.groups())
        assert (size, new_size) != (0, 0)
        first = start - 1 if size else start
        assert first >= at
        new += old[at:first]
        at = first
        assert (new_start - 1 if new_size else new_start) == len(new)
        end, new_end = at + size, len(new) + new_size
        while at < end or len(new) < new_end:
            mark, line = lines[0][:1], lines.pop(0)[1:]
            if lines and lines[0] == NO_NEWLINE:
                lines.pop(0)
                line = line.removesuffix(b"\n")
            if mark in b" -":
                assert old[at] == line
                at += 1
            if mark in b" +":
                new.append(line)
        assert (at, len(new)) == (end, new_end)
    return b"".join(new + old[at:])


def diff_of(mutant: Mutant, path: str = "a.py") -> bytes:
    return formats.diff(formats.Lines(mutant.origin), mutant, path)


def edited(before: str, *edits: tuple[int, int, str], reprinted: str | None = None) -> Mutant:
    made = tuple(Edit(Span(start, end), text) for start, end, text in edits)
    text = Text(before)
    return Mutant("rule", ("group",), (Site("rule", Span(0, len(text)), made, 0, (), text),), made, text, reprinted)


CASES = [
    edited("a\n", (0, 1, "b")),
    edited("a", (0, 1, "b")),
    edited("a", (1, 1, "\n")),
    edited("a\n", (1, 2, "")),
    edited("a\n", (2, 2, "b")),
    edited("a\n", (2, 2, "b\n")),
    edited("", (0, 0, "a\n")),
    edited("a\n", (0, 2, "")),
    edited("a\nb\nc\n", (2, 4, "")),
    edited("a\nb\nc\n", (1, 2, "")),
    edited("a\nb\nc\n", (0, 1, "x"), (4, 5, "y")),
    edited("a\r\nb\r\n", (0, 1, "x")),
    edited("a\r\nb\r\n", (1, 3, "\n")),
    edited("a\rb\rc", (2, 3, "x")),
    edited("é\nü\n", (3, 5, "ö")),
    edited("\n" * 20, (5, 5, "x"), (6, 6, "y"), (14, 14, "z")),
    edited("\n" * 20, (2, 2, "x"), (9, 9, "y"), (17, 17, "z")),
    edited("0\n" * 9, (0, 1, "x"), (8, 9, "y\ny\ny"), (10, 12, "")),
    edited("a\nb\nc\nd\n", (0, 1, "x"), reprinted="a\nc\nd\ne"),
]


@pytest.mark.parametrize("mutant", CASES, ids=range(len(CASES)))
def test_a_diff_is_right_to_the_letter(mutant: Mutant) -> None:
    assert applied(diff_of(mutant), mutant.origin.value.encode()) == mutant.text.encode()


def test_it_is_the_diff_of_difflib_where_no_two_lines_are_the_same() -> None:
    chance = random.Random(6)
    for _ in range(300):
        before = "".join(f"{number:02}\n" for number in range(30))
        changed = sorted(chance.sample(range(30), 4))
        new = ("".join(f"new{line}{i}\n" for i in range(chance.randrange(3))) for line in changed)
        mutant = edited(before, *((3 * line, 3 * line + 3, text) for line, text in zip(changed, new, strict=True)))
        old, made = (text.splitlines(keepends=True) for text in (before, mutant.text))
        expected = "".join(list(difflib.unified_diff(old, made))[2:])
        assert diff_of(mutant).decode().split("\n", 3)[3] == expected


def test_random_edits_give_diffs_that_apply() -> None:
    chance = random.Random(5)
    for _ in range(3000):
        before = "".join(
            chance.choice(["a\n", "b\n", "\n", "c\r\n", "d\r", "e"]) for _ in range(chance.randrange(1, 40))
        )
        ends = sorted(chance.sample(range(len(before) + 1), min(len(before) + 1, 2 * chance.randrange(1, 4)) // 2 * 2))
        new = (chance.choice(["", "x", "\n", "x\ny", "a\n"]) for _ in ends)
        mutant = edited(before, *zip(ends[::2], ends[1::2], new, strict=False))
        if mutant.text != before:
            assert applied(diff_of(mutant), before.encode()) == mutant.text.encode()


@pytest.mark.parametrize("mode", ["each", "together"])
def test_every_mutant_of_a_real_file_has_a_diff_that_applies(mode: Mode) -> None:
    for name, change in (("textwrap.py", bytes), ("shlex.py", lambda data: data.replace(b"\n", b"\r\n").rstrip())):
        before = change((LIBRARY / name).read_bytes())
        mutants = list(astmut.mutate(before, mode=mode))
        lines = formats.Lines(mutants[0].origin)
        for mutant in mutants:
            assert applied(formats.diff(lines, mutant, name), before) == mutant.text.encode()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")
def test_git_applies_them(tmp_path: Path) -> None:
    chance = random.Random(3)
    cases = [(mutant.origin.value.encode(), mutant) for mutant in CASES if mutant.origin.value]
    for change in (bytes, lambda data: data.replace(b"\n", b"\r\n"), lambda data: data.rstrip()):
        before = change((LIBRARY / "textwrap.py").read_bytes())
        every = [*astmut.mutate(before), *astmut.mutate(before, mode="together")]
        cases += [(before, mutant) for mutant in chance.sample(every, 15)]
    name = "with blank/ü.py"
    file = tmp_path / name
    file.parent.mkdir()
    for before, mutant in cases:
        file.write_bytes(before)
        subprocess.run(GIT_APPLY, input=diff_of(mutant, name), cwd=tmp_path, check=True)
        assert file.read_bytes() == mutant.text.encode()


@pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not here")
def test_patch_applies_them(tmp_path: Path) -> None:
    before = (LIBRARY / "textwrap.py").read_bytes()
    for mutant in astmut.mutate(before, mode="together"):
        (tmp_path / "a.py").write_bytes(before)
        subprocess.run(PATCH, input=diff_of(mutant), cwd=tmp_path, check=True)
        assert (tmp_path / "a.py").read_bytes() == mutant.text.encode()


def test_a_diff_begins_with_rule_id_and_place() -> None:
    (mutant,) = astmut.mutate("x = 1\nif a < b: pass\n", rules=["flip-comparators"])
    assert diff_of(mutant, "some file.py").decode() == (
        f"# flip-comparators {mutant.id} some file.py:2:{mutant.sites[0].start.column}\n"
        "--- a/some file.py\t\n+++ b/some file.py\t\n"
        "@@ -1,2 +1,2 @@\n x = 1\n-if a < b: pass\n+if a >= b: pass\n"
    )


def test_a_diff_is_in_the_coding_of_the_file() -> None:
    before = '# coding: latin-1\nx = "é" < y\n'.encode("latin-1")
    source = Source(before)
    (mutant,) = astmut.mutate(source, rules=["flip-comparators"])
    patch = formats.diff(formats.Lines(source.text), mutant, "a.py", coding=source.coding)
    assert applied(patch, before) == source.encode(mutant.text)


@pytest.mark.parametrize("coding", ["latin-1", "shift_jis"])
def test_a_diff_of_a_reprinted_text_leaves_no_line_in_the_old_coding(coding: str) -> None:
    """The cookie is gone, so what the patch leaves is utf-8, in the lines too that look the same."""
    letter = "é" if coding == "latin-1" else "表"
    before = f"# coding: {coding}\nx = '{letter}'\ny = 1 < x\nz = '{letter}'\n".encode(coding)
    source = astmut.Source(before)
    (mutant,) = astmut.mutate(source, rules=["flip-comparators"], unparse=True)
    patch = formats.diff(formats.Lines(source.text), mutant, "a.py", coding=source.coding)
    after = applied(patch, before)
    compile(after, "a.py", "exec")
    assert after == mutant.text.encode()


def test_a_diff_in_colour_says_the_same() -> None:
    (mutant,) = astmut.mutate("x = 1\r\nif a < b: pass", rules=["flip-comparators"])
    coloured = formats.diff(formats.Lines(mutant.origin), mutant, "a.py", colour=True)
    assert b"\n\x1b[31m-if a < b: pass\x1b[0m\n" in coloured
    assert re.sub(rb"\x1b\[\d*m", b"", coloured) == diff_of(mutant)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.py", "a.py"),
        ("ü b.py", "ü b.py"),
        ("a\nb.py", '"a\\nb.py"'),
        ('"\\.py', '"\\"\\\\.py"'),
        ("\udcff.py", '"\\377.py"'),
        ("é\t\udcff.py", '"\\303\\251\\t\\377.py"'),
    ],
)
def test_odd_paths_are_quoted_as_git_does(path: str, name: str) -> None:
    assert formats.quoted(path) == name


def test_a_large_reprinted_text_is_one_block() -> None:
    before = "a\n" * 3000
    mutant = edited(before, (0, 1, "b"), reprinted="c\n" * 3000)
    patch = diff_of(mutant)
    assert patch.count(b"@@") == 2
    assert applied(patch, before.encode()) == b"c\n" * 3000


def test_the_diff_of_a_long_file_costs_as_much_as_its_edits() -> None:
    before = "x = 1\n" * 200_000
    lines = formats.Lines(Text(before))
    mutant = edited(before, (600_000, 600_001, "y"))
    patch = formats.diff(lines, mutant, "a.py")
    assert len(lines_of(patch)) == 3 + 1 + 8


def test_a_json_line_holds_all_of_a_mutant() -> None:
    text = "é = 1\nif é < b: pass\n"
    (mutant,) = astmut.mutate(text, rules=["flip-comparators"])
    line = formats.json_line(formats.mutant_row(mutant, "dir/a.py", with_text=True))
    (site,) = mutant.sites
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "path": "dir/a.py",
        "id": mutant.id,
        "rule": "flip-comparators",
        "groups": ["sync", "disco", "natural"],
        "tags": [],
        "sites": [
            {
                "span": list(site.span),
                "start": {"line": 2, "column": site.start.column},
                "end": {"line": 2, "column": site.end.column},
                "choice": 0,
                "edits": [{"span": [13, 14], "text": ">="}],
            }
        ],
        "edits": [{"span": [13, 14], "text": ">="}],
        "inverse": [{"span": [13, 15], "text": "<"}],
        "source_sha256": mutant.origin.digest,
        "text": mutant.text,
    }


def test_the_edits_of_a_json_line_make_the_text() -> None:
    before = (LIBRARY / "textwrap.py").read_text("utf-8")
    for mutant in islice(astmut.mutate(before, mode="together"), 5):
        row = json.loads(formats.json_line(formats.mutant_row(mutant, "a.py")))
        assert "text" not in row
        data = before.encode()
        for edit in reversed(row["edits"]):
            start, end = edit["span"]
            data = data[:start] + edit["text"].encode() + data[end:]
        assert data.decode() == mutant.text
        for edit in reversed(row["inverse"]):
            start, end = edit["span"]
            data = data[:start] + edit["text"].encode() + data[end:]
        assert data.decode() == before


@pytest.mark.parametrize(
    ("text", "rule", "line"),
    [
        ("x = True", "flip-booleans", "a.py:1:5: flip-booleans  True -> False"),
        ("[1, 2]", "list-to-set", "a.py:1:1: list-to-set  [1, 2] -> {1, 2}"),
        ("if a:\n    b", "if-to-body", "a.py:1:1: if-to-body  if a:\\n    b -> b"),
        ("x = not a", "flip-unary", "a.py:1:5: flip-unary  not a -> a"),
    ],
)
def test_a_site_on_one_line(text: str, rule: str, line: str) -> None:
    (site,) = astmut.sites(text, rules=[rule])
    assert formats.site_line(site, "a.py").decode() == f"{line}\n"


def test_a_long_site_is_cut_in_the_middle() -> None:
    text = f"if {'a' * 100}:\n    b"
    (site,) = astmut.sites(text, rules=["if-to-body"])
    line = formats.site_line(site, "a.py").decode()
    assert line.startswith("a.py:1:1: if-to-body  if aaa")
    assert " ... " in line
    assert len(line) < 120
