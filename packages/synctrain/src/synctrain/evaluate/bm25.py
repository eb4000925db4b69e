"""BM25, the row that every model has to beat: bm25s over words that identifiers are split into."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from synctrain.evaluate.retrieval import Results, measure
from synctrain.types import RetrievalSet

K1 = 1.5
B = 0.75

_RUN = re.compile(r"[^\W\d_]+|\d+")  # of letters, of any language, or of digits
_WORD = re.compile(r"[A-Z]+(?![^A-Z])|[A-Z]?[^A-Z]+")  # of a run: HTTP and Server in HTTPServer


def words(text: str) -> list[str]:
    """Return the words of a question or of code, in lower case.

    Identifiers are split at underscores, at changes of case and between letters and digits, so that `readCSVFile`,
    `read_csv_file` and "read a csv file" share words. Punctuation is dropped; stop words stay, since idf weighs them.

    >>> words("os.path.isFile(HTTPServer_2)")
    ['os', 'path', 'is', 'file', 'http', 'server', '2']
    """
    return [word.lower() for run in _RUN.findall(text) for word in _WORD.findall(run)]


def _bm25s() -> Any:
    """Return the library, kept from JAX: it would wake it up, which takes three quarters of a GPU's memory at once."""
    asleep = "jax" not in sys.modules
    if asleep:
        sys.modules["jax"] = None  # type: ignore[assignment] # so that importing it fails
    try:
        import bm25s  # keeps --help fast, too
    finally:
        if asleep:
            del sys.modules["jax"]
    return bm25s


class BM25:
    """Scores of queries against documents by BM25 with Lucene's idf, as `ranking.Scores`.

    A query word that comes twice counts twice.
    """

    def __init__(self, queries: Sequence[str], documents: Sequence[str], k1: float = K1, b: float = B) -> None:
        """Count the words of the documents. ``k1`` and ``b`` are BM25's constants."""
        self.queries, self.documents = len(queries), len(documents)
        self._words = [words(query) for query in queries]
        corpus = [words(document) for document in documents]
        self._index: Any = None  # bm25s refuses a corpus without a word
        if any(corpus):
            self._index = _bm25s().BM25(k1=k1, b=b, method="lucene")
            self._index.index(corpus, show_progress=False)

    def rows(self, first: int, last: int) -> Tensor:
        """Return the scores of the queries first..last-1, (last - first, documents) float32."""
        scores = torch.zeros(last - first, self.documents)
        for row, query in enumerate(self._words[first:last] if self._index is not None else []):
            known = self._index.get_tokens_ids(query)
            if known:
                scores[row] = torch.from_numpy(self._index.get_scores_from_ids(known))
        return scores


def evaluate(sets: Sequence[RetrievalSet], k1: float = K1, b: float = B) -> Results:
    """Measure BM25 on retrieval sets, under the same measures and the same rule for ties as a model.

    Raises:
        DataError: a set cannot be measured, as in `retrieval.measure`.
    """
    return Results(
        tuple(measure(one, BM25(list(one.queries.values()), list(one.documents.values()), k1, b)) for one in sets)
    )
