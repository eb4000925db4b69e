"""The training loop, read from top to bottom. It knows models, curricula and objectives by their protocols only."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from synctrain import checkpoint
from synctrain.blend import blended, weights_of
from synctrain.config import Config, of, plain
from synctrain.draw import Drawn, draw
from synctrain.encoders import mark
from synctrain.log import Log
from synctrain.negatives import Partners
from synctrain.objectives import outcome, right
from synctrain.order import Order
from synctrain.parts import Material, Numbers, Parts
from synctrain.types import Embedded, Similarity, nothing


class TrainingError(RuntimeError):
    """Training cannot go on: the message says at which step, on which rows, and what to do."""


class Ended(NamedTuple):
    """How a run ended: after which step, whether it was interrupted, the best validation and its step."""

    step: int
    interrupted: bool
    best: float
    best_step: int


def rows_of(material: Material, config: Config) -> int:
    """Return how many rows a run has: each pair so often as its soft negatives fill rows."""
    blocks: int = max(1, material.soft.shape[1] // config.negatives.per_row)
    return len(material.query) * blocks


def steps_of(config: Config, rows: int, processes: int) -> int:
    """Return how many optimiser steps a run has."""
    if config.optim.steps:
        return config.optim.steps
    batch = min(config.optim.batch * processes, rows) * config.optim.accumulation
    return max(1, math.ceil(config.optim.epochs * rows / batch))


def fit(parts: Parts, config: Config, out: Path, *, resume: bool = False, quiet: bool = False) -> Ended:
    """Train until the last step, or until interrupted; the best model is kept in ``out/model``.

    One step: rows by seed and step; a coin a negative, soft or hard, by the curriculum's shares; for hard ones a mutant
    by its score under the present weights; one forward pass over all different texts of the batch; loss; backward. How
    many triplets were right, over all processes, goes back to the curriculum.

    Chance is drawn anew from (seed, step, process) in each step, so a run that is resumed goes on as if it had never
    stopped.

    Raises:
        TrainingError: a loss that is no number (the last checkpoint is whole), or a run that cannot begin or go on.
        CheckpointError: a checkpoint cannot be written, or read.
    """
    optim = config.optim
    accelerator = _accelerator(config)
    rank, world, main = accelerator.process_index, accelerator.num_processes, accelerator.is_main_process
    material, curriculum, objective = parts.material, parts.curriculum, parts.objective
    rows = rows_of(material, config)
    per_pair = rows // len(material.query)
    lengths = np.tile(parts.store.lengths[material.code], per_pair) if optim.by_length else None
    order = Order(rows, min(optim.batch * world, rows), config.seed, lengths)
    total = steps_of(config, rows, world)
    if rows < world:
        raise TrainingError(f"{rows} rows for {world} processes: each needs at least one")
    run = {"rows": rows, "processes": world}
    partners = Partners(material.intent, material.twin) if objective.partners else None

    trained = [parameter for parameter in parts.encoder.parameters() if parameter.requires_grad]
    parts.encoder.to(accelerator.device)
    fused = accelerator.device.type == "cuda"  # one kernel for all weights, which elsewhere is no gain
    optimizer = torch.optim.AdamW(
        trained, lr=optim.rate, eps=optim.eps, weight_decay=optim.weight_decay, fused=fused or None
    )
    model, optimizer = accelerator.prepare(parts.encoder, optimizer)
    encoder = accelerator.unwrap_model(model)
    begun_with = weights_of(encoder) if main and optim.initial else {}
    best: tuple[float, ...] = ()
    first, best_step = 0, -1
    if resume:
        found = checkpoint.load(out / "checkpoints", _warn if main else nothing)
        if found is not None:
            _check_same_run(found, run, config, out)
            checkpoint.restore(found, encoder, optimizer.optimizer)
            curriculum.load_state_dict(found.state["curriculum"])
            first, best, best_step = found.step, tuple(found.state["best"]), found.state["best_step"]
            if accelerator.scaler is not None:
                accelerator.scaler.load_state_dict(found.state["scaler"])
    if main:
        checkpoint.recover(out / "model")
        if best and not (out / "model").exists():
            if best_step == first:  # whose weights these are
                with blended(encoder, begun_with, optim.initial):
                    keep(encoder, out / "model", objective.similarity)
            else:
                _gone(out / "model", best_step, finished=first == total)
                best, best_step = (), -1

    def save(step: int) -> None:
        if main:
            state = {
                "run": run,
                "curriculum": curriculum.state_dict(),
                "best": best,
                "best_step": best_step,
                "scaler": accelerator.scaler.state_dict() if accelerator.scaler else None,
                "config": plain(config),
            }
            checkpoint.save(out / "checkpoints", step, encoder, optimizer.optimizer, state)
        accelerator.wait_for_everyone()

    step, stopped = first, False
    with Log(out, first, total, quiet=quiet or not main) if main else _silent() as log, _interrupts() as asked:
        while step < total and not stopped:
            begun = time.perf_counter()
            model.train()
            for group in optimizer.param_groups:
                group["lr"] = optim.rate * _factor(config, step, total)
            seen = torch.zeros(len(_SEEN), dtype=_exact(accelerator.device), device=accelerator.device)
            together, broken = seen, ""
            loss_parts: dict[str, float] = {}
            for micro in range(optim.accumulation):
                number = step * optim.accumulation + micro
                chance = np.random.default_rng((config.seed, 0x57, number, rank))
                torch.manual_seed(int(chance.integers(2**63)))
                batch = _batch(parts, config, order.batch(number, rank, world), partners, chance)
                with accelerator.accumulate(model):
                    with accelerator.autocast():
                        vectors = model(parts.store.gather(batch.texts))
                    embedded = _embedded(vectors, batch)
                    loss = objective(embedded)
                    correct = right(embedded, objective.similarity, config.objective.accuracy_margin)
                    seen += _seen(loss.value, outcome(correct, embedded.hard), batch.drawn, encoder, stop=asked())
                    if not math.isfinite(float(loss.value.detach())):
                        broken = broken or _rows(material, batch.pairs)
                    if micro == optim.accumulation - 1:  # all processes together, or some would wait for the others
                        together = accelerator.reduce(seen, "sum")
                        if not math.isfinite(float(together[0])):
                            raise TrainingError(_broken(step + 1, broken or _rows(material, batch.pairs), out))
                    accelerator.backward(loss.value)
                    if optim.clip and accelerator.sync_gradients:
                        accelerator.clip_grad_norm_(trained, optim.clip)
                    optimizer.step()
                    optimizer.zero_grad()
                for name, value in loss.parts.items():
                    loss_parts[name] = loss_parts.get(name, 0.0) + float(value.detach()) / optim.accumulation
            step += 1
            pairs = batch.pairs
            values = dict(zip(_SEEN, together.tolist(), strict=True))
            counts = [(int(values[f"{task}_right"]), int(values[f"{task}_seen"])) for task in ("soft", "hard")]
            curriculum.observe(counts)
            stopped = values["stop"] > 0
            if main:
                micros, seconds = optim.accumulation * world, time.perf_counter() - begun
                line = {
                    "loss": values["loss"] / micros,
                    **{f"loss.{name}": value for name, value in loss_parts.items()},
                    **{name.replace("/", "."): value for name, value in curriculum.report().items()},
                    **{f"seen.{task}": n for task, (_, n) in zip(("soft", "hard"), counts, strict=True)},
                    "fallback": int(values["fallback"]),
                    "divergence": values["divergence"] / micros,
                    "rate": optimizer.param_groups[0]["lr"],
                    "tokens": int(values["tokens"]),
                    "real_tokens": values["tokens"] / max(1.0, values["places"]),
                    "pairs_per_second": len(pairs) * micros / seconds,
                    "seconds": seconds,
                }
                log.write(step, line)
            last = step == total
            due = last or step % config.evaluation.every == 0
            saves = last or stopped or step % config.evaluation.checkpoint == 0
            if (due or saves) and not all(bool(weight.isfinite().all()) for weight in trained):
                raise TrainingError(_broken(step, _rows(material, pairs), out))
            if parts.validate is not None and due:
                if main:
                    with blended(encoder, begun_with, optim.initial):
                        try:
                            measures = parts.validate(parts.embed)
                        except ValueError as error:
                            raise TrainingError(f"{_broken(step, _rows(material, pairs), out)}; {error}") from None
                        log.write(step, measures, event="validation")
                        score = tuple(measures[name] for name in parts.validate.deciding)
                        if score > best:
                            best, best_step = score, step
                            keep(encoder, out / "model", objective.similarity)
                accelerator.wait_for_everyone()
            if saves:
                save(step)
    if main and parts.validate is None:
        with blended(encoder, begun_with, optim.initial):
            keep(encoder, out / "model", objective.similarity)
    return Ended(step, stopped, best[0] if best else -math.inf, best_step)


def _accelerator(config: Config) -> Accelerator:
    """Return what knows the devices and processes. Raises ``TrainingError`` for a precision that they lack."""
    optim = config.optim
    try:
        accelerator = Accelerator(mixed_precision=optim.precision, gradient_accumulation_steps=optim.accumulation)
    except ValueError as error:
        raise TrainingError(f"optim.precision = {optim.precision}: {error}") from None
    if optim.precision == "fp16" and accelerator.scaler is None:
        raise TrainingError("optim.precision = fp16: needs a GPU; bf16 does not")
    return accelerator


def _check_same_run(found: checkpoint.Checkpoint, run: Mapping[str, int], config: Config, out: Path) -> None:
    """Raise ``TrainingError`` for a checkpoint of a run of another size, or with other settings."""
    if found.state["run"] != run:
        was = ", ".join(f"{number} {name}" for name, number in found.state["run"].items())
        now = ", ".join(f"{number} {name}" for name, number in run.items())
        raise TrainingError(f"{out}: was begun with {was}, and has {now} now; it cannot go on")
    if of(found.state.get("config", plain(config))) != config:  # of: an earlier version had fewer settings
        raise TrainingError(
            f"{out / 'config.json'}: differs from the settings that checkpoint step-{found.step:08d} was made "
            f"with; a resumed run keeps its own"
        )


class _Batch(NamedTuple):
    """A batch of pairs before it is encoded.

    ``texts`` are the numbers of all texts to encode, each text once; ``where`` says where in them the queries, the
    code, the negatives and the partners stand. ``same_partner`` is None without partners.
    """

    pairs: Numbers
    drawn: Drawn
    texts: Numbers
    where: Numbers
    same_partner: NDArray[np.bool_] | None


def _batch(
    parts: Parts, config: Config, rows: Numbers, partners: Partners | None, chance: np.random.Generator
) -> _Batch:
    """Return the pairs of some rows of a run, with the negatives and the partners that are drawn for them."""
    material = parts.material
    pairs, block = rows % len(material.query), rows // len(material.query)
    drawn = draw(parts, config, pairs, block, chance)
    texts = np.concatenate([material.query[pairs], material.code[pairs], drawn.text])
    unique, where = np.unique(texts, return_inverse=True)
    if partners is None:
        return _Batch(pairs, drawn, unique, where, None)
    others = partners.draw(pairs, chance)
    # Never merged: code that is its own partner is to be dropped out anew.
    where = np.concatenate([where, len(unique) + np.arange(len(pairs))])
    unique = np.concatenate([unique, material.code[others]])
    return _Batch(pairs, drawn, unique, where, material.same_partner(pairs, others))


def _embedded(vectors: Tensor, batch: _Batch) -> Embedded:
    """Return the batch as an objective sees it: queries, positives, negatives, and partners where there are any."""
    drawn, same = batch.drawn, batch.same_partner
    device, count, negatives = vectors.device, len(drawn.same), len(drawn.text)
    found = vectors[torch.from_numpy(batch.where).to(device)]
    sizes = [count, count, negatives, len(found) - 2 * count - negatives]
    query, positive, negative, partner = torch.split(found, sizes)
    return Embedded(
        query=query,
        positive=positive,
        negative=negative,
        row=torch.from_numpy(drawn.row).to(device),
        hard=torch.from_numpy(drawn.hard).to(device),
        same=torch.from_numpy(drawn.same).to(device),
        partner=partner if len(partner) else None,
        same_partner=None if same is None else torch.from_numpy(same).to(device),
    )


SHOWN = 5  # rows named in an error
_SEEN = (
    "loss", "soft_right", "soft_seen", "hard_right", "hard_seen", "fallback", "divergence", "stop", "tokens", "places",
)  # fmt: skip


def _seen(loss: Tensor, counts: Tensor, drawn: Drawn, encoder: Any, *, stop: bool) -> Tensor:
    """Return what one process saw of a batch, as one tensor in the order of ``_SEEN``, which processes sum."""
    plain_numbers = [drawn.fallback, drawn.divergence, float(stop), *encoder.filled]
    kind = _exact(loss.device)
    rest = torch.tensor(plain_numbers, dtype=kind, device=loss.device)
    return torch.cat([loss.detach().to(kind)[None], counts.flatten().to(kind), rest])


def _exact(device: torch.device) -> torch.dtype:
    """Return the type that counts are summed in; Apple's GPUs have no larger one than float32, exact to 16 million."""
    return torch.float32 if device.type == "mps" else torch.float64


