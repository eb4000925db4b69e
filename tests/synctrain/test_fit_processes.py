"""Two processes launched together: different rows, equal weights, one curriculum."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synctrain import train

Runs = Any  # tests/synctrain/conftest.py, which no test imports

# Runs the command as it is, and writes down what this process saw and ended with.
WATCHED = """
import hashlib, json, os, sys
from synctrain import build, loop
from synctrain.cli import main

seen, made, true_draw, true_build = [], [], loop.draw, build.build

def draw(parts, config, pairs, block, *rest):
    seen.append([int(row) for row in block * len(parts.material.query) + pairs])
    return true_draw(parts, config, pairs, block, *rest)

def build_(*args):
    made.append(true_build(*args))
    return made[0]

loop.draw, build.build = draw, build_
main(["fit", *sys.argv[2:]], standalone_mode=False)
weights = hashlib.sha256()
for weight in made[0].encoder.state_dict().values():
    weights.update(weight.numpy().tobytes())
about = {"rows": seen, "weights": weights.hexdigest(), "curriculum": made[0].curriculum.state_dict()}
with open(os.path.join(sys.argv[1], os.environ["RANK"] + ".json"), "w") as file:
    json.dump(about, file)
"""


@pytest.mark.parametrize(
    "model", ["bert", *(pytest.param(one, marks=pytest.mark.slow) for one in ("bow", "cnn", "rnn"))]
)
def test_two_processes_are_one_run(runs: Runs, tmp_path: Path, bert_folder: Path, model: str) -> None:
    """Under ``accelerate launch``, on a machine without a GPU too; BERT's idle pooler must not be waited for."""
    (tmp_path / "watched.py").write_text(WATCHED, "utf-8")
    name = str(bert_folder) if model == "bert" else model
    asked = runs.settings("optim.steps=6", f"encoder.name={name}")
    settings = [part for one in asked for part in ("--set", one)]
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes=2",
        "--num_machines=1",
    ]
    fixed = ["--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0"]
    done = subprocess.run(
        [*launch, *fixed, tmp_path / "watched.py", tmp_path, "--preset", "sync", *settings, "--out", tmp_path / "run"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert done.returncode == 0, done.stderr
    zero, one = (json.loads((tmp_path / f"{rank}.json").read_text("utf-8")) for rank in (0, 1))
    assert len(zero["rows"]) == len(one["rows"]) == 6
    assert not {row for rows in zero["rows"] for row in rows} & {row for rows in one["rows"] for row in rows}
    assert zero["weights"] == one["weights"]
    assert zero["curriculum"] == one["curriculum"]
    lines = runs.lines(tmp_path / "run", "step")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert all(line["seen.soft"] + line["seen.hard"] == 16 for line in lines)  # counts of both, added up
    assert done.stderr.count("pairs to train on") == 1
    assert done.stderr.count("the model is in") == 1
    assert done.stdout.count("BM25") == 1


def test_processes_that_do_not_find_each_other_stop(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two single runs would write to one folder."""

    class Alone:
        num_processes = 1

        def __init__(self, *, cpu: bool) -> None:
            assert cpu

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setattr(train, "PartialState", Alone)
    with pytest.raises(train.RunError, match="one of 2 processes that were launched together, but they do not find"):
        train.train(runs.config(), tmp_path / "run", say=lambda _: None)
    assert not (tmp_path / "run").exists()
