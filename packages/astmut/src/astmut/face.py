"""The Python face: ``mutate`` and ``sites``."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, SupportsIndex

import astmut.rules  # noqa: F401 - which registers them
from astmut import engine
from astmut.engine import MODES, Mode, Stats
from astmut.model import Mutant, Site
from astmut.rulebook import Rule, choose, configured, listed, load_plugins, may_apply
from astmut.search import Found, find
from astmut.source import Program, Source, deeply
from astmut.where import LINES, wanted

__all__ = ["mutate", "sites"]

load_plugins()

_WITHOUT = "without is one or several tags, such as 'trivial', not {!r}"
UNPRINTABLE = "not-printed-by-unparse"
NONE: Mapping[str, Mapping[str, Any]] = {}


def sites(
    text: str | bytes | Program,
    *,
    rules: Iterable[str | Rule] | str | None = None,
    groups: Iterable[str] | str = (),
    without: Iterable[str] | str = (),
    lines: Iterable[tuple[int, int]] = (),
    function: str | None = None,
    options: Mapping[str, Mapping[str, Any]] = NONE,
) -> list[Site]:
    """Return every place where ``rules`` apply, in the order of the text, then of the rules' names.

    Nothing is checked yet: a few sites may turn out not to give a valid, changed, new program. See ``mutate`` for
    the parameters and the errors raised.
    """
    return _found(text, configured(choose(rules, groups), options), without, lines, function)[1].sites


def mutate(
    text: str | bytes | Program,
    *,
    rules: Iterable[str | Rule] | str | None = None,
    groups: Iterable[str] | str = (),
    without: Iterable[str] | str = (),
    mode: Mode = "each",
    seed: int = 0,
    count: int | None = None,
    lines: Iterable[tuple[int, int]] = (),
    function: str | None = None,
    options: Mapping[str, Mapping[str, Any]] = NONE,
    check: bool = True,
    unparse: bool = False,
    stats: Stats | None = None,
) -> Iterator[Mutant]:
    """Yield mutants of a Python program, each of them valid, changed, and different from all others.

    Args:
        text: the program, or the ``Source`` that was made of it; bytes are decoded by byte order mark or coding
            cookie. Never imported or run.
        rules: names of rules, or ``Rule`` objects; all rules where neither rules nor groups are given. Order has
            no influence.
        groups: names of groups of rules.
        without: tags: no site that has one of them, ``trivial`` for instance.
        mode: ``each``, one mutant a site; ``together``, one mutant a rule, with all its sites changed (SYNC,
            algorithm 1); ``sample``, ``count`` mutants drawn by ``seed``, the rules in turn.
        seed: of ``sample``. The same seed gives the same mutants on every machine; a larger ``count`` begins with
            the mutants of a smaller one.
        count: stop after so many mutants; ``sample`` takes 10 where none is given.
        lines: only sites that begin on these lines, each a pair of first and last line, from 1.
        function: only sites in the function or class of this qualified name.
        options: of rules, by the rule's name: ``{"substitute-library-function": {"library": "paper"}}``.
        check: compile each mutant, and compare its tree with the source's and with its siblings'. Without the
            check a few in ten thousand are not Python.
        unparse: print each mutant anew with ``ast.unparse``, as the paper's method does, which loses the author's
            formatting. For measuring how much that gives away. What it cannot print is left out, and counted.
        stats: counts of sites, mutants, and refusals by rule and reason are added to it.

    Raises:
        ParseError: the text cannot be decoded, or Python cannot parse it; or libcst cannot, which is asked only where
            a look at the text does not rule out that there are sites.
        UnknownRuleError, UnknownFunctionError, UnknownOptionError: there is nothing of that name; the message suggests
            what there is.
        ValueError: an unknown mode, a negative count, or an option's value that its rule refuses.
        TypeError: an argument is nothing of its kind: ``text`` no text, ``lines`` no pairs, ``count`` no whole number.
        RuleError: a rule, of your own perhaps, gave what is no change of the text.
    """
    if mode not in MODES:
        raise ValueError(f"no mode named {mode!r}; there are: {', '.join(MODES)}")
    if not isinstance(count, int | None):
        raise TypeError(f"count must be a whole number, not {count!r}")
    if count is not None and count < 0:
        raise ValueError(f"count is {count}; there are no fewer than 0 mutants")
    if mode == "sample" and not isinstance(seed, SupportsIndex):
        raise TypeError(f"seed must be a whole number, not {seed!r}")
    if stats is not None and not isinstance(stats, Stats):
        raise TypeError(f"stats must be an astmut.Stats, not {stats!r}")
    chosen = configured(choose(rules, groups), options)
    source, found = _found(text, chosen, without, lines, function, together=mode == "together", check=check)
    stats = Stats() if stats is None else stats
    stats.sites.update([site.rule for site in found.sites])
    if source is None:
        return iter(())
    if mode == "each":
        mutants = engine.each(source, chosen, found, stats, check=check)
    elif mode == "together":
        mutants = engine.together(source, chosen, found, stats, check=check)
    else:
        mutants = engine.sample(
            source, chosen, found, stats, seed=seed, count=10 if count is None else count, check=check
        )
    return islice(
        _reprinted(mutants, stats) if unparse else mutants, None if count is None else min(count, sys.maxsize)
    )


def _found(
    text: str | bytes | Program,
    chosen: tuple[Rule, ...],
    without: Iterable[str] | str,
    lines: Iterable[tuple[int, int]],
    function: str | None,
    *,
    together: bool = False,
    check: bool = False,
) -> tuple[Source | None, Found]:
    """Return the parsed text and the sites in it; None where a look at its tokens says that there are none.

    For a ``check`` of mutants the text is compiled as well: now, so that what is wrong with it is said at once, and
    before libcst has parsed it, since the two together would take more memory.
    """
    lines = listed(lines, LINES)
    tags = _tags(without)
    look = function is None and not lines  # a function that is asked for is looked for in the tree

    def may_have_sites(value: str) -> bool:
        return not look or may_apply(chosen, value)

    if isinstance(text, Program):
        program = text
    else:
        program = Program(text, compiled=check and (not isinstance(text, str) or may_have_sites(text)))
    if not isinstance(program, Source) and not may_have_sites(program.text.value):
        return None, Found([], [], [])
    if check:
        _ = program.defect
    source = program if isinstance(program, Source) else Source(program)
    found = find(source, chosen, wanted(source, lines, function), together=together)
    return source, found.of([tags.isdisjoint(site.tags) for site in found.sites]) if tags else found


def _tags(without: Iterable[str] | str) -> frozenset[str]:
    """Return the tags that no site may have. Raises ``TypeError`` for what is no text."""
    tags = [without] if isinstance(without, str) else listed(without, _WITHOUT)
    if not all(isinstance(tag, str) for tag in tags):
        raise TypeError(_WITHOUT.format(without))
    return frozenset(tags)


def _reprinted(mutants: Iterable[Mutant], stats: Stats) -> Iterator[Mutant]:
    for mutant in mutants:
        tree = ast.parse(mutant.text.removeprefix("\ufeff"))
        try:
            text = _unparsed(tree)
        except (RecursionError, ValueError):  # before 3.12 it finds no quotes for some strings in f-strings
            stats.mutants[mutant.rule] -= 1
            stats.refused[mutant.rule, UNPRINTABLE] += 1
        else:
            yield replace(mutant, reprinted=text)


def _unparsed(tree: ast.Module) -> str:
    try:
        return ast.unparse(tree)
    except RecursionError:  # a sum of a few hundred numbers is enough
        return deeply(lambda: ast.unparse(tree))
