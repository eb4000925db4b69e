"""The `synctrain` command line."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from synctrain import __version__

F = TypeVar("F", bound=Callable[..., Any])

SIMILARITIES = ["cos", "dot", "neg_l2"]
SIMILARITY = click.option(
    "--similarity", type=click.Choice(SIMILARITIES), help="The one that the model was trained for by default."
)
MAX_LENGTH = click.option(
    "--max-length", type=click.IntRange(8), help="Tokens of a text, at most; as in training by default."
)
OUTPUT = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the results as JSON."
)


def _mode(default: str) -> Callable[[F], F]:
    return click.option(
        "--mode",
        type=click.Choice(["together", "each"]),
        default=default,
        show_default=True,
        help="One mutant a rule, with all its places changed, or one a place.",
    )


MODE = _mode("together")
SEED = click.IntRange(0, 2**64 - 1)
CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="synctrain")
def main() -> None:
    """Train code search models with hard negatives made by astmut, and measure them."""


@main.command()
@click.option(
    "--preset",
    default=None,
    help="Settings to begin with; best by default, scratch for bow, cnn, rnn.",
)
@click.option(
    "--config", "files", multiple=True, type=click.Path(dir_okay=False, path_type=Path), help="A TOML file of settings."
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One setting, such as optim.rate=2e-5.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("run"), show_default=True)
@click.option("--resume", is_flag=True, help="Go on with the run in --out from its last checkpoint.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--show", is_flag=True, help="Print the settings as JSON and do nothing.")
def fit(
    preset: str | None,
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    out: Path,
    resume: bool,
    quiet: bool,
    show: bool,
) -> None:
    """Train a model on pairs of questions and code.

    Without arguments: the preset `best` on functions of the standard library, or `scratch` where the encoder begins
    from nothing, as it does without a pretrained one. Writes to --out the settings, a line
    of JSON a step (log.jsonl), checkpoints, the best model (model/, for transformers and sentence-transformers), and
    the measures before and after (report.json). Ctrl-C saves; --resume goes on as if it had never stopped. For
    several processes, on GPUs or on CPUs: `accelerate launch --multi_gpu --num_processes N -m synctrain fit` or
    `torchrun --nproc_per_node N -m synctrain fit` (`accelerate launch --cpu` starts a single one, whatever N).
    """
    with _errors():
        from synctrain import build, report, train  # keeps --help fast
        from synctrain import config as configs  # keeps --help fast

        if resume:
            if preset or files or settings:
                raise click.UsageError("a resumed run keeps its settings: leave out --preset, --config and --set")
            chosen = train.settings_of(out)
        else:
            chosen = configs.load(preset or (None if files else "best"), files, settings)
            if not (preset or files) and build.is_scratch(chosen):
                chosen = configs.load("scratch", (), settings)
        if show:
            click.echo(json.dumps(configs.plain(chosen), indent=2))
            return
        outcome = train.train(
            chosen, out, resume=resume, quiet=quiet, given=settings, say=_say, progress=_progress(quiet=quiet)
        )
        if outcome.table is not None:
            report.show(outcome.table)
        if outcome.verdict:
            _say(outcome.verdict)
        if outcome.ended.interrupted:
            sys.exit(130)
        if outcome.verdict:
            _say(f"the model is in {out / train.MODEL}")


@main.command()
@click.argument("model")
@click.option("--data", "folders", multiple=True, required=True, help="A retrieval set (corpus, queries, qrels).")
@click.option("--in-domain", multiple=True, help="Name of a set that the model was trained for.")
@click.option("--convention", type=click.Choice(["standard", "paper_compat"]), default="standard", show_default=True)
@SIMILARITY
@MAX_LENGTH
@click.option(
    "--distractors", multiple=True, metavar="NAME", help="Put mutants by this rule or group in the corpus, or by all."
)
@click.option("--without", multiple=True, metavar="NAME", help="Leave out the mutants by this rule or group.")
@MODE
@click.option("--most", type=click.IntRange(1), help="Mutants of one document with --mode each, at most.")
@click.option("--zero-shot", default=None, metavar="MODEL", help="Another model to measure beside it.")
@OUTPUT
def evaluate(
    model: str,
    folders: tuple[str, ...],
    in_domain: tuple[str, ...],
    convention: Any,
    similarity: Any,
    max_length: int | None,
    distractors: tuple[str, ...],
    without: tuple[str, ...],
    mode: Any,
    most: int | None,
    zero_shot: str | None,
    output: Path | None,
) -> None:
    """Measure MODEL on retrieval sets: MRR, NDCG, recall@5 and @10, beside BM25."""
    with _errors():
        from synctrain import measure, report  # keeps --help fast

        _check_output(output)
        found = measure.measure(
            {"BM25": None, **({zero_shot: zero_shot} if zero_shot else {}), model: model},
            folders,
            similarity=similarity,
            max_length=max_length,
            distractors=_distractors(distractors, without, mode, most),
            in_domain=in_domain,
            say=_say,
            progress=_progress(quiet=False),
        )
        report.show(report.table(found.results, in_domain, convention=convention, mutants=found.among or None))
        if found.among:
            for name in next(iter(found.among.values())):
                report.show(report.rules({m: sets[name] for m, sets in found.among.items()}, title=name))
        if output:
            report.write_json(output, found.record())


def _check_output(output: Path | None) -> None:
    """Refuse a file of results that cannot be written, before there are any."""
    from synctrain.files import check_file  # keeps --help fast

    if output:
        check_file(output)


def _check_most(most: int | None, mode: str) -> None:
    """Refuse a largest number of mutants where there is one a rule."""
    if most and mode != "each":
        raise click.UsageError("--most goes with --mode each")


def _distractors(names: tuple[str, ...], without: tuple[str, ...], mode: Any, most: int | None) -> Any:
    """Return which mutants are wanted, None for none."""
    from synctrain.measure import Distractors  # keeps --help fast

    if not names:
        if without or most:
            raise click.UsageError("--without and --most go with --distractors")
        return None
    _check_most(most, mode)
    return Distractors(() if "all" in names else names, without, mode, most)


@main.command()
@click.option("--encoder", default="auto", show_default=True, help="What all rows begin with.")
@click.option("--train", "train_on", multiple=True, required=True, help="Pairs: a file, a folder, hf:NAME.")
@click.option("--test", "test_on", multiple=True, required=True, help="A retrieval set (corpus, queries, qrels).")
@click.option("--row", "rows", multiple=True, help="A preset, or NAME=FILE.toml; all baselines by default.")
@click.option("--seed", "seeds", multiple=True, type=SEED, help="One run a seed; 0, 1 and 2 by default.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of all rows: optim.steps=130.")
@click.option("--against", default=None, help="The row to test against; the first one by default.")
@click.option("--in-domain", multiple=True, help="Name of a set; those in folders trained on by default.")
@click.option(
    "--distractors",
    default="sync",
    show_default=True,
    help="A rule or group, with all others as a second column; or all.",
)
@MODE
@click.option("--most", type=click.IntRange(1), help="Mutants of one document with --mode each, at most.")
@click.option("--documents", type=click.IntRange(1), help="Cut larger test sets to so many documents.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("baselines"), show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the table as JSON, too.")
def baselines(
    encoder: str,
    train_on: tuple[str, ...],
    test_on: tuple[str, ...],
    rows: tuple[str, ...],
    seeds: tuple[int, ...],
    settings: tuple[str, ...],
    against: str | None,
    in_domain: tuple[str, ...],
    distractors: str,
    mode: Any,
    most: int | None,
    documents: int | None,
    out: Path,
    output: Path | None,
) -> None:
    """Train recipes at equal steps and seeds and print one table: MRR, and accuracy among mutants.

    Every run stays in --out with its measures: the same command goes on where it was stopped, and adds rows or seeds.
    """
    with _errors():
        from synctrain import baselines as protocol  # keeps --help fast
        from synctrain import report  # keeps --help fast

        _check_most(most, mode)
        chosen = rows or protocol.ROWS
        runs = tuple(dict.fromkeys(seeds)) or (0, 1, 2)
        protocol.check_out(out, chosen, runs)
        _check_output(output)
        recipes, common = protocol.plan(
            chosen,
            train_on=train_on,
            test_on=test_on,
            encoder=encoder,
            settings=settings,
            seeds=runs,
            against=against or chosen[0].partition("=")[0],
            in_domain=in_domain or None,
            distractors=distractors,
            mode=mode,
            most=most,
            documents=documents,
            say=_say,
            progress=_progress(quiet=False),
        )
        try:
            compared = protocol.run(recipes, common, out, _say)
        except protocol.StoppedError as stopped:
            _say(str(stopped))
            sys.exit(130)
        report.show(compared.table())
        if output:
            report.write_json(output, compared.record())


@main.command()
@click.argument("model")
@click.option("--data", "files", multiple=True, required=True, help="Pairs: a file, a folder, hf:NAME.")
@click.option("--rule", "rules", multiple=True, help="A rule of astmut.")
@click.option("--group", "groups", multiple=True, help="A group of rules; sync where neither is given.")
@_mode("each")
@SIMILARITY
@MAX_LENGTH
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A Parquet file.")
def mine(
    model: str,
    files: tuple[str, ...],
    rules: tuple[str, ...],
    groups: tuple[str, ...],
    mode: Any,
    similarity: Any,
    max_length: int | None,
    output: Path,
) -> None:
    """Write the mutants of each pair's code with their scores under MODEL as Parquet (needs synctrain[parquet])."""
    with _errors():
        from synctrain import measure  # keeps --help fast

        count = measure.mine(
            model,
            files,
            output,
            rules=rules,
            groups=groups or (() if rules else ("sync",)),
            mode=mode,
            similarity=similarity,
            max_length=max_length,
            say=_say,
            progress=_progress(quiet=False),
        )
        _say(f"{count:,} mutants with their scores in {output}")


