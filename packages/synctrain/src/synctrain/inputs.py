"""What a run reads: the pairs to train on and the sets to measure on, with nothing of one in the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from synctrain import data
from synctrain.config import Config
from synctrain.types import DataError, Pair, RetrievalSet, Say

HARVEST = "harvest:"
HELD_OUT = "held out"  # what the set is called that is held out of the pairs


@dataclass(frozen=True)
class Sets:
    """The pairs to train on and the sets to measure on, with what was left out and why."""

    train: list[Pair]
    validation: RetrievalSet | None
    held_out: RetrievalSet | None
    tests: list[RetrievalSet]
    left_out: dict[str, int] = field(default_factory=dict)


def read_sets(config: Config, say: Say) -> Sets:
    """Read all data of a run, hold out a part, and remove what leaks into it or into the test sets.

    Raises ``DataError``, which names file, row and cause.
    """
    settings = config.data
    skipped = data.Skipped()
    tests = _tests(config, skipped)  # before the pairs, which may take long to harvest
    pairs, modules = _pairs(config, skipped)
    by: Any = settings.split
    if by == "module" and not modules:
        raise DataError("data.split = 'module' needs harvested pairs, which know their module")
    if by == "module" or (by == "auto" and modules):
        by = lambda pair: modules.get(pair.id, pair.intent)  # noqa: E731 - a name would say no more
    elif by == "auto":
        by = "intent"
    half = settings.held_out / 2
    try:
        parts = data.split(pairs, validation=half, test=half, by=by, seed=config.seed)
    except DataError as error:
        raise DataError(f"{', '.join(settings.train)}: {error}; left out before: {skipped}") from None
    skipped.update(parts.leaks)
    train, leaks = data.without_leaks(parts.train, tests)
    skipped.update(leaks)
    validation, leaks = data.without_leaks(parts.validation, tests)  # which chooses the model
    skipped.update(leaks)
    if settings.limit:
        train = _drawn(train, settings.limit, (config.seed, 0x11))
    if len(train) < 2:  # noqa: PLR2004 - a negative needs another pair
        raise DataError(f"{', '.join(settings.train)}: {len(train)} pairs to train on; there must be at least 2")
    validation = _drawn(validation, config.evaluation.documents, (config.seed, 0x12))
    sets = Sets(
        train,
        data.retrieval_of(validation, "validation") if validation else None,
        data.retrieval_of(parts.test, HELD_OUT) if parts.test else None,
        tests,
        dict(skipped),
    )
    say(f"{len(train):,} pairs to train on, {len(validation):,} for validation, {len(parts.test):,} held out")
    return sets


def _drawn(pairs: list[Pair], most: int, seed: tuple[int, int]) -> list[Pair]:
    """Return so many of the pairs, in their order."""
    if len(pairs) <= most:
        return pairs
    return [pairs[i] for i in sorted(np.random.default_rng(seed).choice(len(pairs), most, replace=False))]


def _pairs(config: Config, skipped: data.Skipped) -> tuple[list[Pair], dict[str, str]]:
    """Return all pairs that are read or harvested, and the modules of those harvested, by id. Raises ``DataError``."""
    settings = config.data
    data.check_targets([name.removeprefix(HARVEST) for name in settings.train if is_harvest(name)])
    modules: dict[str, str] = {}
    pairs: list[Pair] = []
    files = [name for name in settings.train if not is_harvest(name)]
    sources = data.sources(files)
    top = settings.top or None
    read = {name: data.read_pairs(name, top=top, skipped=skipped) for name in files}  # a harvest takes longer
    for name in settings.train:
        if is_harvest(name):
            found = data.harvest([name.removeprefix(HARVEST)])
            modules.update(found.modules)
            pairs += found.pairs
            skipped.update(found.skipped)
        else:
            pairs += data.qualified(read[name], sources.get(name))
    fitting = [pair for pair in pairs if len(pair.code) <= settings.largest]
    if len(fitting) < len(pairs):
        skipped[f"pairs with more than {settings.largest} characters of code"] += len(pairs) - len(fitting)
    return fitting, modules


def _tests(config: Config, skipped: data.Skipped) -> list[RetrievalSet]:
    """Return the test sets. Raises ``DataError``, also where reports could not tell one from the part held out."""
    tests = data.read_retrievals(config.data.test, skipped=skipped)
    if config.data.held_out and HELD_OUT in {one.name for one in tests}:
        raise DataError(
            f"data.test: a set is named {HELD_OUT!r}, as the part held out of the pairs is; rename its folder"
        )
    return tests


def is_harvest(name: str) -> bool:
    """Say whether what to train on is a tree of Python to harvest, not a file or folder of pairs."""
    return name == "stdlib" or name.startswith(HARVEST)


def digest(sets: Sets, pools: Sequence[Sequence[str]]) -> str:
    """Return a hash of pairs with their mutants, and of the sets to measure on."""
    found = blake2b(digest_size=16)
    for pair, pool in zip(sets.train, pools, strict=True):
        found.update(json.dumps([pair.id, pair.query, pair.code, pair.intent, pool]).encode())
    for one in (sets.validation, sets.held_out, *sets.tests):
        found.update((data.digest(one) if one else "none").encode())
    return found.hexdigest()


def explained(left_out: Mapping[str, int]) -> str:
    """Return what was left out of the data, in words."""
    return "; ".join(f"{n:,} {reason}" for reason, n in sorted(left_out.items()) if n)
