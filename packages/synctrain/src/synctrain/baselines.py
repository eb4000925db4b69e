"""Recipes side by side under one protocol: the same pairs, steps and seeds, the same measures, one table.

Every run is kept in a folder of its own with its measures, so that a comparison which was stopped goes on where it
was; what is there is never measured twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from synctrain import build, checkpoint, data, encoders, inputs, loop, measure, report, train
from synctrain.config import Config, ConfigError, load, name_of, near, plain
from synctrain.evaluate import bm25, mutants
from synctrain.evaluate.retrieval import Once, Results, averages, evaluate
from synctrain.evaluate.significance import Difference, compare
from synctrain.files import check_folder
from synctrain.negatives.mutants import Mode
from synctrain.types import Embed, Progress, RetrievalSet, Say, Similarity, nothing
from synctrain.unread import remarks

MEASURES = "measures.json"
BM25, ZERO_SHOT = "BM25", "zero-shot"
SIGNIFICANT = 0.05


class StoppedError(RuntimeError):
    """A comparison that was stopped and can go on."""


@dataclass(frozen=True)
class Recipe:
    """How the models of a row come about.

    Attributes:
        name: of the row.
        about: what it depends on besides the seed, as JSON holds it: measures of another ``about`` are refused.
        make: (seed, empty folder or one with an unfinished run) -> where the model is; called once a seed.
        seeds: whether chance plays a part in it; a row without seeds is measured once.
        options: how the model is loaded, as of ``encoders.load``, where its folder does not say it.
        similarity: how its vectors are compared; None is what its folder says.
        pairs: a hash of what it is trained on: measures of a model that saw other pairs are refused.
        weights: a hash of what it begins with: so are those of a model that began with other weights.
    """

    name: str
    about: Mapping[str, Any]
    make: Callable[[int, Path], str]
    seeds: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    similarity: Similarity | None = None
    pairs: str = ""
    weights: str = ""


@dataclass(frozen=True)
class Protocol:
    """What all rows have in common.

    Attributes:
        sets: retrieval sets to measure on.
        in_domain: names of those that the models are trained for.
        probes: by the name of a column, whose mutants models are to tell from code.
        among: names of the sets whose documents' mutants these are.
        seeds: one run each.
        against: the row that the others are tested against.
    """

    sets: Sequence[RetrievalSet]
    in_domain: tuple[str, ...]
    probes: Mapping[str, measure.Distractors]
    among: tuple[str, ...]
    seeds: tuple[int, ...]
    against: str


@dataclass(frozen=True)
class Run:
    """What one model scored: retrieval, and by column and set, how well it tells code from mutants."""

    results: Results
    among: Mapping[str, Mapping[str, Mapping[str, Any]]]


ROWS = ("soft", "dns", "coderetriever", "disco", "sync", "sync-fixed", "best")
# What rows have in common unless settings of all rows say otherwise. Presets differ in it: each is good by itself.
BATCH, EPOCHS, VALIDATIONS = 48, 5, 10
ALL = "all"  # in place of a rule or group
# Settings that an argument of a comparison decides.
_DECIDED = {("encoder", "name"): "--encoder", ("data", "train"): "--train", ("data", "test"): "--test"}
# Parts of the settings, and which of each is equal for all rows of a comparison; empty is all.
_EQUAL: Mapping[str, tuple[str, ...]] = {
    "data": (),
    "evaluation": (),
    "optim": ("steps", "batch", "accumulation", "precision"),
}


def plan(
    rows: Sequence[str],
    *,
    train_on: Sequence[str],
    test_on: Sequence[str],
    encoder: str,
    settings: Sequence[str] = (),
    seeds: Sequence[int] = (0, 1, 2),
    against: str = "soft",
    in_domain: Sequence[str] | None = None,
    distractors: str = "sync",
    mode: Mode = "together",
    most: int | None = None,
    documents: int | None = None,
    say: Say = print,
    progress: Progress | None = None,
) -> tuple[list[Recipe], Protocol]:
    """Return the rows and the protocol of a comparison.

    All rows train on all pairs, 48 of them a batch, for as many steps as five passes over the pairs take, and are
    validated ten times on the way, whatever a preset or a file says of that; only ``settings`` can say otherwise, for
    all rows alike.

    Args:
        rows: presets, or NAME=FILE.toml.
        train_on: pairs to train on, as of ``data.train``.
        test_on: folders of retrieval sets, see ``data.read_retrievals``.
        encoder: what all rows begin with.
        settings: further settings of all rows, such as ``optim.steps=130``.
        seeds: one run of each row for each.
        against: the row that the others are tested against.
        in_domain: names of the sets that the models are trained for; None is those in folders that are trained on.
        distractors: a rule or group; there is one column for mutants by these, and one for those by all other rules.
            ``all`` is one column for all rules. Mutants are made of the documents of sets in domain, or of the first
            set where none is.
        mode: of the mutants, see ``Distractors``.
        most: mutants of a document with mode each, at most.
        documents: cuts larger sets to so many documents, see ``data.fewer``.
        say: what is told to the user.
        progress: called with (done, all) while mutants are made.

    Raises:
        ConfigError, DataError: a row, a setting, a rule or a set is not there; a row or a set is named twice; a row
            would train on other pairs than the first, or for other steps.
    """
    encoder = build.encoder_name(encoder, say)
    common = [
        f"encoder.name={_toml(encoder)}",
        f"data.train={_toml(list(train_on))}",
        f"data.test={_toml(list(test_on))}",
        "data.limit=0",
        f"optim.batch={BATCH}",
        "optim.steps=0",
    ]
    asked = _check(rows, common, settings, against)  # before anything is read, which may take long
    probes = _probes(distractors, mode, most)
    skipped = data.Skipped()
    sets = data.read_retrievals(test_on, skipped=skipped)
    if skipped:
        say(f"left out of the test sets: {skipped}")
    if documents is not None:
        sets = [data.fewer(one, documents) for one in sets]
    if in_domain is None:
        in_domain = _trained_for(train_on, test_on, sets)
    measure.check_names(in_domain, sets)
    base = load(None, (), [*common, *settings])
    read = inputs.read_sets(base, nothing)
    steps = _steps(base, len(read.train), settings, say)
    for remark in remarks(settings, list(asked.values())):  # as asked for: the steps may come of passes
        say(remark)
    common += [f"evaluation.every={max(1, steps // VALIDATIONS)}", *settings, f"optim.steps={steps}"]
    configs = _configs(rows, common)
    _check_equal(configs)
    for name, config in configs.items():
        if build.never_hard(config, steps):
            say(f"{name}: curriculum.warmup = {config.curriculum.warmup}, so no step of it sees a mutant")
    pairs = inputs.digest(read, [()] * len(read.train))
    recipes = [replace(recipe(name, config, say, progress), pairs=pairs) for name, config in configs.items()]
    if encoder not in encoders.SCRATCH:
        recipes.insert(0, zero_shot(encoder, load(None, (), common)))
        weights = checkpoint.digest_of(encoders.load(encoder))
        recipes = [replace(one, weights=weights) for one in recipes]
    if not recipes:
        raise ConfigError("there is no row to train")
    among = tuple(in_domain) or (sets[0].name,)
    return recipes, Protocol(sets, tuple(in_domain), probes, among, tuple(seeds), against)


def _toml(value: str | list[str]) -> str:
    """Return a value as TOML, which has the texts and lists of JSON but no halves of characters."""
    return json.dumps(value, ensure_ascii=False)


def _check(rows: Sequence[str], common: Sequence[str], settings: Sequence[str], against: str) -> dict[str, Config]:
    """Return the settings of each row as they are asked for.

    Refuses rows that are not there or have settings that cannot be, and a comparison with none of them.
    """
    configs = _configs(rows, [*common, *settings])
    decided = load(None, (), common)
    encoder = decided.encoder.name
    for config in configs.values():
        for (part, setting), option in _DECIDED.items():
            if getattr(getattr(config, part), setting) != getattr(getattr(decided, part), setting):
                raise ConfigError(f"--set {part}.{setting}: give it with {option}, for all of the comparison")
        build.check(config)
    names = [*([] if encoder in encoders.SCRATCH else [ZERO_SHOT]), *configs]
    if against not in names:
        raise ConfigError(f"no row named {against!r} to test against{near(against, names)}")
    return configs


def _probes(distractors: str, mode: Mode, most: int | None) -> dict[str, measure.Distractors]:
    """Return whose mutants models are to tell from code, by column. Raises ``ConfigError`` for an unknown name."""
    probes = {distractors: measure.Distractors(() if distractors == ALL else (distractors,), (), mode, most)}
    if distractors != ALL:
        probes[f"not {distractors}"] = measure.Distractors((), (distractors,), mode, most)
    return {column: which for column, which in probes.items() if which.rules}  # which refuses what it does not know


def _trained_for(train_on: Sequence[str], test_on: Sequence[str], sets: Sequence[RetrievalSet]) -> list[str]:
    """Return the names of the sets that lie in folders which are trained on."""
    trained = {place.resolve() for name in train_on for place in (Path(name), Path(name).parent)}
    places = [data.retrieval_folder(folder).resolve() for folder in test_on]
    return [one.name for one, place in zip(sets, places, strict=True) if place in trained]


def recipe(name: str, config: Config, say: Say, progress: Progress | None = None) -> Recipe:
    """Return the recipe of settings: ``synctrain fit`` without its tables."""

    def make(seed: int, folder: Path) -> str:
        chosen = replace(config, seed=seed)
        resume = (folder / train.SETTINGS).is_file()
        _, _, parts = train.prepare(chosen, folder, resume=resume, say=say, progress=progress)
        with checkpoint.alone(folder):
            ended = loop.fit(parts, chosen, folder, resume=resume)
        if ended.interrupted:
            raise StoppedError(f"{folder}: stopped after step {ended.step} and saved; the same command goes on")
        return str(folder / train.MODEL)

    about = plain(config)
    del about["seed"]
    return Recipe(name, about, make)


def zero_shot(model: str, config: Config) -> Recipe:
    """Return the recipe of a model as it is, read as settings say that those which begin from it are."""
    usual = build.form_of(Config())
    options = {name: value for name, value in build.form_of(config).items() if value != usual[name]}
    similarity = config.objective.similarity
    about = {"model": model, **options, **({"similarity": similarity} if similarity else {})}
    return Recipe(ZERO_SHOT, about, lambda _seed, _folder: model, seeds=False, options=options, similarity=similarity)


def _steps(common: Config, pairs: int, settings: Sequence[str], say: Say) -> int:
    """Return how many steps a row trains for: as set, else so many passes over the pairs, each pair a row."""
    optim = common.optim
    if optim.steps:
        return optim.steps
    passes = optim.epochs if "optim.epochs" in map(name_of, settings) else EPOCHS
    steps = max(1, math.ceil(passes * pairs / (min(optim.batch, pairs) * optim.accumulation)))
    say(f"{steps:,} steps a run: {passes:g} passes over {pairs:,} pairs")
    return steps


def _configs(rows: Sequence[str], common: Sequence[str]) -> dict[str, Config]:
    """Return the settings of each row by its name."""
    configs: dict[str, Config] = {}
    for row in rows:
        name, _, file = row.partition("=")
        if name in configs or name in {BM25, ZERO_SHOT}:
            raise ConfigError(f"two rows are named {name!r}")
        if not name.strip(".") or set(name) & set("/\\"):
            raise ConfigError(f"a row named {name!r}: its runs lie in a folder of this name, which it cannot be")
        configs[name] = load(None, [Path(file)], common) if file else load(name, (), common)
    return configs


def _check_equal(rows: Mapping[str, Config]) -> None:
    """Refuse rows that differ in what a comparison keeps equal: pairs, steps, batches, validation; or have a seed."""
    first = next(iter(rows), "")
    for name, config in rows.items():
        if config.seed:
            raise ConfigError(
                f"seed = {config.seed} for the row {name}: rows are trained once a seed; name it with --seed"
            )
        for part, kept in _EQUAL.items():
            one, other = (asdict(getattr(rows[row], part)) for row in (first, name))
            for setting in kept or one:
                if one[setting] != other[setting]:
                    raise ConfigError(
                        f"{part}.{setting} is {one[setting]!r} for the row {first} and {other[setting]!r} for {name}: "
                        f"rows are compared at equal steps on equal pairs, in one precision; give it to all with --set"
                    )


def check_out(out: Path, rows: Sequence[str], seeds: Sequence[int]) -> None:
    """See that rows can be kept in a folder, unless all have their measures there. Raises ``OSError``."""
    names = [row.partition("=")[0] for row in rows]
    if not all((_folder(out, name, seed) / MEASURES).is_file() for name in names for seed in seeds):
        check_folder(out)


def _folder(out: Path, name: str, seed: int) -> Path:
    """Return where a run of a row lies."""
    return out / name / f"seed-{seed}"


def run(
    recipes: Sequence[Recipe], protocol: Protocol, out: Path, say: Say, *, go_on: Callable[[], bool] = lambda: True
) -> Comparison:
    """Train and measure all that is not there yet, and compare.

    Args:
        recipes: the rows.
        protocol: what they have in common.
        out: the folder in which runs and measures are kept.
        say: what is told to the user.
        go_on: asked before each new run; where it says no, what is there is compared.

    Raises:
        RunError: the folder holds runs of other settings, or measures that cannot be read.
        StoppedError: Ctrl-C; what is done is kept.
    """
    if protocol.against not in {one.name for one in recipes}:
        names = ", ".join(one.name for one in recipes)
        raise train.RunError(f"no row named {protocol.against!r} to test against; there are: {names}")
    among = [one for one in protocol.sets if one.name in protocol.among]
    beside = {column: measure.beside(among, which, say=say) for column, which in protocol.probes.items()}
    asked = _asked(protocol)
    rows: dict[str, list[Run]] = {}
    for one in recipes:
        key = {"recipe": plainly(one.about), "protocol": asked, "pairs": one.pairs, "weights": one.weights}
        for seed in protocol.seeds if one.seeds else protocol.seeds[:1]:
            folder = _folder(out, one.name, seed) if one.seeds else out / one.name
            known = _read(folder / MEASURES, key, protocol, beside)
            if known is None:
                if not go_on():
                    say(f"left for another time: {one.name}, seed {seed}")
                    continue
                say(f"{one.name}, seed {seed}" if one.seeds else one.name)
                model = one.make(seed, folder)
                embed = encoders.opened(model, **one.options)
                similarity = one.similarity or encoders.similarity_of(model)
                known = _measured(Once(embed), similarity, protocol, beside)
                report.write_json(folder / MEASURES, {**key, **_record(known)})
            rows.setdefault(one.name, []).append(known)
    if protocol.against not in rows:
        raise StoppedError(f"{out}: nothing is there yet of {protocol.against}, the row to test against")
    return Comparison(protocol, {BM25: [Run(bm25.evaluate(protocol.sets), {})], **rows})


@dataclass(frozen=True)
class Comparison:
    """The runs of each row, and what they say."""

    protocol: Protocol
    rows: Mapping[str, Sequence[Run]]

    def values(self, name: str) -> dict[str, list[float]]:
        """Return the measures of a row by column, one value a run, 0 to 1: MRR of sets and means, then accuracies."""
        columns: dict[str, list[float]] = {}
        for one in self.rows[name]:
            for row in one.results.rows:
                columns.setdefault(row.name, []).append(row.measures["standard"]["mrr"])
            groups = averages(one.results, self.protocol.in_domain)
            for group in ("id", "ood", "total"):
                if group in groups:
                    columns.setdefault(group.upper(), []).append(groups[group]["standard"]["mrr"])
            for column, sets in one.among.items():
                for place, found in sets.items():
                    columns.setdefault(f"{place}: {column}", []).append(found["accuracy"])
        return columns

    @cached_property
    def tests(self) -> dict[str, dict[str, Difference]]:
        """For each row and set, how it differs from the row that it is tested against.

        Reciprocal ranks are the means over the runs, so it is the recipe that is tested, not a seed.
        """
        ranks = {name: self._ranks(name) for name in self.rows}
        theirs = ranks[self.protocol.against]
        return {name: {place: compare(ours[place], theirs[place]) for place in ours} for name, ours in ranks.items()}

    def _ranks(self, name: str) -> dict[str, dict[str, float]]:
        ranks: dict[str, dict[str, list[float]]] = {}
        for one in self.rows[name]:
            for row in one.results.rows:
                for query, value in row.reciprocal_ranks.items():
                    ranks.setdefault(row.name, {}).setdefault(query, []).append(value)
        return {place: {query: fmean(values) for query, values in own.items()} for place, own in ranks.items()}

    def record(self) -> dict[str, Any]:
        """Return all of it as JSON holds it, in percent, without the ranks of single queries."""
        return {
            "seeds": list(self.protocol.seeds),
            "in_domain": list(self.protocol.in_domain),
            "against": self.protocol.against,
            "rows": {
                name: {
                    "runs": len(runs),
                    "values": {
                        column: {
                            "mean": 100 * fmean(found),
                            "sd": 100 * _spread(found),
                            "runs": [100 * v for v in found],
                        }
                        for column, found in self.values(name).items()
                    },
                    "tests": {
                        place: {"difference": 100 * one.mean, "p": one.p, "queries": one.queries}
                        for place, one in self.tests[name].items()
                    },
                    "rules": self._rules(runs),
                }
                for name, runs in self.rows.items()
            },
        }

    def _rules(self, runs: Sequence[Run]) -> dict[str, Any]:
        """Return mutant accuracy by column, set and rule, in percent, as the mean over runs."""
        found: dict[str, Any] = {}
        for column in runs[0].among:
            for place in runs[0].among[column]:
                rules = runs[0].among[column][place]["rules"]
                found[f"{place}: {column}"] = {
                    rule: 100 * fmean(one.among[column][place]["rules"][rule] for one in runs) for rule in rules
                }
        return found

    def table(self) -> Table:
        """Lay it out: a row a recipe, mean and standard deviation over seeds in percent, a star where p < 0.05."""
        every = {name: self.values(name) for name in self.rows}
        columns = list(dict.fromkeys(column for found in every.values() for column in found))
        laid = Table(
            box=box.SIMPLE_HEAD,
            title_justify="left",
            title=f"MRR and mutant accuracy; *: p < 0.05 against {self.protocol.against}",
        )
        laid.add_column("model", no_wrap=True)
        for column in columns:
            laid.add_column(column.replace(": ", "\n"), justify="right", no_wrap=True)
        for name, found in every.items():
            tests = self.tests[name]
            cells = []
            for column in columns:
                if column not in found:
                    cells.append(Text("-"))
                    continue
                shown = f"{100 * fmean(found[column]):.1f}"
                if len(found[column]) > 1:
                    shown += f" ±{100 * _spread(found[column]):.1f}"
                sure = column in tests and tests[column].p < SIGNIFICANT
                cells.append(Text(shown + ("*" if sure else " ")))
            laid.add_row(Text(name), *cells)
        return laid


_OTHER = {
    "recipe": "another recipe",
    "protocol": "another protocol",
    "pairs": "other pairs",
    "weights": "other first weights",
}


def plainly(value: Any) -> Any:
    """Return a value as it comes back out of JSON."""
    return json.loads(json.dumps(value))


def _spread(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample, 0 of a single value."""
    return stdev(values) if len(values) > 1 else 0.0


