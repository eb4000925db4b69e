"""Every mutant of every file of large libraries, judged without the engine's help.

    python benchmarks/sweep.py                 all libraries; writes results/<date>-sweep.json
    python benchmarks/sweep.py --only numpy    one of them
    python benchmarks/sweep.py --every 50      a fiftieth of the files
    python benchmarks/sweep.py --parts FOLDER  keeps each library's counts there; begun again, it goes on behind them

The standard library (its tests included), numpy, pandas, torch, sympy and Django, as far as they are installed:
every rule, modes each and together, checked. Nothing may be raised but `ParseError`. Of every mutant: no byte
differs outside its edits, `revert` gives the source back, no two texts are equal. Of a seeded sample of each
file's mutants, and of all of a small file's: the whole text compiles, and its tree is neither the source's nor a
sibling's. And the other way round, of a sample of the refused sites: the whole text does not compile, or its tree
is the source's or an accepted sibling's. Exit status 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import itertools
import json
import os
import random
import re
import sys
import sysconfig
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

from common import result_file, table, version, write_result

import astmut

LIBRARIES = ("stdlib", "numpy", "pandas", "torch", "sympy", "django")
PACKAGES = ("astmut", "libcst", "numpy", "pandas", "torch", "sympy", "django")
SMALL = 2_000  # bytes; of smaller files every mutant is compiled and compared as a whole
SAMPLE = 6  # mutants, and refused sites, of a larger file
NEAR = 200  # bytes around a refused duplicate within which its twin is looked for
LONG = 150_000  # characters; of longer files only a share of the mutants is spliced, or the sweep takes hours
SHARE = 400  # mutants of such a file
TOLD = 50  # files after which the sweep says how far it is


@dataclass
class Report:
    """What became of some files; reports add up."""

    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    compiled: int = 0  # mutants whose whole text was compiled, and whose tree was compared
    rechecked: int = 0  # refused sites that were compiled as a whole
    spliced: int = 0  # mutants whose text was compared with the source, byte by byte
    sites: Counter[str] = field(default_factory=Counter)
    mutants: Counter[str] = field(default_factory=Counter)  # "rule each", "rule together"
    refused: Counter[str] = field(default_factory=Counter)  # "mode rule: reason"
    unread: Counter[str] = field(default_factory=Counter)  # reasons of ParseErrors
    defects: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Add the counts of another one."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(mine, Counter):
                mine.update(value)
            else:
                setattr(self, name, mine + value)


# --- one text -------------------------------------------------------------------------------------


def tree(text: str) -> str | None:
    """The tree of a text without positions; None where Python does not compile it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            text = text.removeprefix("\ufeff")  # in a file a mark, in a text no Python
            compile(text, "<sweep>", "exec", dont_inherit=True)
            return ast.dump(ast.parse(text))
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
            return None


def changed_outside(source: bytes, mutant: bytes, edits: Sequence[astmut.Edit]) -> bool:
    """Whether anything differs outside of the edits, worked out from the texts alone."""
    at = shift = 0
    for (start, end), new in edits:
        if not at <= start <= end or source[at:start] != mutant[at + shift : start + shift]:
            return True
        size = len(new.encode())
        if mutant[start + shift : start + shift + size] != new.encode():
            return True
        at, shift = end, shift + size - (end - start)
    return source[at:] != mutant[at + shift :]


def examine(data: bytes | str, name: str, seed: int = 0) -> Report:
    """Mutate one text in both modes and judge the result; the name is for the report."""
    report = Report(files=1, bytes=len(data))
    began = time.process_time()
    try:
        source = astmut.Source(data)
    except astmut.ParseError as error:
        report.unread[re.sub(r"\d{2,}", "N", error.reason)[:90]] += 1
        report.seconds = time.process_time() - began
        if "Python" not in error.reason and tree_of_bytes(data) is not None:
            report.unread["(of these Python compiles)"] += 1
        return report
    try:
        for mode in ("each", "together"):
            _examine(source, mode, name, random.Random(f"{seed} {name} {mode}"), report)
    except Exception as error:  # noqa: BLE001 - that there is one is the finding
        report.defects.append(f"{name}: {type(error).__name__}: {error}")
    report.seconds = time.process_time() - began
    return report


