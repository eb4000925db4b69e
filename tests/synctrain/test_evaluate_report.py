"""Tables of results, and JSON beside them."""

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from synctrain.evaluate.bm25 import evaluate as bm25
from synctrain.evaluate.mutants import evaluate as among
from synctrain.evaluate.retrieval import evaluate
from synctrain.report import rules, show, table, write_json
from synctrain.types import Candidate, Kind, RetrievalSet

SETS = [
    RetrievalSet(name, {"q": "read csv"}, {"d1": "sort", "d2": "read_csv", "d3": "csv"}, {"q": frozenset({right})})
    for name, right in (("near", "d2"), ("far", "d3"))
]


def worst(texts: Sequence[str], _: Kind) -> Tensor:
    """Longer is larger."""
    return torch.tensor([[1.0, len(text)] for text in texts])


def text(laid: object) -> str:
    file = io.StringIO()
    show(laid, file)  # type: ignore[arg-type]
    return file.getvalue()


def test_a_table_in_plain_text() -> None:
    """BM25 finds read_csv first and csv second: 100 and 50, mean 75."""
    models = {"BM25": bm25(SETS), "[b]before": evaluate(worst, SETS, "dot")}
    shown = text(table(models, {"near"}, measures=["mrr"], title="Code search"))
    assert shown.splitlines()[0].strip() == "Code search"
    assert "\x1b" not in shown
    assert shown.isascii()
    cells = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in shown.splitlines() if "|" in line
    ]
    assert cells[0] == ["", "near", "far", "ID", "OOD", "Total"]
    assert cells[1] == ["model", "MRR", "MRR", "MRR", "MRR", "MRR"]
    assert ["BM25", "100.0", "50.0", "100.0", "50.0", "75.0"] in cells
    assert ["[b]before", "100.0", "33.3", "100.0", "33.3", "66.7"] in cells


def test_no_line_is_cut_when_there_are_many_columns() -> None:
    sets = [RetrievalSet(f"a-long-name-{n}", SETS[0].queries, SETS[0].documents, SETS[0].relevant) for n in range(12)]
    shown = text(table({"BM25": bm25(sets)}))
    assert all(one.name in shown for one in sets)
    assert len({len(line) for line in shown.splitlines() if line}) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("width", "parts"), [("200", 1), ("60", 4)])
def test_a_narrow_terminal_gets_the_table_in_parts(monkeypatch: pytest.MonkeyPatch, width: str, parts: int) -> None:
    """Twenty columns of numbers: in parts, each of which names the models, no number is cut or missing."""
    for name, value in (("COLUMNS", width), ("TERM", "xterm"), ("LINES", "50")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = Terminal()
    show(table({"BM25": bm25(SETS), "before": evaluate(worst, SETS, "dot")}, {"near"}), file)
    shown = file.getvalue()
    assert shown.count("BM25") == shown.count("before") == parts
    assert shown.count("Total") == shown.count("OOD") == 4
    assert "\x1b[1m" in shown
    assert "\u2026" not in shown


def test_compat_shows_what_the_paper_shows() -> None:
    shown = text(table({"BM25": bm25(SETS)}, convention="paper_compat"))
    assert "LRAP" in shown
    assert "MRR" not in shown


def test_mutants_have_columns_where_they_are_there() -> None:
    """read_csv against cvs_read under BM25's words is no affair of a model; under `worst` the longer mutant wins."""
    probe = {"d2": [Candidate("csv_read_x", "swap"), Candidate("x", "cut")]}
    found = among(worst, SETS[0], probe, "dot")
    models = {"BM25": bm25(SETS), "before": evaluate(worst, SETS, "dot")}
    shown = text(table(models, mutants={"before": {"near": found}}))
    assert "near+mutants" in shown
    before = next(line for line in shown.splitlines() if "before" in line)
    assert [cell.strip() for cell in before.strip(" |").split("|")][-2:] == ["50.0", "50.0"]
    assert [cell.strip() for cell in text(rules({"before": found})).splitlines()[-2].strip(" |").split("|")] == [
        "swap",
        "1",
        "0.0",
    ]


def test_other_sets_or_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="after was measured on other sets than before"):
        table({"before": bm25(SETS), "after": bm25(SETS[:1])})
    with pytest.raises(ValueError, match="no model"):
        table({})


def test_json_is_whole_or_as_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    write_json(path, bm25(SETS).record())
    before = path.read_text()
    assert json.loads(before)["near"]["measures"]["standard"]["mrr"] == 1
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"mrr": math.nan})
    with pytest.raises(TypeError):
        write_json(path, {"mrr": object()})
    assert path.read_text() == before
    assert list(path.parent.iterdir()) == [path]
