"""The committed index, files that are none, and what a process pays for it."""

import gzip
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from astmut.library.index import COMMITTED, MANIFEST, Index, IndexFileError, UnknownSignatureError, opened, packed
from astmut.library.signature import Parameter, Signature

KNOWN = [
    "math.sqrt",
    "os.path.join",
    "json.dumps",
    "random.randint",
    "re.sub",
    "os.listdir",
    "itertools.tee",
    "subprocess.run",
    "numpy.sqrt",
    "numpy.abs",
    "numpy.linalg.norm",
    "numpy.random.rand",
    "numpy.array",
    "numpy.zeros",
    "pandas.read_csv",
    "pandas.concat",
    "pandas.to_datetime",
    "scipy.special.expit",
    "scipy.linalg.solve",
    "scipy.stats.pearsonr",
    "scipy.optimize.minimize",
    "scipy.signal.convolve",
    "sklearn.metrics.accuracy_score",
    "sklearn.model_selection.train_test_split",
    "matplotlib.pyplot.plot",
    "matplotlib.pyplot.figure",
    "requests.get",
    "requests.post",
    "torch.nn.functional.relu",
    "torch.sqrt",
    "torch.zeros",
    "torch.save",
    "torch.conv2d",
]


def test_the_committed_index_has_what_users_write() -> None:
    index = opened()
    assert [name for name in KNOWN if name not in index] == []
    assert len(index) >= 5900
    assert set(index.packages) == {
        "matplotlib", "numpy", "pandas", "python", "requests", "scipy", "sklearn", "torch",
    }  # fmt: skip


def test_rows_are_in_order_and_no_path_leads_to_two() -> None:
    index = opened()
    names = [row[0] for row in index.rows]
    assert names == sorted(set(names))
    assert sum(1 + len(row[1]) for row in index.rows) == len(index.places)
    assert len({(row[2], row[0].rpartition(".")[2]) for row in index.rows}) == len(index)
    assert sum(map(len, index.members.values())) == sum(index.modules.values()) == len(index.places)


def test_the_manifest_is_the_first_line() -> None:
    index = opened()
    assert json.loads(MANIFEST.read_text("utf-8")) == index.header
    assert index.header["with_return_type"] == sum(bool(row[4]) for row in index.rows)
    assert sum(index.header["functions_of_packages"].values()) == len(index)


def test_writing_what_was_read_gives_the_same_bytes(tmp_path: Path) -> None:
    index = opened()
    file = tmp_path / "again.jsonl.gz"
    signatures = [index.signature(row) for row in range(len(index))]
    file.write_bytes(packed(signatures, index.packages, index.header["built_with"])[1])
    # The bytes that zlib makes may differ between builds of Python; what they hold may not.
    assert gzip.decompress(file.read_bytes()) == gzip.decompress(COMMITTED.read_bytes())
    assert file.read_bytes()[4:8] == COMMITTED.read_bytes()[4:8] == bytes(4)


def test_two_names_of_one_function_are_no_neighbours() -> None:
    index = opened()
    assert index["numpy.abs"].definition == index["numpy.absolute"].definition
    assert "numpy.absolute" not in [one.signature.qualified_name for one in index.nearest("numpy.abs", 50)]


def test_a_signature_knows_where_it_is_from() -> None:
    found = opened()["random.randint"]
    assert (found.name, found.module, found.package, found.version) == ("randint", "random", "python", "3.10-3.13")
    assert found.parameters == (Parameter("a", "positional"), Parameter("b", "positional"))
    assert str(found) == "random.randint(a, b) -> int"


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("json.dump5", "json.dump"), ("np.sqrt", "numpy.sqrt"), ("mathh.sqrt", "math.sqrt"), ("dumps", "json.dumps")],
)
def test_an_unknown_name_gets_a_suggestion(name: str, suggested: str) -> None:
    with pytest.raises(UnknownSignatureError, match=rf"no function named '{name}' in the index; did you mean"):
        opened().find(name)
    if name != "dumps":
        with pytest.raises(UnknownSignatureError, match=suggested):
            opened().find(name)


