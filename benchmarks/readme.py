"""The README's table of results, made from the newest committed result files.

``python benchmarks/readme.py`` prints it; with ``--write`` it goes into README.md, between its two markers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from common import RESULTS, before_and_after

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- results: benchmarks/readme.py -->\n", "<!-- end of results -->\n"
WHEN = ("before", "after")
SPEED = (
    ("tools: unchecked, x mutmut", "mutants a second, unchecked, beside mutmut's"),
    ("tools: unchecked, x cosmic-ray", "mutants a second, unchecked, beside cosmic-ray's"),
    ("tools: checked, x mutmut unchecked", "mutants a second, each one checked, beside mutmut's unchecked"),
    (
        "snippets: all rules, checked, x ast unchecked",
        "snippets of one line, all rules, each one checked, beside as many kinds with `ast.unparse`, unchecked",
    ),
    (
        "snippets: five kinds, checked, x ast unchecked",
        "the same with five kinds alone: comparisons, and/or, booleans, numbers, unary operators",
    ),
    ("files: all sites, edits ready, x parse", "all sites of all rules, in multiples of `libcst.parse_module`"),
    ("files: every text, x parse", "the same, and every mutant's text"),
    ("files: every text checked, x parse", "the same, and every mutant checked"),
    ("memory: checked run, x parse", "peak memory of that, in multiples of the parse's"),
)


def newest(name: str) -> dict[str, Any]:
    """Return the newest result of a benchmark."""
    found: dict[str, Any] = json.loads(max(RESULTS.glob(f"*-{name}.json")).read_text(encoding="utf-8"))
    return found


def page() -> str:
    """Return the lines that stand between the markers."""
    speed, sweep = newest("mutate-speed"), newest("sweep")
    values = {bar["name"]: bar["value"] for bar in speed["bars"]}
    machine = speed["machine"]
    every = sweep["all"]
    rows = "".join(f"| {what} | {values[name]:.2f} |\n" for name, what in SPEED)
    return (
        f"{BEGIN}Measured side by side in one run (`{speed['command']}`, {speed['date']}, {machine['python']}, libcst "
        f"{machine['packages']['libcst']}, {machine['cpu']}, {machine['cores']} cores), so these are ratios:\n\n"
        f"| | x |\n|---|---|\n{rows}\n"
        f"`{sweep['command']}` ({sweep['date']}) made {every['mutants']:,} mutants of {every['files']:,} files of the "
        f"standard library and of large packages, compared {every['texts_compared']:,} texts with their sources byte "
        f"by byte, and compiled {every['compiled_whole']:,} of them whole: {every['defects']} defects. "
        f"{every['refused']:,} sites were refused by the check.\n\n{fitted()}{from_nothing()}{side_by_side()}{END}"
    )


def fitted() -> str:
    """Return the table of a model before and after `synctrain fit`."""
    fit = newest("fit")
    best = fit["presets"]["best"]
    runs = best["seeds"].values()
    rows = []
    for name in best["before"]["retrieval"]:
        found = [tuple(run[when]["retrieval"][name]["mrr"] for when in WHEN) for run in runs]
        rows.append((name, "MRR", *before_and_after(found)))
    for kind, by_set in best["before"]["mutant_accuracy"].items():
        for name in by_set:
            told = [tuple(run[when]["mutant_accuracy"][kind][name] for when in WHEN) for run in runs]
            rows.append((name, f"mutant accuracy, {kind}", *before_and_after(told)))
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    soft = fit["presets"].get("soft")
    beside = ""
    if soft:
        old, new = (soft[when]["retrieval"]["held out"]["mrr"] for when in WHEN)
        beside = (
            f"\nMargin-1 triplets with soft negatives only (preset `soft`): held out, MRR, {old:.1f} to {new:.1f}.\n"
        )
    return (
        f"MiniLM before and after `synctrain fit` ({best['steps']} steps on the standard library's functions), in "
        f"percent ({_made(fit)}):\n\n"
        f"| set | measure | before | after | change{f' in each of {len(runs)} runs' if len(runs) > 1 else ''} |\n"
        f"|---|---|---|---|---|\n{lines}{beside}"
    )


def from_nothing() -> str:
    """Return the table of networks that begin from nothing."""
    found = newest("scratch")
    networks = found["networks"]
    first = next(iter(networks.values()))["mrr"]
    rows = [["BM25", *(f"{value:.1f}" for value in first["BM25"].values())]]
    for name, network in networks.items():
        before, after = (network["mrr"][when] for when in WHEN)
        rows.append([f"`{name}`", *(f"{before[place]:.1f} to {after[place]:.1f}" for place in first["BM25"])])
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return (
        f"\nNetworks that begin from nothing, trained in the same way by the preset `scratch`: MRR, percent "
        f"({_made(found)}):\n\n"
        f"| model | {' | '.join(first['BM25'])} |\n|---|{'---|' * len(first['BM25'])}\n{lines}"
    )


def side_by_side() -> str:
    """Return the table of recipes side by side: each by the newest result that has it, in the order of the longest."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*-baselines.json"))]
    of = {name: found for found in results for name in found["rows"]}  # the newest last
    order = max(results, key=lambda found: len(found["rows"]))["rows"]
    names = list(dict.fromkeys([*order, *of]))
    columns = list(dict.fromkeys(column for name in names for column in of[name]["rows"][name]["values"]))
    lines, sources = "", []
    for name in names:
        found = of[name]
        row = found["rows"][name]
        if found not in sources:
            sources.append(found)
        values = " | ".join(_value(row["values"].get(column)) for column in columns)
        lines += f"| {name} | {row['runs']} | {values} | {sources.index(found) + 1} |\n"
    runs = "; ".join(f"{number}: {_made(found)}" for number, found in enumerate(sources, 1))
    first = sources[0]
    return (
        f"\nRecipes side by side, {first['steps']} steps of {first['batch']} rows from MiniLM on CoNaLa: MRR by set "
        f"(ID: in domain, OOD: the mean of the others), and how often an answer of CoNaLa outscores its own mutants, "
        f"by the rules that were trained with and by all others; percent, mean and standard deviation over runs. "
        f"Each row as the run says whose number stands last ({runs}):\n\n"
        f"| recipe | runs | {' | '.join(columns)} | |\n|---|---|{'---|' * len(columns)}---|\n{lines}"
    )


def _made(found: dict[str, Any]) -> str:
    """Return how, when and where a result was made."""
    machine = found["machine"]
    on = machine.get("gpu") or machine["cpu"]
    return f"`{found['command']}`, {found['date']}, {machine['python']}, torch {machine['packages']['torch']}, {on}"


def _value(value: dict[str, Any] | None) -> str:
    """Return a mean, with its deviation where there is one."""
    if value is None:
        return ""
    return f"{value['mean']:.1f}" + (f" ±{value['sd']:.1f}" if len(value["runs"]) > 1 else "")


def written(readme: str) -> str:
    """Return the README with the page between its markers."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + page() + after


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="change README.md")
    if parser.parse_args().write:
        README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(page(), end="")


if __name__ == "__main__":
    main()