def _asked(protocol: Protocol) -> dict[str, Any]:
    """Return what measures depend on, as JSON holds it; the rules by name, since a group may grow."""
    asked = {
        "sets": {one.name: data.digest(one) for one in protocol.sets},
        "probes": {
            name: {"rules": which.rules, "mode": which.mode, "most": which.most}
            for name, which in protocol.probes.items()
        },
        "among": sorted(protocol.among),
    }
    return plainly(asked)  # type: ignore[no-any-return]


def _measured(embed: Embed, similarity: Similarity, protocol: Protocol, beside: Mapping[str, Any]) -> Run:
    """Measure a model on everything."""
    results = evaluate(embed, protocol.sets, similarity)
    among: dict[str, dict[str, dict[str, Any]]] = {}
    for column, sets in beside.items():
        for one in protocol.sets:
            if not sets.get(one.name):
                continue
            found = mutants.evaluate(embed, one, sets[one.name], similarity)
            among.setdefault(column, {})[one.name] = {
                "accuracy": found.accuracy.overall.value,
                "triplets": found.accuracy.overall.total,
                "mrr": found.row.measures["standard"]["mrr"],
                "twin": found.twin._asdict(),
                "rules": {rule: share.value for rule, share in found.accuracy.rules.items()},
            }
    return Run(results, among)


