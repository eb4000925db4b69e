"""What is said of settings that decide nothing: that it is true, and that nothing else decides nothing."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch
from click.testing import CliRunner

from synctrain import build
from synctrain.cli import main
from synctrain.config import Config, Curriculum, Objective, load
from synctrain.types import Embedded
from synctrain.unread import remarks, unread

KINDS = get_args(get_type_hints(Objective)["kind"])
CURRICULA = get_args(get_type_hints(Curriculum)["kind"])
# Another value than the default of each setting.
OTHER: dict[str, Any] = {
    "margin": 0.5, "temperature": 0.2, "scope": "all", "symmetric": True, "hard": 0.5, "hard_temperature": 0.1,
    "mask_same": False, "chosen_by": "dot", "bimodal": 0.5, "unimodal": 0.5, "form": "triplet",
    "soft": 0.25, "half_life": 7.0, "warmup": 3, "window": 5, "power": 1.0, "delta": 0.25, "epsilon": 0.5,
    "bias": (0.5, 0.5), "legacy": True,
}  # fmt: skip


def of_kind(kind: str) -> Config:
    soft = 0 if kind in ("hardest", "retriever") else 1
    return load(None, (), [f"objective.kind={kind}", f"negatives.soft={soft}"])


def value_of(objective: Any) -> float:
    """The loss of a batch of random vectors, some of whose pairs answer one question."""
    chance = torch.Generator().manual_seed(0)
    pairs, negatives = torch.randn(3, 16, 4, generator=chance), torch.randn(16, 4, generator=chance)
    same = torch.eye(16, dtype=torch.bool)
    same[:4, :4] = True
    row = torch.arange(16)
    embedded = Embedded(pairs[0], pairs[1], negatives, row, row % 2 == 0, same, pairs[2], same)
    return float(objective(embedded).value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_objective_is_another_one_with_a_setting_that_is_read_and_the_same_with_one_that_is_not(kind: str) -> None:
    config = of_kind(kind)
    names = set(asdict(config.objective)) - {"kind", "similarity", "accuracy_margin"}
    assert names <= OTHER.keys()
    for name in names:
        changed = replace(config, objective=replace(config.objective, **{name: OTHER[name]}))
        one, other = build.make_objective(changed), build.make_objective(config)
        same = one == other or value_of(one) == value_of(other)
        assert same == (f"objective.{name}" in unread(config)), name


def shares(config: Config) -> list[tuple[float, ...]]:
    """The shares of some steps in which soft negatives are told apart better and worse, and hard ones worse and worse."""
    curriculum = build.make_curriculum(config, has_hard=True)
    found = []
    for step in range(12):
        found.append(curriculum.shares())
        curriculum.observe([(10 * (step % 3), 40), (30 - 2 * step, 40)])
    return found


@pytest.mark.parametrize("kind", CURRICULA)
def test_a_curriculum_has_other_shares_with_a_setting_that_is_read_and_the_same_with_one_that_is_not(kind: str) -> None:
    config = load(None, (), [f"curriculum.kind={kind}", "curriculum.warmup=2", "curriculum.window=4"])
    for name in set(asdict(config.curriculum)) - {"kind"}:
        changed = replace(config, curriculum=replace(config.curriculum, **{name: OTHER[name]}))
        same = shares(changed) == shares(config)
        assert same == (f"curriculum.{name}" in unread(config)), name


@pytest.mark.parametrize(
    ("settings", "names", "why"),
    [
        (["curriculum.kind=fixed", "curriculum.soft=1"], ["negatives.beta", "negatives.rules"], "curriculum.soft = 1"),
        (["negatives.groups=[]"], ["curriculum.epsilon", "curriculum.kind", "negatives.single"], "no rules and groups"),
        (["negatives.sampling=top1"], ["negatives.beta"], "negatives.sampling = top1"),
        (["negatives.mode=together"], ["negatives.most"], "negatives.mode = together"),
        (["negatives.source=in_batch"], ["negatives.nearest"], "negatives.source = in_batch"),
        (
            ["negatives.soft=0", "objective.kind=contrast"],
            ["negatives.source", "negatives.per_row"],
            "negatives.soft = 0",
        ),
        (["objective.kind=hardest", "negatives.soft=0"], ["negatives.groups"], "objective.kind = hardest"),
        (["optim.steps=9"], ["optim.epochs"], "optim.steps = 9"),
        (["data.held_out=0.0"], ["data.split", "evaluation.documents", "evaluation.every"], "data.held_out = 0"),
        (["objective.kind=contrast", "objective.hard=0"], ["objective.hard_temperature"], "objective.hard = 0"),
    ],
)
def test_what_is_about_mutants_is_not_read_without_any(settings: list[str], names: list[str], why: str) -> None:
    found = unread(load(None, (), settings))
    assert {found.get(name) for name in names} == {why}
    assert {"negatives.soft", *(one.partition("=")[0] for one in settings)}.isdisjoint(found)


def test_a_setting_that_one_of_several_runs_reads_gets_no_remark() -> None:
    rows = [of_kind("triplet"), of_kind("contrast")]
    given = ["objective.margin=2", "objective.scope=all", "optim.steps=3", "objective.chosen_by=dot"]
    assert list(remarks(given, rows)) == [
        "--set objective.chosen_by: changes nothing, with objective.kind = triplet, objective.kind = contrast"
    ]
    assert (
        next(iter(remarks(given, rows[1:])))
        == "--set objective.margin: changes nothing, with objective.kind = contrast"
    )


def test_fit_says_which_of_the_settings_given_change_nothing(tmp_path: Path, pairs_file: Path) -> None:
    given = [f"data.train={pairs_file}", "encoder.name=bow", "optim.steps=1", "curriculum.half_life=3"]
    arguments = [part for setting in given for part in ("--set", setting)]
    result = CliRunner().invoke(main, ["fit", "--preset", "scratch", "--out", str(tmp_path / "run"), *arguments])
    assert result.exit_code == 0, result.output
    assert result.stderr.count("changes nothing") == 1
    assert "--set curriculum.half_life: changes nothing, with curriculum.kind = fixed\n" in result.stderr
