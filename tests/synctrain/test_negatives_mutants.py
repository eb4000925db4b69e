"""Mutants of training pairs: those of astmut, none of them an answer, made once, kept whole, whatever dies meanwhile."""

import ast
import errno
import gzip
import io
import json
import logging
import os
import runpy
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

import astmut
from synctrain.negatives import MutantStore, make_mutants, mutants, plain, store, workers
from synctrain.negatives.mutants import Piece, Recipe, Refused, recipe, serve
from synctrain.types import NegativeSource, Pair

DATA = Path(__file__).parents[3] / "shared" / "data"
ENDED = [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV]


def pairs_of(*codes: str, intent: str | None = None) -> list[Pair]:
    return [Pair(str(i), f"query {i}", code, intent or str(i)) for i, code in enumerate(codes)]


def texts(made: MutantStore, pair: int) -> list[str]:
    return [candidate.code for candidate in made.candidates(pair)]


def mine(code: str, **options: Any) -> list[tuple[str, str]]:
    return [(mutant.rule, mutant.text) for mutant in astmut.mutate(code, **options)]


@pytest.fixture(scope="module")
def conala() -> list[Pair]:
    file = DATA / "conala" / "pairs.jsonl.gz"
    if not file.is_file():
        pytest.skip("the data sets are not here")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][:300]
    return [Pair(row["id"], row["query"], row["code"], row["intent"]) for row in rows]


@pytest.fixture(scope="module")
def made(conala: list[Pair]) -> MutantStore:
    return make_mutants(conala, groups="sync", processes=2)


def test_real_pairs_get_astmut_s_mutants_and_no_answers(conala: list[Pair], made: MutantStore) -> None:
    source: NegativeSource = made
    answers: dict[str, set[str]] = {}
    for pair in conala:
        answers.setdefault(pair.intent, set()).update([pair.code, plain(pair.code)])
    dropped = without = 0
    for number, pair in enumerate(conala):
        found = [(one.rule, one.code) for one in source.candidates(number)]
        try:
            expected = mine(pair.code, groups="sync")
        except astmut.ParseError:
            expected = []
        kept = [one for one in expected if not {one[1], plain(one[1])} & answers[pair.intent]]
        assert found == kept
        assert made.size(number) == len(found)
        assert len({code for _, code in found}) == len(found)
        dropped += len(expected) - len(kept)
        without += not found
        for _, code in found:
            ast.parse(code)
    counts = made.counts
    assert counts["pairs"] == len(made) == 300
    assert counts["codes"] == len({pair.code for pair in conala})
    assert counts["dropped"] == dropped
    assert counts["pairs_without"] == without
    assert counts["mutants"] > 3 * counts["codes"]
    assert not counts["died"]
    assert set(made.rules) == {rule.name for rule in astmut.RULES.values() if "sync" in rule.groups}


@pytest.mark.parametrize("processes", [0, 1, 3])
def test_the_number_of_processes_has_no_influence(conala: list[Pair], made: MutantStore, processes: int) -> None:
    part = conala[:60]
    other = make_mutants(part, groups="sync", processes=processes)
    assert [other.candidates(i) for i in range(60)] == [made.candidates(i) for i in range(60)]