def tree_of_bytes(data: bytes | str) -> object:
    """Whether Python compiles a file's bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return compile(data, "<sweep>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
            return None


def _examine(source: astmut.Source, mode: astmut.engine.Mode, name: str, dice: random.Random, report: Report) -> None:
    text = source.text.value
    data = text.encode()
    stats = astmut.Stats()
    accepted: list[astmut.Mutant] = list(astmut.mutate(source, mode=mode, stats=stats))
    if mode == "each":
        report.sites.update(stats.sites)
        if stats.sites.total() != len(accepted) + stats.refused.total():
            report.defects.append(f"{name}: {mode}: sites are not mutants and refusals")
    report.mutants.update({f"{rule} {mode}": count for rule, count in stats.mutants.items()})
    report.refused.update({f"{mode} {rule}: {reason}": n for (rule, reason), n in stats.refused.items()})

    _compare_texts(source, accepted if len(text) < LONG else _some(dice, accepted, SHARE), f"{name}: {mode}", report)
    before = tree(text)
    _compare_trees(before, accepted if len(data) < SMALL else _some(dice, accepted, SAMPLE), f"{name}: {mode}", report)
    if mode == "each" and stats.refused and before is not None:
        _recheck(source, accepted, before, name, dice, report)


def _some(dice: random.Random, mutants: list[astmut.Mutant], most: int) -> list[astmut.Mutant]:
    return dice.sample(mutants, min(most, len(mutants)))


def _compare_texts(source: astmut.Source, mutants: Sequence[astmut.Mutant], where: str, report: Report) -> None:
    """Compare texts with the source, byte by byte, and with each other."""
    text = source.text.value
    data = text.encode()
    hashes: dict[int, astmut.Mutant] = {}
    for mutant in mutants:
        new = mutant.text
        report.spliced += 1
        if changed_outside(data, new.encode(), mutant.edits):
            report.defects.append(f"{where}: changed outside its edits: {describe(mutant)}")
        if astmut.revert(mutant) != text:
            report.defects.append(f"{where}: not reverted: {describe(mutant)}")
        other = hashes.setdefault(hash(new), mutant)
        if new == text:
            report.defects.append(f"{where}: unchanged: {describe(mutant)}")
        elif other is not mutant and other.text == new:
            report.defects.append(f"{where}: same text: {describe(other)} and {describe(mutant)}")


def _compare_trees(before: str | None, mutants: Sequence[astmut.Mutant], where: str, report: Report) -> None:
    """Compile whole texts, and compare their trees with the source's and with each other."""
    trees: dict[str, astmut.Mutant] = {}
    for mutant in mutants:
        report.compiled += 1
        after = tree(mutant.text)
        if after is None:
            if before is not None:
                report.defects.append(f"{where}: invalid: {describe(mutant)}")
            continue
        other = trees.setdefault(after, mutant)
        if after == before:
            report.defects.append(f"{where}: same tree as the source: {describe(mutant)}")
        elif other is not mutant:
            report.defects.append(f"{where}: same tree: {describe(other)} and {describe(mutant)}")


def _recheck(  # noqa: PLR0917 - what it looks at, and where it writes
    source: astmut.Source,
    accepted: Sequence[astmut.Mutant],
    before: str,
    name: str,
    dice: random.Random,
    report: Report,
) -> None:
    """Judge sites that gave no mutant: invalid, unchanged or a duplicate they must be."""
    taken = {(m.rule, m.edits) for m in accepted}
    refused = [site for site in astmut.sites(source) if (site.rule, site.edits) not in taken]
    for site in dice.sample(refused, min(SAMPLE, len(refused))):
        report.rechecked += 1
        after = tree(source.text.splice(site.edits))
        if after is None or after == before:
            continue
        # `f()()` without either call is `f()`: the twin may stand beside the site.
        start, end = site.edits[0].span.start - NEAR, site.edits[-1].span.end + NEAR
        near = (m for m in accepted if m.edits[0].span.start <= end and start <= m.edits[-1].span.end)
        if not any(tree(m.text) == after for m in near):
            where = f"{site.rule} at line {site.start.line}: {[(tuple(s), t) for s, t in site.edits][:3]}"
            report.defects.append(f"{name}: refused without need: {where}")


def describe(mutant: astmut.Mutant) -> str:
    """A mutant in a line."""
    position = mutant.origin.position(mutant.edits[0].span.start)
    changes = [(mutant.origin.cut(*span), new) for span, new in mutant.edits[:2]]
    return f"{mutant.rule} at {position.line}:{position.column} {changes}"[:300]


# --- many files -----------------------------------------------------------------------------------


def files_of(library: str) -> Iterator[tuple[str, Path]]:
    """Yield name and path of every Python file of a library; nothing where it is not installed."""
    if library == "stdlib":
        root: Path | None = Path(sysconfig.get_path("stdlib"))
    else:
        spec = importlib.util.find_spec(library)
        root = Path(spec.origin).parent if spec and spec.origin else None
    if root is None:
        return
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if not {"site-packages", "dist-packages"} & set(inside.parts):
            yield f"{library}/{inside.as_posix()}", path


def work(job: tuple[str, Path]) -> Report:
    """Examine one file, in a process of the pool."""
    name, path = job
    try:
        return examine(path.read_bytes(), name)
    except Exception as error:  # noqa: BLE001 - that there is one is the finding
        return Report(files=1, defects=[f"{name}: {type(error).__name__}: {error}"])


