"""Which settings a run does not look at, since another setting leaves nothing for them to decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import get_type_hints

from synctrain import build
from synctrain.config import Config, Curriculum, Negatives, Objective, name_of

# What each kind looks at. Of the objective all kinds have a similarity, and of what is mastered its margin.
_CURRICULA = {
    "mastering": {"warmup", "window", "power", "delta", "epsilon", "bias", "legacy"},
    "fixed": {"warmup", "soft"},
    "decay": {"half_life"},
}
_OBJECTIVES = {
    "triplet": {"margin"},
    "contrast": {"temperature", "scope", "symmetric", "hard", "hard_temperature", "mask_same"},
    "hardest": {"margin", "chosen_by"},
    "retriever": {"margin", "temperature", "mask_same", "bimodal", "unimodal", "form"},
    "pairwise": set(),
}
_ALWAYS = {"kind", "similarity", "accuracy_margin"}
_OF_SOFT = {"soft", "per_row", "source", "nearest"}  # of the negatives; the others are about mutants


def unread(config: Config) -> dict[str, str]:
    """Return the settings that decide nothing, each with what makes it so."""
    found = {name: why for applies, names, why in _idle(config) if applies for name in names}
    objective, negatives = config.objective, config.negatives
    if build.draws_mutants(config):
        return found
    if objective.kind in build.OWN_NEGATIVES:
        why, read = f"objective.kind = {objective.kind}", set()
    elif negatives.rules or negatives.groups:
        why, read = "curriculum.soft = 1", {"curriculum.kind", "curriculum.soft"}
    else:
        why, read = "no rules and groups", {"negatives.rules", "negatives.groups"}
    names = {f"negatives.{name}" for name in get_type_hints(Negatives).keys() - _OF_SOFT}
    names |= {f"curriculum.{name}" for name in get_type_hints(Curriculum)}
    return found | dict.fromkeys(names - read, why)


def _idle(config: Config) -> Iterator[tuple[bool, Iterable[str], str]]:
    """Yield whether one setting, named last, leaves nothing for some others to decide."""
    objective, curriculum, negatives = config.objective, config.curriculum, config.negatives
    others = get_type_hints(Objective).keys() - _OBJECTIVES[objective.kind] - _ALWAYS
    yield True, (f"objective.{name}" for name in others), f"objective.kind = {objective.kind}"
    others = get_type_hints(Curriculum).keys() - _CURRICULA[curriculum.kind] - _ALWAYS
    yield True, (f"curriculum.{name}" for name in others), f"curriculum.kind = {curriculum.kind}"
    alone = objective.kind == "contrast" and not objective.hard
    yield alone, ["objective.hard_temperature"], "objective.hard = 0"
    idle = "margin" if objective.form == "contrast" else "temperature"
    yield objective.kind == "retriever", [f"objective.{idle}"], f"objective.form = {objective.form}"
    yield negatives.sampling != "softmax", ["negatives.beta"], f"negatives.sampling = {negatives.sampling}"
    yield negatives.source != "nearest", ["negatives.nearest"], f"negatives.source = {negatives.source}"
    yield not negatives.soft, (f"negatives.{name}" for name in _OF_SOFT - {"soft"}), "negatives.soft = 0"
    yield negatives.mode != "each", ["negatives.most"], f"negatives.mode = {negatives.mode}"
    yield bool(config.optim.steps), ["optim.epochs"], f"optim.steps = {config.optim.steps}"
    held_out = ["data.split", "evaluation.documents", "evaluation.every"]
    yield not config.data.held_out, held_out, "data.held_out = 0"


def remarks(settings: Iterable[str], configs: Sequence[Config]) -> Iterator[str]:
    """Yield what to say of those ``a.b=c`` settings that decide nothing in any of the runs that they were given for."""
    idle = [unread(config) for config in configs]
    for name in map(name_of, settings):
        reasons = [one.get(name) for one in idle]
        if all(reasons):
            why = ", ".join(str(reason) for reason in dict.fromkeys(reasons))
            yield f"--set {name}: changes nothing, with {why}"
