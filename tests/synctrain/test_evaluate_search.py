"""An index of functions: asked, saved, loaded, and refused when damaged."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from synctrain.evaluate.search import Entry, Hit, Index
from synctrain.types import DataError, Kind

WORDS = ("csv", "json", "sort", "read")


def embed(texts: Sequence[str], _: Kind) -> Tensor:
    return torch.tensor([[float(text.count(word)) for word in WORDS] for text in texts])


ENTRIES = [
    Entry("a.py", "read_csv", 3, 4, "def read_csv(path):\n    return csv.reader(path)", (3, 4)),
    Entry("a.py", "Store.read_json", 10, 10, "def read_json(path): ...", (10,)),
    Entry("b\u2028c.py", "sort", 1, 1, "def sort(): 'Ä\u2028\\n'", (1,)),
    Entry("d.py", "again", 7, 7, "def sort(): 'Ä\u2028\\n'", (7,)),
]


@pytest.fixture
def index() -> Index:
    return Index.build(ENTRIES, embed, model="m")


def test_the_nearest_comes_first(index: Index) -> None:
    hits = index.search("read a csv file", k=2)
    assert [hit.entry.name for hit in hits] == ["read_csv", "Store.read_json"]
    assert hits[0].score > hits[1].score
    assert hits[1].score == pytest.approx(0.5)


def test_equal_ones_come_in_order_and_k_may_be_too_large(index: Index) -> None:
    assert [hit.entry.name for hit in index.search("sort", k=9)] == ["sort", "again", "read_csv", "Store.read_json"]


def test_excerpts_have_the_lines_of_the_file(index: Index) -> None:
    hit = index.search("csv")[0]
    assert hit.excerpt() == [(3, "def read_csv(path):"), (4, "    return csv.reader(path)")]
    assert hit.excerpt(1) == [(3, "def read_csv(path):")]


def test_excerpts_count_the_lines_that_were_cut_out() -> None:
    """A docstring of three lines stood after the first; and a line separator of Unicode ends no line of Python."""
    code = "def sort():\n    '\u2028'\n    pass"
    assert Hit(Entry("a.py", "sort", 5, 10, code, (5, 9, 10)), 0.5).excerpt() == [
        (5, "def sort():"),
        (9, "    '\u2028'"),
        (10, "    pass"),
    ]


def test_what_is_saved_is_loaded(index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "index"
    index.save(folder)
    index.save(folder)  # over itself
    assert sorted(path.name for path in folder.iterdir()) == ["entries.jsonl", "index.json", "vectors.safetensors"]
    again = Index.load(folder, embed, model="m")
    assert again.entries == index.entries
    assert again.vectors.equal(index.vectors)
    assert again.search("read csv") == index.search("read csv")


def test_another_models_index_is_refused(index: Index, tmp_path: Path) -> None:
    index.save(tmp_path)
    with pytest.raises(DataError, match="made by the model m, not other; build it again"):
        Index.load(tmp_path, embed, model="other")


def test_half_an_index_is_refused(index: Index, tmp_path: Path) -> None:
    """As when a save over an older index stops between two files."""
    index.save(tmp_path)
    old = (tmp_path / "entries.jsonl").read_bytes()
    Index.build(ENTRIES[:2], embed, model="m").save(tmp_path)
    (tmp_path / "entries.jsonl").write_bytes(old)
    with pytest.raises(DataError, match="do not belong together"):
        Index.load(tmp_path, embed, model="m")


@pytest.mark.parametrize("name", ["entries.jsonl", "index.json", "vectors.safetensors"])
@pytest.mark.parametrize("data", [None, b"", b"{}", b"[1]", b"\x80\x04\x95pickle", b"\xff"])
def test_damage_is_refused(index: Index, tmp_path: Path, name: str, data: bytes | None) -> None:
    index.save(tmp_path)
    if data is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=str(tmp_path)):
        Index.load(tmp_path, embed, model="m")


def test_files_of_another_kind_with_the_right_hashes_are_refused(index: Index, tmp_path: Path) -> None:
    index.save(tmp_path)
    about = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps(about | {"format": 1}))
    with pytest.raises(DataError, match="format 1, where this release reads 2"):
        Index.load(tmp_path, embed, model="m")


def test_a_failed_write_leaves_the_old_index(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.save(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        Index.build(ENTRIES[:1], embed, model="m").save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    assert Index.load(tmp_path, embed, model="m").entries == index.entries


def test_nothing_to_search_in_is_refused() -> None:
    with pytest.raises(DataError, match="no function"):
        Index.build([], embed, model="m")
    with pytest.raises(ValueError, match=r"shape \(1, 2\) for 4"):
        Index(ENTRIES, torch.ones(1, 2), embed, model="m")
