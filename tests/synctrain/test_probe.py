"""Rule difficulty and analogies from the command line: counted by hand, read back as settings."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from synctrain import build, encoders, probe
from synctrain.cli import main
from synctrain.config import load
from synctrain.data import read_pairs
from synctrain.evaluate import analogy
from synctrain.evaluate.ranking import pair_scores
from synctrain.types import Pair


def cli(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCTRAIN_CACHE", str(cache))


def counted(model: Path, pairs: list[Pair], rule: str) -> list[int]:
    """Right and all triplets of a rule, one after the other."""
    embed = encoders.embedder(encoders.load(str(model)))
    made = build.mutants_of(pairs, (rule,), mode="together")
    right = total = 0
    for number, pair in enumerate(pairs):
        for mutant in made.candidates(number):
            query = embed([pair.query], "query")
            code, other = (pair_scores(query, embed([text], "code"), "cos") for text in (pair.code, mutant.code))
            right, total = right + int(code > other), total + 1
    return [right, total]


def test_difficulty_selects_the_hardest_rules(
    model: Path, pairs_file: Path, real_pairs: list[Pair], tmp_path: Path
) -> None:
    done = cli("difficulty", model, "--data", pairs_file, "--top", 3, "--at-least", 5, "-o", tmp_path / "d.json")
    assert done.exit_code == 0, done.stderr
    record = json.loads((tmp_path / "d.json").read_text("utf-8"))
    rules = record["rules"]
    assert list(rules["call-to-name"].values()) == counted(model, real_pairs, "call-to-name")
    share = {rule: one["right"] / one["total"] for rule, one in rules.items() if one["total"] >= 5}
    assert record["hardest"] == sorted(share, key=lambda rule: (share[rule], rule))[:3]
    shown = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("|")][1:]
    every = {rule: one["right"] / one["total"] for rule, one in rules.items()}
    assert shown == [*sorted(every, key=lambda rule: (every[rule], rule)), "all"]
    assert any(rules[rule]["total"] < 5 for rule in rules) or len(share) == len(rules)
    lines = done.stdout.splitlines()[-2:]
    assert lines[0].startswith("negatives.rules = [")
    (tmp_path / "top.toml").write_text("\n".join(['preset = "sync"', *lines]), "utf-8")
    found = load(files=[tmp_path / "top.toml"])
    assert (found.negatives.rules, found.negatives.groups) == (tuple(record["hardest"]), ())


def test_where_no_rule_is_selected_there_are_no_settings(model: Path, pairs_file: Path, tmp_path: Path) -> None:
    few = ("--rule", "call-to-name", "--at-least", 100_000)
    done = cli("difficulty", model, "--data", pairs_file, *few, "-o", tmp_path / "d.json")
    record = json.loads((tmp_path / "d.json").read_text("utf-8"))
    total = record["rules"]["call-to-name"]["total"]
    assert done.exit_code == 2
    assert "call-to-name" in done.stdout
    assert "negatives" not in done.stdout
    assert done.stderr.endswith(
        f"synctrain: no rule is selected: none has as many triplets as asked for, {total:,} at most\n"
    )


def test_difficulty_of_a_group_by_another_similarity(model: Path, pairs_file: Path, tmp_path: Path) -> None:
    chosen = ("--group", "sync", "--similarity", "neg_l2", "--mode", "each", "-o", tmp_path / "d.json")
    done = cli("difficulty", model, "--data", pairs_file, *chosen)
    assert done.exit_code == 0, done.stderr
    record = json.loads((tmp_path / "d.json").read_text("utf-8"))
    assert record["similarity"] == "neg_l2"
    assert set(record["rules"]) <= set(build.named_rules(("sync",)))
    assert record["overall"]["total"] == sum(one["total"] for one in record["rules"].values())


def test_difficulty_says_how_many_mutants_the_model_cannot_see(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    codes = ["a < b", f"f({', '.join('abcdefghij')}) < b"]
    file.write_text("".join(json.dumps({"query": f"q {code}", "code": code}) + "\n" for code in codes), "utf-8")
    done = cli("difficulty", model, "--data", file, "--rule", "flip-comparators", "--max-length", 12, "--at-least", 1,
               "-o", tmp_path / "d.json")  # fmt: skip
    record = json.loads((tmp_path / "d.json").read_text("utf-8"))
    assert (record["equal"], record["dropped"], record["overall"]["total"]) == (1, 0, 2)
    assert "the model sees no difference between code and 1 of its 2 mutants\n" in done.stderr


def test_analogies_are_asked_by_both_distances(model: Path, pairs_file: Path, tmp_path: Path) -> None:
    few = ("--snippets", 12, "--combinations", 20, "-o", tmp_path / "a.json")
    done = cli("analogies", model, "--data", pairs_file, *few)
    assert done.exit_code == 0, done.stderr
    record = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert max(record["analogies"].values()) == 20
    assert set(record["found"]) == {"cos", "neg_l2"}
    for found in record["found"].values():
        assert set(found) == {"analogy", "source", "other_rule", "among_sources"}
        assert set(found["analogy"]["first5_by_rule"]) == set(record["analogies"])
        assert found["among_sources"]["mrr"] <= found["analogy"]["mrr"]
    assert record["ceiling"] == 1.0
    assert 0 < record["released_ceiling"] <= 1
    for text in ("control: c alone", "ceiling", f"{100 * record['found']['cos']['analogy']['mrr']:.1f}"):
        assert text in done.stdout
    assert cli("analogies", model, "--data", pairs_file, *few).stdout == done.stdout
    assert cli("analogies", model, "--data", pairs_file, *few, "--seed", 1).stdout != done.stdout


def test_an_analogy_is_of_code_and_its_mutants_by_one_rule(
    model: Path, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def evaluate(_embed: Any, given: Any, *_: Any, **__: Any) -> Any:
        seen.extend(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(analogy, "evaluate", evaluate)
    with pytest.raises(KeyboardInterrupt):
        probe.analogies(str(model), [str(pairs_file)])
    codes = {pair.code for pair in read_pairs(pairs_file)}
    assert len(seen) > 100
    chosen = seen[:: len(seen) // 20]
    for one in chosen:
        assert {one.a, one.c} <= codes
        assert one.a != one.c
        assert min(len(one.a), len(one.c)) > 30
    for rule in {one.rule for one in chosen}:  # workers start once a rule, not once a snippet
        asked = [pair for one in chosen if one.rule == rule for pair in ((one.a, one.b), (one.c, one.d))]
        made = build.mutants_of([Pair(code, "", code, code) for code, _ in asked], (rule,), mode="together")
        assert [made.candidates(i)[0].code for i in range(len(asked))] == [mutant for _, mutant in asked]


def test_several_files_count_each_for_itself(model: Path, pairs_file: Path, tmp_path: Path) -> None:
    """In two folders question 1 is two questions: what is right in one of them is a mutant in the other."""
    for name, code in (("a", "f(x == y)"), ("b", "f(x != y)")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pairs.jsonl").write_text(
            json.dumps({"id": "1", "question_id": 1, "query": f"q {name}", "code": code}) + "\n", "utf-8"
        )
    both = [str(tmp_path / name) for name in ("a", "b")]
    found = probe.difficulty(str(model), both, rules=["flip-comparators"])
    assert (found.separation.overall.total, found.separation.dropped) == (2, 0)
    for command in ("difficulty", "analogies"):
        done = cli(command, model, "--data", pairs_file, "--data", pairs_file)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == f"synctrain: {pairs_file}: named twice\n"


def test_what_cannot_be_asked(model: Path, pairs_file: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text(json.dumps({"query": "q", "code": "name"}) + "\n", "utf-8")
    for command, message in (("difficulty", "there is no mutant"), ("analogies", "no rule applies to two snippets")):
        done = cli(command, model, "--data", few)
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr
        assert "nope" in cli(command, model, "--data", pairs_file, "--rule", "nope").stderr
