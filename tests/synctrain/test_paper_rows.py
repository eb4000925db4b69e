"""The paper's rows as files of settings: what each comes to, row by row, and what the released code did otherwise."""

from pathlib import Path
from typing import Any

import pytest

from synctrain import build
from synctrain.config import Config, load, plain
from synctrain.loop import steps_of

PAPER = Path(__file__).parents[2] / "benchmarks" / "paper"
ROWS = sorted(PAPER.glob("*.toml"))
LEGACY = sorted((PAPER / "legacy").glob("*.toml"))
ENCODERS = ("codebert", "graphcodebert", "unixcoder")
METHODS = ("soft", "dns", "coderetriever", "disco", "sync", "random", "hard", "sync-fixed")
TRIPLETS = {"soft", "sync", "random", "hard", "sync-fixed"}
WARMUP = {"codebert": 17_000, "graphcodebert": 12_500, "unixcoder": 13_000}
BETA = {"codebert": 0.01, "graphcodebert": 0.01, "unixcoder": 0.0001}
READ = {
    "codebert": ("pooler", None),
    "graphcodebert": ("pooler", "graphcodebert"),
    "unixcoder": ("mean", "unixcoder"),
}
GROUPS = {"soft": (), "dns": (), "coderetriever": (), "disco": ("disco",)}  # else SYNC's
SOFT = {"dns": 0, "coderetriever": 0, "disco": 1}  # else three negatives a pair
PAIRS = 80_000  # four fifths of 100,000


def row(name: str) -> Config:
    return load(files=[PAPER / f"{name}.toml"])


def test_there_is_a_file_for_each_row() -> None:
    expected = {f"{encoder}-{method}" for encoder in ENCODERS for method in METHODS} | {"bow", "cnn", "rnn"}
    assert {file.stem for file in ROWS} == expected


