"""Mutants, spliced from text, each let through by the check: the three modes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from astmut.cell import INVALID, UNENCODABLE
from astmut.check import Checker
from astmut.compose import compose
from astmut.model import Mutant, Site
from astmut.rulebook import Rule
from astmut.search import Found
from astmut.source import Source
from astmut.warned import quiet

Mode: TypeAlias = Literal["each", "together", "sample"]
MODES: tuple[Mode, ...] = ("each", "together", "sample")

# Mutants are judged in batches, so that the compiler's warnings are switched off once for many of them.
BATCH = 64

# A site that is refused for one of these would have any mutant refused that it takes part in.
_SPOIL = frozenset({INVALID, UNENCODABLE})


@dataclass(slots=True)
class Stats:
    """What became of the sites: found, made into mutants, refused by rule and reason.

    ``refused`` counts mutants; with the mode together also the sites that one does without.
    """

    sites: Counter[str] = field(default_factory=Counter)
    mutants: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)

    def update(self, other: Stats) -> None:
        """Add the counts of ``other``."""
        self.sites.update(other.sites)
        self.mutants.update(other.mutants)
        self.refused.update(other.refused)


def each(source: Source, rules: Sequence[Rule], found: Found, stats: Stats, *, check: bool) -> Iterator[Mutant]:
    """Yield one mutant for each site."""
    groups = {rule.name: rule.groups for rule in rules}
    text = source.text
    if not check:
        for site in found.sites:
            stats.mutants[site.rule] += 1
            yield Mutant(site.rule, groups[site.rule], (site,), site.edits, text)
        return
    if not found.sites:
        return  # to look for the cells would be a tenth of a snippet's cost
    checker = Checker(source)
    for first in range(0, len(found.sites), BATCH):
        batch, numbers = found.sites[first : first + BATCH], found.numbers[first : first + BATCH]
        with quiet():
            reasons = [checker.verdict(site.edits, at) for site, at in zip(batch, numbers, strict=True)]
        for site, reason in zip(batch, reasons, strict=True):
            if reason:
                stats.refused[site.rule, reason] += 1
            else:
                stats.mutants[site.rule] += 1
                yield Mutant(site.rule, groups[site.rule], (site,), site.edits, text)


def together(source: Source, rules: Sequence[Rule], found: Found, stats: Stats, *, check: bool) -> Iterator[Mutant]:
    """Yield one mutant for each rule that has sites: all of them changed at once (SYNC, algorithm 1).

    Each site takes part with its first choice. Where the whole is invalid, sites that are so alone are left out and
    counted, and the rest is tried once more.
    """
    checker = Checker(source)
    for rule in sorted(rules, key=lambda rule: rule.name):
        wishes = zip(found.sites, found.numbers, found.together, strict=True)
        mine = [wish for wish in wishes if wish[0].rule == rule.name and wish[0].choice == 0]
        if not mine:
            continue
        edits, sites = compose(source, mine)
        if not edits:
            continue
        if check:
            with quiet():
                reason = checker.combined(edits)
                if reason in _SPOIL:
                    alone = Checker(source)
                    verdicts = [alone.verdict(site.edits, at) for site, at, _ in mine]
                    good = [wish for wish, verdict in zip(mine, verdicts, strict=True) if verdict not in _SPOIL]
                    if good and len(good) < len(mine):
                        stats.refused.update((rule.name, verdict) for verdict in verdicts if verdict in _SPOIL)
                        edits, sites = compose(source, good)
                        reason = checker.combined(edits)
            if reason:
                stats.refused[rule.name, reason] += 1
                continue
        stats.mutants[rule.name] += 1
        yield Mutant(rule.name, rule.groups, sites, edits, source.text)


def sample(
    source: Source, rules: Sequence[Rule], found: Found, stats: Stats, *, seed: int, count: int, check: bool
) -> Iterator[Mutant]:
    """Yield ``count`` mutants, each rule in turn, drawn without replacement.

    A site's place in the draw is a hash of seed, source, rule and edits, so that neither the order of rules nor
    the number of processes matters, and a larger sample begins with the smaller one.
    """

    def rank(one: tuple[Site, int]) -> bytes:
        site, _ = one
        key = f"{seed} {source.text.digest} {site.rule} {site.span} {site.choice} {site.edits}"
        return hashlib.blake2b(key.encode(), digest_size=16).digest()

    def turn(rule: str) -> bytes:
        return hashlib.blake2b(f"{seed} {source.text.digest} {rule}".encode(), digest_size=16).digest()

    queues: dict[str, list[tuple[Site, int]]] = {}
    for one in zip(found.sites, found.numbers, strict=True):
        queues.setdefault(one[0].rule, []).append(one)
    draws = [iter(sorted(queues[rule], key=rank)) for rule in sorted(queues, key=turn)]
    groups = {rule.name: rule.groups for rule in rules}
    checker = Checker(source)
    while draws and count > 0:
        for draw in list(draws):
            for site, at in draw:
                if check:
                    with quiet():
                        reason = checker.verdict(site.edits, at)
                    if reason:
                        stats.refused[site.rule, reason] += 1
                        continue
                stats.mutants[site.rule] += 1
                yield Mutant(site.rule, groups[site.rule], (site,), site.edits, source.text)
                count -= 1
                break
            else:
                draws.remove(draw)
            if count <= 0:
                return
