"""How far n-BOW, CNN and RNN come from nothing, beside BM25: what `synctrain fit` trains where there is no MiniLM.

    python benchmarks/scratch.py               all three; writes results/<date>-scratch.json
    python benchmarks/scratch.py --only bow    one of them (repeatable)

Each learns on functions of the standard library by the preset scratch, as `synctrain fit` does without arguments, and
is measured on functions of modules that were held out, and on CoNaLa and PyDocs of ../shared/data where they are there.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from common import result_file, table, write_result

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = ("conala", "pydocs")
PACKAGES = ("synctrain", "astmut", "torch", "transformers", "accelerate")
NETWORKS = ("bow", "cnn", "rnn")


def run(name: str, settings: list[str]) -> dict[str, Any]:
    """Train one network and return its report, with the processor seconds of the whole."""
    from synctrain import config, train

    tests = [str(DATA / one) for one in SETS if (DATA / one).is_dir()]
    chosen = config.load("scratch", (), [f"encoder.name={name}", f"data.test={json.dumps(tests)}", *settings])
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        train.train(chosen, Path(folder) / "run", quiet=True, say=print)
        report = json.loads((Path(folder) / "run" / train.REPORT).read_text("utf-8"))
    mrr = {
        row: {place: 100 * one["measures"]["standard"]["mrr"] for place, one in found.items()}
        for row, found in report["results"].items()
    }
    return {"seconds": time.process_time() - begun, "steps": report["steps"], "verdict": report["verdict"], "mrr": mrr}


def main() -> None:
    """Train, measure, print, write."""
    parser = argparse.ArgumentParser(description="n-BOW, CNN and RNN from nothing.")
    parser.add_argument("--only", action="append", choices=NETWORKS)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--out", type=result_file)
    options = parser.parse_args()
    runs: dict[str, dict[str, Any]] = {}
    times: list[float] = []
    for name in options.only or NETWORKS:
        runs[name] = run(name, options.settings)
        times.append(runs[name].pop("seconds"))
        runs[name]["processor_time_x_first"] = times[-1] / times[0]
        # after each network: none waits for the next
        written = write_result("scratch", {"networks": runs}, PACKAGES, options.out)
    first = next(iter(runs.values()))
    places = list(first["mrr"]["BM25"])
    rows = [["BM25", *(f"{first['mrr']['BM25'][place]:.1f}" for place in places), ""]]
    for name, one in runs.items():
        after = [f"{one['mrr']['before'][place]:.1f} to {one['mrr']['after'][place]:.1f}" for place in places]
        rows.append([name, *after, f"{one['processor_time_x_first']:.1f}"])
    print(table("MRR from nothing, percent", ("model", *places, "x time"), rows))
    print(f"written: {written.name}")


if __name__ == "__main__":
    main()
