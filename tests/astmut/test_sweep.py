"""The contract on whole libraries (`benchmarks/sweep.py`) and on generated programs."""

from __future__ import annotations

import errno
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import libcst
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import astmut

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def sweep() -> ModuleType:
    """The script as a module; it imports its neighbour `common` by name."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("sweep", BENCHMARKS / "sweep.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["sweep"] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_the_sweep_finds_nothing_wrong_with_its_own_text(sweep: ModuleType) -> None:
    report = sweep.examine((BENCHMARKS / "sweep.py").read_bytes(), "sweep")
    assert not report.defects
    assert report.mutants.total() == report.spliced > 1000
    assert report.compiled
    unread = sweep.examine(b"x = = 1\n", "unread")
    assert unread.unread.total() == 1
    assert not unread.defects


def test_counts_are_kept_wholly_or_not_at_all(
    sweep: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "parts" / "stdlib.json"
    assert sweep.restored(kept) is None
    first = sweep.keep(sweep.examine(b"x = True\n", "first"), kept)
    assert sweep.restored(kept) == first
    write = Path.write_text

    def full(path: Path, text: str, **more: str) -> int:
        write(path, text[: len(text) // 2], **more)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        sweep.keep(sweep.examine(b"y = 1 < 2\n", "second"), kept)
    assert sweep.restored(kept) == first
    assert list(kept.parent.iterdir()) == [kept]


def edit(start: int, end: int, new: str) -> astmut.Edit:
    return astmut.Edit(astmut.Span(start, end), new)


@pytest.mark.parametrize(
    ("mutant", "edits", "changed"),
    [
        ("a >= b\n", [edit(2, 3, ">=")], False),
        ("a >= c\n", [edit(2, 3, ">=")], True),
        ("a >= b", [edit(2, 3, ">=")], True),
        ("A >= b\n", [edit(2, 3, ">=")], True),
        ("a > b\n", [edit(2, 3, ">=")], True),
        ("(a) > (b)\n", [edit(0, 1, "(a)"), edit(2, 3, ">"), edit(4, 5, "(b)")], False),
        ("a > b\n", [edit(4, 5, "b"), edit(2, 3, ">")], True),
    ],
)
def test_the_sweep_sees_bytes_that_change_outside_the_edits(
    sweep: ModuleType, mutant: str, edits: list[astmut.Edit], *, changed: bool
) -> None:
    assert sweep.changed_outside(b"a < b\n", mutant.encode(), edits) is changed


def test_the_sweep_sees_a_bad_engine(sweep: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(astmut.Mutant, "text", property(lambda mutant: mutant.origin.value + "\nreturn"))
    defects = "\n".join(sweep.examine("x = a < b\n", "bad").defects)
    for wrong in ("changed outside its edits", "not reverted", "same text", "invalid"):
        assert wrong in defects


@pytest.mark.slow
def test_whole_libraries() -> None:
    """The standard library and every large package that is installed; writes the result for the repository."""
    subprocess.run([sys.executable, str(BENCHMARKS / "sweep.py")], check=True)


GENEROUS = settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))


def generated(kind: str) -> st.SearchStrategy[str]:
    hypothesmith = pytest.importorskip("hypothesmith")
    if kind == "from_grammar":
        return hypothesmith.from_grammar()  # type: ignore[no-any-return]
    return hypothesmith.from_node(libcst.Module)  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["from_grammar", "from_node"])
def test_generated_programs(sweep: ModuleType, kind: str) -> None:
    @GENEROUS
    @given(generated(kind))
    def check(text: str) -> None:
        report = sweep.examine(text, "generated")
        assert not report.defects, report.defects
        if report.unread:
            # Refused, so it must be beyond Python or beyond libcst: never beyond ours.
            assert not report.mutants

    check()
