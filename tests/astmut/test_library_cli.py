"""`astmut index`, and the options of `mutate` and `sites` that lead to it."""

import gzip
import json
import os
import stat
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from astmut import cli, substitutes
from astmut.library.index import COMMITTED, opened

RULE = "substitute-library-function"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli.commands, [str(argument) for argument in arguments], prog_name="astmut")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """An index of a package of one's own."""
    pytest.importorskip("typeshed_client", reason="astmut[index] is not installed")
    (tmp_path / "lib/shop").mkdir(parents=True)
    (tmp_path / "lib/shop/__init__.py").write_text("def buy(a): ...\ndef sell(a): ...\ndef pay(a): ...\n", "utf-8")
    (tmp_path / "lib/shop/broken.py").write_text("def (", "utf-8")
    file = tmp_path / "shop.jsonl.gz"
    done = call("index", "build", "shop", "--path", tmp_path / "lib", "-o", file, "--manifest", tmp_path / "m.json")
    assert done.exit_code == 0
    assert "3 functions, 0 with a return type\n" in done.stderr
    assert "left out shop.broken: " in done.stderr
    assert done.stdout == ""
    return file


def test_choices_are_those_there_are() -> None:
    assert cli.LIBRARIES == substitutes.REACHES


@pytest.mark.parametrize("command", ["build", "nearest", "info"])
def test_help_has_examples(command: str) -> None:
    assert f"\n  astmut index {command} " in call("index", command, "--help").stdout


def test_a_table_of_the_nearest() -> None:
    done = call("index", "nearest", "json.dumps", "-k", 3)
    assert done.exit_code == 0
    first, _, head, *rows = done.stdout.splitlines()
    assert first.startswith("json.dumps(obj, *, skipkeys=False")
    assert head.split() == ["score", "name", "type", "parameters", "function"]
    assert [row.split()[-1] for row in rows] == [n.signature.qualified_name for n in opened().nearest("json.dumps", 3)]


def test_the_nearest_as_json() -> None:
    done = call("index", "nearest", "os.path.join", "--format", "json")
    document = json.loads(done.stdout)
    assert document["name"] == "os.path.join"
    assert len(document["nearest"]) == 10
    for one in document["nearest"]:
        assert one["score"] == round(sum(one["parts"].values()), 12)
        assert set(one["parts"]) == {"name", "returns", "parameters"}
        assert one["version"]


def test_an_unknown_function_is_an_error_with_a_suggestion() -> None:
    done = call("index", "nearest", "json.dmps")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("astmut: no function named 'json.dmps' in the index; did you mean 'json.")


def test_what_is_in_the_index() -> None:
    lines = call("index", "info").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [*opened().packages, "total"]
    assert str(len(opened())) in lines[-1]


def test_an_index_whose_first_line_counts_nothing(tmp_path: Path) -> None:
    head = {"format": "astmut-index", "format_version": 1, "functions": 1, "packages": {"m": "2"}, "modules": {"m": 1}}
    row = ["m.f", [], "m.f", [], "int", "m"]
    (tmp_path / "m.jsonl").write_text(f"{json.dumps(head)}\n{json.dumps(row)}\n", "utf-8")
    lines = call("index", "info", "--index", tmp_path / "m.jsonl").stdout.splitlines()
    assert [line.split() for line in lines] == [["m", "1", "2"], ["total", "1", "1", "with", "a", "return", "type"]]


def test_an_index_of_ones_own(shop: Path) -> None:
    assert "shop " in call("index", "info", "--index", shop).stdout
    done = call("index", "nearest", "shop.buy", "--index", shop)
    assert [line.split()[-1] for line in done.stdout.splitlines()[3:]] == ["shop.pay", "shop.sell"]
    assert json.loads((shop.parent / "m.json").read_text("utf-8"))["modules"] == {"shop": 3}


@pytest.mark.parametrize("jobs", [1, 2])
def test_mutate_takes_the_index_into_its_processes(shop: Path, jobs: int) -> None:
    files = [shop.parent / f"a{number}.py" for number in range(3)]
    for file in files:
        file.write_text("import shop\nshop.buy(1)\n", "utf-8")
    done = call("sites", *files, "--rule", RULE, "--index", shop, "--jobs", jobs)
    assert [line.split(" -> ")[1] for line in done.stdout.splitlines()] == ["pay", "sell"] * 3
    done = call("mutate", files[0], "--rule", RULE, "--index", shop, "--alternatives", 1, "--format", "source")
    assert done.stdout.endswith("import shop\nshop.pay(1)\n")


