"""The `astmut` command line. Results go to standard output, all else to standard error."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

import click

from astmut import __version__, cli_index, terminal
from astmut.terminal import ERROR, FINE, INTERRUPTED, NOTHING, TERMINATED, Failure

if TYPE_CHECKING:
    from astmut.engine import Mode, Stats  # keeps --help fast
    from astmut.rulebook import Rule  # keeps --help fast
    from astmut.task import Form, Item, Ranges, Row  # keeps --help fast


# As in astmut.rules, astmut.engine and astmut.substitutes, which --help does not import; a test compares them.
GROUPS = "sync, disco, natural, extra"
MODES = ("each", "together", "sample")
LIBRARIES = ("in-scope", "paper")
_SUBSTITUTE = "substitute-library-function"

_LINES = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?")
_ID = re.compile(r"[0-9a-f]{16}")
QUIET_SECONDS = 2.0  # after a Ctrl-C, another does nothing for so long


class Selection(NamedTuple):
    """What `mutate` and `sites` have in common: which files, which rules, which part, and how many processes."""

    paths: tuple[str, ...]
    rules: tuple[str, ...]
    groups: tuple[str, ...]
    without: tuple[str, ...]
    lines: Ranges
    function: str | None
    diff_base: str | None
    jobs: int
    library: str | None
    alternatives: int | None
    index_file: str | None


def _ranges(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> Ranges:
    """Return first and last line of each ``10-20`` or ``10``, counted from 1."""
    ranges = []
    for value in values:
        match = _LINES.fullmatch(value.strip())
        if match is None:
            raise click.BadParameter(f"{value!r} is not a range of lines such as 10-20")
        first, last = int(match[1]), int(match[2] or match[1])
        if first < 1:
            raise click.BadParameter(f"{value!r}: lines count from 1")
        if last < first:
            raise click.BadParameter(f"{value!r} ends before it begins")
        ranges.append((first, last))
    return tuple(ranges)


def _mutant_id(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return the id of a mutant."""
    if value is not None and _ID.fullmatch(value) is None:
        raise click.BadParameter(f"{value!r} is no id: those are sixteen of 0-9a-f, as in the first line of each diff")
    return value