def sweep(jobs: Sequence[tuple[str, Path]], processes: int) -> Report:
    """Examine all files. Where a process dies, its files are tried one by one to find the one that killed it."""
    total = Report()
    left = dict(jobs)
    with ProcessPoolExecutor(processes) as pool:
        futures = {pool.submit(work, job): job[0] for job in jobs}
        for future in as_completed(futures):
            try:
                report = future.result()
            except BrokenProcessPool:
                break
            for defect in report.defects:
                print(f"DEFECT {defect}", file=sys.stderr, flush=True)
            total.add(report)
            del left[futures[future]]
            if not len(left) % TOLD:
                print(f"{len(left):,} of {len(jobs):,} files to go", file=sys.stderr, flush=True)
    return _one_by_one(left, total) if left else total


def _one_by_one(left: dict[str, Path], total: Report) -> Report:
    for job in left.items():
        with ProcessPoolExecutor(1) as pool:
            try:
                total.add(pool.submit(work, job).result())
            except BrokenProcessPool:
                total.add(Report(files=1, defects=[f"{job[0]}: the process died"]))
    return total


def main(arguments: Sequence[str] | None = None) -> int:
    """Sweep, print, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=LIBRARIES, help="this library (may be repeated)")
    parser.add_argument("--every", type=int, default=1, help="only every so-many-th file")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--parts", type=Path, help="a folder that keeps each library's counts, and gives them back")
    parser.add_argument(
        "--out", type=result_file, help="where the result goes; a part of the sweep writes none elsewhere"
    )
    options = parser.parse_args(arguments)

    reports: dict[str, Report] = {}
    for library in options.only or LIBRARIES:
        jobs = list(itertools.islice(files_of(library), 0, None, options.every))
        if jobs:
            kept = options.parts and options.parts / f"{library}-{stamp(library, options.every)}.json"
            reports[library] = restored(kept) or keep(sweep(jobs, options.processes), kept)
    total = Report()
    for report in reports.values():
        total.add(report)
    print(as_table({**reports, "all": total}))
    for defect in total.defects:
        print(f"DEFECT {defect}")
    whole = options.every == 1 and not options.only
    if whole or options.out:
        libraries = {name: as_json(report) for name, report in reports.items()}
        content = {"defects": total.defects, "all": as_json(total), "libraries": libraries}
        print(f"written: {write_result('sweep', content, PACKAGES, options.out).name}")
    return bool(total.defects)


def stamp(library: str, every: int) -> str:
    """What a library's counts hold for: this engine, this Python, these versions, this share of the files."""
    engine = sorted(Path(astmut.__file__).parent.rglob("*.py"))
    parts = [sys.version, str(every), *(f"{name} {version(name)}" for name in ("libcst", library))]
    said = [str(part).encode() for part in parts] + [path.read_bytes() for path in (*engine, Path(__file__))]
    return hashlib.sha256(b"\0".join(said)).hexdigest()[:12]


def restored(kept: Path | None) -> Report | None:
    """Counts that an earlier sweep kept; None where there are none."""
    if kept is None or not kept.exists():
        return None
    values = json.loads(kept.read_text("utf-8"))
    report = Report()
    for name, value in values.items():
        setattr(report, name, Counter(value) if isinstance(value, dict) else value)
    return report


def keep(report: Report, kept: Path | None) -> Report:
    """Return the counts of a library, kept for a sweep begun again: wholly or not at all."""
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_suffix(f".{os.getpid()}.new")
        try:
            new.write_text(json.dumps(vars(report)), encoding="utf-8")
            new.replace(kept)
        finally:
            new.unlink(missing_ok=True)
    return report


def as_json(report: Report) -> dict[str, object]:
    """The counts for the result file."""
    counts = {name: dict(sorted(v.items())) for name, v in vars(report).items() if isinstance(v, Counter)}
    return {
        "files": report.files,
        "kilobytes": report.bytes // 1000,
        "mutants": report.mutants.total(),
        "texts_compared": report.spliced,
        "compiled_whole": report.compiled,
        "refused": report.refused.total(),
        "refusals_rechecked": report.rechecked,
        "parse_errors": sum(n for reason, n in report.unread.items() if not reason.startswith("(")),
        "processor_seconds": round(report.seconds),
        "defects": len(report.defects),
        "sites_by_rule": counts["sites"],
        "mutants_by_rule_and_mode": counts["mutants"],
        "refused_by_rule_and_reason": counts["refused"],
        "parse_errors_by_reason": counts["unread"],
    }


def as_table(reports: dict[str, Report]) -> str:
    """The counts for people."""
    keys = (
        "files",
        "kilobytes",
        "mutants",
        "compiled_whole",
        "refused",
        "refusals_rechecked",
        "parse_errors",
        "defects",
    )
    rows: Iterable[tuple[str, ...]] = [
        (name, *(str(as_json(report)[key]) for key in keys)) for name, report in reports.items()
    ]
    return table("Mutants of whole libraries", ("library", *(key.replace("_", " ") for key in keys)), list(rows))


if __name__ == "__main__":
    sys.exit(main())
