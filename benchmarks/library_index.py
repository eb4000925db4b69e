"""How fast the index of library functions is, and whether what it names is there: the bars of issue 3.

    python benchmarks/library_index.py            writes results/<date>-library-index.json
    python benchmarks/library_index.py --quick    smaller samples; writes nothing unless --out says where

Processor time of one process, best of a few rounds.

load      The file read and its names found, in a fresh `Index`.
nearest   One question to a loaded index, the median of 200 functions that were not asked for before.
table     The ten nearest of every function. Beside it, sampled rows of three loops, extrapolated to all:
          `score()` for each pair and a sort (what the table computes, one pair at a time),
          `fuzz.token_sort_ratio` of rapidfuzz for the names alone, and a sort of Python's own token_sort_ratio,
          as fuzzywuzzy has it without its compiled helper (difflib on sorted words).
memory    Peak of a fresh process that makes the table, above its imports.
exists    200 functions, a seeded choice: each of their ten nearest is imported and looked up, in another process.
          Needs the packages that the index was made from; without them only those installed are looked up.
rule      The engine with this rule on and off, in turns, on standard library files: all sites, and every mutant
          checked, in multiples of `libcst.parse_module`.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import importlib.util
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import libcst
from common import Bar, in_turns, result_file, stopwatch, table, times, write_result
from mutate_speed import RULES, chosen_files, peak_memory
from rapidfuzz import fuzz

import astmut
from astmut.library.index import COMMITTED, Index
from astmut.library.score import score

SEED = 3
PACKAGES = ("astmut", "libcst", "numpy", "rapidfuzz")
RULE = "substitute-library-function"


def seconds(work: Any, rounds: int = 1) -> float:
    """Processor seconds of the best of some runs."""
    found = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def loaded() -> Index:
    """A fresh index, read and ready to find names."""
    index = Index(COMMITTED)
    _ = index.rows, index.places
    return index


def fuzzywuzzy_ratio(a: str, b: str) -> float:
    """`token_sort_ratio` in Python alone."""
    first, second = (" ".join(sorted(text.split())) for text in (a, b))
    return difflib.SequenceMatcher(None, first, second).ratio()


def measure_time(quick: bool) -> tuple[dict[str, Any], list[Bar]]:  # noqa: FBT001 - the one switch
    """Load, nearest, table and the loops beside it."""
    chance = random.Random(SEED)
    load = seconds(loaded, 5)
    index = loaded()
    ready = seconds(lambda: index.ranking)
    asked = chance.sample([row[0] for row in index.rows], 200)
    nearest = statistics.median(seconds(lambda name=name: index.nearest(name)) for name in asked)
    whole = seconds(lambda: index.table(10), 1 if quick else 3)
    size = len(index)
    signatures = [index.signature(row) for row in range(size)]
    names = [one.name.replace("_", " ") for one in signatures]
    rows, totals = index.table(10)

    def pairs(row: int) -> None:
        mine = signatures[row]
        found = [(-score(mine, other).total, at) for at, other in enumerate(signatures)
                 if other.definition != mine.definition]  # fmt: skip
        best = sorted(found)[:10]
        assert [at for _, at in best] == rows[row].tolist()  # noqa: S101 - the loop is the table's judge
        assert [-total for total, _ in best] == totals[row].tolist()  # noqa: S101

    def alone(row: int) -> None:
        for other in names:
            fuzz.token_sort_ratio(names[row], other)

    def in_python(row: int) -> None:
        for other in names:
            fuzzywuzzy_ratio(names[row], other)

    loops = {}
    for title, work, count in (
        ("score() for each pair, sorted", pairs, 20 if quick else 100),
        ("rapidfuzz's token_sort_ratio, names alone", alone, 20 if quick else 100),
        ("token_sort_ratio in Python (difflib), names alone", in_python, 2 if quick else 8),
    ):
        sample = chance.sample(range(size), count)
        spent = seconds(lambda work=work, sample=sample: [work(row) for row in sample])
        for_all = spent / count * size
        loops[title] = {"rows_timed": count, "seconds_for_all": for_all, "x_table": for_all / whole}
    content = {
        "functions": size,
        "with_return_type": index.header["with_return_type"],
        "load_seconds": load,
        "ranking_ready_seconds": ready,
        "nearest_median_seconds": nearest,
        "table_seconds": whole,
        "loops": loops,
    }
    shown = [("load", load), ("ready for questions", ready), ("nearest, median", nearest), ("table of all", whole)]
    lines = [(title, f"{value * 1000:.1f}", "") for title, value in shown]
    lines += [(t, f"{v['seconds_for_all'] * 1000:.0f}", f"{v['x_table']:.0f}") for t, v in loops.items()]
    print(table(f"time: {size} functions", ("what", "ms", "x table"), lines))
    full = loops["score() for each pair, sorted"]["x_table"]
    bars = [
        Bar("functions", size, 5900, at_most=False, unit=""),
        Bar("load", load, 0.1, unit="s"),
        Bar("nearest", nearest * 1000, 5, unit="ms"),
        Bar("table", whole, 5, unit="s"),
        Bar("table, x a loop over all pairs", full, 100, at_most=False),
    ]
    return content, bars


def measure_memory() -> tuple[dict[str, Any], list[Bar]]:
    """Peak of a process that makes the whole table."""
    command = [sys.executable, __file__, "--child"]
    before, peak = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    print(f"memory: the table takes {peak - before:.0f} MiB above the imports, {peak:.0f} MiB in all\n")
    return {"imports_mib": before, "peak_mib": peak}, [Bar("memory", peak, 1024, unit="MiB")]


def child() -> None:
    """What the process for the memory does."""
    importlib.import_module("astmut.library.ranking")
    before = peak_memory()
    loaded().table(10)
    print(json.dumps([before / 2**20, peak_memory() / 2**20]))


LOOK_UP = """
import importlib, json, os, sys, warnings
warnings.simplefilter("ignore")
names, found = json.load(sys.stdin), {}
out = os.dup(1)
os.dup2(2, 1)
for name in names:
    module, _, last = name.rpartition(".")
    try:
        found[name] = str(id(getattr(importlib.import_module(module), last)))
    except BaseException as error:
        found[name] = repr(error)
