"""The `astmut` command, run as a user runs it: real processes, except where nothing depends on that."""

import codecs
import errno
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result

import astmut
from astmut import RULES, cli, terminal
from astmut.engine import MODES
from astmut.files import replace

SHOP = """\
class Stack:
    def push(self, item):
        if item is None or self.full:
            return False
        self.items.append(item)
        return True


def total(items, tax=0.2):
    return sum(items) * (1 + tax) if items else 0
"""
UNIX = pytest.mark.skipif(os.name == "nt", reason="permissions and signals as Unix has them")
ASTMUT = [sys.executable, "-m", "astmut"]


def run(
    *arguments: object, stdin: bytes = b"", cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[bytes]:
    command = [*ASTMUT, *map(str, arguments)]
    environment = {**os.environ, **more}
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=60, cwd=cwd, env=environment)


def call(*arguments: object, stdin: bytes | str = "") -> Result:
    """As ``run``, but in this process."""
    return CliRunner().invoke(cli.commands, [str(argument) for argument in arguments], input=stdin, prog_name="astmut")


def rows(output: str | bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text(SHOP, "utf-8")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- the program ---


def test_the_program_is_installed_under_its_name() -> None:
    program = shutil.which("astmut", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("astmut is on the path, but not installed")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"astmut, version {astmut.__version__}\n"


def test_help_is_fast_and_imports_little() -> None:
    def seconds() -> float:
        start, before = time.perf_counter(), os.times()
        assert run("--help").returncode == 0
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        # What other programs take meanwhile is not ours. Windows does not count a child's time.
        return time.perf_counter() - start if os.name == "nt" else spent

    heavy = "libcst", "rapidfuzz", "torch", "multiprocessing", "astmut.engine"
    code = f"import sys, astmut.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert min(seconds() for _ in range(5)) < 0.3


@pytest.mark.parametrize("command", ["mutate", "sites", "rules"])
def test_help_of_a_command_is_short_and_has_examples(command: str) -> None:
    text = call(command, "--help").stdout
    assert f"\n  astmut {command} " in text
    assert len(text.splitlines()) < 75


def test_the_choices_in_the_help_are_those_there_are() -> None:
    assert cli.MODES == MODES
    assert set(cli.GROUPS.split(", ")) == {group for rule in RULES.values() for group in rule.groups}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'PATH...'"),
        (("a.py", "--lines", "20-10"), "'20-10' ends before it begins"),
        (("a.py", "--lines", "abc"), "'abc' is not a range of lines"),
        (("a.py", "--lines", "1-" + "9" * 5000), "is not a range of lines"),
        (("a.py", "--lines", "0"), "lines count from 1"),
        (("a.py", "--max", "0"), "0 is not in the range"),
        (("a.py", "--max", "-1"), "-1 is not in the range"),
        (("a.py", "--jobs", "0"), "0 is not in the range"),
        (("a.py", "--mode", "all"), "'each', 'together', 'sample'"),
        (("a.py", "--format", "xml"), "'diff', 'source', 'jsonl'"),
        (("a.py", "--id", "zz"), "'zz' is no id"),
        (("a.py", "--rule", "flip-comparator"), "did you mean 'flip-comparators'?"),
        (("a.py", "--rule", ""), "the name is empty"),
        (("a.py", "--group", "synk"), "did you mean 'sync'?"),
        (("a.py", "--rule", "sync"), "no rule is named 'sync', but a group"),
        (("a.py", "--group", "if-to-body"), "no group is named 'if-to-body', but a rule"),
        (("a.py", "--in-place"), "--in-place needs --id"),
        (("-", "--in-place", "--id", "0" * 16), "--in-place needs a file"),
        (("a.py", "b.py", "--in-place", "--id", "0" * 16), "exactly one file, here are 2"),
        (("a.py", "--in-place", "--output", "x", "--id", "0" * 16), "exclude each other"),
        (("a.py", "--output", "x", "--format", "diff"), "--format is for what is printed"),
        (("a.py", "--output", ""), "--output needs the name of a folder"),
        (("a.py", "--with-text"), "--with-text is for"),
        (("a.py", "--max", "5", "--seed", "0"), "--seed is for --mode sample"),
        (("-", "--diff-base", "HEAD"), "--diff-base needs files"),
        (("a.py", "--diff"), "--diff-base"),
    ],
)
def test_bad_usage_is_an_error_on_stderr(here: Path, arguments: tuple[str, ...], message: str) -> None:
    done = call("mutate", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert list(here.iterdir()) == []


# --- what is printed ---


def test_mutants_are_printed_as_patches() -> None:
    done = run("mutate", "-", "--rule", "flip-comparators", stdin=b"x = 1\nif a < b:\n    f()\n")
    assert (done.returncode, done.stderr) == (0, b"")
    head, patch = done.stdout.decode().split("\n", 1)
    assert re.fullmatch(r"# flip-comparators [0-9a-f]{16} <stdin>:2:\d", head)
    assert patch == ("--- a/<stdin>\n+++ b/<stdin>\n@@ -1,3 +1,3 @@\n x = 1\n-if a < b:\n+if a >= b:\n     f()\n")


def test_no_mutant_is_status_1() -> None:
    done = run("mutate", "-", stdin=b"pass\n")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"no mutants\n")
    sites = call("sites", "-")
    assert (sites.exit_code, sites.stdout, sites.stderr) == (1, "", "no sites\n")