@main.command()
@click.argument("model")
@click.option("--data", "files", multiple=True, required=True, help="Pairs: a file, a folder, hf:NAME.")
@click.option("--rule", "rules", multiple=True, help="A rule of astmut.")
@click.option("--group", "groups", multiple=True, help="A group of rules; all rules where neither is given.")
@click.option("--top", type=click.IntRange(1), default=12, show_default=True, help="Rules to select.")
@click.option("--at-least", type=click.IntRange(1), default=10, show_default=True, help="Triplets of a rule to select.")
@MODE
@SIMILARITY
@MAX_LENGTH
@OUTPUT
def difficulty(
    model: str,
    files: tuple[str, ...],
    rules: tuple[str, ...],
    groups: tuple[str, ...],
    top: int,
    at_least: int,
    mode: Any,
    similarity: Any,
    max_length: int | None,
    output: Path | None,
) -> None:
    """Show how often MODEL tells code from its mutants, the hardest rule first, and select the hardest ones.

    The last two lines are settings that train with the rules selected, for a file that `synctrain fit --config` reads.
    """
    with _errors():
        from synctrain import probe, report  # keeps --help fast

        _check_output(output)
        found = probe.difficulty(
            model,
            files,
            rules=rules,
            groups=groups,
            mode=mode,
            top=top,
            at_least=at_least,
            similarity=similarity,
            max_length=max_length,
            say=_say,
            progress=_progress(quiet=False),
        )
        report.show(found.table())
        if output:
            report.write_json(output, found.record())
        click.echo(found.settings())


