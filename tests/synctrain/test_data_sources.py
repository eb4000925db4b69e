"""Pairs of several files: what has one name in two of them is not the same thing."""

import gzip
import json
from pathlib import Path

import pytest

from synctrain import data, inputs
from synctrain.config import load
from synctrain.data.sources import Source, apart, qualified, sources
from synctrain.types import DataError, Pair


def silent(_text: str) -> None:
    pass


def write(file: Path, rows: list[dict[str, object]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def rows(word: str, *, question_ids: bool = False) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [{"query": f"{word} number {i}", "code": f"{word}_{i}(x)"} for i in range(30)]
    return [row | {"id": f"p{i}", "question_id": i // 2} for i, row in enumerate(found)] if question_ids else found


def trained(*names: Path, more: str = "data.held_out=0.0") -> list[Pair]:
    given = json.dumps([str(name) for name in names])
    return inputs.read_sets(load("soft", (), [f"data.train={given}", more]), silent).train


def test_pairs_that_are_too_few_are_named_with_what_was_left_out(tmp_path: Path) -> None:
    file = write(tmp_path / "p.jsonl", rows("a"))
    with pytest.raises(DataError) as caught:
        trained(file, more="data.largest=1")
    assert str(caught.value) == (
        f"{file}: 0 groups of pairs cannot be split into 3 parts; left out before: 30 pairs with more than 1 characters of code"
    )


def test_no_test_query_chooses_the_model(tmp_path: Path, retrieval_folder: Path) -> None:
    """Pairs whose query is one of a test set are in neither part; what is too many for validation is drawn by seed."""
    lines = gzip.decompress((retrieval_folder / "queries.jsonl.gz").read_bytes()).decode().splitlines()
    known = [json.loads(line)["text"] for line in lines]
    file = write(tmp_path / "p.jsonl", [*rows("a"), *({"query": each, "code": f"k({each!r})"} for each in known)])
    settings = [f'data.train=["{file}"]', f'data.test=["{retrieval_folder}"]', "data.held_out=0.6", "data.split=pair"]
    sets = inputs.read_sets(load("soft", (), settings), silent)
    assert sets.validation is not None
    asked = set(sets.validation.queries.values())
    assert asked
    assert not asked & set(known)
    assert not {pair.query for pair in sets.train} & set(known)
    few = [
        inputs.read_sets(load("soft", (), [*settings, "evaluation.documents=4", f"seed={n}"]), silent)
        for n in (0, 0, 1)
    ]
    one, same, other = (list(found.validation.queries.values()) if found.validation else [] for found in few)
    assert one == same != other
    assert len(one) == 4
    assert set(one) < asked


def test_rows_without_ids_of_two_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name / "pairs.jsonl", rows(name))
    pairs = trained(tmp_path / "a", tmp_path / "b")
    assert len({pair.id for pair in pairs}) == len(pairs) == 60
    assert {pairs[0].id, pairs[-1].id} == {"a/pairs.jsonl:pairs-1", "b/pairs.jsonl:pairs-30"}


def test_question_ids_count_within_a_folder(tmp_path: Path) -> None:
    both = [write(tmp_path / name / "q.jsonl", rows(name, question_ids=True)) for name in ("a", "b")]
    apart_from_each_other = trained(*both)
    assert len({pair.intent for pair in apart_from_each_other}) == 30
    more = [{**row, "id": f"more {row['id']}", "code": f"{row['code']} + 1"} for row in rows("a", question_ids=True)]
    together = trained(both[0], write(tmp_path / "a" / "more.jsonl", more))
    assert len(together) == 60
    assert len({pair.intent for pair in together}) == 15
    # One file says nothing of where it lies.
    assert trained(both[0])[0] == Pair("p0", "a number 0", "a_0(x)", "0")


def test_an_equal_question_is_one_in_all_files(tmp_path: Path) -> None:
    one, other = (
        write(
            tmp_path / f"{name}.jsonl",
            [{"query": "How to sort?", "code": f"{name}.sort()"}, {"query": f"only {name}", "code": name}],
        )
        for name in "xy"
    )
    pairs = trained(one, other)
    assert [pair.intent for pair in pairs].count("how to sort") == 2


def test_what_is_named_twice_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a" / "pairs.jsonl", rows("a"))
    for other in (file, file.parent, tmp_path / "a" / ".." / "a" / "pairs.jsonl"):
        with pytest.raises(DataError, match="named twice"):
            trained(file, other)


def test_hub_names_are_sources() -> None:
    found = sources(["hf:one/set:train", "hf:one/set:test", "hf:other"])
    assert len({source.file for source in found.values()}) == 3
    assert sources(["hf:one/set"]) == sources([]) == {}
    with pytest.raises(DataError, match="hf:one: named twice"):
        sources(["hf:one", "hf:one"])


def test_names_grow_until_they_differ() -> None:
    assert apart([("t", ("x", "a")), ("t", ("y", "a")), ("u", ("x",)), ("u", ("x",))]) == [
        "x/a/t",
        "y/a/t",
        "u",
        "u",
    ]
    assert apart([]) == []


def test_an_intent_that_is_the_query_needs_no_source() -> None:
    given = [Pair("1", "Sort it!", "s", "sort it"), Pair("2", "Sort it!", "s", "77")]
    assert qualified(given, Source("f.jsonl", "d")) == [
        Pair("f.jsonl:1", "Sort it!", "s", "sort it"),
        Pair("f.jsonl:2", "Sort it!", "s", "d:77"),
    ]


def test_nothing_changes_for_the_data_of_one_source(shared_data: Path) -> None:
    place = shared_data / "conala" / "pairs.jsonl.gz"
    assert {pair.id for pair in trained(place)} <= {pair.id for pair in data.read_pairs(place)}
