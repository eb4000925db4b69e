"""The negatives of a batch: soft or hard by the curriculum's shares, hard ones by their scores under the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from synctrain.config import Config
from synctrain.negatives import SCORED, any_of, choose, shuffle_soft
from synctrain.parts import Numbers, Parts


class Drawn(NamedTuple):
    """The negatives of a batch: for each the row that it is for, its text, and whether it is hard."""

    row: Numbers
    text: Numbers
    hard: NDArray[np.bool_]
    fallback: int  # hard ones asked for, of code without mutants
    divergence: float
    same: NDArray[np.bool_]  # ``Embedded.same``


def draw(parts: Parts, config: Config, pairs: Numbers, block: Numbers, chance: np.random.Generator) -> Drawn:
    """Draw the negatives of a batch: ``per_row`` for each row, each by its own coin.

    A hard one of code without mutants falls back to the soft one and is counted; a soft one that does not exist is left
    out: all other pairs, or with ``in_batch`` all others of the batch, have the same intent, or fewer are ``nearest``
    than there are slots.
    """
    settings, material = config.negatives, parts.material
    same = material.same(pairs)
    per_row = min(settings.per_row, material.soft.shape[1])
    row = np.repeat(np.arange(len(pairs)), per_row)
    pair = pairs[row]
    column = np.repeat(block * per_row, per_row) + np.tile(np.arange(per_row), len(pairs))
    if settings.source == "in_batch":
        others = [shuffle_soft(same, chance) for _ in range(per_row)]
        place = np.stack(others, axis=1).ravel() if others else np.zeros(0, dtype=np.int64)
        soft = np.where(place >= 0, pairs[place], -1)
    elif settings.source == "nearest":
        soft = any_of(material.nearest[pairs], per_row, chance).ravel()
    else:
        soft = material.soft[pair, column]
    text = np.where(soft >= 0, material.code[soft], -1)
    share = dict(zip(parts.curriculum.tasks, parts.curriculum.shares(), strict=True))["soft"]
    asked = chance.random(len(row)) >= share
    fewest = 2 if settings.single == "soft" else 1
    all_of = material.pool.places
    places = [_pool(all_of(int(pair[slot])), settings.pool, fewest, chance) for slot in np.flatnonzero(asked)]
    pools, rules = ([part[one] for one in places] for part in (material.pool.text, material.pool.rule))
    scores: Sequence[Any] = [np.zeros(len(one)) for one in pools]
    if settings.sampling in SCORED and any(len(one) > 1 for one in pools):
        scores = _scores(parts, material.query[pair[asked]], pools)
    picked = choose(scores, settings.beta, chance, sampling=settings.sampling, rules=rules)
    hard = np.zeros(len(row), dtype=bool)
    for slot, pool, pick in zip(np.flatnonzero(asked), pools, picked.picks, strict=True):
        if pick >= 0:
            text[slot], hard[slot] = pool[pick], True
    there = text >= 0
    fallback = sum(pick < 0 for pick in picked.picks)
    return Drawn(row[there], text[there], hard[there], fallback, picked.divergence, same)


def _pool(candidates: Numbers, most: int, fewest: int, chance: np.random.Generator) -> Numbers:
    """Return candidates, at most so many, and none of too few."""
    if len(candidates) < fewest:
        return candidates[:0]
    if most and len(candidates) > most:
        return chance.choice(candidates, most, replace=False)
    return candidates


def _scores(parts: Parts, queries: Numbers, pools: Sequence[Numbers]) -> list[NDArray[np.float64]]:
    """Return the dot product of each query with each of its candidates, under the present weights, without dropout.

    All different texts are encoded together, once (SYNC, section 3.2; specification 1.5).
    """
    unique, where = np.unique(np.concatenate([queries, *pools]), return_inverse=True)
    parts.encoder.eval()
    with torch.no_grad():
        vectors = parts.encoder(parts.store.gather(unique)).float()
        owner = np.repeat(np.arange(len(queries)), [len(pool) for pool in pools])
        left = vectors[torch.from_numpy(where[owner]).to(vectors.device)]
        other = vectors[torch.from_numpy(where[len(queries) :]).to(vectors.device)]
        found = (left * other).sum(-1).cpu().double().numpy()
    parts.encoder.train()
    # Broken weights score all alike, so that the loss says it, with its step and its rows.
    found = np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)
    return np.split(found, np.cumsum([len(pool) for pool in pools])[:-1])
