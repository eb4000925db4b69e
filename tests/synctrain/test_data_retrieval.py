"""Retrieval sets have the contents that their page gives, and faults in them are named or counted."""

import gzip
import json
from pathlib import Path

import pytest

from synctrain.data import Skipped, read_retrieval, read_retrievals, retrieval_folder
from synctrain.types import DataError, RetrievalSet

HEADER = "query-id\tcorpus-id\tscore\n"


def texts(*rows: dict[str, object]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


CORPUS = texts({"_id": "d1", "text": "x"}, {"_id": 2, "text": "y", "title": "T"}, {"_id": "d3", "text": ""})
QUERIES = texts({"_id": "q1", "text": "ask x"}, {"_id": "q2", "text": "ask y"}, {"_id": "q3", "text": " "})


def folder(path: Path, qrels: str, corpus: bytes = CORPUS, queries: bytes = QUERIES) -> Path:
    (path / "qrels").mkdir(exist_ok=True)
    (path / "qrels" / "test.tsv").write_text(qrels, "utf-8")
    (path / "corpus.jsonl").write_bytes(corpus)
    (path / "queries.jsonl.gz").write_bytes(gzip.compress(queries))
    return path


def said(path: Path, split: str | None = None) -> str:
    with pytest.raises(DataError) as error:
        read_retrieval(path, split)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "split", "contents"),
    [
        ("conala", None, (365, 490, 490)),
        ("conala", "test", (365, 490, 490)),
        ("cosqa", None, (500, 6267, 500)),
        ("csn_cloze", None, (1196, 1230, 1231)),
        ("csn_docstrings", None, (5481, 5526, 5526)),
        ("docstrings", None, (1397, 1403, 1403)),
        ("pydocs", None, (365, 416, 416)),
        ("webquery", None, (523, 803, 1046)),
    ],
)
def test_the_sets_have_the_contents_that_their_page_gives(
    shared_data: Path, name: str, split: str | None, contents: tuple[int, int, int]
) -> None:
    skipped = Skipped()
    found = read_retrieval(shared_data / name, split, skipped=skipped)
    assert (len(found.queries), len(found.documents), sum(map(len, found.relevant.values()))) == contents
    assert found.relevant.keys() == found.queries.keys()
    assert not skipped


def test_a_split_has_queries_of_its_own_and_says_its_name(shared_data: Path) -> None:
    titles, rewritten = (read_retrieval(shared_data / "conala", split) for split in ("test", "rewritten"))
    assert (titles.name, rewritten.name) == ("conala", "conala/rewritten")
    assert titles.queries["conala-test-q0000"] == "How can I send a signal from a python program?"
    assert rewritten.queries["conala-test-r0000"] == "send a signal `signal.SIGUSR1` to the current process"
    assert titles.documents == rewritten.documents
    assert sum(map(len, rewritten.relevant.values())) == 468  # the 22 others have no rewritten intent
    # Candidates are no judgements: the name of such a set says so.
    assert read_retrieval(shared_data / "webquery").name == "webquery/candidates"


def test_a_split_is_named_behind_its_folder(tmp_path: Path) -> None:
    folder(tmp_path, HEADER + "q1\td1\t1\n")
    (tmp_path / "qrels" / "dev.tsv").write_text(HEADER + "q2\t2\t1\n", "utf-8")
    assert read_retrieval(tmp_path / "dev") == read_retrieval(tmp_path, "dev")
    assert read_retrieval(f"{tmp_path}/test").name == tmp_path.name
    assert retrieval_folder(tmp_path / "dev") == retrieval_folder(tmp_path) == tmp_path
    assert said(tmp_path / "train") == f"{tmp_path / 'train'}: no such folder"
    (tmp_path / "dev").mkdir()  # what is there as a folder is one
    assert said(tmp_path / "dev") == f"{tmp_path / 'dev'}: no qrels/test.tsv; there are none"


def test_sets_of_one_name_are_called_after_the_folders_above_them(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("a/x/set", "b/x/set", "a/y/set", "a/other")]
    for place in places:
        place.mkdir(parents=True)
        folder(place, HEADER + "q1\td1\t1\n")
    assert [one.name for one in read_retrievals(places)] == ["a/x/set", "b/x/set", "y/set", "other"]
    assert [one.name for one in read_retrievals(places[2:])] == ["set", "other"]
    assert read_retrievals([]) == []
    (places[3] / "qrels" / "dev.tsv").write_text(HEADER + "q2\t2\t1\n", "utf-8")
    both = read_retrievals([places[3], places[3] / "dev"])
    assert [one.name for one in both] == ["other", "other/dev"]
    with pytest.raises(DataError, match="the set 'other' is named twice"):
        read_retrievals([places[3], places[0], places[3] / "test"])