@pytest.mark.parametrize("legacy", [None, *LEGACY], ids=lambda file: file.stem if file else "")
@pytest.mark.parametrize("file", ROWS, ids=lambda file: file.stem)
def test_every_row_may_begin(file: Path, legacy: Path | None) -> None:
    build.check(load(files=[file, *([legacy] if legacy else [])]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_row_is_as_the_paper_has_it(encoder: str, method: str) -> None:
    found = row(f"{encoder}-{method}")
    build.make_objective(found)
    build.make_curriculum(found, has_hard=True)
    assert (found.data.top, found.data.limit, found.data.split, found.data.held_out) == (100_000, 0, "pair", 0.2)
    assert found.encoder.name == f"microsoft/{encoder}-base"
    assert (found.encoder.pooling, found.encoder.form) == READ[encoder]
    assert (found.encoder.max_length, found.encoder.flatten, found.encoder.normalize) == (100, True, False)
    optim = found.optim
    assert (optim.rate, optim.schedule, optim.clip, optim.weight_decay, optim.accumulation) == (
        1e-5,
        "constant",
        0,
        0.01,
        1,
    )
    assert optim.batch == (32 if encoder == "graphcodebert" and method not in {"coderetriever", "disco"} else 48)
    # Five epochs: of 240,000 triplets, which DNS has too, or of 80,000 pairs.
    passes = 5 * (-(-PAIRS // 48)) if method in {"coderetriever", "disco"} else 5 * 3 * PAIRS // optim.batch
    assert steps_of(found, 1, 1) == passes
    if method in TRIPLETS:
        per_pair = found.negatives.soft // found.negatives.per_row
        assert (
            steps_of(load(files=[PAPER / f"{encoder}-{method}.toml"], settings=["optim.steps=0"]), PAIRS * per_pair, 1)
            == passes
        )
    negatives = found.negatives
    assert (negatives.groups, negatives.rules) == (GROUPS.get(method, ("sync",)), ())
    assert (negatives.soft, negatives.per_row) == (SOFT.get(method, 3), 1)
    assert (negatives.source, negatives.single) == ("static", "use")
    assert negatives.groups == () or negatives.mode == "together"
    assert found.evaluation.every == 501


@pytest.mark.parametrize("encoder", ENCODERS)
def test_curricula_are_as_the_paper_has_them(encoder: str) -> None:
    kinds = {"soft": 1.0, "random": 0.5, "hard": 0.0, "sync-fixed": 0.75}
    for method, share in kinds.items():
        found = row(f"{encoder}-{method}")
        assert (found.curriculum.kind, found.curriculum.soft, found.objective.kind) == ("fixed", share, "triplet")
    assert row(f"{encoder}-hard").curriculum.warmup == row(f"{encoder}-random").curriculum.warmup == 0
    for method in ("sync", "sync-fixed"):
        found = row(f"{encoder}-{method}")
        assert found.curriculum.warmup == WARMUP[encoder] < found.optim.steps
        assert (found.negatives.beta, found.negatives.sampling) == (BETA[encoder], "softmax")
    sync = row(f"{encoder}-sync").curriculum
    assert (sync.kind, sync.window, sync.power, sync.delta, sync.epsilon) == ("mastering", 20, 2, 0.5, 0.8)
    assert (sync.bias, sync.legacy) == ((0.8, 0.2), False)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_objectives_are_as_the_paper_has_them(encoder: str) -> None:
    dns, retriever, disco = (row(f"{encoder}-{name}").objective for name in ("dns", "coderetriever", "disco"))
    assert (dns.kind, dns.margin, dns.chosen_by) == ("hardest", 1.0, None)
    assert (retriever.kind, retriever.form, retriever.bimodal, retriever.unimodal) == ("retriever", "contrast", 1, 1)
    assert (disco.kind, disco.scope) == ("contrast", "own")
    for one in (retriever, disco):
        assert (one.similarity, one.temperature, one.mask_same) == ("neg_l2", 1.0, True)


@pytest.mark.parametrize(("name", "batch", "steps"), [("bow", 32, 50_000), ("cnn", 128, 12_500), ("rnn", 128, 12_500)])
def test_networks_from_nothing_are_as_the_paper_has_them(name: str, batch: int, steps: int) -> None:
    found = row(name)
    assert (found.encoder.name, found.encoder.max_length) == (name, 100)
    assert (found.objective.kind, found.objective.similarity, found.negatives.groups) == ("pairwise", "dot", ())
    assert (found.optim.rate, found.optim.batch, found.optim.steps) == (1e-3, batch, steps)
    assert steps == 20 * PAIRS * found.negatives.soft // batch


def changed(name: str, legacy: str) -> dict[str, Any]:
    """What a file of the released code's ways changes of a row, by the full names of the settings."""
    with_it = plain(load(files=[PAPER / f"{name}.toml", PAPER / "legacy" / f"{legacy}.toml"]))
    without = plain(row(name))
    return {
        f"{part}.{setting}": value
        for part, settings in with_it.items()
        if isinstance(settings, dict)
        for setting, value in settings.items()
        if value != without[part][setting]
    }


ALL_RULES = {"negatives.groups": ["sync", "disco", "extra"], "negatives.single": "soft"}
MASTERING = {**ALL_RULES, "curriculum.legacy": True, "objective.accuracy_margin": 1.0}
HARD = {**ALL_RULES, "negatives.source": "in_batch", "objective.accuracy_margin": 1.0}
CHANGES: dict[str, dict[str, Any]] = {
    "codebert-sync": {**MASTERING, "negatives.source": "in_batch"},
    "graphcodebert-sync": {**MASTERING, "optim.steps": 15_000},
    "unixcoder-sync": {**MASTERING, "negatives.source": "in_batch", "optim.steps": 15_000},
    "codebert-hard": HARD,
    "unixcoder-hard": HARD,
    "disco": {"objective.scope": "all", "objective.mask_same": False},
    "coderetriever": {"objective.mask_same": False},
    "dns": {"objective.chosen_by": "dot"},
    "scratch": {"optim.steps": 0, "optim.epochs": 40.0},
}


def test_the_released_code_s_ways_are_all_known() -> None:
    assert {file.stem for file in LEGACY} == set(CHANGES)


@pytest.mark.parametrize("legacy", sorted(CHANGES))
def test_the_released_code_s_ways_change_this_and_no_more(legacy: str) -> None:
    alike = {"scratch": ["bow", "cnn", "rnn"]}
    rows = [legacy] if "-" in legacy else alike.get(legacy, [f"{encoder}-{legacy}" for encoder in ENCODERS])
    for name in rows:
        assert changed(name, legacy) == CHANGES[legacy]
        build.make_objective(load(files=[PAPER / f"{name}.toml", PAPER / "legacy" / f"{legacy}.toml"]))


def test_the_page_names_every_file() -> None:
    page = (PAPER / "README.md").read_text("utf-8")
    assert all(f"`{file.stem}`" in page or f"`{file.name}`" in page for file in LEGACY)
