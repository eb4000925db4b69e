"""Every format is read as what it is, and every fault names its file, its row and its cause."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctrain.data import Skipped, normalised_query, read_pairs, write_pairs
from synctrain.types import DataError, Pair

GOOD = {"id": "a", "query": "Add two numbers.", "code": "a + b"}
CURATED = {"question_id": 7, "intent": "How to add?", "rewritten_intent": "add `a` to `b`", "snippet": "a + b"}
MINED = {"parent_answer_post_id": 1, "prob": 0.5, "snippet": "a + b", "intent": "add", "id": "7_1_0", "question_id": 7}
DOCUMENTED = {"snippet": "operator.add(a, b)", "intent": "Return `a` + `b` .", "question_id": 12}
WEB = {"idx": "cosqa-train-0", "doc": "python add two numbers", "code": "def f(a, b):\n    return a + b", "label": 1}
SEARCHED = {
    "docstring": "Add two\nnumbers.\n\nAnd more.",
    "code": 'def f(a, b):\n    """Add two\n    numbers.\n\n    And more."""\n    # at once\n    return a + b',
    "code_tokens": ["def", "f", "(", "a", ",", "b", ")"],
}


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def said(path: Path | str, top: int | None = None) -> str:
    with pytest.raises(DataError) as error:
        read_pairs(path, top=top)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "count", "intents"),
    [("conala", 2357, 1707), ("cosqa", 194, 194), ("django", 13826, 13717), ("pydocs", 9061, 7944)],
)
def test_the_data_sets_have_the_rows_that_their_page_gives(
    shared_data: Path, name: str, count: int, intents: int
) -> None:
    skipped = Skipped()
    pairs = read_pairs(shared_data / name, skipped=skipped)
    assert (len(pairs), len({pair.intent for pair in pairs}), skipped) == (count, intents, Skipped())
    assert pairs == read_pairs(str(shared_data / name / "pairs.jsonl.gz"))


def test_a_question_id_is_the_intent_and_the_title_is_not(shared_data: Path) -> None:
    first = read_pairs(shared_data / "conala")[0]
    assert first.id == "conala-train-00000"
    assert first.query.startswith("Concatenate elements of a list 'x'")
    assert first.intent == "41067960"


def test_a_folder_without_pairs_says_what_it_holds(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "csn_cloze"
    holds = "name one of its files: corpus.jsonl.gz, queries.jsonl.gz"
    assert said(folder) == f"{folder}: no pairs.jsonl or pairs.jsonl.gz in this folder; {holds}"
    assert said(tmp_path) == f"{tmp_path}: no pairs.jsonl or pairs.jsonl.gz in this folder"


def test_negatives_beside_the_pairs_are_not_read(tmp_path: Path) -> None:
    written(tmp_path, "pairs.jsonl", lines(GOOD))
    written(tmp_path, "pairs_label0.jsonl", lines(GOOD | {"id": "b"}))
    assert [pair.id for pair in read_pairs(tmp_path)] == ["a"]
    assert [pair.id for pair in read_pairs(tmp_path / "pairs_label0.jsonl")] == ["b"]


FORMATS = [
    ("a.jsonl", lines(GOOD), Pair("a", "Add two numbers.", "a + b", "add two numbers")),
    ("a.jsonl.gz", lines(GOOD), Pair("a", "Add two numbers.", "a + b", "add two numbers")),
    ("a.jsonl", b"\xef\xbb\xbf\n\n" + lines({"query": "Sum", "code": "1"}), Pair("a-3", "Sum", "1", "sum")),
    ("a.jsonl", lines(GOOD | {"id": 3, "question_id": "q"}), Pair("3", "Add two numbers.", "a + b", "q")),
    ("train.json", json.dumps([CURATED]).encode(), Pair("train-1", "add `a` to `b`", "a + b", "7")),
    (
        "train.json.gz",
        json.dumps([CURATED | {"rewritten_intent": None}]).encode(),
        Pair("train-1", "How to add?", "a + b", "7"),
    ),
    ("t.json", json.dumps([CURATED | {"rewritten_intent": " "}]).encode(), Pair("t-1", "How to add?", "a + b", "7")),
    ("mined.jsonl", lines(MINED), Pair("7_1_0", "add", "a + b", "7")),
    ("docs.jsonl", lines(DOCUMENTED), Pair("docs-1", "Return `a` + `b` .", "operator.add(a, b)", "return `a` + `b`")),
    (
        "docs.json",
        json.dumps([{key: DOCUMENTED[key] for key in ("intent", "snippet")}]).encode(),
        Pair("docs-1", "Return `a` + `b` .", "operator.add(a, b)", "return `a` + `b`"),
    ),
    (
        "cosqa.json",
        json.dumps([WEB]).encode(),
        Pair("cosqa-train-0", "python add two numbers", "def f(a, b):\n    return a + b", "python add two numbers"),
    ),
    (
        "python_train_0.jsonl.gz",
        lines(SEARCHED),
        Pair(
            "python_train_0-1",
            "Add two numbers.",
            "def f(a, b):\n    # at once\n    return a + b",
            "add two numbers",
        ),
    ),
    (
        "hub.jsonl",
        lines({"func_documentation_string": "Add.", "func_code_string": "def f():\n  'Add.'\n  return 1"}),
        Pair("hub-1", "Add.", "def f():\n  return 1", "add"),
    ),
    (
        "old.jsonl",
        lines({"docstring": "Print it.", "code": "def f(x): print x", "code_tokens": ["def", "f"]}),
        Pair("old-1", "Print it.", "def f", "print it"),
    ),
    ("tokens.jsonl", lines({"docstring": "D", "code_tokens": ["x", "+"]}), Pair("tokens-1", "D", "x +", "d")),
]


@pytest.mark.parametrize(("name", "data", "pair"), FORMATS)
def test_a_format_is_told_by_its_fields(tmp_path: Path, name: str, data: bytes, pair: Pair) -> None:
    assert read_pairs(written(tmp_path, name, data)) == [pair]


def test_the_parts_of_a_codesearchnet_split_are_read_together(tmp_path: Path) -> None:
    for number in (10, 0):
        written(tmp_path, f"python_train_{number}.jsonl.gz", lines(SEARCHED, SEARCHED))
    ids = ["python_train_0-1", "python_train_0-2", "python_train_10-1", "python_train_10-2"]
    assert [pair.id for pair in read_pairs(tmp_path)] == ids


def test_the_most_probable_mined_rows_come_first_and_ties_are_settled_by_id(tmp_path: Path) -> None:
    probabilities = [("c", 0.5), ("b", 0.9), ("a", 0.5), ("d", 0.1), ("e", 1)]
    path = written(tmp_path, "m.jsonl", lines(*(MINED | {"id": name, "prob": prob} for name, prob in probabilities)))
    assert [pair.id for pair in read_pairs(path, top=3)] == ["e", "b", "a"]
    assert [pair.id for pair in read_pairs(path, top=99)] == ["e", "b", "a", "c", "d"]
    assert [pair.id for pair in read_pairs(path)] == ["c", "b", "a", "d", "e"]
    with pytest.raises(ValueError, match="top must be at least 1, not 0"):
        read_pairs(path, top=0)


@pytest.mark.parametrize("prob", [None, "high", True, float("nan"), 1.5])
def test_a_row_without_probability_cannot_be_ranked(tmp_path: Path, prob: object) -> None:
    path = written(tmp_path, "m.jsonl", lines(MINED, MINED | {"prob": prob}))
    cause = f"'prob' is {prob!r}, not a probability: the best rows cannot be chosen"
    assert said(path, top=1) == f"{path}, row 2: {cause}"


def test_functions_judged_not_to_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    skipped = Skipped()
    path = written(tmp_path, "c.json", json.dumps([WEB, WEB | {"label": 0, "idx": "x"}]).encode())
    assert len(read_pairs(path, skipped=skipped)) == 1
    assert skipped == {"judged not to answer (label 0)": 1}
    wrong = written(tmp_path, "d.json", json.dumps([WEB | {"label": 2}]).encode())
    assert said(wrong) == f"{wrong}, row 1: 'label' is '2', neither 0 nor 1"


def test_rows_of_no_use_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [
        GOOD,
        GOOD | {"id": "b", "query": "  "},
        GOOD | {"id": "c", "query": None},
        GOOD | {"id": "d", "code": ""},
        GOOD | {"id": "e", "code": "x" * 10_000_000},
        GOOD | {"id": "f", "query": "q" * 1_000_001},
        GOOD | {"id": "g", "code": "'\ud800'"},
        GOOD | {"id": "h", "code": "'\U0001f40d' + x" + " " * 999_900},
    ]
    skipped = Skipped({"without query": 1})
    pairs = read_pairs(written(tmp_path, "p.jsonl", lines(*rows)), skipped=skipped)
    assert [pair.id for pair in pairs] == ["a", "h"]
    assert skipped == {
        "without query": 3,
        "without code": 1,
        "with code of more than 1,000,000 characters": 1,
        "with a query of more than 1,000,000 characters": 1,
        "with code that is not Unicode": 1,
    }
    assert str(skipped).startswith("3 without query, 1 without code, ")
    assert str(Skipped()) == "nothing"


def test_code_of_no_language_that_can_be_read_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, "p.jsonl", lines({"docstring": "Print it.", "code": "print x"}))
    assert said(path) == f"{path}: no usable rows: 1 with code that does not parse and no tokens"


GZIP = gzip.compress(lines(*({"query": str(number), "code": os.urandom(40).hex()} for number in range(2000))))
FAULTS = [
    ("p.jsonl", b"", ": no rows"),
    ("p.jsonl", b"\n  \n", ": no rows"),
    ("p.json", b"", ": no rows"),
    ("p.json", b"[]", ": no rows"),
    ("p.jsonl.gz", gzip.compress(b""), ": no rows"),
    ("p.jsonl", lines(GOOD) + b'{"query": "caf\xe9"}\n', ", row 2: not UTF-8 (byte 0xe9)"),
    ("p.json", b'[{"query":\n "caf\xe9"}]', ", line 2: not UTF-8 (byte 0xe9)"),
    (
        "p.jsonl",
        lines(GOOD) + b'\n{"query": "x",\n',
        ", row 3: broken JSON (Expecting property name enclosed in double quotes: line 1 column 15 (char 14))",
    ),
    ("p.jsonl", b'{"query": ' + b"9" * 5000 + b"}", ", row 1: broken JSON (Exceeds the limit (4300"),
    ("p.json", b'[{"query": "x"}', ", after row 1: broken JSON (Expecting ',' delimiter: line 1 column 16 (char 15))"),
    ("p.json", b' [{"query": "x"} , \n\n {"query": x}, 3]', ", row 2: broken JSON (Expecting value: line 3 column 12"),
    ("p.json", b'[{"query": "x"}, {"query": "cut o', ", row 2: broken JSON (Unterminated string starting at"),
    ("p.json", b"[1, 2] 3", ", after row 2: broken JSON (Extra data: line 1 column 8"),
    ("p.json", b"[", ", row 1: broken JSON (Expecting value"),
    ("p.json", b"[1, " + b"[" * 100_000, ", row 2: broken JSON ("),
    ("p.json", b"nonsense", ": broken JSON (Expecting value"),
    (
        "p.json",
        lines(GOOD, GOOD),
        ": broken JSON (Extra data: line 2 column 1 (char 58)); the name of a file with an object a line must end in .jsonl",
    ),
    (
        "p.jsonl",
        b"[\n" + lines(GOOD),
        ", row 1: an array, not an object a line; the name of an array must end in .json",
    ),
    ("p.json", b'{"query": "x"}', ": an object, not an array of objects"),
    ("p.jsonl", lines(GOOD, ["query"]), ", row 2: a list, not an object"),
    ("p.json", b"[3]", ", row 1: a number, not an object"),
    ("p.jsonl", lines(GOOD, {"code": "x"}), ", row 2: no field 'query'"),
    ("p.jsonl", lines(GOOD, {"query": "x"}), ", row 2: no field 'code'"),
    ("p.jsonl", lines(GOOD, GOOD | {"query": 5}), ", row 2: 'query' is a number, not text"),
    ("p.jsonl", lines(GOOD | {"code": True}), ", row 1: 'code' is true or false, not text"),
    ("p.jsonl", lines(GOOD | {"id": {}}), ", row 1: 'id' is an object, neither text nor a whole number"),
    ("p.jsonl", lines(GOOD, GOOD), ", row 2: the id 'a' is not new"),
    ("p.jsonl", lines({"a": 1, "b": 2}), ", row 1: fields of no known format: a, b (query and code are needed)"),
    ("p.jsonl", lines({}), ", row 1: fields of no known format: none (query and code are needed)"),
    ("p.jsonl", lines({"docstring": "D", "code_tokens": "x"}), ", row 1: 'code_tokens' is no list of texts"),
    ("p.jsonl", lines(GOOD | {"query": ""}), ": no usable rows: 1 without query"),
]


@pytest.mark.parametrize(("name", "data", "message"), FAULTS)
def test_a_fault_names_file_row_and_cause(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    told = said(path)
    if sys.version_info < (3, 10, 7) and "(4300" in message:
        pytest.skip("this Python reads any number")
    assert told.startswith(f"{path}{message}")
    assert "\n" not in told


def test_an_archive_that_is_cut_off_or_broken_says_where(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl.gz"
    path.write_bytes(GZIP[: len(GZIP) // 2])
    where, _, cause = said(path).partition(": ")
    assert cause == "the gzip data is cut off"
    assert 500 < int(where.removeprefix(f"{path}, after row ")) < 1500
    path.write_bytes(GZIP[:-8] + b"\0" * 8)
    assert said(path).startswith(f"{path}, after row 2000: broken gzip data (CRC check failed")
    path.write_bytes(GZIP[:10] + b"\xff" * 99)
    assert said(path).startswith(f"{path}: broken gzip data (Error -3 while decompressing data: invalid block type")
    path.write_bytes(lines(GOOD))
    assert said(path) == f"{path}: broken gzip data (Not a gzipped file (b'{{\"'))"


def test_what_is_not_there_or_no_data_says_so(tmp_path: Path) -> None:
    assert said(tmp_path / "p.jsonl") == f"{tmp_path / 'p.jsonl'}: No such file or directory"
    assert said(tmp_path / "p.json") == f"{tmp_path / 'p.json'}: No such file or directory"
    assert said(tmp_path / "p") == f"{tmp_path / 'p'}: No such file or directory"
    path = written(tmp_path, "p.csv", b"query,code\n")
    assert said(path) == f"{path}: not one of .jsonl, .jsonl.gz, .json, .json.gz"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.lists(st.builds(Pair, TEXT, TEXT, TEXT, TEXT), min_size=1, unique_by=lambda pair: pair.id))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, pairs: list[Pair]) -> None:
    pairs += [Pair(f"own {pair.id}", pair.query, pair.code, normalised_query(pair.query)) for pair in pairs]
    path = tmp_path_factory.mktemp("pairs") / "p.jsonl"
    assert write_pairs(path, pairs) == len(pairs)
    assert read_pairs(path) == pairs


def test_pairs_are_written_whole_or_not_at_all_and_the_same_each_time(tmp_path: Path) -> None:
    path, pairs = tmp_path / "new" / "p.jsonl.gz", [Pair("a", "q é", "c", "q é"), Pair("b", "q", "c", "7")]
    write_pairs(path, pairs, {"a": {"path": "m.py"}})
    before = path.read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(before).splitlines()]
    assert rows == [
        {"id": "a", "query": "q é", "code": "c", "path": "m.py"},
        {"id": "b", "query": "q", "code": "c", "question_id": "7"},
    ]
    os.utime(path, (1, 1))
    other = path.with_name("other.jsonl.gz")
    write_pairs(other, pairs, {"a": {"path": "m.py"}})
    assert other.read_bytes() == before
    with pytest.raises(DataError, match="two pairs have the id 'a'"):
        write_pairs(path, [*pairs, pairs[0]])
    with pytest.raises(DataError, match="the extra fields of the pair 'a' may not be named code"):
        write_pairs(path, pairs, {"a": {"code": "x"}})
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == [other, path]


HUB = """
import sys
from synctrain.data import read_pairs
from synctrain.types import DataError
for target in sys.argv[1:]:
    try:
        print(read_pairs(target))
    except DataError as error:
        print(error)