def test_modes_give_as_many_as_they_should(shop: Path) -> None:
    each = rows(call("mutate", shop, "--format", "jsonl").stdout)
    together = rows(call("mutate", shop, "--format", "jsonl", "--mode", "together").stdout)
    sample = rows(call("mutate", shop, "--format", "jsonl", "--mode", "sample", "--max", 3, "--seed", 5).stdout)
    same = rows(call("mutate", shop, "--format", "jsonl", "--mode", "sample", "--max", 3, "--seed", 5).stdout)
    assert len({row["id"] for row in each}) == len(each) > 10
    assert len({row["rule"] for row in together}) == len(together)
    assert {row["rule"] for row in together} == {row["rule"] for row in each}
    assert len(sample) == 3
    assert sample == same
    assert {str(row["id"]) for row in sample} <= {str(row["id"]) for row in each}
    assert rows(call("mutate", shop, "--format", "jsonl", "--max", 2).stdout) == each[:2]


def test_rules_and_groups_can_be_given_in_every_way(shop: Path) -> None:
    def used(*arguments: str) -> set[object]:
        return {row["rule"] for row in rows(call("mutate", shop, "--format", "jsonl", *arguments).stdout)}

    assert used("--rule", "flip-booleans", "--rule", "flip-comparators") == {"flip-booleans", "flip-comparators"}
    assert used("-r", "flip-booleans,flip-comparators") == {"flip-booleans", "flip-comparators"}
    natural = used("--group", "natural")
    assert natural == {name for name in used() if "natural" in RULES[str(name)].groups}
    assert used("-g", "natural", "-r", "number-to-string") == {*natural, "number-to-string"}


def test_only_some_lines_or_one_function(shop: Path) -> None:
    def lines(*arguments: str) -> set[int]:
        found = rows(call("sites", shop, "--format", "jsonl", *arguments).stdout)
        return {row["start"]["line"] for row in found}  # type: ignore[index]

    assert lines("--lines", "3-4") == {3, 4}
    assert lines("--lines", "4", "--lines", "10") == {4, 10}
    assert lines("--function", "Stack.push") <= set(range(2, 7))
    assert lines("--function", "total") == {9, 10}
    assert lines("--function", "total", "--lines", "10-99") == {10}


def test_an_unknown_function_is_an_error_where_no_file_has_it(shop: Path) -> None:
    shop.with_name("empty.py").write_bytes(b"")
    assert call("mutate", shop.parent, "--function", "total").exit_code == 0
    done = call("mutate", shop.parent, "--function", "totals")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no function or class named 'totals'" in done.stderr
    assert "(2 files searched)" in done.stderr


def test_source_is_exact_where_the_options_allow_one_mutant_only() -> None:
    text = b"#!/usr/bin/python\r\nx = a < b\r# \xc3\xa9"
    arguments = ("mutate", "-", "--rule", "flip-comparators", "--format", "source")
    done = run(*arguments, "--max", "1", stdin=text, LC_ALL="C")
    assert (done.returncode, done.stdout) == (0, text.replace(b"<", b">="))
    assert call(*arguments, "--mode", "together", stdin=text).stdout_bytes == done.stdout


def test_several_sources_stand_behind_comment_lines(shop: Path) -> None:
    done = call("mutate", shop, "--rule", "flip-booleans", "--format", "source")
    ids = [mutant.id for mutant in astmut.mutate(SHOP, rules=["flip-booleans"])]
    parts = re.split(r"(?m)^# astmut: (.*)\n", done.stdout)
    assert parts[0] == ""
    assert parts[1::2] == [f"flip-booleans {ids[0]} {shop}:4:20", f"flip-booleans {ids[1]} {shop}:6:16"]
    assert parts[2::2] == [mutant.text for mutant in astmut.mutate(SHOP, rules=["flip-booleans"])]