def test_a_hit_is_byte_identical_and_does_no_work(
    conala: list[Pair], made: MutantStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    def again(folder: Path, **options: Any) -> MutantStore:
        return make_mutants(
            conala, groups="sync", folder=folder, progress=lambda *done: seen.append(done), processes=1, **options
        )

    first = again(tmp_path / "one")
    [file] = (tmp_path / "one").iterdir()
    total = first.counts["codes"]
    assert seen == [(done, total) for done in range(1, total + 1)]
    again(tmp_path / "two")
    assert (tmp_path / "two" / file.name).read_bytes() == file.read_bytes()
    before, stamp = file.read_bytes(), file.stat().st_mtime_ns
    seen.clear()
    monkeypatch.setattr(store, "Workers", None)
    hit = again(tmp_path / "one")
    assert not seen
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (before, stamp)
    assert hit.counts == made.counts
    assert all(hit.candidates(i) == made.candidates(i) for i in range(len(conala)))
    assert before[:8] != b"\x80\x04"  # no pickle: eight bytes of length, then JSON
    assert before[8:9] == b"{"


def test_all_that_matters_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = pairs_of("a + b", "if a < b: c", "a + b")
    options: list[dict[str, Any]] = [
        {},
        {"rules": "flip-comparators"},
        {"groups": "disco"},
        {"mode": "together"},
        {"most": 1},
        {"most": 1, "seed": 1},
        {"longest": 5},
        {"normalised": str.lower},
    ]
    for expected, option in enumerate(options, 1):
        make_mutants(pairs, folder=tmp_path, processes=0, **option)
        make_mutants(pairs, folder=tmp_path, processes=0, **option)
        assert len(list(tmp_path.iterdir())) == expected
    for other in (
        pairs[:2],
        pairs_of("a + b", "if a < b: c", "a - b"),
        pairs_of("a + b", "if a < b: c", "a + b", intent="x"),
    ):
        expected += 1
        make_mutants(other, folder=tmp_path, processes=0)
        assert len(list(tmp_path.iterdir())) == expected
    monkeypatch.setattr(astmut, "__version__", "9")
    make_mutants(pairs, folder=tmp_path, processes=0)
    assert len(list(tmp_path.iterdir())) == expected + 1
    renamed = [pair.__class__(pair.id, "other", pair.code, f"intent {pair.intent}") for pair in pairs]
    make_mutants(renamed, folder=tmp_path, processes=0)
    assert len(list(tmp_path.iterdir())) == expected + 1


def test_mutants_by_a_rule_whose_file_changed_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules: dict[str, Any] = {}
    monkeypatch.setattr("astmut.rulebook.RULES", rules)
    file, cache = tmp_path / "mine.py", tmp_path / "cache"
    pairs = pairs_of("a + b")

    def mutated(new: str) -> list[str]:
        rules.clear()
        file.write_text(
            f"import astmut, libcst\n@astmut.rule('mine', 'own')\ndef mine(node: libcst.Name, source):\n"
            f"    yield {{node: {new!r}}}\n"
        )
        runpy.run_path(str(file))
        store = make_mutants(pairs, rules="mine", folder=cache, processes=0)
        return [candidate.code for candidate in store.candidates(0)]

    assert mutated("x") == ["x + b", "a + x"]
    assert mutated("x") == ["x + b", "a + x"]
    assert len(list(cache.iterdir())) == 1
    assert mutated("y") == ["y + b", "a + y"]
    assert len(list(cache.iterdir())) == 2


def damage(data: bytes) -> Iterator[bytes]:
    yield b""
    yield data[: len(data) // 2]
    yield data[:-1]
    yield b"\x80\x04junk" + data
    yield data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]
    yield data.replace(b"synctrain mutants 1", b"synctrain mutants 0")
    yield data.replace(b'\\"mutants\\": ', b'\\"mutants\\":x')
    yield data.replace(b"__metadata__", b"__metabata__")


def test_a_damaged_file_is_said_once_and_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = pairs_of("if a < b: f(a)", "x = [1, 2]")
    first = make_mutants(pairs, folder=tmp_path, processes=0)
    [file] = tmp_path.iterdir()
    good = file.read_bytes()
    for bad in damage(good):
        assert bad != good
        file.write_bytes(bad)
        caplog.clear()
        again = make_mutants(pairs, folder=tmp_path, processes=0)
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert f"{file} is damaged" in caplog.text
        assert texts(again, 0) == texts(first, 0)
        assert file.read_bytes() == good
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_costs_the_cache_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    made = make_mutants(pairs_of("if a < b: f(a)"), folder=tmp_path, processes=0)
    assert texts(made, 0)
    assert "cannot be kept" in caplog.text
    assert "No space left" in caplog.text
    assert not list(tmp_path.iterdir())


def test_mutants_that_answer_the_question_are_dropped() -> None:
    """``a >= b`` is another pair's answer to the same question, as text; ``b  <a`` with other spaces; ``a == b`` none."""
    code = "a < b"
    alone = make_mutants(pairs_of(code), rules=["flip-comparators"], processes=0)
    assert texts(alone, 0) == ["a >= b"]
    both = make_mutants(pairs_of(code, "a  >=  b", intent="x"), rules=["flip-comparators"], processes=0)
    assert texts(both, 0) == []
    assert both.size(0) == 0
    assert both.counts["dropped"] == 2  # and the mutant a  <  b of the other
    assert both.counts["pairs_without"] == 2
    pairs = [*pairs_of(code, "a >= b", intent="x"), Pair("2", "q", code, "y"), Pair("3", "q", "A >= B", "y")]
    some = make_mutants(pairs, rules=["flip-comparators"], processes=0)
    assert [texts(some, i) for i in range(4)] == [[], [], ["a >= b"], ["A < B"]]
    assert (some.counts["codes"], some.counts["dropped"]) == (3, 2)
    lower = make_mutants(pairs, rules=["flip-comparators"], processes=0, normalised=str.lower)
    assert [texts(lower, i) for i in range(4)] == [[], [], [], []]


def test_what_gives_no_mutants_is_counted() -> None:
    pairs = pairs_of("f(", "x = 1\n" * 1_700_000, "a < b", "pass", "", "\ud800", "a < b")
    made = make_mutants(pairs, rules="flip-comparators", processes=1)
    assert made.counts == {
        "pairs": 7, "codes": 6, "mutants": 1, "dropped": 0, "unparsable": 2, "too_long": 1, "failed": 0, "died": 0,
        "pairs_without": 5,
    }  # fmt: skip
    assert [made.size(i) for i in range(7)] == [0, 0, 1, 0, 0, 0, 1]
    with pytest.raises(IndexError):
        made.candidates(7)


def test_no_pairs() -> None:
    made = make_mutants([], processes=2)
    assert len(made) == 0


@pytest.mark.parametrize(
    "code", ["é = 'ß' if ü < 1 else 'x'; y = é <= 2", "'''日本''' if a < b else f('語', c < d)\r\nx<y"]
)
def test_characters_are_not_bytes(code: str) -> None:
    made = make_mutants(pairs_of(code, "a < b"), processes=0)
    assert [(one.rule, one.code) for one in made.candidates(0)] == mine(code)
    assert len(mine(code)) > 3


def test_most_draws_by_seed_with_the_rules_in_turn(conala: list[Pair], made: MutantStore) -> None:
    codes = [conala[i] for i in range(300) if made.size(i) > 8][:10]
    draws = [make_mutants(codes, groups="sync", most=4, seed=seed, processes=0) for seed in (0, 0, 1)]
    found = [[one.candidates(i) for i in range(len(codes))] for one in draws]
    assert found[0] == found[1] != found[2]
    for pair, few in zip(codes, found[0], strict=True):
        assert len({one.code for one in few}) == len(few) == 4
        assert {(one.rule, one.code) for one in few} <= set(mine(pair.code, groups="sync"))
    plenty = make_mutants(codes, groups="sync", most=10_000, processes=0)
    assert {one.code for one in plenty.candidates(0)} == {text for _, text in mine(codes[0].code, groups="sync")}


def test_together_is_one_mutant_a_rule() -> None:
    code = "if a < b: f(c < d)"
    made = make_mutants(pairs_of(code), mode="together", processes=0)
    assert [(one.rule, one.code) for one in made.candidates(0)] == mine(code, mode="together")
    assert ("flip-comparators", "if a >= b: f(c >= d)") in mine(code, mode="together")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rules": ["flip-comparator"]}, "did you mean 'flip-comparators'"),
        ({"groups": ["synch"]}, "did you mean 'sync'"),
        ({"mode": "all"}, "no mode 'all'"),
        ({"most": 0}, "most = 0"),
        ({"most": 1, "mode": "together"}, "goes with the mode each"),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_mutants(pairs_of("a < b"), processes=0, **options)


# What happens to the processes.


def test_a_worker_that_dies_costs_nothing_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ask, deaths = workers.Worker.ask, iter(ENDED)

    def dying(self: workers.Worker, code: str) -> workers.Answer | None:
        if code == "a < 7" and (how := next(deaths, None)) is not None and how is ENDED[0]:
            self.process.send_signal(how)
            self.process.wait()
        return ask(self, code)

    monkeypatch.setattr(workers.Worker, "ask", dying)
    pairs = pairs_of(*(f"a < {i}" for i in range(20)))
    made = make_mutants(pairs, rules="flip-comparators", processes=2)
    assert made.counts["died"] == 0
    assert [texts(made, i) for i in range(20)] == [[f"a >= {i}"] for i in range(20)]


@pytest.mark.parametrize("how", ENDED)
def test_a_program_that_kills_two_workers_is_counted_and_the_others_go_on(
    how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = workers.Worker._exchange

    def dying(self: workers.Worker, message: object) -> object:
        if message == "a < 7":
            # Dies while it works, not before it is asked.
            threading.Timer(0.05, self.process.send_signal, [how]).start()
            message = "\n".join(f"x{i} < y" for i in range(20_000))
        return exchange(self, message)

    monkeypatch.setattr(workers.Worker, "_exchange", dying)
    pairs = pairs_of(*(f"a < {i}" for i in range(20)))
    made = make_mutants(pairs, rules="flip-comparators", processes=2)
    assert made.counts["died"] == 1
    assert made.counts["pairs_without"] == 1
    assert [texts(made, i) for i in range(20)] == [[f"a >= {i}"] if i != 7 else [] for i in range(20)]


def test_a_process_is_stopped_while_a_thread_waits_for_its_answer() -> None:
    """Its pipes are open until the thread has let go of them; to close them under its hands may fail."""
    worker = workers.Worker(recipe("flip-comparators"))
    receive: Any = worker.process.stdout
    waiting, seen = threading.Event(), []

    class Slow:
        """Takes its time with the end that the process's death brings."""

        def readline(self) -> str:
            waiting.set()
            worker.process.wait()
            time.sleep(0.1)
            seen.append(receive.closed)
            return ""

        def close(self) -> None:
            receive.close()

    worker.process.stdout = Slow()  # type: ignore[assignment]
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(worker.ask, "a < b")
        assert waiting.wait(10)
        worker.stop()
        assert answer.result() is None
    assert seen == [False]
    assert receive.closed
    assert worker.ask("a < b") is None


def test_processes_end_with_the_work_and_with_an_interruption() -> None:
    how = recipe("flip-comparators")
    with workers.Workers(how, 2) as pool:
        running = [worker.process for worker in pool._all]
        assert len(list(pool.answers(["a < b"] * 5))) == 5
    assert all(process.poll() is not None for process in running)
    with workers.Workers(how, 2) as pool, closing(pool.answers(repeat("a < b"))) as answers:
        running = [worker.process for worker in pool._all]
        assert next(answers) == [Piece("flip-comparators", 2, 3, ">=")]
    assert all(process.poll() is not None for process in running)


def test_an_interruption_does_not_wait_for_a_slow_program() -> None:
    slow = "\n".join(f"x{i} < y" for i in range(100_000))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        make_mutants(pairs_of("a < b", slow), rules="flip-comparators", processes=1, longest=10**7, progress=interrupt)
    assert time.monotonic() - start < 5


def test_a_worker_that_cannot_start_says_so() -> None:
    with pytest.raises(ChildProcessError, match="does not start: no rule named 'mine'"):
        workers.Workers(Recipe(("mine",), "each", None, 0), 2)


def test_a_rule_that_raises_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a rule of somebody else's")

    monkeypatch.setattr(astmut, "mutate", broken)
    assert mutants.pieces("a", Recipe((), "each", None, 0)) == Refused(
        "failed", "ZeroDivisionError: a rule of somebody else's"
    )
    assert make_mutants(pairs_of("a"), processes=0).counts["failed"] == 1


def test_what_a_worker_answers() -> None:
    lines = [json.dumps(one) for one in (recipe("flip-comparators"), "a < b", "f(", "pass")]
    out = io.StringIO()
    serve(lines, out)
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert answers[:2] == ["", [["flip-comparators", 2, 3, ">="]]]
    assert list(answers[2]) == ["unparsable"]
    assert answers[3] == []


def test_the_worker_s_file_leaves_torch_alone() -> None:
    """Each worker would take seconds to start otherwise, and hundreds of megabytes."""
    tree = ast.parse(Path(mutants.__file__).read_text("utf-8"))
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    found |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert found == {"__future__", "collections.abc", "hashlib", "pathlib", "typing", "astmut", "json", "signal", "sys"}


def test_library_functions_of_code_without_imports() -> None:
    pairs = [Pair("a", "mean of x", "np.mean(x)", "a"), Pair("b", "mean of x", "import numpy as np\nnp.mean(x)", "b")]
    found = {}
    for library in ("in-scope", "paper"):
        made = make_mutants(pairs, rules="substitute-library-function", library=library, processes=0)
        found[library] = [[one.code for one in made.candidates(pair)] for pair in range(2)]
    assert found["in-scope"][0] == []
    assert len(found["paper"][0]) == len(found["in-scope"][1]) == 10
    assert all(code.startswith("np.") and code.endswith("(x)") for code in found["paper"][0])
    with pytest.raises(ValueError, match="no library 'none'; there are: in-scope, paper"):
        make_mutants(pairs, library="none", processes=0)  # type: ignore[arg-type]
