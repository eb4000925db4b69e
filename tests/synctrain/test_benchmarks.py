"""What the benchmarks share: the trainer that synctrain is measured beside, and files of results."""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TRAIN = """
import sys, torch, peer
rows = [{"anchor": f"question {n}", "positive": f"f({n})", "negative": f"g({n})"} for n in range(8)]
folder, out = sys.argv[1:]
for margin in (None, 1.0):
    common = {"length": 12, "batch": 4, "margin": margin, "max_steps": 3, "use_cpu": True, "learning_rate": 1e-3}
    trainer = peer.trainer(folder, rows, out, **common)
    begun = {name: one.clone() for name, one in trainer.model.state_dict().items()}
    done = trainer.train()
    moved = any(not torch.equal(one, begun[name]) for name, one in trainer.model.state_dict().items())
    about = (trainer.model.max_seq_length, trainer.args.train_batch_size, done.global_step, moved)
    print("trained", type(trainer.loss).__name__, *about)
"""


def test_the_peer_trains_and_nothing_that_it_needs_is_deprecated(bert_folder: Path, tmp_path: Path) -> None:
    for package in ("sentence_transformers", "datasets"):
        pytest.importorskip(package)
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", TRAIN, str(bert_folder), str(tmp_path)],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("trained")]
    assert told == ["trained MultipleNegativesRankingLoss 12 4 3 True", "trained TripletLoss 12 4 3 True"]
    assert "Importing from" not in done.stderr


def test_a_result_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    common = importlib.import_module("common")
    assert common.result_file(str(tmp_path / "new" / "r.json")) == tmp_path / "new" / "r.json"
    (tmp_path / "file").touch()
    for path, why in ((tmp_path / "new", "it is a folder"), (tmp_path / "file" / "r.json", "")):
        with pytest.raises(argparse.ArgumentTypeError, match=rf"^{path} cannot be written: {why}"):
            common.result_file(str(path))
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "fit.py"), "--out", str(tmp_path / "file" / "r.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "r.json cannot be written" in done.stderr.splitlines()[-1]