def test_one_mutant_by_its_id(shop: Path) -> None:
    mutant = list(astmut.mutate(SHOP))[7]
    done = call("mutate", shop, "--id", mutant.id, "--format", "source")
    assert (done.exit_code, done.stdout) == (0, mutant.text)
    done = call("mutate", shop, "--id", "0" * 16)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"no mutant {'0' * 16}, with these rules and this mode\n"


def test_json_lines_hold_the_text_if_asked(shop: Path) -> None:
    assert "text" not in rows(call("mutate", shop, "--format", "jsonl").stdout)[0]
    found = rows(call("mutate", shop, "--format", "jsonl", "--with-text").stdout)
    assert [row["text"] for row in found] == [mutant.text for mutant in astmut.mutate(SHOP)]
    assert {row["path"] for row in found} == {str(shop)}


def test_unparse_prints_anew() -> None:
    done = call(
        "mutate", "-", "--unparse", "--rule", "flip-booleans", "--max", 1, "--format", "source", stdin="x=(True)"
    )
    assert done.stdout == "x = False"


def test_stats_go_to_stderr(shop: Path) -> None:
    done = call("mutate", shop, "--stats", "--rule", "flip-booleans,flip-comparators")
    assert done.stderr.splitlines() == [
        "rule              sites  mutants  refused",
        "flip-booleans         2        2  0",
        "flip-comparators      1        1  0",
        "total                 3        3  0",
    ]


def test_a_refused_source_says_why() -> None:
    done = call("mutate", "-", "--stats", stdin="return 1 < 2\n")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "<stdin>: Python parses this but does not compile it: 'return' outside function (line 1)" in done.stderr
    assert "3 source-does-not-compile" not in done.stdout


def test_sites_are_listed(shop: Path) -> None:
    done = call("sites", shop, "--rule", "flip-booleans")
    assert done.stdout == f"{shop}:4:20: flip-booleans  False -> True\n{shop}:6:16: flip-booleans  True -> False\n"
    (first, _) = rows(call("sites", shop, "--rule", "flip-booleans", "--format", "jsonl").stdout)
    assert first["start"] == {"line": 4, "column": 20}
    assert first["edits"] == [{"span": [96, 101], "text": "True"}]


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.py").write_text(f"{name} = 1\n{SHOP}", "utf-8")
    one, three = (call("mutate", tmp_path, "--stats", "--jobs", jobs) for jobs in (1, 3))
    assert (one.exit_code, one.stdout, one.stderr) == (three.exit_code, three.stdout, three.stderr)
    assert one.stdout.count("\n# ") > 100


# --- rules ---


def test_rules_are_listed() -> None:
    done = call("rules", "--group", "natural")
    assert (done.exit_code, done.stderr) == (0, "")
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == sorted(rule.name for rule in RULES.values() if "natural" in rule.groups)


def test_one_rule_is_shown_with_its_examples() -> None:
    done = call("rules", "flip-comparators")
    assert "  a < b                    =>  a >= b\n" in done.stdout
    (row,) = rows(call("rules", "flip-comparators", "--format", "jsonl").stdout)
    assert row["name"] == "flip-comparators"


def test_an_unknown_rule_is_an_error_with_a_suggestion() -> None:
    done = call("rules", "flip-boleans")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "astmut: no rule named 'flip-boleans'; did you mean 'flip-booleans'?\n"


def test_a_plug_in_that_cannot_be_loaded_is_one_line(here: Path) -> None:
    info = here / "plug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[astmut.rules]\nmine = plug:mine\n", "utf-8")
    (here / "plug.py").write_text("raise RuntimeError('broken,\\nall of it')\n", "utf-8")
    path = os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])
    done = run("mutate", "-", "--max", 1, "--jobs", 2, stdin=b"x = True\n", PYTHONPATH=path)
    assert done.returncode == 0
    assert done.stderr == b"astmut: the rules of 'plug:mine' could not be loaded: RuntimeError: broken, all of it\n"


def test_markdown_is_the_same_every_time() -> None:
    one, two = (run("rules", "--markdown", PYTHONHASHSEED=seed, LC_ALL="C") for seed in ("1", "2"))
    assert one.returncode == 0
    assert one.stdout == two.stdout
    assert one.stdout.startswith(b"# Rules\n")


# --- files, good and bad ---