def _factor(config: Config, step: int, total: int) -> float:
    """Return by what the learning rate is multiplied in a step (from 0)."""
    rise = config.optim.warmup * total
    if step < rise:
        return (step + 1) / (rise + 1)
    if config.optim.schedule == "linear":
        return max(0.0, (total - step) / max(1.0, total - rise))
    return 1.0


def keep(encoder: Any, place: Path, similarity: Similarity) -> None:
    """Write the model, and how its vectors are compared, so that it is there whole or not at all."""

    def save(folder: Path) -> None:
        encoder.save(folder)
        mark(folder, similarity)

    checkpoint.write_folder(place, save)


def _rows(material: Material, pairs: Numbers) -> str:
    """Return the first few rows of a batch by their ids."""
    return ", ".join(material.ids[i] for i in pairs[:SHOWN]) + (", ..." if len(pairs) > SHOWN else "")


def _broken(step: int, rows: str, out: Path) -> str:
    last = checkpoint.latest(out / "checkpoints")
    rest = f"the last checkpoint, {last.name}, is from before" if last else "there is no checkpoint yet"
    return (
        f"step {step}: the loss or the weights are no numbers any more, and nothing of this step was saved; "
        f"rows {rows}; {rest}; try a lower optim.rate, optim.clip=1, or optim.precision=no"
    )


def _gone(model: Path, step: int, *, finished: bool) -> None:
    """Say that the best model of a run is gone. Raises ``TrainingError`` where no other one is to come."""
    told = f"{model}: is gone, the best model, of step {step}"
    if finished:
        raise TrainingError(f"{told}, and the run is finished; bring it back, or train in another --out")
    _warn(f"{told}; the best one of the steps to come takes its place")


def _warn(text: str) -> None:
    sys.stderr.write(f"{text}\n")


@contextmanager
def _silent() -> Iterator[Any]:
    """Stand in for the log on all processes but the first."""
    yield None


@contextmanager
def _interrupts() -> Iterator[Any]:
    """Turn Ctrl-C and a polite kill into a question that is asked once a step; a second Ctrl-C stops at once."""
    asked = False

    def note(number: int, _frame: Any) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = True

    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    except ValueError:  # not in the main thread: whoever runs us there stops us there
        pass
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