os.write(out, json.dumps(found).encode())
"""


def measure_existence() -> tuple[dict[str, Any], list[Bar]]:
    """Whether the substitutes of 200 functions are there, and other objects than these."""
    index = loaded()
    tops = {name: importlib.util.find_spec(name) is not None for name in {n.partition(".")[0] for n in index.places}}
    there = [row[0] for row in index.rows if tops[row[0].partition(".")[0]]]
    chosen = random.Random(SEED).sample(there, 200)
    nearest = {name: [one.signature.qualified_name for one in index.nearest(name)] for name in chosen}
    names = sorted({*chosen, *(other for others in nearest.values() for other in others)})
    names = [name for name in names if tops[name.partition(".")[0]]]
    command = [sys.executable, "-c", LOOK_UP]
    done = subprocess.run(command, input=json.dumps(names), capture_output=True, encoding="utf-8", check=True)
    found: dict[str, str] = json.loads(done.stdout)
    missing = sorted(name for name in names if not found[name].isdigit())
    pairs = [(name, other) for name, others in nearest.items() for other in others if other in found]
    same = sorted(f"{name} is {other}" for name, other in pairs if found[name] == found[other])
    absent = {top for top, is_here in tops.items() if not is_here}
    content = {
        "functions": len(chosen),
        "packages_not_installed": sorted(absent.intersection(index.packages)),
        "substitutes_looked_up": len(pairs),
        "missing": missing,
        "same_object": same,
    }
    print(f"exists: {len(pairs)} substitutes of {len(chosen)} functions, {len(missing)} missing, {len(same)} the same")
    bars = [Bar("substitutes that do not exist", len(missing), 0, unit="")]
    bars.append(Bar("substitutes that are the same object", len(same), 0, unit=""))
    return content, bars


def measure_rule(quick: bool) -> tuple[dict[str, Any], list[Bar]]:  # noqa: FBT001 - the one switch
    """What the rule costs the engine on whole files."""
    sources = chosen_files(8 if quick else 40, 2_000, 250_000)

    def parse(text: str) -> int:
        libcst.parse_module(text)
        return 1

    def sites(rules: Sequence[str]) -> Any:
        return stopwatch(lambda text: len(astmut.sites(text, rules=rules)))

    def checked(rules: Sequence[str]) -> Any:
        return stopwatch(lambda text: sum(len(mutant.text) > 0 for mutant in astmut.mutate(text, rules=rules)))

    ways = {
        "libcst.parse_module": stopwatch(parse),
        "all sites, rule off": sites(RULES),
        "all sites, rule on": sites([*RULES, RULE]),
        "every mutant checked, rule off": checked(RULES),
        "every mutant checked, rule on": checked([*RULES, RULE]),
    }
    costs = in_turns(ways, [[source.text] for source in sources], 1 if quick else 3)
    unit = costs["libcst.parse_module"]
    multiples = {name: times(cost, unit) for name, cost in costs.items()}
    rows = [[name, f"{multiples[name]:.2f}", f"{costs[name][0].count:.0f}"] for name in costs]
    print(table(f"rule: {len(sources)} files of the standard library", ("way", "x parse", "made"), rows))
    content = {name: {"x_parse": multiples[name], "made": costs[name][0].count} for name in costs}
    bars = [
        Bar("files: all sites with the rule, x parse", multiples["all sites, rule on"], 1.3),
        Bar("files: every mutant checked with the rule, x parse", multiples["every mutant checked, rule on"], 4.0),
    ]
    return content, bars


def main() -> int:
    """Run the sections; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="smaller samples")
    parser.add_argument("--out", type=result_file, help="where the result goes")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child()
        return 0
    sections = {
        "time": measure_time(options.quick),
        "memory": measure_memory(),
        "existence": measure_existence(),
        "rule": measure_rule(options.quick),
    }
    bars = [bar for _, found in sections.values() for bar in found]
    print(table("bars", ("bar", "measured", "limit", "verdict"), [bar.as_row() for bar in bars]))
    if options.out or not options.quick:
        content: dict[str, Any] = {"index": Index(COMMITTED).packages}
        content.update((name, found) for name, (found, _) in sections.items())
        content["bars"] = [bar.as_json() for bar in bars]
        print(f"written: {write_result('library-index', content, PACKAGES, options.out).name}")
    return int(any(bar.holds is False for bar in bars))


if __name__ == "__main__":
    sys.exit(main())