def _record(one: Run) -> dict[str, Any]:
    return {"results": [asdict(row) for row in one.results.rows], "among": plainly(one.among)}


def _read(
    file: Path, expected: Mapping[str, Any], protocol: Protocol, beside: Mapping[str, Mapping[str, Any]]
) -> Run | None:
    """Return the measures in a file, None where there is none."""
    try:
        found = json.loads(file.read_text("utf-8"))
        run = Run(Results.of(found["results"]), found["among"])
        found.setdefault("weights", expected["weights"])  # an earlier version did not note them
        other = [_OTHER[name] for name in expected if found[name] != expected[name]]
        if not other:
            _check_whole(run, protocol, beside)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise train.RunError(f"{file}: cannot be read: {reason}; remove it to measure again") from None
    if other:
        raise train.RunError(f"{file}: was made with {' and '.join(other)}; choose another folder")
    return run


def _check_whole(run: Run, protocol: Protocol, beside: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ``ValueError`` where measures lack a set, or the mutants of one."""
    sets = [one.name for one in protocol.sets]
    if [row.name for row in run.results.rows] != sets:
        raise ValueError("its results are not those of all sets")
    expected = {column: {name for name in sets if those.get(name)} for column, those in beside.items()}
    found = {column: set(those) for column, those in run.among.items()}
    if found != {column: names for column, names in expected.items() if names}:
        raise ValueError("its mutant accuracies are not those of all sets")
    for those in run.among.values():
        for one in those.values():
            if not all(isinstance(value, (int, float)) for value in (one["accuracy"], *one["rules"].values())):
                raise TypeError("a mutant accuracy that is no number")
