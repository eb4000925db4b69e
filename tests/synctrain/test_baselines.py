"""Recipes side by side: every preset runs, comparisons resume, and the table says what the runs say."""

import dataclasses
import errno
import json
import math
import shutil
from collections import Counter
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from synctrain import baselines, build, data, encoders, inputs, loop
from synctrain.cli import main
from synctrain.config import Config, ConfigError, of, plain, presets
from synctrain.draw import draw
from synctrain.evaluate.retrieval import evaluate
from synctrain.evaluate.significance import compare
from synctrain.negatives import Partners
from synctrain.objectives import Retriever
from synctrain.train import RunError
from synctrain.types import Embedded, Loss

Runs = Any  # tests/synctrain/conftest.py, which no test imports
# What makes the tiny n-BOW of `Runs` of any preset: these win over it.
WITHOUT = {"dns": ["negatives.soft=0"], "coderetriever": ["negatives.soft=0"]}


def silent(_text: str) -> None:
    pass


def cli(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)


@pytest.mark.parametrize("preset", sorted(presets()))
def test_every_preset_trains(runs: Runs, tmp_path: Path, preset: str) -> None:
    lines = runs.fit(tmp_path, *WITHOUT.get(preset, []), preset=preset)
    steps = [line for line in lines if line["event"] == "step"]
    assert len(steps) == 8
    assert all(math.isfinite(line["loss"]) for line in steps)
    hard = sum(line["seen.hard"] for line in steps)
    assert (hard > 0) == (preset in {"best", "disco", "hard", "random", "scratch", "sync", "sync-fixed"})
    if preset == "dns":
        assert all(line["loss.found"] == 1.0 for line in steps)
    if preset == "coderetriever":
        assert all(line["loss"] == pytest.approx(line["loss.bimodal"] + line["loss.unimodal"]) for line in steps)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["objective.kind=pairwise", "negatives.soft=0"], "the objective pairwise needs a negative"),
        (["objective.kind=contrast", "negatives.soft=0"], r"negatives.soft = 0: no row has a place for a mutant"),
        (["negatives.soft=1", "negatives.per_row=3"], r"per_row = 3: negatives.soft = 1 is no multiple"),
        (["negatives.soft=3", "negatives.per_row=2"], r"per_row = 2: negatives.soft = 3 is no multiple"),
        (["objective.kind=hardest"], "the objective hardest looks at no drawn negatives"),
        (["objective.kind=retriever", "negatives.soft=0", "objective.bimodal=0", "objective.unimodal=0"], "both are 0"),
        (
            ["objective.kind=hardest", "negatives.soft=0", "optim.batch=1"],
            r"optim.batch = 1: the objective hardest has no",
        ),
        (["negatives.source=in_batch", "negatives.groups=[]", "optim.batch=1"], r"the objective triplet has no other"),
    ],
)
def test_objectives_that_cannot_be(runs: Runs, settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build.make_objective(runs.config(*settings))


@pytest.mark.parametrize(
    "settings",
    [
        ["objective.kind=contrast", "negatives.soft=0", "negatives.groups=[]"],
        ["objective.kind=contrast", "negatives.soft=0", "curriculum.kind=fixed", "curriculum.soft=1.0"],
        ["objective.kind=hardest", "negatives.soft=0"],
        ["objective.kind=retriever", "negatives.soft=0"],
        ["curriculum.kind=fixed", "curriculum.soft=1.0"],
    ],
)
def test_where_no_mutant_can_be_drawn_none_is_made(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: list[str]
) -> None:
    monkeypatch.setattr(build, "make_mutants", None)
    lines = runs.fit(tmp_path, *settings)
    assert len([line for line in lines if line["event"] == "step"]) == 8
    assert not any(line.get("seen.hard") for line in lines)


def test_decay_halves_the_share_of_soft_negatives(runs: Runs, tmp_path: Path) -> None:
    lines = runs.fit(tmp_path, "curriculum.kind=decay", "curriculum.half_life=4")
    shares = [line["share.soft"] for line in lines if line["event"] == "step"]
    assert shares == pytest.approx([2 ** (-step / 4) for step in range(8)])


def test_partners_are_other_code_of_the_intent_or_the_code_itself() -> None:
    intent, twin = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 3, 3, 4])
    partners, chance = Partners(intent, twin), np.random.default_rng(0)
    drawn = np.stack([partners.draw(np.arange(6), chance) for _ in range(300)])
    assert Counter(drawn[:, 3:].ravel().tolist()) == {3: 300, 4: 300, 5: 300}  # one code twice is no other code
    for pair in range(3):
        seen = Counter(drawn[:, pair].tolist())
        assert set(seen) == {0, 1, 2} - {pair}
        assert min(seen.values()) > 100


