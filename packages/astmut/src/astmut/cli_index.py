"""`astmut index`: build an index of library functions, and ask it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from astmut.terminal import FINE, Failure, complaining, output, read, say

if TYPE_CHECKING:
    from astmut.library.index import Index, Neighbour  # keeps --help fast

COMMITTED_PACKAGES = ("matplotlib", "numpy", "pandas", "python", "requests", "scipy", "sklearn", "torch")
_INDEX = click.option("--index", "path", type=click.Path(dir_okay=False), metavar="FILE",
                      help="Another index than astmut's own.")  # fmt: skip


@click.group("index", short_help="Build an index of library functions, and ask it.")
def commands() -> None:
    """Signatures of library functions, which substitute-library-function chooses from."""


@commands.command(short_help="Read the signatures of packages into a file.")
@click.argument("packages", nargs=-1, metavar="[PACKAGE]...")
@click.option("--output", "-o", "file", type=click.Path(dir_okay=False), required=True, metavar="FILE",
              help="The index, such as my.jsonl.gz.")  # fmt: skip
@click.option("--path", "folders", type=click.Path(exists=True, file_okay=False), multiple=True, metavar="DIR",
              help="Look for packages here first. Repeatable. Default: where this Python looks, and here.")  # fmt: skip
@click.option("--manifest", type=click.Path(dir_okay=False), metavar="FILE",
              help="Also write versions and counts, readable.")  # fmt: skip
def build(*, packages: tuple[str, ...], file: str, folders: tuple[str, ...], manifest: str | None) -> None:
    """Read the functions of packages from their sources and stubs; nothing of them is imported or run.

    PACKAGE is the name that is imported (sklearn); python is the standard library. Without one, those of astmut's
    own index that are installed. Needs `pip install astmut[index]`.

    \b
    astmut index build mypkg -o my.jsonl.gz
    astmut index build -o all.jsonl.gz
    """  # noqa: D301 - click needs the character \b here: do not fill this paragraph
    try:
        from astmut.library.build import BuildError, build  # keeps --help fast
    except ModuleNotFoundError as error:
        raise Failure(f"{error.name} is not installed: pip install 'astmut[index]'") from None
    from astmut import files  # keeps --help fast
    from astmut.library.index import packed  # keeps --help fast

    with complaining():  # before all is read, which may take minutes
        for name in (file, manifest):
            if name is not None:
                files.check(Path(name))
    paths = [*map(Path, folders), *(Path(entry) for entry in sys.path if entry and Path(entry).is_dir()), Path()]
    try:
        signatures, report = build(packages or COMMITTED_PACKAGES, paths, missing_ok=not packages)
    except BuildError as error:
        raise Failure(str(error)) from None
    for module, reason in report.skipped:
        say(f"left out {module}: {reason}\n")
    if not signatures:
        raise Failure("there are no public functions in what was read")
    head, data = packed(signatures, report.packages, report.built_with)
    with complaining():
        files.write(Path(file), data)
        if manifest is not None:
            files.write(Path(manifest), f"{json.dumps(head, indent=1)}\n".encode())
    say(f"{head['functions']} functions, {head['with_return_type']} with a return type\n")
    sys.exit(FINE)


@commands.command(short_help="List the functions nearest to one.")
@click.argument("name")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="How many.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@_INDEX
def nearest(*, name: str, k: int, form: Literal["text", "json"], path: str | None) -> None:
    """List the functions nearest to one by name and signature, with the three parts of the score.

    \b
    astmut index nearest json.dumps -k 3
    """  # noqa: D301 - click needs the character \b here: do not fill this paragraph
    from astmut.library.index import UnknownSignatureError  # keeps --help fast

    index = index_of(at_hand(path))
    try:
        mine, found = index[name], index.nearest(name, k)
    except UnknownSignatureError as error:
        raise Failure(str(error)) from None
    if form == "json":
        document = {"name": name, "signature": str(mine), "nearest": [_object(each) for each in found]}
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    else:
        text = f"{mine}\n\n{_table(found)}"
    with output() as write:
        write(text.encode())


@commands.command(short_help="Say what is in an index.")
@_INDEX
def info(*, path: str | None) -> None:
    """Say how many functions of which packages an index has.

    \b
    astmut index info
    astmut index info --index my.jsonl.gz
    """  # noqa: D301 - click needs the character \b here: do not fill this paragraph
    index = index_of(at_hand(path))
    counts = Counter(package for *_, package in index.rows)
    lines = [f"{package:12}  {counts[package]:>6}  {version}\n" for package, version in index.packages.items()]
    typed = sum(bool(returns) for *_, returns, _ in index.rows)
    total = f"{'total':12}  {len(index):>6}  {typed} with a return type\n"
    with output() as write:
        write("".join([*lines, total]).encode())


def at_hand(path: str | None) -> str | None:
    """Return the path of an index that can be read more than once, by every process: of a copy, where it is a pipe.

    The copy has the name of the pipe and goes when the command ends.
    """
    from tempfile import TemporaryDirectory  # keeps --help fast

    from astmut.files import is_folder, is_special  # keeps --help fast

    if path is None or not is_special(path) or is_folder(path):
        return path
    folder = click.get_current_context().with_resource(TemporaryDirectory(prefix="astmut-"))
    copy = Path(folder, Path(path).name)
    with complaining():
        copy.write_bytes(read(path))
    return str(copy)


def index_of(path: str | None) -> Index:
    """Return an index, read whole, so that a broken file is known at once."""
    from astmut.library.index import IndexFileError, opened  # keeps --help fast

    try:
        with complaining():
            index = opened(path)
            _ = index.rows
    except IndexFileError as error:
        raise Failure(str(error)) from None
    return index


def _table(found: list[Neighbour]) -> str:
    lines = [f"{'score':>5}  {'name':>4}  {'type':>4}  {'parameters':>10}  function\n"]
    for other, score in found:
        name, returns, parameters = score
        lines.append(f"{score.total:5.3f}  {name:4.2f}  {returns:4.2f}  {parameters:10.2f}  {other.qualified_name}\n")
    return "".join(lines)


def _object(one: Neighbour) -> dict[str, Any]:
    signature, score = one
    return {
        "name": signature.qualified_name,
        "score": score.total,
        "parts": score._asdict(),
        "signature": str(signature),
        "aliases": list(signature.aliases),
        "package": signature.package,
        "version": signature.version,
    }
