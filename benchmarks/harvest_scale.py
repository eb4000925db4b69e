"""Do time and memory of harvesting docstrings and their functions stay linear in the number of pairs?

    python benchmarks/harvest_scale.py            to 100,000 pairs; writes results/<date>-harvest-scale.json

The text is real: the standard library and those of the libraries below that are installed, their files in a seeded
order, so that each part of a thousand files is like the next. Where they have too few pairs, they are read again with
a statement more before each `return`, since a function that was there before is left out. Each size is a process of its
own, and memory is what it takes at its largest. Ratios count: times are in multiples of the smallest size's, by pair.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from common import growth, in_child, result_file, table, write_result

LIBRARIES = ("torch", "transformers", "sympy", "django", "pandas", "numpy", "scipy", "sklearn", "matplotlib")
PARTS = (1, 3, 10)
PAIRS = 100_000
FILES = 1_000  # in a part
SEED = 5
PACKAGES = ("synctrain", *LIBRARIES)
_RETURN = re.compile(r"^([ \t]+)return\b", re.MULTILINE)


def one(parts: list[str]) -> dict[str, float]:
    """Harvest some parts, and return pairs, seconds of the processor, megabytes and files."""
    from synctrain import data

    begun = time.process_time()
    found = data.harvest(parts)
    seconds = time.process_time() - begun
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"pairs": len(found.found), "seconds": seconds, "megabytes": megabytes, "files": found.files}


def texts() -> Iterator[str]:
    """Texts of files, without end: all as they are, then all again with a statement more in each function."""
    from synctrain.data.trees import modules, read_source
    from synctrain.types import DataError

    files: list[Path] = []
    for target in ("stdlib", *LIBRARIES):
        if target == "stdlib" or importlib.util.find_spec(target):
            files += [module.file for module in modules([target])]
        else:
            print(f"without {target}, which is not installed")
    random.Random(SEED).shuffle(files)
    for turn in count():
        for file in files:
            try:
                text = read_source(file)
            except DataError:
                continue
            yield _RETURN.sub(rf"\1turn_{turn}\n\1return", text) if turn else text


def write_parts(folder: Path, source: Iterator[str], first: int, last: int) -> list[str]:
    """Write the parts from one number to another, and return them all from the first on."""
    for number in range(first, last):
        part = folder / f"part{number:03}"
        part.mkdir()
        for name in range(FILES):
            (part / f"module{name}.py").write_text(next(source), "utf-8", newline="")
    return [str(folder / f"part{number:03}") for number in range(last)]


def main() -> None:
    """Measure each size in a process of its own, print, write."""
    parser = argparse.ArgumentParser(description="Time and memory of harvesting, by the number of pairs.")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=result_file)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one)))
        return
    found: list[dict[str, float]] = []
    source, written = texts(), 0
    with tempfile.TemporaryDirectory() as folder:
        for size in (*PARTS, 0):
            parts = size or max(written + 1, round(written * PAIRS / found[-1]["pairs"]) + 1)
            chosen = write_parts(Path(folder), source, written, parts)
            written = parts
            found.append(in_child(__file__, "--one", *chosen))
            print(found[-1], flush=True)
    rows = growth(found, "files")
    print(
        table("Pairs out of source text", list(rows[0]), [[f"{value:,.3g}" for value in row.values()] for row in rows])
    )
    print(f"written: {write_result('harvest-scale', {'rows': rows, 'seed': SEED}, PACKAGES, options.out).name}")


if __name__ == "__main__":
    main()