@pytest.mark.skipif(os.name == "nt", reason="pipes with names")
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        (("sites", "a.py", "b.py", "--rule", RULE, "--alternatives", "1", "--jobs", "2"), f"b.py:2:1: {RULE}  dumps -> dump"),
        (("index", "info"), f"total           {len(opened())}  "),
        (("index", "nearest", "json.dumps", "-k", "1"), "2.091  1.00  1.00        0.09  xmlrpc.client.dumps"),
    ],
)  # fmt: skip
def test_an_index_may_come_through_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compressed: bool, arguments: tuple[str, ...], last: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("a.py", "b.py"):
        Path(name).write_text("import json\njson.dumps(1)\n", "utf-8")
    os.mkfifo("pipe")
    data = COMMITTED.read_bytes() if compressed else gzip.decompress(COMMITTED.read_bytes())
    writer = threading.Thread(target=Path("pipe").write_bytes, args=(data,))
    writer.start()
    done = call(*arguments, "--index", "pipe")
    writer.join()
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith(last)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.py", "b.py", "pipe"]


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no names for what is open")
def test_an_index_may_go_into_a_pipe_that_is_open(shop: Path, tmp_path: Path) -> None:
    receive, send = os.pipe()
    with os.fdopen(receive, "rb") as reader:
        done = call("index", "build", "shop", "--path", tmp_path / "lib", "-o", f"/dev/fd/{send}")
        os.close(send)
        assert (done.exit_code, reader.read()) == (0, shop.read_bytes())


@pytest.mark.parametrize("command", ["mutate", "sites"])
@pytest.mark.parametrize("option", [("--library", "paper"), ("--alternatives", "2"), ("--index", "none.gz")])
def test_options_of_a_rule_that_is_not_chosen_are_refused(command: str, option: tuple[str, str]) -> None:
    for chosen in (("--rule", "flip-booleans"), ("--group", "disco")):
        done = call(command, "-", *chosen, *option)
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"Error: {option[0]} is for {RULE}, which is not among the chosen rules\n" in done.stderr


def test_the_papers_way(tmp_path: Path) -> None:
    file = tmp_path / "snippet.py"
    file.write_text("np.sqrt(x)\n", "utf-8")
    assert call("sites", file, "--rule", RULE).exit_code == 1
    done = call("sites", file, "--rule", RULE, "--library", "paper", "--alternatives", 4)
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sites", "a.py", "--index", "none.gz"), "none.gz: No such file"),
        (("sites", "a.py", "--index", "a.py"), "a.py is no index of signatures"),
        (("index", "nearest", "m.f", "--index", "none.gz"), "none.gz: No such file"),
        (("index", "info", "--index", "a.py"), "a.py is no index of signatures"),
        (("sites", "a.py", "--library", "papers"), "'in-scope', 'paper'"),
        (("index", "nearest", "m.f", "-k", "0"), "0 is not in the range"),
        (("index", "build", "no_such_package_here", "-o", "x.gz"), "no package 'no_such_package_here'"),
        (("index", "build", "../x", "-o", "x.gz"), "'../x' is no name of a package"),
        (("index", "info", "--index", f"{os.curdir}{os.sep}sub/b.gz"), "sub/b.gz is no index of signatures"),
        (("index", "build"), "Missing option '--output'"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    if arguments[1] == "build":
        pytest.importorskip("typeshed_client", reason="astmut[index] is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("f(1)\n", "utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.gz").write_bytes(b"f(1)\n")
    done = call(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["-o", "--manifest"])
@pytest.mark.parametrize("name", ["gone/x", "a.py/x", "dead"])
def test_a_file_that_cannot_be_written_is_named_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, name: str
) -> None:
    build = pytest.importorskip("astmut.library.build", reason="astmut[index] is not installed")
    monkeypatch.setattr(build, "build", lambda *_, **__: pytest.fail("read"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").touch()
    (tmp_path / "dead").symlink_to("gone/x")
    other = {"-o": "--manifest", "--manifest": "-o"}[option]
    done = call("index", "build", "shop", option, name, other, "fine.gz")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert f"{name}: No" in done.stderr  # such file or directory, or a directory
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.py", "dead"]


def test_an_index_stays_until_another_is_complete(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, link = shop.read_bytes(), shop.with_name("link.gz")
    link.symlink_to(shop.name)
    shop.chmod(0o640)
    (shop.parent / "lib/shop/more.py").write_text("def lend(a): ...\n", "utf-8")
    again = ("index", "build", "shop", "--path", shop.parent / "lib", "-o", link)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        done = call(*again)
    assert (done.exit_code, shop.read_bytes()) == (2, before)
    assert f"{link}: No space left on device" in done.stderr
    assert not list(shop.parent.glob(".*"))
    assert call(*again).exit_code == 0
    assert shop.read_bytes() != before
    assert link.is_symlink()
    assert stat.S_IMODE(shop.stat().st_mode) == 0o640


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_an_index_that_root_builds_anew_keeps_its_owner(shop: Path) -> None:
    os.chown(shop, 12_345, 12_346)
    assert call("index", "build", "shop", "--path", shop.parent / "lib", "-o", shop).exit_code == 0
    assert (shop.stat().st_uid, shop.stat().st_gid) == (12_345, 12_346)


def test_building_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "typeshed_client", None)
    monkeypatch.delitem(sys.modules, "astmut.library.build", raising=False)
    done = call("index", "build", "json", "-o", tmp_path / "x.gz")
    assert done.exit_code == 2
    assert "pip install 'astmut[index]'" in done.stderr
