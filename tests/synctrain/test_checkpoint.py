"""Checkpoints: whole or not at all, equal after a round trip, the one before where the last is damaged."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from synctrain import checkpoint
from synctrain.checkpoint import CheckpointError


class Tied(nn.Module):
    """Two names for one weight, a buffer, and a weight that no gradient reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.idle = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(2, 2)
        self.other.weight = self.one.weight
        self.register_buffer("seen", torch.tensor(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.other(self.one(x).tanh())  # type: ignore[no-any-return]


def trained(seed: int, steps: int = 3) -> tuple[Tied, torch.optim.AdamW]:
    torch.manual_seed(seed)
    model = Tied()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(steps):
        step(model, optimizer)
    return model, optimizer


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.ones(2, 3)).pow(2).sum().backward()
    optimizer.step()


def put(folder: Path, number: int, seed: int = 0) -> Path:
    return checkpoint.save(folder, number, *trained(seed), {"note": number})


def quietly(_text: str) -> None:
    raise AssertionError("a warning")


def test_a_restored_model_goes_on_as_the_saved_one(tmp_path: Path) -> None:
    model, optimizer = trained(1)
    checkpoint.save(tmp_path, 3, model, optimizer, {"curriculum": {"x": [1, None]}})
    other, its = trained(2, steps=0)
    found = checkpoint.load(tmp_path, quietly)
    assert found is not None
    assert found.step == 3
    assert found.state == {"step": 3, "curriculum": {"x": [1, None]}}
    checkpoint.restore(found, other, its)
    for _ in range(3):
        step(model, optimizer)
        step(other, its)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


def test_only_safetensors_and_json(tmp_path: Path) -> None:
    place = put(tmp_path, 1)
    assert {file.name for file in place.iterdir()} == {"weights.safetensors", "optimizer.safetensors", "state.json"}
    assert json.loads((place / "state.json").read_text("utf-8"))["note"] == 1


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for number in (1, 20, 300):
        put(tmp_path, number)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["step-00000020", "step-00000300"]
    assert checkpoint.latest(tmp_path) == tmp_path / "step-00000300"


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path, quietly) is None
    assert checkpoint.latest(tmp_path / "nowhere") is None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def null(path: Path) -> None:
    path.write_text("null", "utf-8")


def nested(path: Path) -> None:
    path.write_text("[" * 100_000, "utf-8")


def another_step(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"2", b"3"))


DAMAGES: list[Callable[[Path], Any]] = [cut, flip, empty, zero, Path.unlink, another_step, null, nested]


@pytest.mark.parametrize("file", ["weights.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_passed_over_with_a_warning(tmp_path: Path, file: str, damage: Callable[[Path], Any]) -> None:
    put(tmp_path, 1)
    place = put(tmp_path, 2)
    before = (place / file).read_bytes()
    damage(place / file)
    if (place / file).exists() and (place / file).read_bytes() == before:
        return  # this damage does none here
    said: list[str] = []
    found = checkpoint.load(tmp_path, said.append)
    assert found is not None
    assert found.step == 1
    assert len(said) == 1
    assert said[0].startswith(f"{place}: cannot be read: ")


def test_all_damaged_is_an_error(tmp_path: Path) -> None:
    for number in (1, 2):
        cut(put(tmp_path, number) / "weights.safetensors")
    with pytest.raises(CheckpointError, match=r"step-00000002: cannot be read: weights\.safetensors is not what"):
        checkpoint.load(tmp_path, lambda _: None)


def test_a_damaged_one_does_not_push_whole_ones_out(tmp_path: Path) -> None:
    for number in (10, 20):
        put(tmp_path, number)
    empty(tmp_path / "step-00000020" / "state.json")
    put(tmp_path, 12)
    put(tmp_path, 14)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["step-00000012", "step-00000014"]


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the code under test may run."""


def killing(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Die at the so-many-th change of the disk."""
    left = [at]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return function(*args, **named)

        return instead

    for where, name in (
        (Path, "replace"), (Path, "mkdir"), (Path, "write_text"), (shutil, "rmtree"), (checkpoint, "save_file"),
        (os, "fsync"),
    ):  # fmt: skip
        monkeypatch.setattr(where, name, counted(getattr(where, name)))


@pytest.mark.parametrize("number", [2, 3])  # 2: over one that is there
def test_a_kill_at_any_moment_leaves_the_last_whole_one(tmp_path: Path, number: int) -> None:
    moments = 0
    for at in range(100):
        folder = tmp_path / str(at)
        put(folder, 1)
        put(folder, 2)
        with pytest.MonkeyPatch.context() as patch:
            killing(patch, at)
            try:
                put(folder, number, seed=5)
                break
            except Killed:
                moments += 1
        found = checkpoint.load(folder, quietly)
        assert found is not None
        assert found.step in {1, 2, number}
        if found.step == 1:  # the moment between the two moves
            assert number == 2
        put(folder, 4)
        put(folder, 5)
        assert sorted(one.name for one in folder.iterdir()) == ["step-00000004", "step-00000005"]
    assert 12 < moments < 60


@pytest.mark.parametrize("where", ["mkdir", "save_file", "write_text", "fsync", "replace"])
def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def full(*_args: Any, **_named: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    put(tmp_path, 1)
    owner = {"save_file": checkpoint, "fsync": os}.get(where, Path)
    with monkeypatch.context() as patch:
        patch.setattr(owner, where, full)
        with pytest.raises(
            CheckpointError, match=r"step-00000002: cannot be written: .*No space left.*step-00000001, is"
        ):
            put(tmp_path, 2)
    assert [one.name for one in tmp_path.iterdir()] == ["step-00000001"]
    found = checkpoint.load(tmp_path, quietly)
    assert found is not None
    assert found.step == 1


def test_a_really_full_disk(tmp_path: Path) -> None:
    """A limit on the size of a file stands for the full disk: safetensors' own writing must not get past it."""
    resource = pytest.importorskip("resource")
    put(tmp_path, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(CheckpointError, match=r"cannot be written: "):
            put(tmp_path, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [one.name for one in tmp_path.iterdir()] == ["step-00000001"]


def test_another_models_weights_are_refused(tmp_path: Path) -> None:
    put(tmp_path, 1)
    found = checkpoint.load(tmp_path, quietly)
    assert found is not None
    other = nn.Linear(3, 3)
    with pytest.raises(CheckpointError, match="step 1: its weights are another model's"):
        checkpoint.restore(found, other, torch.optim.AdamW(other.parameters()))


def test_a_replacement_that_was_interrupted_is_undone(tmp_path: Path) -> None:
    place = tmp_path / "model"
    checkpoint.write_folder(place, lambda new: (new / "a").write_text("old", "utf-8"))
    place.rename(tmp_path / ".old-model")
    checkpoint.recover(place)
    assert (place / "a").read_text("utf-8") == "old"
    checkpoint.write_folder(place, lambda new: (new / "a").write_text("new", "utf-8"))
    assert (place / "a").read_text("utf-8") == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["model"]