"""


def test_the_hub_gives_rows_of_any_format_or_one_plain_error(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="`datasets` is not installed")
    written(tmp_path / "curated", "train.jsonl", lines(CURATED))
    for split, row in (("train", GOOD), ("test", GOOD | {"id": "b"})):
        written(tmp_path / "own", f"{split}.jsonl", lines(row))
    targets = [
        f"hf:{tmp_path}/curated",
        f"hf:{tmp_path}/own:test",
        "hf:nobody/nothing",
        f"hf:{tmp_path}/own:dev",
        "hf:",
    ]
    # A process of its own: the library reads where to keep things, and that it is offline, when it is imported.
    done = subprocess.run(
        [sys.executable, "-c", HUB, *targets],
        env=os.environ | {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    train, test, missing, no_split, wrong = done.stdout.splitlines()
    assert train == str([Pair("curated-1", "add `a` to `b`", "a + b", "7")])
    assert test == str([Pair("b", "Add two numbers.", "a + b", "add two numbers")])
    assert no_split.startswith(f"{targets[3]}: cannot be had, offline or not there (Unknown split")
    assert missing.startswith("hf:nobody/nothing: cannot be had, offline or not there (")
    assert wrong == "hf:: not of the form hf:NAME, hf:NAME:SPLIT or hf:NAME@CONFIG:SPLIT"