def _names(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names in an option that may be given more than once, and hold several with commas between."""
    names = []
    for value in values:
        found = [name.strip() for name in value.split(",") if name.strip()]
        if not found:  # an empty variable of a shell must not mean all rules
            raise click.BadParameter("the name is empty")
        names += found
    return tuple(names)


def _selecting(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a ``Selection``, which it takes as its first parameter."""

    @wraps(function)
    def command(**options: Any) -> None:
        selection = Selection(**{name: options.pop(name) for name in Selection._fields})
        function(selection, **options)

    for add in (
        click.option("--jobs", "-j", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
                     help="Work in N processes. The result is the same."),
        click.option("--index", "index_file", type=click.Path(dir_okay=False), metavar="FILE",
                     help="Take library functions from an index of your own (`astmut index build`)."),
        click.option("--alternatives", type=click.IntRange(min=1), metavar="N",
                     help="At most N library functions for each call. Default: 10."),
        click.option("--library", type=click.Choice(LIBRARIES),
                     help="What substitute-library-function may call. in-scope (default): what the imports reach."
                     " paper: anything in the index."),
        click.option("--diff-base", metavar="REV", help="Only lines that changed since this git revision."),
        click.option("--function", metavar="NAME", help="Only in this function or class, such as Stack.push."),
        click.option("--lines", callback=_ranges, multiple=True, metavar="10-20",
                     help="Only what begins on these lines. Repeatable."),
        click.option("--without", callback=_names, multiple=True, metavar="TAG",
                     help="No change with this tag, such as trivial. Repeatable, and commas separate several."),
        click.option("--group", "-g", "groups", callback=_names, multiple=True, metavar="NAME",
                     help=f"All rules of a group: {GROUPS}. Repeatable."),
        click.option("--rule", "-r", "rules", callback=_names, multiple=True, metavar="NAME",
                     help="A rule by name; `astmut rules` lists them. Repeatable, and commas separate several."
                     " Default: all rules."),
        click.argument("paths", nargs=-1, required=True, metavar="PATH..."),
    ):  # fmt: skip
        add(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="astmut")
def commands() -> None:
    """Mutate Python source by its syntax tree, and change nothing else.

    Exit status: 0 fine, 1 nothing found, 2 error.
    """


@commands.command(short_help="Print mutants of Python files.")
@_selecting
@click.option("--mode", type=click.Choice(MODES), default="each", show_default=True,
              help="each: a mutant for each site. together: one for each rule, with all its sites changed."
              " sample: --max of them, drawn by --seed, the rules in turn.")  # fmt: skip
@click.option("--max", "count", type=click.IntRange(min=1), metavar="N",
              help="At most N mutants of each file. A sample has 10 unless told.")  # fmt: skip
@click.option("--seed", type=int, metavar="N", help="What the sample is drawn by. Default: 0.")
@click.option("--id", "wanted", callback=_mutant_id, metavar="ID", help="Of all these mutants, only the one named so.")
@click.option("--unparse", is_flag=True, help="Print mutants anew with ast.unparse, which loses the formatting.")
@click.option("--format", "form", type=click.Choice(["diff", "source", "jsonl"]),
              help="diff (default): patches. source: whole texts, behind a comment line each, unless the options"
              " allow one mutant only. jsonl: an object a line.")  # fmt: skip
@click.option("--with-text", is_flag=True, help="Put each mutant's whole text into its JSON line.")
@click.option("--in-place", is_flag=True, help="Write the mutant of --id into its file. Prints nothing.")
@click.option("--output", type=click.Path(file_okay=False), metavar="DIR",
              help="Write a file for each mutant, and mutants.jsonl, to a new or empty folder.")  # fmt: skip
@click.option("--stats", "show_stats", is_flag=True, help="Count sites, mutants and refusals on standard error.")
def mutate(
    selection: Selection,
    *,
    mode: Mode,
    count: int | None,
    seed: int | None,
    wanted: str | None,
    unparse: bool,
    form: Form | None,
    with_text: bool,
    in_place: bool,
    output: str | None,
    show_stats: bool,
) -> None:
    """Print mutants of Python files: each compiles, differs, and keeps all but its edits to the byte.

    A folder means all its *.py files, - means standard input. `# astmut: skip` behind a statement or
    block, and `# astmut: skip-file` anywhere, are honoured.

    \b
    astmut mutate shop.py --rule flip-comparators
    astmut mutate src --group sync --mode sample --max 5 --format jsonl
    astmut mutate src --diff-base main --output mutants --jobs 4
    astmut mutate shop.py --id 0123456789abcdef --in-place
    """  # noqa: D301 - click needs the character \b here: do not fill this paragraph
    _refuse_nonsense(selection.paths, form=form, with_text=with_text, in_place=in_place, output=output, wanted=wanted)
    if seed is not None and mode != "sample":  # the first mutants would be taken for a sample
        raise click.UsageError("--seed is for --mode sample")
    from astmut.task import Mutating  # keeps --help fast

    run = Run(selection)
    work = Mutating(
        run.where,
        mode=mode,
        seed=seed or 0,
        count=count,
        id=wanted,
        unparse=unparse,
        form="replacement" if in_place else "file" if output is not None else form or "diff",
        colour=_wants_colour(),
        terminal=_is_terminal(),
        titles=not (wanted is not None or run.gives_one(mode, count)),
        with_text=with_text,
    )
    if in_place:
        run.replace(work)
    elif output is not None:
        run.fill(work, output)
    else:
        run.print(work)
    if show_stats:
        terminal.say(_stats_table(run.stats))
    run.end("no mutants" if wanted is None else f"no mutant {wanted}, with these rules and this mode")


def _refuse_nonsense(
    paths: tuple[str, ...], *, form: str | None, with_text: bool, in_place: bool, output: str | None, wanted: str | None
) -> None:
    """Refuse options where one would cancel another."""
    if output is not None and not output:  # an empty variable of a shell must not mean the current folder
        raise click.UsageError("--output needs the name of a folder")
    if in_place and output is not None:
        raise click.UsageError("--in-place and --output exclude each other")
    if (in_place or output is not None) and form is not None:
        raise click.UsageError(
            f"--format is for what is printed; {'--in-place' if in_place else '--output'} prints nothing"
        )
    if in_place and wanted is None:
        raise click.UsageError("--in-place needs --id: one chosen mutant")
    if in_place and "-" in paths:
        raise click.UsageError("--in-place needs a file, not standard input")
    if with_text and form != "jsonl" and output is None:
        raise click.UsageError("--with-text is for --format jsonl and --output")


@commands.command(short_help="List the places where rules apply.")
@_selecting
@click.option("--format", "form", type=click.Choice(["text", "jsonl"]), default="text", show_default=True)
def sites(selection: Selection, *, form: Literal["text", "jsonl"]) -> None:
    """List the places in Python files where rules apply, and what they would write there.

    Nothing is checked yet: `astmut mutate` may refuse a few of them.

    \b
    astmut sites shop.py
    astmut sites src --group disco --function Stack.push
    """  # noqa: D301 - click needs the character \b here: do not fill this paragraph
    from astmut.task import Listing  # keeps --help fast

    run = Run(selection)
    run.print(Listing(run.where, form))
    run.end("no sites")


@commands.command(short_help="List the rules, or show one.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--group", "-g", "groups", callback=_names, multiple=True, metavar="NAME",
              help=f"Only rules of a group: {GROUPS}. Repeatable.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "jsonl"]), help="Default: text.")
@click.option("--markdown", is_flag=True, help="Print docs/rules.md.")
def rules(*, names: tuple[str, ...], groups: tuple[str, ...], form: str | None, markdown: bool) -> None:
    """List the rules; with names, show all that these say, examples included.

    \b
    astmut rules --group sync
    astmut rules if-to-body
    """  # noqa: D301 - click needs the character \b here: do not fill this paragraph
    if markdown and form is not None:
        raise click.UsageError("--markdown and --format exclude each other")
    from astmut import document, formats  # keeps --help fast

    chosen = _chosen(names, groups)
    if markdown:
        text = document.markdown(chosen)
    elif form == "jsonl":
        text = "".join(formats.json_line(document.row(rule)).decode() for rule in chosen)
    elif names:
        text = "\n".join(document.page(rule) for rule in chosen)
    else:
        text = document.table(chosen)
    with terminal.output() as write:
        write(text.encode())


def _chosen(names: Sequence[str], groups: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules of these names and groups, those of plug-ins included; all where none is given."""
    from astmut import UnknownRuleError, choose  # keeps --help fast

    try:
        return choose(names or None, groups)
    except UnknownRuleError as error:
        raise Failure(str(error)) from None


commands.add_command(cli_index.commands)


class Run:
    """One command at work: what it met on the way decides its exit status."""

    def __init__(self, selection: Selection) -> None:
        """Choose the rules and find the files."""
        from astmut.engine import Stats  # keeps --help fast
        from astmut.task import Where  # keeps --help fast

        self.stats: Stats = Stats()
        self.found = 0
        self.failed = False
        self.broken = 0
        self.without_function: list[str] = []
        self.selection = selection
        chosen = tuple(rule.name for rule in _chosen(selection.rules, selection.groups))
        self.where = Where(chosen, (), selection.without, selection.lines, selection.function, self._options(chosen))
        self.items = self._items()

    def _options(self, chosen: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """Return the options of rules. A broken index ends the command before any file is read."""
        selection = self.selection
        given = {"library": selection.library, "alternatives": selection.alternatives, "index": selection.index_file}
        options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if options and _SUBSTITUTE not in chosen:
            raise click.UsageError(f"--{next(iter(options))} is for {_SUBSTITUTE}, which is not among the chosen rules")
        if selection.index_file is not None:
            options["index"] = cli_index.at_hand(selection.index_file)
            cli_index.index_of(options["index"])
        return {_SUBSTITUTE: options} if options else {}

    def complain(self, message: str) -> None:
        """Report an error that costs one file only."""
        self.failed = True
        terminal.say(f"{message}\n")

    def gives_one(self, mode: Mode, count: int | None) -> bool:
        """Say whether the options allow one mutant at most, whatever is in the files."""
        from astmut.files import is_folder  # keeps --help fast

        paths = self.selection.paths
        alone = len(paths) == 1 and not is_folder(paths[0])
        return alone and (count == 1 or (mode == "together" and len(self.where.rules or ()) == 1))

    def _items(self) -> list[Item]:
        """Return the files to work on; those without a change since the revision of --diff-base are none."""
        from astmut.files import is_special, walk  # keeps --help fast
        from astmut.formats import quoted  # keeps --help fast
        from astmut.task import STDIN, Item  # keeps --help fast

        def unreadable(error: OSError) -> None:
            self.complain(f"{quoted(str(error.filename))}: {error.strerror}")

        items, base = [], self.selection.diff_base
        for path in walk(self.selection.paths, unreadable):
            if path == "-" and base is not None:
                raise click.UsageError("--diff-base needs files, not standard input")
            if path == "-" or is_special(path):  # which may be open to this process only
                name = STDIN if path == "-" else path
                try:
                    data = terminal.stdin() if path == "-" else terminal.read(path)
                except MemoryError:
                    self.complain(f"{quoted(name)}: out of memory")
                else:
                    items.append(Item(name, data))
            else:
                items.append(Item(path))
        return items if base is None else list(self._changed(items, base))

    def _changed(self, items: Iterable[Item], base: str) -> Iterator[Item]:
        """Yield the files with the lines that changed since a revision."""
        from astmut.files import is_file  # keeps --help fast
        from astmut.formats import quoted  # keeps --help fast
        from astmut.since import GitError, Since  # keeps --help fast

        since = Since(base)
        faults: dict[str, list[str]] = {}
        for item in items:
            try:
                changed = since.lines(item.path) if is_file(item.path) else None
            except GitError as error:
                faults.setdefault(str(error), []).append(quoted(item.path))
                continue
            if changed != ():
                yield item._replace(changed=changed)
        for fault, (first, *others) in faults.items():  # most often one for all files of a repository
            self.complain(f"--diff-base: {first}{f' and {len(others)} more' if others else ''}: {fault}")

    def rows(self, work: Callable[[Item], Iterable[Row]]) -> Generator[Any, None, None]:
        """Yield the results that are for the user, and keep account of the others."""
        from astmut import corpus, task  # keeps --help fast
        from astmut.formats import quoted  # keeps --help fast

        with closing(corpus.run(work, self.items, self.selection.jobs)) as results:
            for item, row in results:
                if isinstance(row, task.Counted):
                    self.stats.update(row.stats)
                elif isinstance(row, task.Noted):
                    terminal.say(f"{row.message}\n")
                elif isinstance(row, task.NoFunction):
                    self.without_function.append(row.message)
                elif isinstance(row, task.Failed | corpus.Died):
                    self.broken += 1
                    self.complain(row.message if isinstance(row, task.Failed) else f"{quoted(item.path)}: {row.reason}")
                else:
                    self.found += 1
                    yield row

    def print(self, work: Callable[[Item], Iterable[Row]]) -> None:
        """Write the results to standard output."""
        with terminal.output() as write, closing(self.rows(work)) as rows:
            for row in rows:
                write(row.data)

    def replace(self, work: Callable[[Item], Iterable[Row]]) -> None:
        """Write the one result into its file."""
        from astmut.files import is_special, replace  # keeps --help fast

        if len(self.items) != 1:
            raise Failure(f"--in-place needs exactly one file, here are {len(self.items)}")
        if is_special(self.items[0].path):
            raise Failure("--in-place needs a file, not a pipe or a device")
        for row in self.rows(work):
            with terminal.complaining():
                replace(self.items[0].path, *row)

    def fill(self, work: Callable[[Item], Iterable[Row]], folder: str) -> None:
        """Write the results into a new folder."""
        from astmut.files import Folder, folders  # keeps --help fast
        from astmut.task import STDIN  # keeps --help fast

        names = folders("stdin" if item.path == STDIN else item.path for item in self.items)
        self.items = [item._replace(folder=name) for item, name in zip(self.items, names, strict=True)]
        with terminal.complaining(), closing(Folder(folder)) as output, closing(self.rows(work)) as rows:
            for row in rows:
                output.add(*row)

    def end(self, nothing: str) -> NoReturn:
        """Leave with the exit status that the command has earned."""
        without = self.without_function
        if without and len(without) + self.broken == len(self.items):
            best = next((message for message in without if "did you mean" in message), without[0])
            self.complain(best + (f" ({len(without)} files searched)" if len(without) > 1 else ""))
        elif not self.found and not self.failed:
            terminal.say(f"{nothing}\n")
        sys.exit(ERROR if self.failed else FINE if self.found else NOTHING)


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _wants_colour() -> bool:
    return _is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _stats_table(stats: Stats) -> str:
    """Return the counts by rule, and the refusals by reason, as a table."""
    rows: list[tuple[str, ...]] = [("rule", "sites", "mutants", "refused")]
    for name in sorted(stats.sites):
        reasons = [f"{count} {why}" for (rule, why), count in sorted(stats.refused.items()) if rule == name]
        rows.append((name, str(stats.sites[name]), str(stats.mutants[name]), ", ".join(reasons) or "0"))
    totals = (stats.sites.total(), stats.mutants.total(), stats.refused.total())
    rows.append(("total", *map(str, totals)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = (f"{a:{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows)
    return "\n".join(lines) + "\n"


def _warn(message: Warning | str, *_: object) -> None:
    """Say what Python would print together with a line of astmut's own source: a plug-in that cannot be loaded."""
    terminal.say(f"astmut: {message}\n")


def _terminate(_signal: int, _frame: object) -> NoReturn:
    """Leave in order, or the workers would live on."""
    terminal.abandon_output()
    sys.exit(TERMINATED)


def _interrupts() -> Callable[[int, object], None]:
    """Return what Ctrl-C does: the first ends the command, and those of the next two seconds do not disturb its ending.

    A second one in a weak reference's callback, as where the workers go, would be printed as a traceback. A later one
    counts again, since the first may have come in such a place, where Python drops it.
    """
    first = -QUIET_SECONDS

    def interrupt(_signal: int, _frame: object) -> None:
        nonlocal first
        if time.monotonic() - first >= QUIET_SECONDS:
            first = time.monotonic()
            raise KeyboardInterrupt

    return interrupt


def main() -> None:
    """Run the command line: the program `astmut`."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell ignores it, as behind `&`
        signal.signal(signal.SIGINT, _interrupts())
    warnings.showwarning = _warn  # type: ignore[assignment] # it is told more than users want to know
    try:
        status = commands.main(prog_name="astmut", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # once is enough; Python's own end would complain of another
        terminal.abandon_output()
        status = INTERRUPTED
    except click.ClickException as error:
        if sys.stderr is not None:  # or click would take standard output
            with suppress(OSError):
                error.show()
        status = ERROR
    except OSError as error:
        terminal.abandon_output()
        terminal.say(f"astmut: {error.strerror or error}\n")
        status = ERROR
    sys.exit(status)
