"""The `synctrain` command line, run as a user runs it: a real process."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import synctrain
from synctrain import config as configs
from synctrain.cli import main

COMMANDS = ("analogies", "baselines", "difficulty", "evaluate", "fit", "harvest", "mine", "search")


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("synctrain")
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", **environment}
    return subprocess.run([command, *arguments], capture_output=True, text=True, check=False, timeout=60, env=offline)


def test_help_lists_the_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: synctrain ")
    listed = done.stdout.split("Commands:")[1].splitlines()
    assert [line.split()[0] for line in listed if line.strip()] == list(COMMANDS)
    assert done.stderr == ""


def test_help_is_fast_because_it_loads_no_torch() -> None:
    code = "import sys; from synctrain.cli import main; assert 'torch' not in sys.modules; assert 'numpy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_it_does(command: str) -> None:
    done = CliRunner().invoke(main, [command, "--help"])
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: main {command} ")
    assert len(done.stdout.split("\n\n")[1]) > 40


def test_the_readme_names_all_commands() -> None:
    page = Path(__file__).parents[2] / "packages" / "synctrain" / "README.md"
    named = set(re.findall(r"`synctrain (\w+)`", page.read_text("utf-8")))
    assert named == set(COMMANDS)


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"synctrain, version {synctrain.__version__}\n")


def test_an_unknown_command_is_an_error_on_stderr() -> None:
    done = run("train")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'train'" in done.stderr


def test_an_error_is_one_line_and_status_2(tmp_path: Path) -> None:
    done = run("fit", "--set", "optim.rte=1", "--out", tmp_path / "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "synctrain: no setting named 'optim.rte'; did you mean 'optim.rate'?\n"
    assert not (tmp_path / "run").exists()


def test_a_terminal_without_unicode_gets_escapes(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def größe(x):\n    return len(x)\n", "utf-8")
    done = run("search", model, tmp_path, "size", PYTHONIOENCODING="ascii", SYNCTRAIN_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert "def gr\\xf6\\xdfe(x):" in done.stdout


def test_settings_can_be_shown() -> None:
    done = CliRunner().invoke(main, ["fit", "--show", "--set", "seed=5"])
    assert done.exit_code == 0
    shown = json.loads(done.stdout)
    assert (shown["seed"], shown["objective"]["kind"]) == (5, "contrast")  # preset best
    done = CliRunner().invoke(main, ["fit", "--show", "--preset", "soft"])
    assert json.loads(done.stdout)["curriculum"]["soft"] == 1


def test_a_network_that_begins_from_nothing_has_a_default_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def rate(*arguments: str) -> float:
        done = CliRunner().invoke(main, ["fit", "--show", *arguments])
        return float(json.loads(done.stdout)["optim"]["rate"])

    assert rate("--set", "encoder.name=bow") == configs.load("scratch").optim.rate
    assert rate("--set", "encoder.name=cnn", "--set", "optim.rate=0.5") == 0.5
    assert rate("--set", "encoder.name=bow", "--preset", "best") == configs.load("best").optim.rate
    assert rate("--set", "encoder.name=minilm") == configs.load("best").optim.rate
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert rate() == configs.load("scratch").optim.rate


def test_a_file_of_settings_is_no_preset(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[optim]\nsteps = 3\n", "utf-8")
    done = CliRunner().invoke(main, ["fit", "--show", "--config", str(tmp_path / "x.toml")])
    shown = json.loads(done.stdout)
    assert (shown["optim"]["steps"], shown["objective"]["kind"]) == (3, "triplet")
