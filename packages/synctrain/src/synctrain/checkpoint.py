"""A run on disk: whole or not at all, in safetensors and JSON only.

A checkpoint is a folder ``step-00000100`` with the weights, the optimiser's moments and all other state. It is written
beside its place and moved there, so that a process killed at any moment leaves the last whole one behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

WEIGHTS, MOMENTS, STATE = "weights.safetensors", "optimizer.safetensors", "state.json"
KEPT = 2  # checkpoints kept: the last, and the one before in case that one cannot be read


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written or read: the message names it and the cause."""


class Checkpoint(NamedTuple):
    """What a run needs to go on as if it had never stopped."""

    step: int
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]
    state: dict[str, Any]


@contextmanager
def alone(run: Path) -> Iterator[None]:
    """Keep other processes from training in the folder of a run meanwhile. A process that dies leaves it free.

    Raises ``CheckpointError`` where another one trains there, or where the folder cannot be written to.
    """
    lock = FileLock(run / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CheckpointError(f"{run}: another process is training in this folder; wait for it, or stop it") from None
    except OSError as error:
        raise CheckpointError(f"{run}: cannot be written: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()


def save(folder: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> Path:
    """Write the checkpoint of a step, and remove all but the last two.

    Raises ``CheckpointError`` where it cannot be written (a full disk, say). Those that are there stay as they are.
    """
    place = folder / f"step-{step:08d}"
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    moments = {
        f"{number}.{name}": value.detach().cpu().contiguous()
        for number, one in optimizer.state_dict()["state"].items()
        for name, value in one.items()
    }

    def write(new: Path) -> None:
        save_file(_unshared(weights), new / WEIGHTS)
        save_file(moments, new / MOMENTS)
        own = {"step": step, **state}
        digests = {WEIGHTS: _digest(new / WEIGHTS), MOMENTS: _digest(new / MOMENTS), STATE: _seal(own)}
        (new / STATE).write_text(json.dumps({"digests": digests, **own}, indent=1) + "\n", "utf-8")

    write_folder(place, write)
    # One with a later step was damaged, or this run would have gone on from there.
    kept = [one for one in sorted(folder.glob("step-*")) if one <= place][-KEPT:]
    for old in (*folder.glob("step-*"), *folder.glob(".old-*"), *folder.glob(".new-*")):
        if old not in kept:
            shutil.rmtree(old, ignore_errors=True)
    return place


def load(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """Return the last checkpoint that can be read, None where there is none.

    One that is damaged is passed over, with a warning. Raises ``CheckpointError`` where all are damaged.
    """
    places = sorted(folder.glob("step-*"), reverse=True)
    problems: list[str] = []
    for place in places:
        try:
            return _read(place)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:  # noqa: PERF203 - there are two
            problems.append(f"{place}: cannot be read: {error}")
            warn(problems[-1])
    if problems:
        raise CheckpointError(problems[0])
    return None


def _read(place: Path) -> Checkpoint:
    state = json.loads((place / STATE).read_text("utf-8"))
    if not isinstance(state, dict):
        raise TypeError(f"{STATE} is not what was written")
    digests = state.pop("digests")
    for name in (WEIGHTS, MOMENTS, STATE):
        if digests[name] != (_seal(state) if name == STATE else _digest(place / name)):
            raise ValueError(f"{name} is not what was written")
    return Checkpoint(int(state["step"]), load_file(place / WEIGHTS), load_file(place / MOMENTS), state)


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put weights and moments back. Raises ``CheckpointError`` where they belong to another model."""
    try:
        model.load_state_dict(_shared(checkpoint.weights, model.state_dict()))
    except RuntimeError as error:
        raise CheckpointError(f"step {checkpoint.step}: its weights are another model's: {error}") from None
    content = optimizer.state_dict()
    found: dict[int, dict[str, Tensor]] = {}
    for key, value in checkpoint.moments.items():
        number, _, name = key.partition(".")
        found.setdefault(int(number), {})[name] = value
    content["state"] = found
    optimizer.load_state_dict(content)


def latest(folder: Path) -> Path | None:
    """Return the last checkpoint of a folder, None where there is none."""
    return max(folder.glob("step-*"), default=None)


def write_folder(place: Path, write: Callable[[Path], object]) -> None:
    """Have ``write`` fill a folder beside ``place``, and move it there when all of it is on the disk.

    What is interrupted between the two moves ``recover`` mends. Raises ``CheckpointError`` where it cannot be written;
    what was at ``place`` stays as it was.
    """
    new, old = (place.with_name(f".{kind}-{place.name}") for kind in ("new", "old"))
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        write(new)
        for path in (*new.rglob("*"), new):
            _sync(path)
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.replace(old)
        new.replace(place)
        _sync(place.parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(new, ignore_errors=True)
        recover(place)
        last = latest(place.parent) or latest(place.parent / "checkpoints")
        rest = f"; the last checkpoint, {last.name}, is as it was" if last else ""
        raise CheckpointError(f"{place}: cannot be written: {error}{rest}") from error
    shutil.rmtree(old, ignore_errors=True)


def recover(place: Path) -> None:
    """Bring back a folder whose replacement was interrupted between the two moves."""
    old = place.with_name(f".old-{place.name}")
    if old.exists() and not place.exists():
        old.replace(place)


def _seal(state: Mapping[str, Any]) -> str:
    """Return the hash of a state that goes through JSON."""
    return hashlib.blake2b(json.dumps(state, sort_keys=True).encode(), digest_size=16).hexdigest()


def _digest(file: Path) -> str:
    found = hashlib.blake2b(digest_size=16)
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def digest_of(model: nn.Module) -> str:
    """Return a hash of the weights that are trained: names, types, shapes and values."""
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.named_parameters()):
        if not tensor.requires_grad:
            continue  # a pooler that is not there, say, which is drawn by chance
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _sync(path: Path) -> None:
    """Have the system write a file or folder to the disk now; Windows does so with files alone, if open to write."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unshared(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with tensors that share memory kept once, as safetensors asks."""
    seen: set[int] = set()
    found = {}
    for name, tensor in weights.items():
        if tensor.numel() == 0 or tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            found[name] = tensor
    return found


def _shared(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with those names added that share the memory of one that is there."""
    by_memory = {own[name].data_ptr(): name for name in weights if name in own}
    found = dict(weights)
    for name, tensor in own.items():
        if name not in found and tensor.data_ptr() in by_memory:
            found[name] = weights[by_memory[tensor.data_ptr()]]
    return found
