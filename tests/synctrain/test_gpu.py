"""On CUDA: the same vectors as on the CPU, training in half precision, and a killed run that goes on to the bit."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from synctrain import encoders
from synctrain.encoders import embedder
from synctrain.types import Ragged

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")]

Runs = Any  # tests/synctrain/conftest.py, which no test imports
OBJECTIVES = {
    "triplet": ("curriculum.kind=fixed", "curriculum.soft=1.0"),
    "contrast": ("objective.kind=contrast", "curriculum.kind=fixed", "curriculum.soft=0.0", "objective.symmetric=true"),
    "hardest": ("objective.kind=hardest", "negatives.soft=0", "negatives.groups=[]"),
    "retriever": ("objective.kind=retriever", "negatives.soft=0", "negatives.groups=[]"),
    "pairwise": ("objective.kind=pairwise", "curriculum.kind=fixed", "curriculum.soft=1.0"),
}


@pytest.fixture(params=["bert", "roberta", "graph", "bow", "cnn", "rnn"])
def encoder(request: pytest.FixtureRequest, bert_folder: Path, roberta_folder: Path, runs: Runs) -> Any:
    """One of each kind, on the CPU."""
    name = request.param
    if name == "graph":
        pytest.importorskip("tree_sitter_python")
        return encoders.load(str(roberta_folder), form="graphcodebert", pooling="cls")
    folders = {"bert": bert_folder, "roberta": roberta_folder}
    if name in folders:
        return encoders.load(str(folders[name]))
    return runs.parts(runs.config(f"encoder.name={name}")).encoder


def test_vectors_are_those_of_the_cpu(encoder: Any, real_pairs: list[Any]) -> None:
    texts = [pair.code for pair in real_pairs]
    there = embedder(encoder)(texts, "code")
    here = embedder(encoder.to("cuda"))(texts, "code")
    assert next(encoder.parameters()).is_cuda
    assert here.device.type == "cpu"
    assert torch.allclose(there, here, rtol=1e-4, atol=1e-5 * float(there.abs().max()))


def test_gradients_are_those_of_the_cpu_and_the_same_each_time(encoder: Any, real_pairs: list[Any]) -> None:
    """To full precision: cuDNN would round what convolutions and recurrent networks multiply to ten bits."""
    ids = encoder.tokenize([pair.code for pair in real_pairs[:48]], "code")
    tokens = Ragged(torch.tensor([i for row in ids for i in row]), torch.tensor([len(row) for row in ids]))
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(module, torch.nn.RNNBase):
            module.dropout = 0.0
    encoder.train()
    found = []
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        for device in ("cpu", "cuda", "cuda"):
            encoder.to(device).zero_grad()
            vectors = encoder(tokens)
            weights = torch.linspace(-1, 1, vectors.numel(), device=device).view_as(vectors)
            (vectors * weights).sum().backward()
            found.append([part.grad.cpu().clone() for part in encoder.parameters() if part.grad is not None])
    largest = max(float(part.abs().max()) for part in found[0])
    for there, here, again in zip(*found, strict=True):
        assert torch.allclose(there, here, rtol=1e-3, atol=1e-4 * largest)
        assert torch.equal(here, again)


def test_a_model_is_opened_where_it_is_fastest(bert_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert encoders.best_device().type == "cuda"
    gc.collect()  # what other tests left would be freed meanwhile
    before = torch.cuda.memory_allocated()
    embed = encoders.opened(str(bert_folder))
    assert torch.cuda.memory_allocated() > before
    assert embed(["x = 1"], "code").shape[0] == 1
    monkeypatch.setenv("ACCELERATE_USE_CPU", "1")
    assert encoders.best_device().type == "cpu"


@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_network_learns(  # noqa: PLR0917 - four fixtures and what they are asked for
    runs: Runs, tmp_path: Path, bert_folder: Path, fresh_accelerate: Callable[[], None], objective: str, precision: str
) -> None:
    """Each objective in each precision: finite, and the last losses lie below the first."""
    fresh_accelerate()
    settings = [f"encoder.name={bert_folder}", f"optim.precision={precision}", "optim.steps=40", "optim.rate=3e-4"]
    runs.fit(tmp_path, *settings, "optim.batch=32", "optim.clip=1.0", *OBJECTIVES[objective])
    losses = [line["loss"] for line in runs.lines(tmp_path, "step")]
    assert len(losses) == 40
    assert sum(losses[-10:]) < sum(losses[:10])
    assert all(bool(weight.isfinite().all()) for weight in runs.weights(tmp_path).values())


def test_half_precision_begins_where_full_precision_does(
    runs: Runs, tmp_path: Path, bert_folder: Path, fresh_accelerate: Callable[[], None]
) -> None:
    losses = {}
    for precision in ("no", "bf16", "fp16"):
        fresh_accelerate()
        settings = [f"encoder.name={bert_folder}", f"optim.precision={precision}", "optim.steps=1"]
        losses[precision] = runs.fit(tmp_path / precision, *settings)[0]["loss"]
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.05)
    assert losses["fp16"] == pytest.approx(losses["no"], rel=0.01)
    assert len(set(losses.values())) == 3


def test_training_is_that_of_the_cpu(
    runs: Runs, tmp_path: Path, bert_folder: Path, monkeypatch: pytest.MonkeyPatch, fresh_accelerate: Callable[[], None]
) -> None:
    """The same rows, negatives and losses, step for step, until rounding tells them apart."""
    losses = []
    for name, cpu in (("gpu", "0"), ("cpu", "1")):
        fresh_accelerate()
        monkeypatch.setenv("ACCELERATE_USE_CPU", cpu)
        runs.fit(tmp_path / name, f"encoder.name={bert_folder}", "optim.rate=1e-4", "negatives.sampling=uniform")
        losses.append([line["loss"] for line in runs.lines(tmp_path / name, "step")])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_a_killed_run_goes_on_to_the_bit(runs: Runs, tmp_path: Path, bert_folder: Path, precision: str) -> None:
    """SIGKILL in the middle, then --resume: the log and the weights of a run that nothing happened to."""
    settings = [f"encoder.name={bert_folder}", f"optim.precision={precision}", "optim.steps=60", "optim.rate=1e-3"]
    settings += ["evaluation.checkpoint=5", "evaluation.every=20"]
    given = [part for one in runs.settings(*settings) for part in ("--set", one)]
    whole, broken = tmp_path / "whole", tmp_path / "broken"

    def command(out: Path, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "synctrain", "fit", *arguments, "--out", str(out), "--quiet"]

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command(whole, "--preset", "sync", *given), env=environment, check=True, capture_output=True)
    process = subprocess.Popen(
        command(broken, "--preset", "sync", *given), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    end = time.monotonic() + 120
    while not (log := broken / "log.jsonl").exists() or log.read_text("utf-8").count('"event": "step"') < 23:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert json.loads(log.read_text("utf-8").splitlines()[-1])["step"] < 60
    subprocess.run(command(broken, "--resume"), env=environment, check=True, capture_output=True)
    assert runs.lines(broken) == runs.lines(whole)
    ours, theirs = runs.weights(broken), runs.weights(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