def test_a_stream_too_large_for_the_memory_costs_only_itself(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless() -> bytes:
        raise MemoryError

    monkeypatch.setattr(terminal, "stdin", endless)
    (here / "a.py").write_text("x = True\n", "utf-8")
    done = call("sites", "-", "a.py", "--rule", "flip-booleans")
    assert (done.exit_code, done.stderr) == (2, "<stdin>: out of memory\n")
    assert done.stdout.startswith("a.py:1:5")


def test_a_patch_of_a_file_elsewhere_is_one_for_the_root(here: Path) -> None:
    program = shutil.which("patch")
    if program is None:
        pytest.skip("needs patch")
    (here / "sub").mkdir()
    file = here / "a.py"
    file.write_text("x = True\n", "utf-8")
    wanted = ("--rule", "flip-booleans")
    outer = run("mutate", "../a.py", *wanted, cwd=here / "sub").stdout
    whole = run("mutate", file, *wanted, cwd=here / "sub").stdout
    inner = run("mutate", file, *wanted, cwd=here).stdout
    head = [line.rstrip() for line in outer.decode().splitlines()[1:3]]
    assert head == [f"--- a{file}", f"+++ b{file}"]
    assert outer.splitlines()[1:] == whole.splitlines()[1:]
    assert inner.decode().splitlines()[1:3] == ["--- a/a.py", "+++ b/a.py"]
    for patch, folder in ((outer, "/"), (inner, here)):
        file.write_text("x = True\n", "utf-8")
        subprocess.run([program, "-p1", "-s", "-d", str(folder)], input=patch, check=True)
        assert file.read_text("utf-8") == "x = False\n"


def test_a_broken_file_costs_only_itself(here: Path) -> None:
    (here / "a.py").write_text("x = True\n", "utf-8")
    (here / "b.py").write_text("x = True\n\nx = = 1\n", "utf-8")
    (here / "c.py").write_bytes(b"x = True\ny = 1\nx = '\xff'\n")
    (here / "d.py").write_bytes(b"x = \0\n")
    (here / "e.py").write_text("y = True\n", "utf-8")
    done = run("mutate", ".", "nowhere.py", "", "x" * 300, "--rule", "flip-booleans", cwd=here)
    assert done.returncode == 2
    assert [line for line in done.stdout.decode().splitlines() if line.startswith("---")] == [
        "--- a/a.py",
        "--- a/e.py",
    ]
    complaints = done.stderr.decode().splitlines()
    assert [line.split(" ")[0] for line in complaints] == [
        "b.py:3:",
        "c.py:3:",
        "d.py:1:",
        "nowhere.py:",
        '"":',
        "x" * 300 + ":",
    ]
    assert complaints[3] == "nowhere.py: No such file or directory"


@pytest.mark.parametrize("text", [b"", b"\n", b"\f", b"# only this", codecs.BOM_UTF8])
def test_nothing_gives_nothing(text: bytes) -> None:
    done = call("mutate", "-", stdin=text)
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "no mutants\n")


@pytest.mark.parametrize(
    "text",
    [b"x = " + b"(" * 5000 + b")" * 5000, b"x = " + b"-" * 100_000 + b"1", b"\xff\xfe", b"# coding: nonsense\n", b"\0"],
    ids=["parentheses", "minus", "utf-16", "cookie", "nul"],
)
def test_hostile_input_is_one_error(text: bytes) -> None:
    done = call("mutate", "-", stdin=text)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("<stdin>:")
    assert done.stderr.count("\n") == 1


def test_folders_are_walked(here: Path) -> None:
    names = ["b.py", "a/z.py", "a/.hidden/x.py", "a/__pycache__/x.py", "a/data.txt", ".x/y.py", "a/b/c.py", "a/B.py"]
    for name in names:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("x = True\n", "utf-8")
    (here / "script").write_text("x = True\n", "utf-8")
    (here / "folder.py").mkdir()
    if os.name != "nt":
        (here / "dead.py").symlink_to("nowhere")
        (here / "a" / "cycle").symlink_to("..")
        (here / "same.py").symlink_to("b.py")
        os.mkfifo(here / "pipe.py")

    def found(*paths: object) -> list[object]:
        return [row["path"] for row in rows(call("sites", *paths, "--format", "jsonl").stdout)]

    assert found(".") == ["b.py", "a/B.py", "a/z.py", "a/b/c.py"]
    assert found("a", "script", "./b.py", "a/z.py", "b.py") == ["a/B.py", "a/z.py", "a/b/c.py", "script", "b.py"]
    assert found("a/.hidden") == ["a/.hidden/x.py"]


def test_stdin_stands_where_it_is_named(shop: Path) -> None:
    done = call("sites", shop, "-", "-", "--format", "jsonl", "--rule", "flip-booleans", stdin="x = True")
    assert [row["path"] for row in rows(done.stdout)] == [str(shop), str(shop), "<stdin>"]


def test_a_file_may_have_the_name_of_standard_input(here: Path) -> None:
    (here / "-").write_text("y = True\n", "utf-8")
    done = call("sites", "./-", "-", "--rule", "flip-booleans", stdin="x = not True\n")
    assert done.stdout == "./-:1:5: flip-booleans  True -> False\n<stdin>:1:9: flip-booleans  True -> False\n"
    assert call("mutate", "./-", "--output", "out").exit_code == 0
    assert len(list((here / "out" / "-").iterdir())) == 1


