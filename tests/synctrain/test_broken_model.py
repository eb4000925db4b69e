"""A model whose vectors are no numbers: one clear error that names it, whatever it is asked for."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from synctrain import encoders
from synctrain.cli import main

ALL = "hold infinite numbers or NaN: the model is broken"


@pytest.fixture
def broken(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the model with weights that are no numbers."""
    monkeypatch.setenv("SYNCTRAIN_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "broken"
    encoders.load(str(model)).save(folder)
    (file,) = folder.rglob("*.safetensors")
    save_file({name: torch.full_like(weight, float("nan")) for name, weight in load_file(file).items()}, file)
    return folder


COMMANDS = {
    "evaluate": ("evaluate", "{model}", "--data", "{sets}"),
    "mine": ("mine", "{model}", "--data", "{pairs}", "-o", "{out}/mined.parquet"),
    "search": ("search", "{model}", "{out}", "the query"),
    "difficulty": ("difficulty", "{model}", "--data", "{pairs}"),
    "analogies": ("analogies", "{model}", "--data", "{pairs}", "--rule", "flip-comparators"),
    "fit": ("fit", "--out", "{out}/run", "--set", 'encoder.name="{model}"', "--set", 'data.train=["{pairs}"]'),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_named_in_one_line(
    command: str, broken: Path, pairs_file: Path, retrieval_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.py").write_text('def f(x):\n    """Find it."""\n    return x < 1\n', "utf-8")
    places = {"model": broken, "pairs": pairs_file, "sets": retrieval_folder, "out": tmp_path / "out"}
    done = CliRunner().invoke(main, [each.format(**places) for each in COMMANDS[command]], catch_exceptions=False)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == f"synctrain: {broken}: its vectors {ALL}"
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "mined.parquet").exists()
