"""Models between the weights that a run began with and those that it came to."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from synctrain.blend import blended, weights_of
from synctrain.checkpoint import load as load_checkpoint
from synctrain.encoders import load

Runs = Any  # tests/synctrain/conftest.py, which no test imports


def nothing(_text: str) -> None:
    pass


def kept(out: Path) -> Any:
    """The weights of the model that a run left."""
    return load(str(out / "model")).state_dict()["embedding.weight"]


def test_weights_are_mixed_for_a_moment_and_come_back_to_the_bit() -> None:
    model = nn.Linear(3, 2)
    begun_with = weights_of(model)
    with torch.no_grad():
        model.weight += torch.randn(2, 3)
    own = weights_of(model)
    with blended(model, begun_with, 0.25):
        for name, tensor in model.named_parameters():
            torch.testing.assert_close(tensor.detach(), 0.25 * begun_with[name] + 0.75 * own[name])
    assert all(torch.equal(tensor, own[name]) for name, tensor in model.named_parameters())


def test_weights_come_back_after_an_error() -> None:
    model = nn.Linear(3, 2)
    begun_with = {name: torch.zeros_like(tensor) for name, tensor in model.named_parameters()}
    own = weights_of(model)
    with pytest.raises(ValueError, match="no measure"), blended(model, begun_with, 0.5):
        raise ValueError("no measure")
    assert all(torch.equal(tensor, own[name]) for name, tensor in model.named_parameters())


def test_the_kept_model_is_between_the_first_and_the_last_weights(runs: Runs, tmp_path: Path) -> None:
    settings = ("evaluation.every=8", "evaluation.checkpoint=8")
    plain = runs.fit(tmp_path / "plain", *settings)
    mixed = runs.fit(tmp_path / "mixed", *settings, "optim.initial=0.3")
    losses = [[one["loss"] for one in lines if one["event"] == "step"] for lines in (plain, mixed)]
    assert losses[0] == losses[1]  # training goes on with its own weights
    first = runs.parts(runs.config()).encoder.embedding.weight.detach()
    found = load_checkpoint(tmp_path / "mixed" / "checkpoints", nothing)
    assert found is not None
    last = found.weights["embedding.weight"]
    torch.testing.assert_close(kept(tmp_path / "mixed"), 0.3 * first + 0.7 * last)
    torch.testing.assert_close(kept(tmp_path / "plain"), last)
    assert not torch.allclose(first, last)


def test_a_resumed_run_mixes_with_the_weights_that_the_run_began_with(runs: Runs, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    runs.fit(one, "optim.initial=0.5")
    runs.fit(two, "optim.initial=0.5")
    for last in sorted((two / "checkpoints").glob("step-*"))[1:]:  # as if killed after the first of those kept
        for file in last.iterdir():
            file.unlink()
        last.rmdir()
    runs.fit(two, "optim.initial=0.5", resume=True)
    assert torch.equal(kept(one), kept(two))
