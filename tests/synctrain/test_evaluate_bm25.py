"""BM25 by hand, against rank_bm25, and on the data sets."""

import gzip
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from synctrain.evaluate.bm25 import BM25, evaluate, words
from synctrain.types import RetrievalSet


def read(folder: Path) -> RetrievalSet:
    def texts(name: str) -> dict[str, str]:
        with gzip.open(folder / name, "rt", encoding="utf-8") as file:
            return {row["_id"]: row["text"] for row in map(json.loads, file)}

    relevant: dict[str, set[str]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, _ = line.split("\t")
        relevant.setdefault(query, set()).add(document)
    judged = {query: frozenset(documents) for query, documents in relevant.items()}
    return RetrievalSet(folder.name, texts("queries.jsonl.gz"), texts("corpus.jsonl.gz"), judged)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        (" ,.;:()\n", []),
        ("read_csv", ["read", "csv"]),
        ("readCSVFile", ["read", "csv", "file"]),
        ("HTTPServer", ["http", "server"]),
        ("CSV", ["csv"]),
        ("utf8", ["utf", "8"]),
        ("x = y2.toX()", ["x", "y", "2", "to", "x"]),
        ("Größe 文件", ["größe", "文件"]),
        ("How to read a CSV?", ["how", "to", "read", "a", "csv"]),
    ],
)
def test_words(text: str, wanted: list[str]) -> None:
    assert words(text) == wanted


def test_scores_by_hand() -> None:
    """Three documents of 2, 1 and 3 words, 2 on average; "read" is in two of them, "csv" in one.

    idf(read) = ln(1 + (3 - 2 + .5) / (2 + .5)) = ln 1.6; idf(csv) = ln(1 + 2.5 / 1.5) = ln 2.6667.
    Document 0, read csv: length 2, norm 1.5 (.25 + .75 * 2/2) = 1.5; each word 1 / (1 + 1.5) = .4.
    Document 2, read read b: norm 1.5 (.25 + .75 * 1.5) = 2.0625; read 2 / (2 + 2.0625) = .492308.
    """
    scores = BM25(["read_csv", "read", "read read", "none", "?"], ["readCSV", "b", "read, read b"]).rows(0, 5)
    read, csv = math.log(1.6), math.log(1 + 2.5 / 1.5)
    wanted = torch.tensor([[0.4 * (read + csv), 0, 2 / 4.0625 * read], [0.4 * read, 0, 2 / 4.0625 * read]])
    torch.testing.assert_close(scores[:2], wanted)
    torch.testing.assert_close(scores[2], 2 * wanted[1])
    assert not scores[3:].any()


@pytest.mark.parametrize("documents", [["?", ""], ["?", "csv"]])
def test_texts_without_words_score_nothing(documents: list[str]) -> None:
    scores = BM25(["csv", "?"], documents).rows(0, 2)
    assert scores.shape == (2, 2)
    assert not scores[:, 0].any()


def test_agrees_with_rank_bm25(shared_data: Path) -> None:
    """Okapi of rank_bm25 with Lucene's idf is Lucene's BM25 times k1 + 1."""
    library = pytest.importorskip("rank_bm25")
    one = read(shared_data / "conala")
    corpus = [words(text) for text in one.documents.values()]
    theirs = library.BM25Okapi(corpus, k1=1.5, b=0.75)
    count = {word: sum(word in row for row in theirs.doc_freqs) for word in theirs.idf}
    theirs.idf = {word: math.log(1 + (len(corpus) - n + 0.5) / (n + 0.5)) for word, n in count.items()}
    queries = list(one.queries.values())[:60]
    ours = BM25(queries, list(one.documents.values())).rows(0, 60)
    wanted = torch.stack([torch.from_numpy(theirs.get_scores(words(query))) for query in queries]) / 2.5
    torch.testing.assert_close(ours, wanted.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "sizes", "mrr", "lrap"),
    [
        ("conala", (365, 490, 490), 19.09, 18.05),
        ("pydocs", (365, 416, 416), 71.48, 70.87),
        ("cosqa", (500, 6267, 500), 33.18, 33.18),
    ],
)
def test_the_row_of_the_data_sets(
    shared_data: Path, name: str, sizes: tuple[int, int, int], mrr: float, lrap: float
) -> None:
    """Measured elsewhere, to whole percents or by LRAP: 19 on CoNaLa, 71 (70.9) on PyDocs."""
    row = evaluate([read(shared_data / name)])[name]
    assert (row.queries, row.documents, row.relevant) == sizes
    assert 100 * row.measures["standard"]["mrr"] == pytest.approx(mrr, abs=0.05)
    assert 100 * row.measures["paper_compat"]["lrap"] == pytest.approx(lrap, abs=0.05)


def test_jax_is_left_asleep(tmp_path: Path) -> None:
    """Awake, it would take most of the memory of a GPU that a model needs."""
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text("print('awake')\n")
    (tmp_path / "jax" / "lax.py").write_text("")
    code = "from synctrain.evaluate.bm25 import BM25; print(BM25(['a'], ['a b']).rows(0, 1).shape); import jax"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["torch.Size([1, 1])", "awake"]
