"""The `synctrain` command, run as a user runs it: a real process."""

import subprocess
import sys
from pathlib import Path

import synctrain


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("synctrain")
    return subprocess.run([command, *arguments], capture_output=True, text=True, check=False, timeout=30)


def test_help_says_that_training_is_not_there_yet() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: synctrain ")
    assert "training commands are not there yet" in " ".join(done.stdout.split())
    assert "Commands:" not in done.stdout
    assert done.stderr == ""


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"synctrain, version {synctrain.__version__}\n")


def test_an_unknown_command_is_an_error_on_stderr() -> None:
    done = run("fit")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'fit'" in done.stderr