def lines(*rows: object, functions: int | None = None, **more: object) -> bytes:
    head = {
        "format": "astmut-index",
        "format_version": 1,
        "functions": len(rows) if functions is None else functions,
        "packages": {},
        "modules": {},
        **more,
    }
    return "".join(json.dumps(line) + "\n" for line in [head, *rows]).encode()


GOOD = ["m.f", [], "m.f", [["a", 1, None]], "int", "m"]


def test_a_small_index_may_be_written_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "small.jsonl"
    file.write_bytes(lines(GOOD, ["m.g", [], "m.g", [], "", "m"]))
    index = Index.from_file(file)
    assert [str(one.signature) for one in index.nearest("m.f")] == ["m.g()"]
    assert index.nearest("m.f", 0) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no index"),
        (b"\x00\xff\xfe", "is no index"),
        (b"[1, 2]\n", "is no index"),
        (b'{"format": "other"}\n', "is no index"),
        (gzip.compress(b"import os\n"), "is no index"),
        (b"\x1f\x8bnot gzip at all", "is no index"),
        (COMMITTED.read_bytes()[:90_000], "is broken"),
        (lines(format_version=2), "is an index of another version"),
        (lines(GOOD, functions=2), "is broken"),
        (lines(GOOD[:-1]), "is broken"),
        (lines(["m.f; import os", *GOOD[1:]]), "is broken"),
        (lines(["m.f\n", *GOOD[1:]]), "is broken"),
        (lines([7, *GOOD[1:]]), "is broken"),
        (lines(7), "is broken"),
        (lines(GOOD) + b"{", "is broken"),
        (b"[" * 99_999 + b"\n", "is no index"),
        (lines(GOOD)[:-1] + b"," + b"[" * 99_999 + b"\n", "is broken"),
        (lines(["m.f", "ab", *GOOD[2:]]), "is broken"),
        (lines([*GOOD[:2], None, *GOOD[3:]]), "is broken"),
        (lines([*GOOD[:3], [["a"]], "int", "m"]), "is broken"),
        (lines([*GOOD[:3], [["a", 5, None]], "int", "m"]), "is broken"),
        (lines([*GOOD[:3], [["a", 1, 5]], "int", "m"]), "is broken"),
        (lines([*GOOD[:4], None, "m"]), "is broken"),
        (lines([*GOOD[:5], 5]), "is broken"),
    ],
)
def test_what_is_no_index_is_refused_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    with pytest.raises(IndexFileError, match=f"^{re.escape(str(file))} {message}"):
        _ = Index.from_file(file).rows


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Index.from_file(tmp_path / "none")


def test_no_values_are_equal_by_accident() -> None:
    a = Signature("m.f", (Parameter("a", "positional"),))
    assert a != Signature("m.f", (Parameter("a", "positional", "None"),))
    with pytest.raises(AttributeError):
        a.returns = "int"  # type: ignore[misc]


def test_loading_and_asking_take_little_time() -> None:
    def seconds() -> tuple[float, float]:
        index = Index(COMMITTED)
        start = time.process_time()  # what other programs take meanwhile is not ours
        _ = index.rows, index.places
        loaded = time.process_time()
        _ = index.ranking
        ready = time.process_time()
        index.nearest("json.dumps")
        return loaded - start, time.process_time() - ready

    runs = [seconds() for _ in range(5)]
    assert min(load for load, _ in runs) < 0.1
    assert min(ask for _, ask in runs) < 0.005


@pytest.mark.parametrize(
    ("program", "loaded"),
    [
        ("import json\nx = json.decoder", []),
        ("from .json import dumps\ndumps(1)", []),
        ("import mine\nmine.dumps(1)", []),
        ("import json\ndef f(json): return json.dumps(1)", []),
        ("import json\njson.dumps(1)", ["numpy", "astmut.library.ranking"]),
    ],
)
def test_only_a_call_that_leads_to_a_library_costs_an_index(program: str, loaded: list[str]) -> None:
    code = f"""
import sys, astmut
list(astmut.mutate({program!r}))
print([name for name in ("numpy", "astmut.library.ranking") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{loaded}\n"