class Seen(Retriever):
    """CodeRetriever's objective, which remembers what it saw."""

    batches: ClassVar[list[Embedded]] = []

    def __call__(self, embedded: Embedded) -> Loss:
        self.batches.append(embedded)
        return super().__call__(embedded)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_code_that_is_its_own_partner_is_dropped_out_anew(
    runs: Runs, bert_folder: Path, tmp_path: Path, dropout: float
) -> None:
    """With one intent a pair all partners are the code itself, and without dropout have its vectors."""
    config = runs.config(f"encoder.name={bert_folder}", "optim.steps=2", preset="coderetriever")
    parts = runs.parts(config)
    alone = np.arange(len(parts.material.intent))
    for module in parts.encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    Seen.batches.clear()
    material = dataclasses.replace(parts.material, intent=alone, twin=alone)
    loop.fit(dataclasses.replace(parts, material=material, objective=Seen()), config, tmp_path, quiet=True)
    assert len(Seen.batches) == 2
    for embedded in Seen.batches:
        assert embedded.partner is not None
        apart = (embedded.partner - embedded.positive).norm(dim=-1) / embedded.positive.norm(dim=-1)
        assert bool((apart > 0.01).all()) if dropout else bool((apart < 1e-4).all())


def test_a_partner_that_is_the_row_s_own_code_is_not_wrong(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two questions share an answer: (A, x), (A, y), (B, y), (B, z), whose partners are y, x, z, y. The y that is the
    partner of the last is the code of the second, and the partner of the first: neither may push it away.
    """
    rows = [("ask a", "x(1)"), ("ask a", "y(2, w)"), ("ask b", "y(2,  w)"), ("ask b", "z(3, 4)")]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps({"query": q, "code": c}) + "\n" for q, c in rows), "utf-8")
    seen: list[Embedded] = []
    real = Retriever.__call__

    def spy(objective: Retriever, embedded: Embedded) -> Any:
        seen.append(embedded)
        return real(objective, embedded)

    monkeypatch.setattr(Retriever, "__call__", spy)
    few = ["negatives.soft=0", "optim.batch=4", "optim.steps=3", "data.held_out=0.0"]
    runs.fit(tmp_path / "run", *few, f"data.train={file}", preset="coderetriever")
    assert len(seen) == 3
    for one in seen:
        assert one.partner is not None
        assert one.same_partner is not None
        own = torch.cdist(one.positive, one.partner) < 1e-6
        theirs = torch.cdist(one.partner, one.partner) < 1e-6
        assert (own & ~one.same).any()
        assert torch.equal(one.same_partner, one.same | own | theirs)
        assert not one.same_partner.all()


def test_soft_negatives_of_the_batch(runs: Runs) -> None:
    config = runs.config("negatives.source=in_batch", "curriculum.kind=fixed", "curriculum.soft=1.0")
    parts = runs.parts(config)
    pairs = np.arange(12)
    drawn = [draw(parts, config, pairs, np.zeros_like(pairs), np.random.default_rng(seed)) for seed in range(40)]
    inside = set(parts.material.code[pairs].tolist())
    for one in drawn:
        assert set(one.text.tolist()) <= inside
        answers = one.same[one.row]
        for row, text in enumerate(one.text):
            assert not any(answers[row][other] for other in pairs if parts.material.code[other] == text)
    assert len({tuple(one.text.tolist()) for one in drawn}) > 30


def test_code_with_a_single_mutant_may_fall_back(runs: Runs) -> None:
    config = runs.config("curriculum.kind=fixed", "curriculum.soft=0.0", "curriculum.warmup=0")
    parts = runs.parts(config)
    sizes = np.diff(parts.material.pool.first)
    every, zeros = np.arange(len(sizes)), np.zeros(len(sizes), dtype=np.int64)
    assert (sizes == 1).any()
    for single, fewest in (("use", 1), ("soft", 2)):
        chosen = dataclasses.replace(config, negatives=dataclasses.replace(config.negatives, single=single))
        drawn = draw(parts, chosen, every, zeros, np.random.default_rng(0))
        assert drawn.hard.tolist() == (sizes >= fewest).tolist()
        assert drawn.fallback == (sizes < fewest).sum()


# --- the command


@pytest.fixture
def arguments(
    pairs_file: Path, retrieval_folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    monkeypatch.setenv("SYNCTRAIN_CACHE", str(cache))
    settings = [
        "encoder.dimension=16",
        "encoder.vocabulary=400",
        "optim.steps=4",
        "optim.batch=8",
        "evaluation.every=2",
    ]
    given: list[Any] = ["baselines", "--encoder", "bow", "--train", pairs_file, "--test", retrieval_folder]
    given += [part for setting in settings for part in ("--set", setting)]
    return [*given, "--seed", 1, "--seed", 2, "--row", "soft", "--row", "best", "--out", tmp_path / "out"]


def test_baselines_from_beginning_to_table(arguments: list[Any], tmp_path: Path) -> None:
    done = cli(*arguments, "-o", tmp_path / "table.json")
    assert done.exit_code == 0, done.stderr
    record = json.loads((tmp_path / "table.json").read_text("utf-8"))
    assert list(record["rows"]) == ["BM25", "soft", "best"]
    for row in ("soft", "best"):
        files = [tmp_path / "out" / row / f"seed-{seed}" / "measures.json" for seed in (1, 2)]
        found = [json.loads(file.read_text("utf-8")) for file in files]
        ranks = [one["results"][0]["reciprocal_ranks"] for one in found]
        mrr = [fmean(one.values()) for one in ranks]
        told = record["rows"][row]["values"]["ten"]
        assert told["mean"] == pytest.approx(100 * fmean(mrr))
        assert told["sd"] == pytest.approx(100 * stdev(mrr))
        assert f"{100 * fmean(mrr):.1f} ±{100 * stdev(mrr):.1f}" in done.stdout
        accuracy = [one["among"]["not sync"]["ten"]["accuracy"] for one in found]
        assert record["rows"][row]["values"]["ten: not sync"]["runs"] == pytest.approx([100 * one for one in accuracy])
        assert not {"call-to-name", "flip-comparators"} & set(found[0]["among"]["not sync"]["ten"]["rules"])
    means: dict[str, dict[str, float]] = {}
    for row in ("soft", "best"):
        both = [
            json.loads((tmp_path / "out" / row / f"seed-{seed}" / "measures.json").read_text("utf-8"))["results"][0]
            for seed in (1, 2)
        ]
        one, other = (run["reciprocal_ranks"] for run in both)
        means[row] = {query: (one[query] + other[query]) / 2 for query in one}
    expected = compare(means["best"], means["soft"])
    assert record["rows"]["best"]["tests"]["ten"]["p"] == pytest.approx(expected.p)
    assert record["rows"]["soft"]["tests"]["ten"] == {"difference": 0.0, "p": 1.0, "queries": 10}


def test_what_is_done_is_not_done_again(arguments: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cli(*arguments)
    assert first.exit_code == 0, first.stderr

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError

    with monkeypatch.context() as inner:
        inner.setattr(loop, "fit", never)
        assert cli(*arguments).stdout == first.stdout
        with pytest.raises(AssertionError):
            cli(*arguments, "--seed", 3)
    more = cli(*arguments, "--set", "optim.rate=0.5")
    assert more.exit_code == 2
    assert "soft/seed-1/measures.json: was made with another recipe; choose another folder" in more.stderr
    file = tmp_path / "out" / "best" / "seed-2" / "measures.json"
    file.write_text(file.read_text("utf-8")[:-40], "utf-8")
    damaged = cli(*arguments)
    assert damaged.exit_code == 2
    assert f"{file}: cannot be read: " in damaged.stderr
    file.unlink()
    assert cli(*arguments).stdout == first.stdout  # a whole run is measured, not trained again


def test_a_table_needs_no_place_to_write_to(arguments: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a comparison that is done, in a folder that can only be read; one more run has to be kept there."""
    first = cli(*arguments)

    def denied(**_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", denied)
    assert cli(*arguments).stdout == first.stdout
    assert "cannot be written: Permission denied" in cli(*arguments, "--seed", 3).stderr


def test_measures_of_a_wrong_shape_are_damaged(arguments: list[Any], tmp_path: Path) -> None:
    assert cli(*arguments).exit_code == 0
    file = tmp_path / "out" / "soft" / "seed-1" / "measures.json"
    whole = file.read_text("utf-8")
    column = next(iter(json.loads(whole)["among"]))
    among: list[Any] = [None, [], "x", {}, {column: 1}, {column: {}}]
    results: list[Any] = [None, [], "x", [1], json.loads(whole)["results"] * 2]
    for damage in [*({"among": one} for one in among), *({"results": one} for one in results)]:
        file.write_text(json.dumps({**json.loads(whole), **damage}), "utf-8")
        told = cli(*arguments)
        assert told.exit_code == 2, damage
        assert f"{file}: cannot be read: " in told.stderr
        assert told.stderr.endswith("; remove it to measure again\n")
    for content in ("null", "[]", '"x"'):
        file.write_text(content, "utf-8")
        assert f"{file}: cannot be read: " in cli(*arguments).stderr
    for name in json.loads(whole).keys() - {"weights"}:  # which an earlier version did not note
        file.write_text(json.dumps({key: one for key, one in json.loads(whole).items() if key != name}), "utf-8")
        told = cli(*arguments)
        assert told.exit_code == 2
        assert told.stderr.endswith(f"{file}: cannot be read: it has no {name!r}; remove it to measure again\n")


def test_measures_of_a_model_that_saw_other_pairs_are_refused(
    arguments: list[Any], pairs_file: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.jsonl"
    lines = pairs_file.read_text("utf-8").splitlines(keepends=True)
    mine.write_text("".join(lines), "utf-8")
    given = [mine if one == pairs_file else one for one in arguments]
    assert cli(*given).exit_code == 0
    file = tmp_path / "out" / "soft" / "seed-1" / "measures.json"
    mine.write_text("".join(lines[:-20]), "utf-8")
    changed = cli(*given, "--seed", 3)
    assert changed.exit_code == 2
    assert changed.stderr.endswith(f"{file}: was made with other pairs; choose another folder\n")
    mine.write_text("".join(lines), "utf-8")
    assert cli(*given).exit_code == 0


def test_measures_of_a_model_that_began_with_other_weights_are_refused(
    arguments: list[Any], model: Path, tmp_path: Path
) -> None:
    """One table, one model: what was measured before its weights changed is of another."""
    begun_with = tmp_path / "begun-with"
    shutil.copytree(model, begun_with)
    given = [begun_with if one == "bow" else one for one in arguments]
    given = [one for at, one in enumerate(given) if not any("encoder." in str(each) for each in given[at : at + 2])]
    first = cli(*given)
    assert first.exit_code == 0, first.stderr
    (weights,) = begun_with.rglob("*.safetensors")
    same = weights.read_bytes()
    save_file({name: -tensor for name, tensor in load_file(weights).items()}, weights)
    changed = cli(*given, "--seed", 3)
    assert changed.exit_code == 2
    file = tmp_path / "out" / "zero-shot" / "measures.json"
    assert changed.stderr.endswith(f"{file}: was made with other first weights; choose another folder\n")
    weights.write_bytes(same)
    known = json.loads(file.read_text("utf-8"))
    assert known.pop("weights")
    file.write_text(json.dumps(known), "utf-8")  # as an earlier version left it
    assert cli(*given).stdout == first.stdout


def test_a_comparison_that_was_stopped_goes_on(
    arguments: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments += ["--set", "optim.schedule=constant", "--set", "optim.warmup=0"]  # a run of other length has one rate
    whole = cli(*arguments)
    assert whole.exit_code == 0, whole.stderr
    real, seen = loop.fit, [0]

    def stops(parts: Any, config: Any, *rest: Any, **more: Any) -> Any:
        """Stop the third run after two steps of four, as Ctrl-C does."""
        seen[0] += 1
        if seen[0] != 3:
            return real(parts, config, *rest, **more)
        short = dataclasses.replace(config, optim=dataclasses.replace(config.optim, steps=2))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "plain", lambda _: plain(config))  # its checkpoint is one of the whole run
            return real(parts, short, *rest, **more)._replace(interrupted=True)

    again = [tmp_path / "other" if one == tmp_path / "out" else one for one in arguments]
    with monkeypatch.context() as inner:
        inner.setattr(loop, "fit", stops)
        stopped = cli(*again)
    assert stopped.exit_code == 130
    assert "best/seed-1: stopped after step 2 and saved; the same command goes on" in stopped.stderr
    assert cli(*again).stdout == whole.stdout


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--row", "sooft"], "no preset named 'sooft'; did you mean 'soft'"),
        (["--row", "mine=/no/such.toml"], "/no/such.toml: "),
        (["--against", "disco"], "no row named 'disco' to test against; there are: best, soft"),
        (["--distractors", "nope"], "nope"),
        (["--test", "/no/such/folder"], "/no/such/folder: no such folder"),
        (["--row", "soft"], "two rows are named 'soft'"),
        (["--row", "=/no/such.toml"], "a row named '': its runs lie in a folder of this name, which it cannot be"),
        (["--row", "..=/no/such.toml"], "a row named '..': its runs lie"),
        (["--row", "../soft=/no/such.toml"], "a row named '../soft': its runs lie"),
        (["--set", "seed=5"], "seed = 5 for the row soft: rows are trained once a seed; name it with --seed"),
        (["--set", 'encoder={name="cnn"}'], "--set encoder.name: give it with --encoder"),
        (["--set", "encoder.name=cnn"], "--set encoder.name: give it with --encoder"),
        (["--set", " data.train =other.jsonl"], "--set data.train: give it with --train"),
        (["--set", "data.test=[]"], "--set data.test: give it with --test"),
        (["--row", "zero-shot=/no/such.toml"], "two rows are named 'zero-shot'"),
        (["--in-domain", "tne"], "no test set is named 'tne'; did you mean 'ten'?"),
        (["--in-domain", "conala"], "no test set is named 'conala'; there are: ten"),
    ],
)
def test_what_cannot_be_compared(arguments: list[Any], given: list[str], message: str) -> None:
    done = cli(*arguments, *given)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--row", "sooft"], "no preset named 'sooft'; did you mean 'soft'"),
        (["--against", "bset"], "no row named 'bset' to test against; did you mean 'best'?"),
        (["--distractors", "snyc"], "no group named 'snyc'; did you mean 'sync'?"),
        (["--most", "3"], "--most goes with --mode each"),
        (["--set", "encoder.pooling=cls"], "encoder.pooling = 'cls': the encoder bow has no such setting"),
    ],
)
def test_rows_are_looked_at_before_pairs_are_read(
    arguments: list[Any], monkeypatch: pytest.MonkeyPatch, given: list[str], message: str
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError

    for reader in ("read_pairs", "read_retrievals", "harvest"):
        monkeypatch.setattr(f"synctrain.data.{reader}", never)
    done = cli(*arguments, *given)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_row_of_ones_own(arguments: list[Any], tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('preset = "best"\n[objective]\nscope = "all"\n', "utf-8")
    done = cli(*arguments, "--row", f"mine={tmp_path / 'mine.toml'}", "--against", "mine")
    assert done.exit_code == 0, done.stderr
    settings = json.loads((tmp_path / "out" / "mine" / "seed-1" / "config.json").read_text("utf-8"))
    assert (settings["objective"]["scope"], settings["objective"]["kind"]) == ("all", "contrast")


@pytest.fixture
def planned(pairs_file: Path, retrieval_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """(rows, other arguments) -> the recipes by name, what was said, and the protocol of a comparison of n-BOWs."""
    monkeypatch.setenv("SYNCTRAIN_CACHE", str(cache))

    def plan(*rows: str, **more: Any) -> Any:
        said: list[str] = []
        place = {"train_on": [str(pairs_file)], "test_on": [str(retrieval_folder)], "encoder": "bow"}
        recipes, protocol = baselines.plan(rows, **{**place, "say": said.append, **more})
        return {one.name: one for one in recipes}, said, protocol

    return plan


def settings_of(recipes: dict[str, baselines.Recipe]) -> dict[str, Config]:
    return {name: of({**one.about, "seed": 0}) for name, one in recipes.items()}


def test_all_rows_take_equal_steps_on_equal_pairs(planned: Any, tmp_path: Path) -> None:
    """Five passes over the pairs, 48 a batch: presets by themselves have from one pass over 900 pairs to fifteen."""
    (tmp_path / "mine.toml").write_text('preset = "best"\n[optim]\nsteps = 7\n[data]\nlimit = 20\n', "utf-8")
    rows = [*baselines.ROWS, f"mine={tmp_path / 'mine.toml'}"]
    recipes, said, _ = planned(*rows)
    found = settings_of(recipes)
    pairs = {name: len(inputs.read_sets(one, silent).train) for name, one in found.items()}
    assert len(set(pairs.values())) == 1
    steps = math.ceil(5 * pairs["soft"] / 48)
    assert f"{steps} steps a run: 5 passes over {pairs['soft']} pairs" in said
    for one in found.values():
        assert (one.optim.steps, one.optim.batch, one.data.limit) == (steps, 48, 0)
        assert one.evaluation.every == max(1, steps // 10)
    assert "sync: curriculum.warmup = 100, so no step of it sees a mutant" in said
    assert not any("soft: " in one or "best: " in one for one in said)
    settings = ["optim.batch=16", "optim.epochs=2", "data.limit=40", "evaluation.every=3"]
    recipes, said, _ = planned(*rows, settings=settings)
    for one in settings_of(recipes).values():
        assert (one.optim.steps, one.optim.batch, one.data.limit, one.evaluation.every) == (5, 16, 40, 3)
    assert not any("changes nothing" in one for one in said)
    found = settings_of(planned(*rows, settings=["optim.steps=30"])[0])
    assert {(one.optim.steps, one.evaluation.every) for one in found.values()} == {(30, 3)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[data]\nheld_out = 0.3", r"data.held_out is 0.1 for the row soft and 0.3 for mine: .* --set"),
        ("[optim]\naccumulation = 2", r"optim.accumulation is 1 for the row soft and 2 for mine"),
        ('[optim]\nprecision = "bf16"', r"optim.precision is 'no' for the row soft and 'bf16' for mine"),
        ("seed = 5", r"seed = 5 for the row mine: rows are trained once a seed; name it with --seed"),
        ("[evaluation]\ndocuments = 5", r"evaluation.documents is 2000 for the row soft and 5 for mine"),
    ],
)
def test_rows_that_would_not_be_equal_are_refused(planned: Any, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(f'preset = "soft"\n{content}\n', "utf-8")
    with pytest.raises(ConfigError, match=message):
        planned("soft", f"mine={tmp_path / 'mine.toml'}")


def test_sets_of_one_name_and_a_split_by_its_name(
    planned: Any, pairs_file: Path, retrieval_folder: Path, tmp_path: Path
) -> None:
    for place in ("a", "b"):
        shutil.copytree(retrieval_folder, tmp_path / place / "ten")
    (tmp_path / "b" / "ten" / "qrels" / "dev.tsv").write_text("1\t1\t1\n", "utf-8")
    folders = [str(tmp_path / place) for place in ("a/ten", "b/ten", "b/ten/dev")]
    (tmp_path / "b" / "ten" / "pairs.jsonl").write_bytes(pairs_file.read_bytes())
    trained = [str(tmp_path / "b" / "ten")]
    _, _, protocol = planned("soft", test_on=folders, train_on=trained)
    assert [one.name for one in protocol.sets] == ["a/ten", "b/ten", "ten/dev"]
    assert protocol.in_domain == ("b/ten", "ten/dev")


def test_all_rules_are_one_column(planned: Any) -> None:
    _, _, protocol = planned("soft", distractors="all")
    assert list(protocol.probes) == ["all"]
    assert set(protocol.probes["all"].rules) == set(build.named_rules())


def test_the_model_as_it_was_is_read_as_the_rows_read_it(
    planned: Any, bert_folder: Path, retrieval_folder: Path, tmp_path: Path
) -> None:
    def zero_shot(*settings: str) -> Any:
        return planned("soft", encoder=str(bert_folder), settings=settings)[0]["zero-shot"]

    plain = zero_shot("optim.steps=3", "optim.precision=bf16")
    assert (plain.name, plain.about) == ("zero-shot", {"model": str(bert_folder)})
    common = ["encoder.pooling=cls", "encoder.max_length=16", "objective.similarity=dot"]
    other = zero_shot(*common, "optim.steps=3")
    expected = {"model": str(bert_folder), "pooling": "cls", "max_length": 16, "similarity": "dot"}
    assert dict(other.about) == expected
    protocol = baselines.Protocol([data.read_retrieval(retrieval_folder)], (), {}, (), (0,), "zero-shot")
    rows = baselines.run([other], protocol, tmp_path / "out", silent).rows["zero-shot"][0].results
    embed = encoders.embedder(encoders.load(str(bert_folder), pooling="cls", max_length=16))
    assert rows == evaluate(embed, protocol.sets, "dot")
    assert rows != baselines.run([plain], protocol, tmp_path / "plain", silent).rows["zero-shot"][0].results


def test_smaller_sets_keep_what_is_relevant(retrieval_folder: Path) -> None:
    whole = data.read_retrieval(retrieval_folder)
    extra = dataclasses.replace(whole, documents={**whole.documents, **{f"d{n}": f"x = {n}" for n in range(50)}})
    few, more = data.fewer(extra, 20), data.fewer(extra, 30)
    assert (len(few.documents), len(more.documents)) == (20, 30)
    assert set(whole.documents) <= set(few.documents) <= set(more.documents)
    assert data.fewer(extra, 3).documents.keys() == whole.documents.keys()
    assert data.digest(few) != data.digest(more)
    assert data.digest(whole) == data.digest(data.read_retrieval(retrieval_folder))


def test_a_table_without_anything_to_test_against_is_refused(retrieval_folder: Path, tmp_path: Path) -> None:
    protocol = baselines.Protocol([data.read_retrieval(retrieval_folder)], (), {}, (), (0,), "soft")
    with pytest.raises(RunError, match="no row named 'soft'"):
        baselines.run([], protocol, tmp_path, silent)