@UNIX
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_and_folders_are_errors(shop: Path) -> None:
    shop.chmod(0)
    (shop.parent / "closed").mkdir(mode=0)
    done = call("mutate", shop.parent)
    assert done.exit_code == 2
    assert done.stderr.count(": Permission denied\n") == 2


@UNIX
def test_odd_names_are_no_trouble(here: Path) -> None:
    for name in ("a b.py", "ü.py", "new\nline.py", "-x.py", '"q".py'):
        (here / name).write_text("x = True\n", "utf-8")
    Path(os.fsdecode(b"\xff.py")).write_text("x = True\n", "utf-8")
    done = run("sites", ".", "--rule", "flip-booleans", cwd=here, LC_ALL="C")
    names = [line.split(b":")[0] for line in done.stdout.splitlines()]
    assert names == [b'"\\"q\\".py"', b"-x.py", b"a b.py", b'"new\\nline.py"', "ü.py".encode(), b'"\\377.py"']
    assert len(rows(call("sites", ".", "--rule", "flip-booleans", "--format", "jsonl").stdout)) == 6
    assert call("sites", "--", "-x.py").exit_code == 0


@pytest.mark.parametrize("command", ["mutate", "sites"])
def test_without_a_tag(here: Path, command: str) -> None:
    (here / "a.py").write_text("f(x)\ny = f(x)\n", "utf-8")
    options = ("a.py", "--rule", "call-to-name", "--format", "jsonl")
    assert [row["tags"] for row in rows(call(command, *options).stdout)] == [["trivial"], []]
    assert [row["tags"] for row in rows(call(command, *options, "--without", "paper,trivial").stdout)] == [[]]


# --- --in-place and --output ---


