"""Do time and memory of making the mutants of training pairs stay linear in their number?

    python benchmarks/mutants_scale.py            3,000 to 100,000 pairs; writes results/<date>-mutants-scale.json

Pairs are those of ../shared/data (CoNaLa, PyDocs, Django), repeated under other names until there are enough: each
repeat ends in a comment of its own, so that no two have the same code. Each size is a process of its own with an empty
cache, and memory is what the process takes at its largest, the workers that make the mutants left out. Ratios count:
times are in multiples of the smallest size's, by pair.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from common import growth, in_child, result_file, table, write_result

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = ("conala", "pydocs", "django")
SIZES = (3_000, 10_000, 30_000, 100_000)
MOST = 16
PACKAGES = ("synctrain", "astmut", "libcst")


def one(size: int) -> dict[str, float]:
    """Make the mutants of so many pairs, and return seconds, megabytes and mutants."""
    from synctrain import build, data
    from synctrain.types import Pair

    real = [pair for name in SETS for pair in data.read_pairs(DATA / name / "pairs.jsonl.gz")]
    pairs = [
        Pair(f"{pair.id}~{turn}", pair.query, f"{pair.code}  # {turn}" if turn else pair.code, f"{pair.intent}~{turn}")
        for turn in range(-(-size // len(real)))
        for pair in real
    ][:size]
    begun = time.perf_counter()
    made = build.mutants_of(pairs, (), ("sync",), most=MOST)
    seconds = time.perf_counter() - begun
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"pairs": size, "seconds": seconds, "megabytes": megabytes, "mutants": made.counts["mutants"]}


def main() -> None:
    """Measure each size in a process of its own, print, write."""
    parser = argparse.ArgumentParser(description="Time and memory of making mutants, by the number of pairs.")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=result_file)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one)))
        return
    found = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as cache:
            found.append(in_child(__file__, "--one", str(size), SYNCTRAIN_CACHE=cache))
        print(found[-1], flush=True)
    rows = growth(found, "mutants")
    print(table("Mutants of pairs", list(rows[0]), [[f"{value:,.3g}" for value in row.values()] for row in rows]))
    print(f"written: {write_result('mutants-scale', {'rows': rows, 'most': MOST}, PACKAGES, options.out).name}")


if __name__ == "__main__":
    main()
