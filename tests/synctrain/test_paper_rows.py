"""The paper's rows as files of settings: each loads, and says what the specification says of it."""

from pathlib import Path

import pytest

from synctrain import build
from synctrain.config import load

PAPER = Path(__file__).parents[2] / "benchmarks" / "paper"
ROWS = sorted(file for file in PAPER.glob("*.toml") if file.stem != "legacy")
WARMUP = {"codebert": 17_000, "graphcodebert": 12_500, "unixcoder": 13_000}
BETA = {"codebert": 0.01, "graphcodebert": 0.01, "unixcoder": 0.0001}


def test_there_is_a_file_for_each_row() -> None:
    methods = ("soft", "dns", "coderetriever", "disco", "sync", "random", "hard", "sync-fixed")
    expected = {f"{encoder}-{method}" for encoder in WARMUP for method in methods} | {"bow", "cnn", "rnn"}
    assert {file.stem for file in ROWS} == expected


@pytest.mark.parametrize("file", ROWS, ids=lambda file: file.stem)
def test_a_row_is_as_the_paper_has_it(file: Path) -> None:
    found = load(files=[file])
    build.make_objective(found)
    build.make_curriculum(found, has_hard=True)
    assert (found.data.top, found.data.split, found.encoder.max_length) == (100_000, "pair", 100)
    encoder, _, method = file.stem.partition("-")
    if encoder not in WARMUP:
        assert (found.encoder.name, found.objective.kind, found.optim.rate) == (encoder, "pairwise", 1e-3)
        return
    assert found.encoder.name == f"microsoft/{encoder}-base"
    assert (found.optim.rate, found.optim.epochs, found.optim.schedule, found.optim.clip) == (1e-5, 5, "constant", 0)
    if method == "sync":
        assert found.curriculum.warmup == WARMUP[encoder]
        assert found.negatives.beta == BETA[encoder]
        assert (found.negatives.soft, found.negatives.groups, found.curriculum.kind) == (3, ("sync",), "mastering")
    if method in {"coderetriever", "disco"}:
        assert (found.objective.similarity, found.objective.temperature) == ("neg_l2", 1.0)


@pytest.mark.parametrize("file", [file for file in ROWS if "dns" not in file.stem], ids=lambda file: file.stem)
def test_the_released_code_s_ways_go_with_each_row(file: Path) -> None:
    found, legacy = load(files=[file]), load(files=[file, PAPER / "legacy.toml"])
    assert legacy.curriculum.legacy
    assert legacy.objective.accuracy_margin == 1.0
    assert legacy.objective.kind == found.objective.kind
    assert legacy.curriculum.kind == found.curriculum.kind
    build.make_objective(legacy)