@main.command()
@click.argument("model")
@click.option("--data", "files", multiple=True, required=True, help="Pairs: a file, a folder, hf:NAME.")
@click.option("--rule", "rules", multiple=True, help="A rule of astmut.")
@click.option("--group", "groups", multiple=True, help="A group of rules; sync where neither is given.")
@click.option("--longer-than", type=click.IntRange(0), default=30, show_default=True, help="Characters of code.")
@click.option("--snippets", type=click.IntRange(2), default=100, show_default=True, help="Of a rule, at most.")
@click.option("--combinations", type=click.IntRange(1), default=200, show_default=True, help="Of a rule, at most.")
@click.option("--seed", type=SEED, default=42, show_default=True)
@MAX_LENGTH
@OUTPUT
def analogies(
    model: str,
    files: tuple[str, ...],
    rules: tuple[str, ...],
    groups: tuple[str, ...],
    longer_than: int,
    snippets: int,
    combinations: int,
    seed: int,
    max_length: int | None,
    output: Path | None,
) -> None:
    """Ask MODEL analogies: a is to its mutant b as c is to d, so c + b - a should be near d.

    By cosine and by distance, beside controls that know nothing of a and b: a model knows a rule as a direction only as
    far as it is above them.
    """
    with _errors():
        from synctrain import probe, report  # keeps --help fast

        _check_output(output)
        found = probe.analogies(
            model,
            files,
            rules=rules,
            groups=groups or (() if rules else ("sync",)),
            longer_than=longer_than,
            snippets=snippets,
            combinations=combinations,
            seed=seed,
            max_length=max_length,
            say=_say,
            progress=_progress(quiet=False),
        )
        for laid in found.tables():
            report.show(laid)
        if output:
            report.write_json(output, found.record())


