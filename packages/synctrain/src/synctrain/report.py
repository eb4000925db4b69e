"""Results as a table to read and as JSON to keep."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from synctrain.evaluate.metrics import NAMES, Convention
from synctrain.evaluate.mutants import Among
from synctrain.evaluate.retrieval import Results, averages
from synctrain.evaluate.twin import RULE
from synctrain.files import write

SHOWN: Mapping[Convention, tuple[str, ...]] = {
    "standard": ("mrr", "ndcg", "recall@5", "recall@10"),
    "paper_compat": NAMES["paper_compat"],
}
_TITLES = {"mrr": "MRR", "lrap": "LRAP", "ndcg": "NDCG", "ndcg@10": "NDCG@10", "recall@5": "R@5", "recall@10": "R@10"}
_ENDLESS = 10_000  # characters in a line
_GROUPS = {"id": "ID", "ood": "OOD", "total": "Total"}


def table(
    models: Mapping[str, Results],
    in_domain: Collection[str] = (),
    *,
    convention: Convention = "standard",
    measures: Sequence[str] | None = None,
    mutants: Mapping[str, Mapping[str, Among]] | None = None,
    title: str | None = None,
) -> Table:
    """Lay out what models scored: a row a model; columns for each set, then the means; in percent, the best one bold.

    Args:
        models: Results by what the row is called: BM25, before, after.
        in_domain: Names of the sets that the models were trained for.
        convention: Whose measures.
        measures: Which of them; `SHOWN` unless given.
        mutants: By the same names and then by set, retrieval among mutants; adds columns for what is there.
        title: Above the table.

    Raises:
        ValueError: there is no model, or a model was measured on other sets than the first.
    """
    if not models:
        raise ValueError("there is no model to show")
    names = SHOWN[convention] if measures is None else tuple(measures)
    columns: dict[tuple[str, str], dict[str, float]] = {}
    expected = [row.name for row in next(iter(models.values())).rows]
    for model, results in models.items():
        if [row.name for row in results.rows] != expected:
            raise ValueError(f"{model} was measured on other sets than {next(iter(models))}")
        groups = averages(results, in_domain)
        parts = [(row.name, row.measures[convention]) for row in results.rows]
        parts += [(_GROUPS[group], values[convention]) for group, values in groups.items()] * (len(parts) > 1)
        for part, values in parts:
            for name in names:
                columns.setdefault((part, _TITLES.get(name, name)), {})[model] = values[name]
        for part, among in (mutants or {}).get(model, {}).items():
            columns.setdefault((f"{part}+mutants", "MRR"), {})[model] = among.row.measures["standard"]["mrr"]
            columns.setdefault((f"{part}+mutants", "accuracy"), {})[model] = among.accuracy.overall.value
    laid = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    laid.add_column("model", no_wrap=True)
    for part, name in columns:
        laid.add_column(f"{part}\n{name}", justify="right", no_wrap=True)
    for model in models:
        laid.add_row(Text(model), *(_cell(values, model) for values in columns.values()))
    return laid


def rules(separations: Mapping[str, Among], title: str | None = None) -> Table:
    """Lay out mutant accuracy by rule: a row a rule, a column a model, in percent, with the number of triplets."""
    laid = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    laid.add_column("rule", no_wrap=True)
    laid.add_column("triplets", justify="right", no_wrap=True)
    for model in separations:
        laid.add_column(Text(model), justify="right", no_wrap=True)
    shares = {model: among.accuracy.rules for model, among in separations.items()}
    for rule in sorted({rule for one in shares.values() for rule in one}):
        totals = [one[rule].total for one in shares.values() if rule in one]
        values = {model: one[rule].value for model, one in shares.items() if rule in one}
        laid.add_row(Text(rule or "(none)"), str(max(totals)), *(_cell(values, model) for model in separations))
    twins = {model: among.twin for model, among in separations.items() if among.twin.total}
    if twins:
        total = str(max(twin.total for twin in twins.values()))
        laid.add_row(
            Text(RULE), total, *(Text(f"{100 * twins[m].value:.1f}" if m in twins else "-") for m in separations)
        )
    return laid


def show(laid: Table, file: TextIO | None = None) -> None:
    """Print a table: on a terminal with colours, in parts where it is too wide; elsewhere as plain text, in one."""
    file = sys.stdout if file is None else file
    console = Console(file=file, highlight=False)
    if console.is_terminal:
        for part in _parts(laid, console):
            console.print(part)
        return
    plain = Console(file=file, highlight=False, color_system=None, width=_ENDLESS)
    laid.box = box.ASCII2
    plain.print(laid, width=plain.measure(laid).maximum)


def write_json(path: Path, value: object) -> None:
    """Write JSON, whole or not at all: the file that was there before stays until the new one is complete.

    Raises:
        OSError: it cannot be written.
        TypeError: it is nothing that JSON holds.
        ValueError: a number is infinite or NaN.
    """
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write(path, text.encode())


def _parts(laid: Table, console: Console) -> list[Table]:
    """Return tables as wide as the console, which begin with the first column and share out the others."""
    parts: list[Table] = []
    first, *others = laid.columns
    wide = console.options.update(width=_ENDLESS)  # a measure is no wider than its options
    chosen = [first]
    for column in others:
        fits = console.measure(_of([*chosen, column], laid), options=wide).maximum <= console.width
        if not fits and len(chosen) > 1:
            parts.append(_of(chosen, laid))
            chosen = [first]
        chosen.append(column)
    return [*parts, _of(chosen, laid)]


def _of(columns: Sequence[Column], like: Table) -> Table:
    """Return a table of some of another's columns."""
    some = Table(title=like.title, box=like.box, title_justify="left")
    for column in columns:
        some.add_column(column.header, justify=column.justify, no_wrap=True)
    for cells in zip(*(column.cells for column in columns), strict=True):
        some.add_row(*cells)
    return some


def _cell(values: Mapping[str, float], model: str) -> Text:
    """Return a share in percent, bold if no other model has a larger one; a dash where there is none."""
    if model not in values:
        return Text("-")
    best = len(values) > 1 and values[model] == max(values.values())
    return Text(f"{100 * values[model]:.1f}", style="bold" if best else "")
