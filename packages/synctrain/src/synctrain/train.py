"""A whole run: data read, model measured, trained, measured again, and a plain word on whether it got better."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import PartialState
from rich.table import Table

from synctrain import __version__, build, checkpoint, encoders, inputs, report
from synctrain.config import Config, ConfigError, of, plain
from synctrain.data.rows import is_text
from synctrain.evaluate import bm25
from synctrain.evaluate.retrieval import Results, evaluate
from synctrain.files import check_folder
from synctrain.loop import Ended, fit, rows_of, steps_of
from synctrain.parts import Parts
from synctrain.types import Progress, Say, nothing
from synctrain.unread import remarks

SETTINGS, DATA, BEFORE, REPORT, MODEL = "config.json", "data.json", "before.json", "report.json", "model"
NOISE = 0.001  # a measure that falls by less has not fallen


# What a run began with, by the name of its hash in DATA.
_BEGUN_WITH = {"digest": "the data", "weights": "the model of encoder.name"}


class RunError(RuntimeError):
    """A run that cannot begin or go on: the message says why, and what to do."""


@dataclass(frozen=True)
class Outcome:
    """What became of a run, and what to tell the user of it: nothing in all processes but the first."""

    ended: Ended
    table: Table | None = None
    verdict: str = ""


def train(
    config: Config,
    out: Path,
    *,
    resume: bool = False,
    quiet: bool = False,
    given: Iterable[str] = (),
    say: Say,
    progress: Progress | None = None,
) -> Outcome:
    """Run what ``config`` says in the folder ``out``; see the module's commands for what lies there afterwards.

    Args:
        config: the settings.
        out: a folder without a run in it, or with the run to resume.
        resume: go on from the last checkpoint, or from the start where there is none yet.
        quiet: no progress on the terminal.
        given: the ``a.b=c`` settings that the user asked for; those that decide nothing are told.
        say: what is told to the user.
        progress: called with (done, all) while mutants are made.

    Raises:
        RunError, ConfigError, DataError, ModelError, TrainingError, CheckpointError, OSError: each with one clear
            message. What of it can be known at once comes before the data are read.
    """
    state, sets, parts = prepare(config, out, resume=resume, say=say, progress=progress)
    main = state.is_main_process
    if main:
        for remark in remarks(given, [config]):
            say(remark)
    measured = ([sets.held_out] if sets.held_out else []) + sets.tests
    similarity = parts.objective.similarity
    steps = steps_of(config, rows_of(parts.material, config), state.num_processes)
    if main and build.never_hard(config, steps):
        warm = config.curriculum.warmup
        say(f"curriculum.warmup = {warm:,}, and the run has {steps:,} steps: none of them sees a mutant")
    before: dict[str, Any] = {}
    parts.encoder.to(state.device)
    if main and measured:
        names = [one.name for one in measured]
        before = _before(out, names, lambda: evaluate(parts.embed, measured, similarity).record())
    state.wait_for_everyone()
    with checkpoint.alone(out) if main else nullcontext():
        ended = fit(parts, config, out, resume=resume, quiet=quiet)
    if not main:
        return Outcome(ended)
    if ended.interrupted:
        return Outcome(
            ended,
            verdict=f"stopped after step {ended.step} and saved; go on with: synctrain fit --resume --out {out}",
        )
    if not measured:
        return Outcome(ended, verdict="nothing was held out, so nothing says whether the model got better")
    after = evaluate(encoders.opened(str(out / MODEL), **build.form_of(config)), measured, similarity)
    rows = {"BM25": bm25.evaluate(measured), "before": Results.of(before.values()), "after": after}
    in_domain = [inputs.HELD_OUT] if sets.held_out else []
    verdict = _verdict(before, after.record())
    report.write_json(
        out / REPORT,
        {
            "synctrain": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "config": plain(config),
            "left_out": sets.left_out,
            "steps": ended.step,
            "best_step": ended.best_step if sets.validation else None,
            "validation": ended.best if sets.validation else None,
            "verdict": verdict,
            "results": {name: one.record() for name, one in rows.items()},
        },
    )
    return Outcome(ended, report.table(rows, in_domain, measures=("mrr", "recall@5")), verdict)


class Prepared(NamedTuple):
    """A run that can begin: what processes there are (accelerate's state), its data, and what it is made of."""

    state: Any
    sets: inputs.Sets
    parts: Parts


def prepare(config: Config, out: Path, *, resume: bool, say: Say, progress: Progress | None = None) -> Prepared:
    """Read the data of a run, build its parts, and write its settings into its folder. Arguments as of ``train``."""
    state = _processes()
    main = state.is_main_process
    _may_begin(config, out, resume=resume)
    state.wait_for_everyone()
    if not resume:
        build.check(config)
    tell = say if main else nothing
    sets = inputs.read_sets(config, tell)
    left_out = inputs.explained(sets.left_out)
    if left_out:
        tell(f"left out: {left_out}")
    with state.main_process_first():
        parts = build.build(config, sets, tell, progress)
    begun_with = {"digest": parts.data}
    if not build.is_scratch(config):  # whose weights the seed gives, and not to the bit on every processor
        begun_with["weights"] = checkpoint.digest_of(parts.encoder)
    if resume:
        _same(out, begun_with, tell, needs_weights=config.optim.initial > 0)
    elif main:
        # Only now: a folder whose run could not begin, for a file that is not there, say, is no run.
        out.mkdir(parents=True, exist_ok=True)
        with checkpoint.alone(out):
            _may_begin(config, out, resume=False)  # another run may have begun there meanwhile
            report.write_json(out / DATA, begun_with)
            report.write_json(out / SETTINGS, plain(config))
    return Prepared(state, sets, parts)


def _processes() -> Any:
    """Return accelerate's view of the processes of this run, each of which knows of the others.

    By itself it takes processes that were launched together on a machine without an accelerator for single ones, which
    would all train alone, and write to the same folder. ``ACCELERATE_USE_CPU`` it reads only later.
    """
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    state = PartialState(cpu=encoders.asked_for_cpu() or (launched > 1 and not encoders.has_accelerator()))
    if state.num_processes != launched and launched > 1:
        raise RunError(f"one of {launched} processes that were launched together, but they do not find each other")
    return state


def _may_begin(config: Config, out: Path, *, resume: bool) -> None:
    """See that the folder is what it is said to be, and can be written to."""
    file = out / SETTINGS
    if resume:
        if not file.is_file():
            raise RunError(f"{out}: there is no run to resume")
        if settings_of(out) != config:
            raise RunError(f"{file}: was begun with other settings; a resumed run keeps its own")
        check_folder(out)
        return
    if not is_text(str(out)):
        raise RunError(f"{str(out)!a}: no name of a folder in utf-8; choose another --out")
    if file.exists() or (out / "checkpoints").exists():
        raise RunError(f"{out}: there is a run already; go on with --resume, or choose another --out")
    for kept in (MODEL, REPORT):
        if os.path.lexists(out / kept):
            raise RunError(f"{out / kept}: is there already, and would be replaced; choose another --out")
    check_folder(out)


def _same(out: Path, now: Mapping[str, str], tell: Say, *, needs_weights: bool) -> None:
    """See that a run goes on with the data and the model that it was begun with: measures before and after are of both.

    To a run that has a checkpoint the first weights are of no more use, unless it keeps a share of them
    (``optim.initial``): then it is only said that they have changed.
    """
    needs_weights = needs_weights or checkpoint.latest(out / "checkpoints") is None
    file = out / DATA
    try:
        begun = json.loads(file.read_text("utf-8"))
        known = {name: begun[name] for name in now if name in begun}  # an earlier version noted less
    except (OSError, ValueError, TypeError, RecursionError):
        known = {}
    if unknown := [_BEGUN_WITH[name] for name in now if name not in known]:
        tell(f"{file}: cannot be read, or does not say whether {' and '.join(unknown)} changed since the run began")
    for name in known:
        if known[name] != now[name]:
            changed = f"{out}: {_BEGUN_WITH[name]} has changed since the run began"
            if name == "digest" or needs_weights:
                raise RunError(f"{changed}; bring it back, or begin in another --out")
            tell(f"{changed}; it goes on with the weights of its checkpoint")


def settings_of(out: Path) -> Config:
    """Return the settings of the run in a folder. Raises ``RunError`` where there is none that can be read."""
    try:
        return of(json.loads((out / SETTINGS).read_text("utf-8")))
    except OSError:
        raise RunError(f"{out}: there is no run to resume") from None
    except (ValueError, ConfigError) as error:
        raise RunError(f"{out / SETTINGS}: {error}") from None


def _before(out: Path, names: list[str], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what the model scored before training on the sets of these names, measured once a run."""
    file = out / BEFORE
    if file.is_file():
        try:
            known: dict[str, Any] = json.loads(file.read_text("utf-8"))
            if list(known) == [row.name for row in Results.of(known.values()).rows] == names:
                return known
        except (ValueError, AttributeError, TypeError, RecursionError):
            pass  # damaged; the model is still as it was before training, until the loop puts its weights back
    found = measure()
    report.write_json(file, found)
    return found


def _verdict(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return in plain words whether the model got better, by MRR on each set."""
    changes = {
        name: after[name]["measures"]["standard"]["mrr"] - before[name]["measures"]["standard"]["mrr"] for name in after
    }
    worse = [name for name, change in changes.items() if change < -NOISE]
    shown = ", ".join(f"{name} {100 * change:+.1f}" for name, change in changes.items())
    if not worse:
        better = any(change > NOISE for change in changes.values())
        return f"{'better' if better else 'no better than before training'}: MRR {shown}"
    if len(worse) == len(changes):
        return f"WORSE than before training: MRR {shown}; the model that you began with is the better one"
    return f"mixed, and worse on {', '.join(worse)}: MRR {shown}"