@main.command()
@click.argument("targets", nargs=-1, required=True)
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help=".jsonl or .jsonl.gz"
)
@click.option("--tests", is_flag=True, help="Take test files too.")
def harvest(targets: tuple[str, ...], output: Path, tests: bool) -> None:
    """Write pairs of docstring and function from TARGETS: folders, files, installed packages, or `stdlib`.

    Nothing is imported or run. Functions without a usable docstring and duplicates are left out, and counted.
    """
    with _errors():
        from synctrain import data, types  # keeps --help fast

        target = data.pairs_target(output)  # before the work, not behind it
        found = data.harvest(list(targets), tests=tests)
        if not found.pairs:  # an empty file would only be refused later, and what is there may be wanted
            raise types.DataError(f"{', '.join(targets)}: no pairs, and nothing written; left out: {found.skipped}")
        data.write_pairs(target, found.pairs, found.extra)
        _say(f"{len(found.pairs):,} pairs in {output}")
        left_out = "; ".join(f"{n:,} {reason}" for reason, n in found.skipped.most_common())
        if left_out:
            _say(f"left out: {left_out}")


@main.command()
@click.argument("model")
@click.argument("tree")
@click.argument("query")
@click.option("-k", "count", type=click.IntRange(1), default=5, show_default=True, help="Answers.")
@SIMILARITY
@MAX_LENGTH
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def search(model: str, tree: str, query: str, count: int, similarity: Any, max_length: int | None, form: str) -> None:
    """Find the functions of TREE (a folder, a package, or `stdlib`) that answer QUERY best.

    The vectors of a tree are kept, so a second question is answered at once.
    """
    with _errors():
        from synctrain import excerpt, measure  # keeps --help fast

        hits = measure.search(model, tree, query, count, similarity=similarity, max_length=max_length, say=_say)
        for hit in hits:
            entry = hit.entry
            if form == "json":
                about = {"path": entry.path, "name": entry.name, "first": entry.first, "last": entry.last}
                click.echo(json.dumps({**about, "score": round(hit.score, 4), "code": entry.code}))
                continue
            excerpt.show(hit)


@contextmanager
def _errors() -> Iterator[None]:
    """Turn what a user can mend into one line and exit status 2; everything else is a bug and shows itself."""
    from transformers import utils  # keeps --help fast

    from synctrain import checkpoint, config, encoders, loop, train, types  # keeps --help fast

    logging: Any = utils.logging  # without types
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 must not cost the results
    known = (
        types.DataError,
        config.ConfigError,
        encoders.ModelError,
        train.RunError,
        loop.TrainingError,
        checkpoint.CheckpointError,
        OSError,
    )
    try:
        yield
    except click.ClickException:
        raise
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone, and Python must not complain of it
        sys.exit(1)
    except known as error:
        click.echo(f"synctrain: {' '.join(str(error).split())}", err=True)
        sys.exit(2)


def _say(text: str) -> None:
    """Tell the user something, where results are not."""
    click.echo(text, err=True)


def _progress(*, quiet: bool) -> Callable[[int, int], None] | None:
    """Return a progress display for mutants: one line that grows, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        return None

    def show(done: int, of: int) -> None:
        if done == of or done % 50 == 0:
            click.echo(f"\rmutants of {done:,} of {of:,} snippets", nl=done == of, err=True)

    return show