@pytest.mark.parametrize(
    "content",
    [
        b"x = True\r\ny = a < b\r\n",
        codecs.BOM_UTF8 + b"x = True\ny = a < b\n",
        b"# -*- coding: latin-1 -*-\nx = '\xe9', True\ny = a < b",
        b"x = True\n\x0cy = a < b\r",
        "π = True\ny = a < b".encode(),
    ],
    ids=["crlf", "bom", "latin-1", "form feed", "utf-8"],
)
def test_in_place_changes_one_thing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(content)
    path.chmod(0o750)
    (row,) = rows(call("mutate", path, "--rule", "flip-comparators", "--format", "jsonl").stdout)
    done = call("mutate", path, "--in-place", "--id", row["id"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert path.read_bytes() == content.replace(b"<", b">=")
    assert list(tmp_path.iterdir()) == [path]
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o750


def test_in_place_without_such_a_mutant_changes_nothing(shop: Path) -> None:
    def state() -> tuple[int, ...]:  # without the time of the last access: it was read
        now = shop.stat()
        return now.st_ino, now.st_mode, now.st_uid, now.st_size, now.st_mtime_ns, now.st_ctime_ns

    before = state()
    done = call("mutate", shop, "--in-place", "--id", "0" * 16)
    assert (done.exit_code, done.stdout) == (1, "")
    assert state() == before


@UNIX
def test_in_place_is_not_for_pipes(here: Path) -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_bytes, args=(SHOP.encode(),))
    writer.start()
    done = call("mutate", "pipe", "--in-place", "--id", next(iter(astmut.mutate(SHOP))).id)
    writer.join()
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "astmut: --in-place needs a file, not a pipe or a device\n"
    assert [path.name for path in here.iterdir()] == ["pipe"]


@UNIX
def test_in_place_writes_behind_a_link(shop: Path) -> None:
    link = shop.with_name("link.py")
    link.symlink_to("shop.py")
    mutant = next(iter(astmut.mutate(SHOP)))
    assert call("mutate", link, "--in-place", "--id", mutant.id).exit_code == 0
    assert link.is_symlink()
    assert shop.read_text("utf-8") == mutant.text


@UNIX
def test_in_place_takes_the_longest_name_there_is(here: Path) -> None:
    path = here / ("ü" * 125 + "u.py")  # 254 bytes, as long as a name may be on most disks
    path.write_text(SHOP, "utf-8")
    mutant = next(iter(astmut.mutate(SHOP)))
    done = call("mutate", path, "--in-place", "--id", mutant.id)
    assert (done.exit_code, done.stderr) == (0, "")
    assert path.read_text("utf-8") == mutant.text
    assert list(here.iterdir()) == [path]


def test_what_cannot_be_written_in_place_is_named(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", "/a/name/of/our/own")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    done = call("mutate", shop, "--in-place", "--id", next(iter(astmut.mutate(SHOP))).id)
    assert done.exit_code == 2
    assert done.stderr == f"astmut: {shop}: no file can be made beside it: Permission denied\n"
    assert shop.read_text("utf-8") == SHOP


def test_in_place_does_not_overwrite_what_changed_meanwhile(shop: Path) -> None:
    with pytest.raises(OSError, match="changed while it was being read"):
        replace(str(shop), b"something else", b"new")
    assert shop.read_text("utf-8") == SHOP
    assert list(shop.parent.iterdir()) == [shop]


def test_output_is_a_mirror_with_an_index(here: Path) -> None:
    (here / "src" / "a").mkdir(parents=True)
    (here / "src" / "a" / "b.py").write_bytes(b"# coding: latin-1\r\nx = True, '\xe9'\r\n")
    (here / "src" / "script").write_bytes(b"x = True")
    done = call("mutate", "src", "src/script", "-", "--output", "out", "--rule", "flip-booleans", stdin="y = True\n")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    index = rows((here / "out" / "mutants.jsonl").read_bytes())
    names = [str(row["file"]) for row in index]
    assert [Path(name).parent.as_posix() for name in names] == ["src/a/b", "src/script", "stdin"]
    assert all(Path(str(row["file"])).name == f"{row['id']}-{row['rule']}.py" for row in index)
    assert (here / "out" / names[0]).read_bytes() == b"# coding: latin-1\r\nx = False, '\xe9'\r\n"
    files = [path.relative_to(here / "out").as_posix() for path in (here / "out").rglob("*") if path.is_file()]
    assert sorted(files) == sorted([*names, "mutants.jsonl"])


def test_output_keeps_the_path_of_files_elsewhere(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("out")
    assert call("mutate", shop, "--output", out, "--max", 1).exit_code == 0
    (row,) = rows((out / "mutants.jsonl").read_bytes())
    assert Path(str(row["file"])).parent == shop.with_suffix("").relative_to(shop.anchor)


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_two_files_share_a_folder_of_the_output(here: Path, jobs: int) -> None:
    for name in ("dup", "dup.py", "dup-2.py", "mutants.jsonl.py", "stdin.py", "src.py", "mutants.jsonl/a.py"):
        path = here / "src" / name if name != "mutants.jsonl/a.py" else here / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x = True\n")
    os.chdir(here / "src")
    names = ["dup", "dup.py", "dup-2.py", "mutants.jsonl.py", "-", "stdin.py", "src.py"]
    options = ("--output", "../out", "--rule", "flip-booleans", "--jobs", jobs)
    done = call("mutate", *names, *options, stdin="x = True\n")
    assert (done.exit_code, done.stderr) == (0, "")
    index = rows((here / "out" / "mutants.jsonl").read_bytes())
    parents = [Path(str(row["file"])).parent.as_posix() for row in index]
    assert parents == ["dup", "dup-2", "dup-2-2", "mutants.jsonl-2", "stdin", "stdin-2", "src"]
    assert all((here / "out" / str(row["file"])).read_bytes() == b"x = False\n" for row in index)
    os.chdir(here)
    assert call("mutate", "mutants.jsonl/a.py", "--output", "other").exit_code == 0
    assert (here / "other" / "mutants.jsonl-2" / "a").is_dir()


def test_no_name_leads_out_of_the_output(here: Path) -> None:
    names = [".py", "..py", "...py", "src/...py", "src/a.b.py"]
    for name in names:
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_bytes(b"x = True\n")
    done = call("mutate", *names, "--output", "out/deep/er", "--rule", "flip-booleans")
    assert (done.exit_code, done.stderr) == (0, "")
    index = rows((here / "out" / "deep" / "er" / "mutants.jsonl").read_bytes())
    parents = [Path(str(row["file"])).parent.as_posix() for row in index]
    assert parents == [".py", "..py", "...py", "src/...py", "src/a.b"]
    assert [path.name for path in (here / "out").iterdir()] == ["deep"]
    assert [path.name for path in (here / "out" / "deep").iterdir()] == ["er"]


def test_output_never_overwrites(shop: Path) -> None:
    done = call("mutate", shop, "--output", shop.parent)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "the output folder is not empty" in done.stderr
    assert list(shop.parent.iterdir()) == [shop]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that nobody may write to")
def test_output_that_cannot_be_written_is_one_error(shop: Path) -> None:
    done = call("mutate", shop, "--output", "/proc/self/out")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("astmut: /proc/self/out: ")
    assert done.stderr.count("\n") == 1


# --- --diff-base ---


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *who, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(here: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not here")
    git(here, "init", "-q")
    (here / "sub").mkdir()
    for name in ("a.py", "sub/ü b.py", "same.py", "mac.py"):
        (here / name).write_bytes(
            b"x = True\ny = True\nz = True\n" if name != "mac.py" else b"x = True\ry = True\r\nz = 1"
        )
    git(here, "add", ".")
    git(here, "commit", "-q", "-m", "one")
    (here / "a.py").write_bytes(b"x = True\ny = not True\nz = True\nlast = True\n")
    (here / "sub" / "ü b.py").write_bytes(b"x = True\nz = True\n")
    (here / "mac.py").write_bytes(b"x = True\ry = True\r\nz = True")
    (here / "new.py").write_bytes(b"x = True\ny = True\n")
    return here


def places(*arguments: object) -> list[str]:
    found = rows(call("sites", *arguments, "--rule", "flip-booleans", "--format", "jsonl").stdout)
    return [f"{row['path']}:{row['start']['line']}" for row in found]  # type: ignore[index]


def test_only_lines_that_changed(repository: Path) -> None:
    changed = ["a.py:2", "a.py:4", "mac.py:3", "new.py:1", "new.py:2"]
    assert places(".", "--diff-base", "HEAD") == changed
    assert places(repository / "a.py", "--diff-base", "HEAD") == [f"{repository}/{place}" for place in changed[:2]]
    assert places(".", "--diff-base", "HEAD", "--lines", "3-4") == ["a.py:4", "mac.py:3"]
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "two")
    assert places(".", "--diff-base", "HEAD~1") == changed
    assert places(".", "--diff-base", "HEAD") == []
    assert call("mutate", ".", "--diff-base", "HEAD").exit_code == 1


def test_settings_of_git_change_nothing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = places(".", "--diff-base", "HEAD")
    git(repository, "config", "diff.interHunkContext", "5")
    git(repository, "config", "diff.algorithm", "patience")
    git(repository, "config", "diff.context", "4")
    (repository / ".git" / "info" / "attributes").write_text("*.py -diff\n", "utf-8")
    monkeypatch.setenv("GIT_DIFF_OPTS", "-u5")
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")  # of hooks under `git --literal-pathspecs`
    assert places(".", "--diff-base", "HEAD") == expected


@pytest.mark.parametrize("renames", ["true", "false"])
def test_of_a_renamed_file_the_lines_that_changed(repository: Path, renames: str) -> None:
    git(repository, "config", "diff.renames", renames)
    lines = [f"line_{n} = True\n" for n in range(20)]
    (repository / "old.py").write_text("".join(lines), "utf-8")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "two")
    git(repository, "mv", "old.py", "sub/moved.py")
    (repository / "sub" / "moved.py").write_text("".join(lines).replace("line_7", "seven"), "utf-8")
    assert places(".", "--diff-base", "HEAD") == ["sub/moved.py:8"]
    git(repository, "commit", "-q", "-a", "-m", "three")
    assert places(".", "--diff-base", "HEAD~1") == ["sub/moved.py:8"]
    (repository / "old.py").write_text("new = True\n", "utf-8")  # where the former name is a file again, both are new
    git(repository, "add", ".")
    assert places(".", "--diff-base", "HEAD~1") == ["old.py:1", *(f"sub/moved.py:{row}" for row in range(1, 21))]


def test_a_hook_in_a_linked_worktree_sees_the_lines_that_changed(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = tmp_path_factory.mktemp("linked") / "tree"
    git(repository, "worktree", "add", "-q", str(linked))
    (linked / "sub" / "ü b.py").write_bytes(b"x = True\ny = not True\nz = True\n")
    (linked / "a.py").write_bytes(b"x = True\ny = True\nz = not True\n")
    monkeypatch.chdir(linked)
    expected = ["a.py:3", "sub/ü b.py:2"]
    assert places(".", "--diff-base", "HEAD") == expected
    monkeypatch.setenv("GIT_DIR", str(repository / ".git" / "worktrees" / "tree"))  # as git does for its hooks
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository / ".git" / "worktrees" / "tree" / "index"))
    assert places(".", "--diff-base", "HEAD") == expected
    assert places(repository, "--diff-base", "HEAD", "--lines", "1-2") == [
        f"{repository}/{place}" for place in ("a.py:2", "new.py:1", "new.py:2")
    ]


def test_what_git_takes_for_all_but_a_revision_is_none(repository: Path) -> None:
    done = call("mutate", repository, "--diff-base", "^HEAD")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.endswith("'^HEAD' is no single revision\n")


def test_no_such_revision(repository: Path) -> None:
    done = call("mutate", repository, "--diff-base", "--nonsense")
    assert (done.exit_code, done.stdout) == (2, "")
    files = len(list(repository.rglob("*.py")))
    assert f" and {files - 1} more: git knows no revision '--nonsense' in {repository}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("repository")
def test_files_that_git_cannot_tell_of_cost_only_themselves(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(elsewhere.parent))
    monkeypatch.setenv("LC_ALL", "C")
    for name in ("one.py", "two.py"):
        (elsewhere / name).write_text("x = True\n", "utf-8")
    expected = places(".", "--diff-base", "HEAD")
    done = call("sites", elsewhere, ".", "--rule", "flip-booleans", "--diff-base", "HEAD")
    assert done.exit_code == 2
    assert [":".join(line.split(":")[:2]) for line in done.stdout.splitlines()] == expected
    assert done.stderr.startswith(f"--diff-base: {elsewhere}/one.py and 1 more: not a git repository")


def test_no_repository(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(shop.parent.parent))
    monkeypatch.setenv("LC_ALL", "C")
    done = call("mutate", shop, "--diff-base", "HEAD")
    assert done.exit_code == 2
    assert "not a git repository" in done.stderr


def test_no_git(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = call("mutate", shop, "--diff-base", "HEAD")
    assert done.exit_code == 2
    assert "git is not installed" in done.stderr


# --- pipes, terminals, signals ---


@UNIX
def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SHOP * 30, "utf-8")
    with subprocess.Popen(
        [*ASTMUT, "mutate", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"# ")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(10) == 141


@UNIX
@pytest.mark.parametrize(("times", "pause"), [(0, 0), (3, 0.001), (3, 0.01), (3, 0.02), (30, 0.0005)])
def test_interrupting_ends_quietly(tmp_path: Path, times: int, pause: float) -> None:
    (tmp_path / "a.py").write_text(SHOP * 200, "utf-8")
    (tmp_path / "b.py").write_text(SHOP * 201, "utf-8")
    command = [*ASTMUT, "mutate", str(tmp_path), "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
        for _ in range(times):  # some press Ctrl-C until the prompt is back
            time.sleep(pause)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) == 130  # though nobody reads what is left in the pipe
        assert process.stderr.read().strip() == b""


def test_another_interrupt_counts_when_the_first_had_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("astmut.cli.time.monotonic", lambda: clock[0])
    interrupt = cli._interrupts()
    counted = []
    for clock[0] in (100.0, 100.1, 101.9, 102.0, 103.9):
        try:
            interrupt(signal.SIGINT, None)
        except KeyboardInterrupt:
            counted.append(clock[0])
    assert counted == [100.0, 102.0]


@UNIX
def test_an_interrupt_that_the_shell_ignores_stays_ignored(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SHOP * 100, "utf-8")
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *ASTMUT, "mutate", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(10) == 0


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no way to see other processes")
def test_no_process_is_left_behind_by_termination(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SHOP * 300, "utf-8")
    with subprocess.Popen([*ASTMUT, "mutate", str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split()
        process.terminate()
        assert process.wait(10) == 143
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
@pytest.mark.parametrize("arguments", [("mutate", "-"), ("--help",)])
def test_a_full_disk_is_one_error(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*ASTMUT, *arguments], input=b"x = True", stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert done.stderr.endswith(b"No space left on device\n")
    assert done.stderr.count(b"\n") == 1


@UNIX
@pytest.mark.parametrize(("closed", "which"), [("<&-", "input"), (">&-", "output")])
def test_a_closed_stream_is_one_error(closed: str, which: str) -> None:
    done = subprocess.run(
        f'"{sys.executable}" -m astmut mutate - {closed}',
        shell=True,
        input=b"x = True",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"astmut: standard {which} is closed\n".encode()


@UNIX
@pytest.mark.parametrize("errors", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("arguments", ["mutant", "mutate nowhere.py", "mutate - --rule nothing"])
def test_an_error_that_nobody_hears_is_one(arguments: str, errors: str) -> None:
    if "full" in errors and not Path("/dev/full").exists():
        pytest.skip("no disk that is always full")
    command = f'"{sys.executable}" -m astmut {arguments} {errors}'
    done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


@UNIX
@pytest.mark.parametrize(("no_colour", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals(tmp_path: Path, no_colour: str, coloured: bool) -> None:
    pty = pytest.importorskip("pty")
    path = tmp_path / "a.py"
    path.write_bytes(b"# coding: latin-1\nx = True, '\xe9'\n")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "NO_COLOR": no_colour, "TERM": "xterm"}
    command = [*ASTMUT, "mutate", str(path), "--rule", "flip-booleans"]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=theirs, env=environment, check=True)
    shown = os.read(ours, 10_000)
    os.close(ours)
    os.close(theirs)
    assert (b"\x1b[32m+x = False" in shown) == coloured
    assert "'é'".encode() in shown
