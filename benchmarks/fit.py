"""Does `synctrain fit` make a model better, at finding code and at telling it from its own bugs?

    python benchmarks/fit.py                       presets best and soft; writes results/<date>-fit.json
    python benchmarks/fit.py --preset best         one of them (repeatable)
    python benchmarks/fit.py --seed 0 --seed 1     each of them so often; the table has means, the first seed's model is
                                                   the one that the result file describes in full

Each preset trains MiniLM on functions of the standard library, as `synctrain fit` does without arguments. It is
measured before and after on functions of modules that were held out, on the retrieval sets of ../shared/data where
they are there, and among mutants: those of the rules that it was trained with, and those of rules that it never saw.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import before_and_after, result_file, table, write_result

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = ("conala", "pydocs")
PACKAGES = ("synctrain", "astmut", "torch", "transformers", "accelerate")
# The preset soft for the same pairs, steps and rate as best: what differs is the objective and the negatives.
EQUAL = {"soft": ("data.limit=900", "optim.batch=32", "optim.steps=29", "optim.rate=8e-5", "negatives.soft=1")}
MUTANTS = 8
SEEN = "sync"
WHEN = ("before", "after")


def measured(model: str, config: Any, sets: Any, probes: dict[str, Any]) -> dict[str, Any]:
    """Retrieval on each set in percent, and mutant accuracy by kind of rules."""
    from synctrain import build, encoders
    from synctrain.evaluate import mutants, retrieval

    embed = encoders.opened(model)
    similarity = build.similarity_of(config)
    found = retrieval.evaluate(embed, sets, similarity)
    rows = {row.name: {name: 100 * value for name, value in row.measures["standard"].items()} for row in found.rows}
    accuracy = {
        kind: {
            one.name: 100 * mutants.accuracy(embed, one, probe[one.name], similarity).overall.value
            for one in sets
            if probe.get(one.name)
        }
        for kind, probe in probes.items()
    }
    return {"retrieval": rows, "mutant_accuracy": accuracy}


def spread(mutants: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """At most so many mutants a document, from all over it: a long function has hundreds."""
    return {name: found[:: -(-len(found) // MUTANTS)] for name, found in mutants.items()}


def run(preset: str, settings: Sequence[str], folder: Path) -> dict[str, Any]:
    """Train one preset and measure it before and after."""
    from synctrain import config, data, inputs, measure, train

    chosen = config.load(preset, (), [*EQUAL.get(preset, ()), *settings])
    outcome = train.train(chosen, folder, quiet=True, say=print)
    split = inputs.read_sets(chosen, print)
    sets = [data.read_retrieval(DATA / name) for name in SETS if (DATA / name).is_dir()]
    if split.held_out:
        sets.insert(0, split.held_out)
    probes: dict[str, Any] = {"rules trained on": {}, "rules never seen": {}}
    for one in sets:
        probes["rules trained on"][one.name] = spread(measure.distractors_of(one, measure.Distractors((SEEN,))))
        probes["rules never seen"][one.name] = spread(measure.distractors_of(one, measure.Distractors(without=(SEEN,))))
    return {
        "settings": config.plain(chosen),
        "steps": outcome.ended.step,
        "verdict": outcome.verdict,
        "before": measured("minilm", chosen, sets, probes),
        "after": measured(str(folder / train.MODEL), chosen, sets, probes),
    }


def main() -> None:
    """Train, measure, print, write."""
    parser = argparse.ArgumentParser(description="Does synctrain fit make a model better?")
    parser.add_argument("--preset", action="append")
    parser.add_argument("--seed", action="append", type=int)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--out", type=result_file)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    seeds = options.seed or [0]
    for preset in options.preset or ["best", "soft"]:
        for seed in seeds:
            folder = Path(tempfile.mkdtemp()) / "run"
            try:
                one = run(preset, [f"seed={seed}", *options.settings], folder)
            finally:
                shutil.rmtree(folder.parent, ignore_errors=True)
            results.setdefault(preset, {**one, "seeds": {}})["seeds"][seed] = {when: one[when] for when in WHEN}
    rows = []
    for preset, one in results.items():
        runs = list(one["seeds"].values())
        for name in one["before"]["retrieval"]:
            found = [tuple(run[when]["retrieval"][name]["mrr"] for when in WHEN) for run in runs]
            rows.append([f"{preset}: {name}, MRR", *before_and_after(found)])
        for kind, by_set in one["before"]["mutant_accuracy"].items():
            for name in by_set:
                told = [tuple(run[when]["mutant_accuracy"][kind][name] for when in WHEN) for run in runs]
                rows.append([f"{preset}: {name}, mutant accuracy, {kind}", *before_and_after(told)])
    print(table("MiniLM before and after, percent", ("what", *WHEN, "each change"), rows))
    print(f"written: {write_result('fit', {'presets': results}, PACKAGES, options.out).name}")


if __name__ == "__main__":
    main()