def test_what_cannot_be_scored_is_left_out_and_counted(tmp_path: Path) -> None:
    qrels = HEADER + "q1\td1\t1\nq1\td1\t1\nq1\t2\t0\nq1\td3\t2.5\nq3\td1\t1\n"
    skipped = Skipped()
    assert read_retrieval(folder(tmp_path, qrels), skipped=skipped) == RetrievalSet(
        tmp_path.name, {"q1": "ask x"}, {"d1": "x", "2": "T y", "d3": ""}, {"q1": frozenset({"d1", "d3"})}
    )
    assert skipped == {
        "grades above 1, which count as 1": 1,
        "judgements given twice": 1,
        "judgements of not relevant": 1,
        "queries without a relevant document": 1,
        "queries without text": 1,
    }


def test_judgements_may_be_gzip(tmp_path: Path) -> None:
    place = folder(tmp_path, HEADER + "q1\td1\t1\n")
    plain = read_retrieval(place)
    (place / "qrels" / "dev.tsv.gz").write_bytes(gzip.compress((HEADER + "q1\t2\t1\n").encode()))
    dev = read_retrieval(place / "dev")
    assert (dev.name, dict(dev.relevant)) == (f"{plain.name}/dev", {"q1": frozenset({"2"})})
    assert read_retrieval(place) == plain
    (place / "qrels" / "test.tsv.gz").write_bytes(b"not read beside a plain file of the split")
    assert read_retrieval(place) == plain
    (place / "qrels" / "test.tsv").unlink()
    assert said(place) == f"{place}/qrels/test.tsv.gz: broken gzip data (Not a gzipped file (b'no'))"


def test_judgements_need_no_header(tmp_path: Path) -> None:
    assert read_retrieval(folder(tmp_path, "q2\t2\t1\n")).relevant == {"q2": frozenset({"2"})}


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        (HEADER + "q1\td1\t1\nq9\td1\t1\n", "qrels/test.tsv, row 3: no 'q9' in queries.jsonl.gz"),
        (HEADER + "q1\td9\t1\n", "qrels/test.tsv, row 2: no 'd9' in corpus.jsonl"),
        (HEADER + "q1\td1\n", "qrels/test.tsv, row 2: 2 columns, not query-id, corpus-id and score"),
        (HEADER + "q1 d1 1\n", "qrels/test.tsv, row 2: 1 columns, not query-id, corpus-id and score"),
        (HEADER + "q1\td1\tyes\n", "qrels/test.tsv, row 2: the score 'yes' is no number"),
        (HEADER + "q1\td1\tnan\n", "qrels/test.tsv, row 2: the score 'nan' is no number"),
        (HEADER, "qrels/test.tsv: no query has a relevant document"),
        (HEADER + "q1\td1\t0\n", "qrels/test.tsv: no query has a relevant document"),
        ("", "qrels/test.tsv: no query has a relevant document"),
        ("q1\td1\tyes\nq1\td1\t1\n", "qrels/test.tsv, row 1: the score 'yes' is no number"),
    ],
)
def test_a_wrong_judgement_is_named(tmp_path: Path, qrels: str, message: str) -> None:
    assert said(folder(tmp_path, qrels)) == f"{tmp_path}/{message}"


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        (CORPUS + texts({"_id": "d1", "text": "z"}), "corpus.jsonl, row 4: the _id 'd1' is not new"),
        (texts({"text": "z"}), "corpus.jsonl, row 1: no '_id'"),
        (texts({"_id": "d1"}), "corpus.jsonl, row 1: no field 'text'"),
        (texts({"_id": "d1", "text": "\udc00"}), "corpus.jsonl, row 1: text that is not Unicode"),
        (b"", "corpus.jsonl: no rows"),
        (b"\xff\n", "corpus.jsonl, row 1: not UTF-8 (byte 0xff)"),
    ],
)
def test_a_wrong_document_is_named(tmp_path: Path, corpus: bytes, message: str) -> None:
    assert said(folder(tmp_path, HEADER + "q1\td1\t1\n", corpus)) == f"{tmp_path}/{message}"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert said(tmp_path / "none") == f"{tmp_path / 'none'}: no such folder"
    assert said(tmp_path) == f"{tmp_path}: no qrels/test.tsv; there are none"
    folder(tmp_path, HEADER + "q1\td1\t1\n")
    (tmp_path / "qrels" / "dev.tsv").write_text(HEADER, "utf-8")
    assert said(tmp_path, "train") == f"{tmp_path}: no qrels/train.tsv; there is dev, test"
    (tmp_path / "corpus.jsonl").unlink()
    assert said(tmp_path) == f"{tmp_path}: no corpus.jsonl or corpus.jsonl.gz"
    (tmp_path / "corpus.jsonl").write_bytes(CORPUS)
    (tmp_path / "queries.jsonl.gz").unlink()
    assert said(tmp_path) == f"{tmp_path}: no queries.jsonl or queries.jsonl.gz"
