"""The only door to astmut: a program in, its mutants out, each as one replaced piece of text.

Run as a script it answers a stream of programs; ``workers.py`` starts it so. It must not import the package, and so
torch, or each worker would cost seconds and hundreds of megabytes.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import IO, Literal, NamedTuple, TypeAlias, get_args

import astmut

Mode: TypeAlias = Literal["each", "together"]
Library: TypeAlias = Literal["in-scope", "paper"]
LIBRARY_RULE = "substitute-library-function"  # the one rule with an option that matters here


class Piece(NamedTuple):
    """A mutant: characters ``start`` to ``end`` of the program replaced by ``text``, by this rule."""

    rule: str
    start: int
    end: int
    text: str


class Recipe(NamedTuple):
    """Which mutants to make of a program."""

    rules: tuple[str, ...]
    mode: Mode
    most: int | None
    seed: int
    library: Library = "in-scope"


class Refused(NamedTuple):
    """Stands for the mutants of a program that gives none: ``unparsable``, ``failed`` or ``died``, and why."""

    kind: str
    reason: str


def recipe(
    rules: Iterable[str] | str | None = None,
    groups: Iterable[str] | str = (),
    mode: Mode = "each",
    most: int | None = None,
    *,
    seed: int = 0,
    library: Library = "in-scope",
) -> Recipe:
    """Return the recipe for these rules and groups of rules, all rules where none is given.

    Raises:
        ValueError: an unknown rule, group, mode or library, or ``most`` where it has no meaning.
    """
    for what, given, known in (("mode", mode, get_args(Mode)), ("library", library, get_args(Library))):
        if given not in known:
            raise ValueError(f"no {what} {given!r}; there are: {', '.join(known)}")
    if most is not None and (most < 1 or mode != "each"):
        raise ValueError(f"most = {most}: must be at least 1, and goes with the mode each")
    names = None if rules is None else [rules] if isinstance(rules, str) else list(rules)
    try:
        chosen = astmut.choose(names, groups)
    except astmut.UnknownRuleError as error:
        raise ValueError(str(error)) from None
    return Recipe(tuple(rule.name for rule in chosen), mode, most, seed if most is not None else 0, library)


def version(rules: Iterable[str]) -> str:
    """Return what the mutants by these rules depend on besides program and recipe.

    That is the versions of astmut and Python, and a digest of the files that astmut and the rules are written in: who
    works on a rule does so at one version.
    """
    home = Path(astmut.__file__).parent
    files = {path for kind in ("*.py", "*.gz") for path in home.rglob(kind)}
    codes = (getattr(rule.rewrites, "__code__", None) for rule in astmut.choose(rules))
    files.update(Path(code.co_filename) for code in codes if code is not None)
    digest = blake2b(digest_size=16)
    for path in sorted(files):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + blake2b(path.read_bytes()).digest())
    return f"astmut {astmut.__version__} {digest.hexdigest()}, Python {sys.version_info[0]}.{sys.version_info[1]}"


def pieces(code: str, how: Recipe) -> list[Piece] | Refused:
    """Return all mutants of a program that a recipe asks for, or why there are none.

    Nothing but the death of the process gets out of here: what astmut or somebody's rule raises is ``failed``.
    """
    options = {LIBRARY_RULE: {"library": how.library}} if LIBRARY_RULE in how.rules else {}
    try:
        if how.most is None:
            found = astmut.mutate(code, rules=how.rules, mode=how.mode, options=options)
        else:
            found = astmut.mutate(code, rules=how.rules, mode="sample", count=how.most, seed=how.seed, options=options)
        return [_piece(mutant) for mutant in found]
    except astmut.ParseError as error:
        return Refused("unparsable", str(error))
    except Exception as error:  # noqa: BLE001 - whatever a rule of somebody else's may raise
        return Refused("failed", f"{type(error).__name__}: {error}")


def serve(lines: Iterable[str], out: IO[str]) -> None:
    """Answer programs, a JSON line each; the first line is the recipe, answered by what is wrong with it, if at all."""
    stream = iter(lines)
    rules, mode, most, seed, library = json.loads(next(stream))
    try:
        how, complaint = recipe(rules, (), mode, most, seed=seed, library=library), ""
    except ValueError as error:  # a rule that only the parent process knows
        how, complaint = Recipe((), "each", None, 0), str(error)
    print(json.dumps(complaint), file=out, flush=True)
    for line in stream:
        answer = pieces(json.loads(line), how)
        print(json.dumps({answer.kind: answer.reason} if isinstance(answer, Refused) else answer), file=out, flush=True)


def _piece(mutant: astmut.Mutant) -> Piece:
    """Return a mutant as one replacement, in characters; astmut counts bytes."""
    origin = mutant.origin
    start, end = mutant.edits[0].span.start, mutant.edits[-1].span.end
    before = len(origin.cut(0, start))
    return Piece(mutant.rule, before, before + len(origin.cut(start, end)), origin.splice(mutant.edits, start, end))


def _main(arguments: Sequence[str]) -> None:
    """Take over the parent's search path, so that the same astmut and the same plug-ins answer."""
    sys.path[:] = arguments
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends this one
    out, sys.stdout = sys.stdout, sys.stderr  # nothing that a rule prints may get between the answers
    serve(sys.stdin, out)


if __name__ == "__main__":
    _main(sys.argv[1:])
