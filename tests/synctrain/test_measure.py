"""What is done with a model that is there: evaluate, mine, search; and harvest, which makes the pairs."""

import dataclasses
import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from synctrain import data, encoders, measure
from synctrain.cli import main
from synctrain.data import read_pairs
from synctrain.encoders import Transformer
from synctrain.types import RetrievalSet


def cli(*arguments: object) -> Result:
    """The command, in this process: an error that is not meant for the user comes through."""
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)


def error_of(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("synctrain: ")
    return result.stderr


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNCTRAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.py").write_text(
        '"""Module."""\n\n\ndef sort_list(values):\n    """Sort a list of values in place, and return it."""\n'
        "    values.sort()\n    return values\n\n\ndef stub():\n    ...\n",
        "utf-8",
    )
    (folder / "inner" / "b.py").write_text(
        "class Reader:\n    def read_lines(self, path):\n"
        '        """Read the lines of a file into a list of strings."""\n'
        "        with open(path) as file:\n            return file.readlines()\n",
        "utf-8",
    )
    (folder / "broken.py").write_text("def f(:\n", "utf-8")
    (folder / "latin.py").write_bytes(b"x = '\xff'\n")
    return folder


# --- evaluate


def test_evaluate_shows_a_table_and_writes_json(model: Path, retrieval_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(2)
    encoder = encoders.load(str(model))
    torch.nn.init.normal_(encoder.get_parameter("embedding.weight"))
    encoder.save(tmp_path / "other")
    other = ("--zero-shot", tmp_path / "other")
    done = cli("evaluate", model, "--data", retrieval_folder, *other, "-o", tmp_path / "r.json")
    assert (done.exit_code, done.stderr) == (0, "")
    record = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert list(record["results"]) == ["BM25", str(tmp_path / "other"), str(model)]
    for row, found in record["results"].items():
        (line,) = (line for line in done.stdout.splitlines() if f" {row} " in line)
        assert f"{100 * found['ten']['measures']['standard']['mrr']:.1f}" in line
    beside = measure.measure({"m": str(tmp_path / "other")}, [str(retrieval_folder)])
    assert beside.record()["results"]["m"] == record["results"][str(tmp_path / "other")]
    assert record["results"][str(tmp_path / "other")] != record["results"][str(model)]
    row = record["results"][str(model)]["ten"]
    assert (row["queries"], row["documents"]) == (10, 10)
    assert 0 < row["measures"]["standard"]["mrr"] <= 1
    again = measure.measure({"m": str(model)}, [str(retrieval_folder)])
    assert again.record()["results"]["m"] == record["results"][str(model)]


def test_evaluate_among_mutants(model: Path, retrieval_folder: Path, tmp_path: Path) -> None:
    done = cli("evaluate", model, "--data", retrieval_folder, "--distractors", "sync", "-o", tmp_path / "r.json")
    assert done.exit_code == 0, done.stderr
    among = json.loads((tmp_path / "r.json").read_text("utf-8"))["among_mutants"][str(model)]["ten"]
    overall, rules = among["accuracy"]["overall"], among["accuracy"]["rules"]
    assert overall["total"] == sum(one["total"] for one in rules.values()) > 5
    assert 0 <= overall["right"] <= overall["total"]
    assert "triplets" in done.stdout


def test_mutants_that_a_model_reads_no_difference_in_are_counted(model: Path, retrieval_folder: Path) -> None:
    """Of texts cut to so few tokens most mutants have the same: they tie, and that is not for the model to blame."""
    said: list[str] = []
    which = measure.Distractors(("sync",))
    found = measure.measure(
        {"m": str(model)}, [str(retrieval_folder)], max_length=8, distractors=which, say=said.append
    )
    accuracy = found.among["m"]["ten"].accuracy
    assert 0 < accuracy.equal <= accuracy.overall.total - accuracy.overall.right
    total = accuracy.overall.total
    assert said[-1] == f"ten: m sees no difference between code and {accuracy.equal} of its {total} mutants"


def unmutated(folder: Path, source: Path) -> Path:
    """A retrieval set whose documents are mere names, which no rule applies to, with a query without an answer."""
    shutil.copytree(source, folder)
    with gzip.open(folder / "corpus.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"_id": str(i), "text": f"name_{i}"}) + "\n" for i in range(10))
    (folder / "qrels" / "test.tsv").write_text("".join(f"{i}\t{i}\t1\n" for i in range(9)), "utf-8")
    return folder


def test_a_set_without_mutants_loses_no_results(model: Path, retrieval_folder: Path, tmp_path: Path) -> None:
    names = unmutated(tmp_path / "names", retrieval_folder)
    chosen = ("--distractors", "sync", "-o", tmp_path / "r.json")
    done = cli("evaluate", model, "--data", names, "--data", retrieval_folder, *chosen)
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith("left out: 1 queries without a relevant document\n")
    assert "names: no relevant document has a mutant by these rules; not measured among mutants\n" in done.stderr
    record = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert list(record["results"][str(model)]) == ["names", "ten"]
    assert list(record["among_mutants"][str(model)]) == ["ten"]
    alone = cli("evaluate", model, "--data", names, *chosen)
    assert alone.exit_code == 2
    assert alone.stderr.endswith(f"synctrain: {names}: no relevant document has a mutant by these rules\n")


def test_documents_without_mutants_are_counted(model: Path, retrieval_folder: Path) -> None:
    done = cli("evaluate", model, "--data", retrieval_folder, "--distractors", "flip-booleans")
    assert done.exit_code in {0, 2}
    assert "relevant document" in done.stderr


def test_mutants_that_are_right_answers_are_no_distractors() -> None:
    one = RetrievalSet("s", {"q": "?"}, {"a": "x == 1", "b": "x != 1"}, {"q": frozenset({"a", "b"})})
    which = measure.Distractors(("flip-comparators",))
    assert measure.distractors_of(one, which) == {}
    apart = dataclasses.replace(one, queries={"q": "?", "r": "!"}, relevant={"q": frozenset("a"), "r": frozenset("b")})
    assert set(measure.distractors_of(apart, which)) == {"a", "b"}


def test_a_set_in_domain_is_one_that_is_there(model: Path, retrieval_folder: Path) -> None:
    wrong = cli("evaluate", model, "--data", retrieval_folder, "--in-domain", "tenn")
    assert error_of(wrong) == "synctrain: no test set is named 'tenn'; did you mean 'ten'?\n"


def test_sets_of_one_name_are_told_apart(model: Path, retrieval_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(retrieval_folder, tmp_path / "mine" / "ten")
    both = ("--data", retrieval_folder, "--data", tmp_path / "mine" / "ten", "-o", tmp_path / "r.json")
    assert cli("evaluate", model, *both, "--in-domain", "mine/ten").exit_code == 0
    record = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert list(record["results"]["BM25"]) == [f"{retrieval_folder.parent.name}/ten", "mine/ten"]


def test_evaluate_in_the_papers_convention(model: Path, retrieval_folder: Path) -> None:
    done = cli("evaluate", model, "--data", retrieval_folder, "--convention", "paper_compat", "--in-domain", "ten")
    assert done.exit_code == 0
    assert "LRAP" in done.stdout


def test_evaluate_names_what_is_wrong(model: Path, retrieval_folder: Path, tmp_path: Path) -> None:
    assert "no such folder" in error_of(cli("evaluate", model, "--data", tmp_path / "x"))
    (tmp_path / "empty").mkdir()
    assert "no config.json there" in error_of(cli("evaluate", tmp_path / "empty", "--data", retrieval_folder))
    assert "nope" in error_of(cli("evaluate", model, "--data", retrieval_folder, "--distractors", "nope"))
    shutil.copytree(model, tmp_path / "run" / "model")
    encoders.mark(tmp_path / "run" / "model", "cos")  # as fit leaves it
    (tmp_path / "run" / "config.json").write_text("{}", "utf-8")
    assert error_of(cli("evaluate", tmp_path / "run", "--data", retrieval_folder)) == (
        f"synctrain: {tmp_path / 'run'}: a run, not a model; its model is {tmp_path / 'run' / 'model'}\n"
    )
    broken = tmp_path / "broken"
    encoder = encoders.load(str(model))
    encoder.get_parameter("embedding.weight").data.fill_(float("nan"))
    encoder.save(broken)
    assert "the model is broken" in error_of(cli("evaluate", broken, "--data", retrieval_folder))


def test_a_model_is_measured_by_what_it_was_trained_for(runs: Any, retrieval_folder: Path, tmp_path: Path) -> None:
    """A trained n-BOW without scaling, of which cosine and distance rank otherwise."""
    runs.fit(tmp_path / "run", "encoder.normalize=false", preset="soft")
    folder = tmp_path / "run" / "model"
    assert encoders.similarity_of(str(folder)) == "neg_l2"
    record = {}
    for given in ([], ["--similarity", "neg_l2"], ["--similarity", "cos"]):
        done = cli("evaluate", folder, "--data", retrieval_folder, *given, "-o", tmp_path / "r.json")
        assert done.exit_code == 0, done.stderr
        record[" ".join(given)] = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert record[""] == record["--similarity neg_l2"]
    assert record[""]["similarity"] == {str(folder): "neg_l2"}
    ranks = [one["results"][str(folder)]["ten"]["reciprocal_ranks"] for one in record.values()]
    assert ranks[0] != ranks[2]
    known = pytest.importorskip("sentence_transformers").SentenceTransformer(str(folder), device="cpu")
    assert known.similarity_fn_name == "euclidean"


@pytest.mark.parametrize("content", [None, '{"similarity_fn_name": null}', "{}"])
def test_without_a_word_on_it_vectors_are_compared_by_cosine(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config_sentence_transformers.json").write_text(content, "utf-8")
    assert encoders.similarity_of(str(tmp_path)) == "cos"


@pytest.mark.parametrize(
    ("content", "cause"),
    [("{nope", "cannot be read"), ("[]", "cannot be read"), ('{"similarity_fn_name": "manhattan"}', "by 'manhattan'")],
)
def test_a_similarity_that_cannot_be_told_is_an_error(
    model: Path, retrieval_folder: Path, tmp_path: Path, content: str, cause: str
) -> None:
    shutil.copytree(model, tmp_path / "model")
    (tmp_path / "model" / "config_sentence_transformers.json").write_text(content, "utf-8")
    done = cli("evaluate", tmp_path / "model", "--data", retrieval_folder)
    assert done.exit_code == 2
    assert f"config_sentence_transformers.json: {'' if 'cannot' in cause else 'compares '}{cause}" in done.stderr
    assert cli("evaluate", tmp_path / "model", "--data", retrieval_folder, "--similarity", "cos").exit_code == 0


# --- mine


def test_mine_writes_mutants_with_their_scores(model: Path, pairs_file: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    few = tmp_path / "few.jsonl"
    few.write_text("".join(pairs_file.read_text("utf-8").splitlines(keepends=True)[:30]), "utf-8")
    done = cli("mine", model, "--data", few, "-o", tmp_path / "m.parquet")
    assert (done.exit_code, done.stdout) == (0, "")
    rows: list[dict[str, Any]] = parquet.read_table(tmp_path / "m.parquet").to_pylist()
    assert done.stderr == f"{len(rows):,} mutants with their scores in {tmp_path / 'm.parquet'}\n"
    pairs = {pair.id: pair for pair in read_pairs(few)}
    assert len(rows) > 30
    embed = encoders.embedder(encoders.load(str(model)))
    for row in rows[:5]:
        pair = pairs[row["id"]]
        assert (row["query"], row["code"]) == (pair.query, pair.code)
        assert row["mutant"] != row["code"]
        assert row["rule"]
        query, mutant, code = (
            embed([row["query"]], "query"),
            embed([row["mutant"]], "code"),
            embed([row["code"]], "code"),
        )
        assert row["score"] == pytest.approx(torch.cosine_similarity(query, mutant).item(), abs=1e-5)
        assert row["positive"] == pytest.approx(torch.cosine_similarity(query, code).item(), abs=1e-5)
    one = cli("mine", model, "--data", few, "-o", tmp_path / "one.parquet", "--rule", rows[0]["rule"])
    assert one.exit_code == 0
    chosen = parquet.read_table(tmp_path / "one.parquet").to_pylist()
    assert {row["rule"] for row in chosen} == {rows[0]["rule"]}


def test_mine_makes_mutants_by_place_or_by_rule(model: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file, out = tmp_path / "one.jsonl", tmp_path / "m.parquet"
    file.write_text(json.dumps({"id": "a", "query": "q", "code": "f(a == b, c == d)"}) + "\n", "utf-8")
    found = {}
    for mode in ((), ("--mode", "together")):
        done = cli("mine", model, "--data", file, "--rule", "flip-comparators", "-o", out, *mode)
        assert done.exit_code == 0
        found[mode] = [row["mutant"] for row in parquet.read_table(out).to_pylist()]
    assert list(found.values()) == [["f(a != b, c == d)", "f(a == b, c != d)"], ["f(a != b, c != d)"]]


def test_mine_says_what_it_left_out(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    rows = [("a", "print(x, True)"), ("b", ""), ("c", "def f(:"), ("d", "y == 1"), ("e", "pass")]
    file = tmp_path / "few.jsonl"
    file.write_text("".join(json.dumps({"id": i, "query": i, "code": code}) + "\n" for i, code in rows), "utf-8")
    done = cli("mine", model, "--data", file, "-o", tmp_path / "m.parquet")
    assert done.exit_code == 0
    assert done.stderr.startswith(
        "left out: 1 without code, 1 snippets that do not parse\n2 of 4 pairs have no mutant by these rules\n"
    )


def test_mine_leaves_what_is_there_where_no_code_has_a_mutant(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    file, out = tmp_path / "none.jsonl", tmp_path / "m.parquet"
    file.write_text("".join(json.dumps({"id": i, "query": i, "code": "pass"}) + "\n" for i in "ab"), "utf-8")
    out.write_text("wanted", "utf-8")
    done = cli("mine", model, "--data", file, "-o", out)
    assert f"{file}: nothing written; 2 of 2 pairs have no mutant by these rules" in error_of(done)
    assert out.read_text("utf-8") == "wanted"


def test_mine_writes_whole_files_only(
    model: Path, pairs_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")

    def full(*_args: Any) -> Any:
        yield from ()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(measure, "_scored", full)
    (tmp_path / "m.parquet").write_text("old", "utf-8")
    assert "No space left" in error_of(cli("mine", model, "--data", pairs_file, "-o", tmp_path / "m.parquet"))
    assert (tmp_path / "m.parquet").read_text("utf-8") == "old"
    assert not list(tmp_path.glob(".m.parquet*"))


def test_mine_names_what_is_wrong(
    model: Path, pairs_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    out = ("-o", tmp_path / "m.parquet")
    made = cli("mine", model, "--data", pairs_file, "--rule", "flip-comparators", "-o", tmp_path / "new" / "m.parquet")
    assert (made.exit_code, (tmp_path / "new" / "m.parquet").is_file()) == (0, True)
    twice = ("--data", pairs_file, "--data", pairs_file)
    assert error_of(cli("mine", model, *twice, *out)) == f"synctrain: {pairs_file}: named twice\n"
    assert "no-such" in error_of(cli("mine", model, "--data", pairs_file, "--rule", "no-such", *out))
    assert "nowhere" in error_of(cli("mine", model, "--data", tmp_path / "nowhere.jsonl", *out))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'synctrain[parquet]'" in error_of(cli("mine", model, "--data", pairs_file, *out))


# --- search


def test_search_finds_functions(model: Path, tree: Path) -> None:
    done = cli("search", model, tree, "read all lines of a file", "-k", "2")
    assert done.exit_code == 0
    first, line = done.stdout.splitlines()[:2]
    assert first.startswith(f"{tree / 'inner' / 'b.py'}:2 Reader.read_lines  0.")
    assert line.split() == ["2", "def", "read_lines(self,", "path):"]
    assert "\n      4      with open(path) as file:\n" in done.stdout  # the docstring in line 3 is not shown
    assert "\x1b" not in done.stdout
    assert "sort_list" in done.stdout
    assert "stub" not in done.stdout
    broken, latin, last = done.stderr.splitlines()
    assert broken.startswith(f"left out: {tree / 'broken.py'}, line 1: does not parse")
    assert latin.startswith(f"left out: {tree / 'latin.py'}: cannot be decoded")
    assert last == f"reading 2 functions of {tree}, once"
    assert cli("search", model, tree, "another question").stderr == ""  # the vectors were kept


def test_lines_are_those_of_the_file_after_a_docstring_grew(model: Path, tree: Path) -> None:
    cli("search", model, tree, "sort a list")
    file = tree / "a.py"
    file.write_text(file.read_text("utf-8").replace('return it."""', 'return it.\n\n    See `list`."""'), "utf-8")
    assert "\n      8      values.sort()\n" in cli("search", model, tree, "sort a list").stdout


def test_search_names_files_that_it_cannot_read(model: Path, tree: Path) -> None:
    (tree / "bad.py").write_text("x = 1\ndef f(:\n")
    (tree / "test_a.py").write_text("def test_one():\n    return 1\n")
    said = cli("search", model, tree, "sort a list").stderr.splitlines()
    assert [line for line in said if "bad.py" in line and "line 2" in line and line.startswith("left out: ")]
    assert "left out: 1 files of tests" in said
    for n in range(6):
        (tree / f"bad{n}.py").write_text("def f(:\n")
    (tree / "good.py").write_text("def more(x):\n    return x + 1\n")
    assert "left out: 4 more files that cannot be read" in cli("search", model, tree, "q").stderr.splitlines()


def test_search_as_json(model: Path, tree: Path) -> None:
    done = cli("search", model, tree, "sort a list", "-k", "1", "--format", "json")
    hit = json.loads(done.stdout)
    assert (hit["path"], hit["name"], hit["first"], hit["last"]) == (str(tree / "a.py"), "sort_list", 4, 7)
    assert hit["code"].startswith("def sort_list(values):")
    assert -1 <= hit["score"] <= 1


def test_search_sees_what_changed(model: Path, tree: Path, tmp_path: Path, bert_folder: Path) -> None:
    cli("search", model, tree, "q")
    (tree / "c.py").write_text("def new(a):\n    return a + 1\n", "utf-8")
    assert "reading 3 functions" in cli("search", model, tree, "q").stderr
    Transformer.load(str(bert_folder), pooling="cls").save(tmp_path / "cls")
    Transformer.load(str(bert_folder), pooling="mean").save(tmp_path / "mean")
    for name in ("cls", "mean"):  # equal weights, other vectors
        assert "reading 3 functions" in cli("search", tmp_path / name, tree, "q").stderr
        assert cli("search", tmp_path / name, tree, "q").stderr == ""


def test_a_damaged_or_unwritable_index_is_done_without(
    model: Path, tree: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = cli("search", model, tree, "q").stdout
    (vectors,) = own_cache.glob("index-*/vectors.safetensors")
    vectors.write_bytes(vectors.read_bytes()[:-3])
    again = cli("search", model, tree, "q")
    assert (again.stdout, again.stderr.splitlines()[-1]) == (expected, f"reading 2 functions of {tree}, once")
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("SYNCTRAIN_CACHE", str(tmp_path / "file"))
    third = cli("search", model, tree, "q")
    assert (third.exit_code, third.stdout) == (0, expected)
    assert "cannot be kept" in third.stderr


def test_search_names_what_is_wrong(model: Path, tree: Path, tmp_path: Path) -> None:
    error_of(cli("search", model, tmp_path / "nowhere", "q"))
    assert error_of(cli("search", model, tree, " ")) == "synctrain: the question is empty\n"
    (tmp_path / "empty").mkdir()
    error_of(cli("search", model, tmp_path / "empty", "q"))
    assert "no config.json" in error_of(cli("search", tree, tree, "q"))
    assert cli("search", model, tree, "q", "-k", "0").exit_code == 2
    assert cli("search", model, tree, "q", "-k", "99").exit_code == 0


def test_the_trained_length_is_the_default(model: Path, tree: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "m")
    short = encoders.load(str(model), max_length=8)
    short.save(tmp_path / "short")
    assert encoders.load(str(tmp_path / "short")).max_length == 8
    scores = [
        json.loads(cli("search", name, tree, "q", "-k", "1", "--format", "json", *more).stdout)["score"]
        for name, more in ((tmp_path / "short", ()), (model, ("--max-length", "8")), (model, ()))
    ]
    assert scores[0] == scores[1]


# --- harvest


def test_harvest_writes_pairs_that_fit_reads(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "pairs.jsonl.gz"
    done = cli("harvest", tree, "-o", out)
    assert (done.exit_code, done.stdout) == (0, "")
    pairs = read_pairs(out)
    assert [pair.query for pair in pairs] == [
        "Sort a list of values in place, and return it.",
        "Read the lines of a file into a list of strings.",
    ]
    assert done.stderr.startswith(f"2 pairs in {out}\nleft out: ")
    with gzip.open(out, "rt", encoding="utf-8") as file:
        assert "a.py" in file.readline()  # where it comes from


def test_harvest_names_what_is_wrong(tmp_path: Path) -> None:
    assert "nowhere" in error_of(cli("harvest", tmp_path / "nowhere", "-o", tmp_path / "x.jsonl"))
    assert cli("harvest", "-o", tmp_path / "x.jsonl").exit_code == 2


def test_harvest_of_nothing_leaves_what_is_there(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    assert cli("harvest", tree, "-o", out).exit_code == 0
    before = out.read_bytes()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "a.py").write_text("def f(x):\n    return x + 1\n", "utf-8")
    bare = tmp_path / "bare"
    error = error_of(cli("harvest", bare, "-o", out))
    assert error == f"synctrain: {bare}: no pairs, and nothing written; left out: 1 functions without a docstring\n"
    assert out.read_bytes() == before


@pytest.mark.parametrize("name", ["pairs.json", "pairs.json.gz", "pairs.txt", "pairs"])
def test_harvest_writes_no_file_that_fit_would_not_read(
    name: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "harvest", None)  # refused before the work
    error = error_of(cli("harvest", tree, "-o", tmp_path / name))
    assert error == (
        f"synctrain: {tmp_path / name}: pairs are an object a line; the file's name must end in .jsonl or .jsonl.gz\n"
    )
    assert not (tmp_path / name).exists()


def test_a_question_that_is_no_text_is_one_error(model: Path) -> None:
    done = cli("search", model, "json", "caf\udce9")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "synctrain: the question is not utf-8\n"
