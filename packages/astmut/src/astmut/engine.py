"""Find all sites in one walk, splice mutants from text, let each through the check: the three modes."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress
from typing import Any, Literal, NamedTuple, TypeAlias

import libcst as cst

from astmut.cell import INVALID, UNENCODABLE
from astmut.check import Checker
from astmut.model import WORD, Edit, Mutant, Site, Span, new_tuple
from astmut.rulebook import ANNOTATION, FSTRING, PATTERN, Edits, Replacement, Rewrite, Rule, RuleError, RuleFunction
from astmut.source import Source, collector_off
from astmut.warned import quiet
from astmut.where import Wanted

Mode: TypeAlias = Literal["each", "together", "sample"]
MODES: tuple[Mode, ...] = ("each", "together", "sample")

# Mutants are judged in batches, so that the compiler's warnings are switched off once for many of them.
BATCH = 64

_CONTEXTS: tuple[tuple[str, tuple[type[cst.CSTNode], ...]], ...] = (
    (ANNOTATION, (cst.Annotation, cst.TypeAlias, cst.TypeParameters)),
    (PATTERN, (cst.MatchPattern,)),
    (FSTRING, (cst.FormattedString, cst.TemplatedString)),
)

# Nodes that are one token, and bytes that no character of utf-8 begins with.
_TOKENS: frozenset[type[cst.CSTNode]] = frozenset({
    cst.SimpleString, cst.FormattedStringText, cst.TemplatedStringText, cst.Integer, cst.Float, cst.Imaginary, cst.Name,
})  # fmt: skip
_TEXTS = _TOKENS | {cst.FormattedString, cst.TemplatedString, cst.ConcatenatedString}
_IN_CHARACTER = frozenset(bytes((byte,)) for byte in range(0x80, 0xC0))

# A site that is refused for one of these would have any mutant refused that it takes part in.
_SPOIL = frozenset({INVALID, UNENCODABLE})

_QUOTE = frozenset("'\"")
_JOINING = WORD | {"{"}
_BLANK = frozenset(" \t\f\r\n\\#")
_BLANKS = re.compile(r"(?:[ \t\f\r\n\\]|#[^\r\n]*(?![^\r\n]))*")


class Found(NamedTuple):
    """All sites of a source, and the number of the node that each was found at.

    ``together`` is, where it was asked for, what the rule of each wants where all its sites change at once.
    """

    sites: list[Site]
    numbers: list[int]
    together: list[Edits]

    def of(self, kept: Sequence[bool]) -> Found:
        """Return the sites that are kept."""
        return Found(
            list(compress(self.sites, kept)), list(compress(self.numbers, kept)), list(compress(self.together, kept))
        )


class Change(NamedTuple):
    """An edit before its text is known: the replacement may hold nodes, whose text may change in turn."""

    start: int
    end: int
    new: Replacement
    site: int
    token: Span | None  # of which it is a part


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


def find(
    source: Source,
    rules: Sequence[Rule],
    wanted: Wanted | None = None,
    *,
    together: bool = False,
) -> Found:
    """Return every site of ``rules``, in the order of the text, then of the rules' names, then of choice.

    ``wanted`` may refuse nodes before any rule is asked, and what a rule wants. ``together`` keeps what each rule wants
    where all sites change at once, which ``compose`` needs.
    """
    with collector_off():
        found = _find(source, _asked(tuple(sorted(rules, key=_by_name))), wanted, keep=together)
        if wanted is None:
            return found
        return found.of([wanted.change(site.edits) for site in found.sites])


def _by_name(rule: Rule) -> str:
    return rule.name


_SiteMaker: TypeAlias = Callable[[str, cst.CSTNode, Span, int, Rewrite | Edits], Site]


class Asked(NamedTuple):
    """What is done about nodes of one type.

    ``context`` is the one that they make. ``everywhere`` is false where just those nodes matter that the rules name.
    """

    context: str
    rules: tuple[tuple[str, RuleFunction, frozenset[str]], ...]
    everywhere: bool


class _Asked(dict[type[cst.CSTNode], Asked]):
    """For each type of node, the context it makes and the rules that are asked about it; filled when met."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        super().__init__()
        self.rules = rules
        self.choosy = tuple(rule for rule in rules if rule.among is not None)

    def __missing__(self, kind: type[cst.CSTNode]) -> Asked:
        context = next((context for context, types in _CONTEXTS if issubclass(kind, types)), "")
        interested = [rule for rule in self.rules if issubclass(kind, rule.types)]
        everywhere = bool(context) or any(rule.among is None for rule in interested)
        self[kind] = entry = Asked(context, tuple((r.name, r.rewrites, r.skip) for r in interested), everywhere)
        return entry

    def numbers(self, source: Source) -> list[int]:
        """Return the numbers of the nodes that something is done about, in the order of the text."""
        found = source.of_types([kind for kind in source.by_type if self[kind].everywhere])
        if not self.choosy:
            return found
        for rule in self.choosy:
            found += _among(rule, source)
        found.sort()
        return list(dict.fromkeys(found))


def _among(rule: Rule, source: Source) -> list[int]:
    """Return the numbers of the nodes that a rule says it may have sites at.

    Raises ``RuleError`` for what is no node of the source, or of a type that the rule is not asked about.
    """
    found = rule.among(source)  # type: ignore[misc]
    nodes: list[Any] = list(found) if isinstance(found, Iterable) else [found]  # what it raises is its own
    try:
        numbers = list(map(source.number, nodes))
    except KeyError as error:
        raise _wrong(rule.name, source, source.origin, "its `among` gave what are no nodes of the source") from error
    for kind in set(map(type, nodes)):
        if not issubclass(kind, rule.types):
            fault = f"its `among` gave a {kind.__name__}, which it is not asked about"
            raise _wrong(rule.name, source, source.origin, fault)
    return numbers


@lru_cache
def _asked(rules: tuple[Rule, ...]) -> _Asked:
    """Return one table for the same rules: to make it anew for a snippet would be most of the work."""
    return _Asked(rules)


def _find(  # noqa: C901 - one loop over all nodes, in which each call would cost more than what it does
    source: Source, asked: _Asked, wanted: Wanted | None, *, keep: bool
) -> Found:
    nodes, starts, ends = source.nodes, source.starts, source.ends
    sites: list[Site] = []
    numbers: list[int] = []
    together: list[Edits] = []
    made, size = _site_maker(source), len(source.text)
    inside = {"": -1, ANNOTATION: -1, PATTERN: -1, FSTRING: -1}
    horizon = -1  # behind it no node stands in any context
    answer: Any = ()
    try:
        for at in asked.numbers(source):
            node, start, end = nodes[at], starts[at], ends[at]
            context, interested, _ = asked[type(node)]
            if context:
                inside[context] = max(inside[context], end)
                horizon = max(horizon, end)
            if wanted is not None and not wanted.node(_begin(source, node, start)):
                continue
            span: Span | None = None
            for rule, rewrites, skip in interested:
                if start < horizon and any(start < inside[context] for context in skip):
                    continue
                choice = 0
                answer = rewrites(node, source)
                for rewrite in answer:
                    if span is None:  # most nodes have no site, and many have several
                        span = new_tuple(Span, (start, min(size, end)))  # libcst may add a line end
                    sites.append(made(rule, node, span, choice, rewrite))
                    numbers.append(at)
                    if keep:
                        together.append(_together(rewrite))
                    choice += 1  # noqa: SIM113 - an enumerate for each question costs as much as most answers
    except TypeError as error:
        if isinstance(answer, Iterable):
            raise  # the rule's own
        given = "None" if answer is None else type(answer).__name__
        raise _wrong(rule, source, start, f"it returned {given}, not an iterable") from error
    return Found(sites, numbers, together)


def _site_maker(source: Source) -> _SiteMaker:  # noqa: C901 - the closure's branches count as its own
    """Return the function that makes sites of a source's rewrites: one closure, since it is called for each site."""
    text, place, size = source.text, source.place, len(source.text)
    ascii_only = text.data is None
    around = f" {text.bytewise} "  # around[i] stands before offset i, around[i + 1] at it

    def made(  # noqa: C901 - runs for each site: a call for a branch would cost more than the branch
        rule: str, node: cst.CSTNode, whole: Span, choice: int, rewrite: Rewrite | Edits
    ) -> Site:
        tags: tuple[str, ...] = ()
        wanted = rewrite
        if type(rewrite) is Rewrite:
            wanted, tags, _ = rewrite
        edits = []
        try:
            for key, new in wanted.items():  # type: ignore[union-attr]
                if key is node:
                    span = whole
                elif type(key) is Span:
                    span = key
                    if not ascii_only:
                        _see_place(source, span)
                    elif not 0 <= span[0] <= span[1] <= size:  # a byte order mark is no ASCII
                        raise ValueError  # noqa: TRY301 - as all else that a rule may do wrong
                else:
                    span = place(key)
                start, end = span
                if type(new) is not str:
                    new = _written(new, source)  # noqa: PLW2901
                before, behind = around[start], around[end + 1]
                if before in _JOINING or (new and behind in _JOINING):
                    if span is not whole and type(node) in _TEXTS:
                        before, behind = _outside(_token(source, node, span), span, before, behind)
                    new = _apart(before, behind, new, inserted=start == end)  # noqa: PLW2901
                edits.append(new_tuple(Edit, (span, new)))
            first = start if len(edits) == 1 else _put_in_order(edits)
        except (IndexError, KeyError, ValueError, AttributeError, TypeError) as error:
            raise _wrong(rule, source, whole[0], _fault(error)) from error
        if first > whole[0] and around[whole[0] + 1] in _BLANK:
            whole = Span(_begin(source, node, whole[0]), whole[1])
        return new_tuple(Site, (rule, whole, tuple(edits), choice, tags, text))

    return made


def _written(new: Replacement, source: Source) -> str:
    """Return the text of a replacement. Raises ``TypeError`` for what is none."""
    if isinstance(new, str):
        return new
    if not isinstance(new, tuple):  # a list could not be compared with others, an iterator is used up
        raise TypeError
    return "".join([part if isinstance(part, str) else source.text.cut(*source.outer(part)) for part in new])


def _begin(source: Source, node: cst.CSTNode, start: int) -> int:
    """Return where the first token of a node is: a comparison target, for one, begins with its blanks and comments."""
    blanks = None if type(node) is cst.Module else _BLANKS.match(source.text.bytewise, start)
    return blanks.end() if blanks else start


def _put_in_order(edits: list[Edit]) -> int:
    """Sort edits and return where they begin. Raises ``ValueError`` if they overlap."""
    edits.sort()
    first = at = edits[0][0][0]
    for (start, end), _ in edits:
        if start < at:
            raise ValueError
        at = end
    return first


_FAULTS: dict[type[Exception], str] = {
    IndexError: "there are no edits in what it gave",
    KeyError: "it names a node that is not in the source",
    UnicodeError: "it cuts a character of the text",  # a ValueError, so before that
    ValueError: "its edits overlap, or are not in the text",
    AttributeError: "it gave no mapping from nodes or spans to texts",
    TypeError: "it gave no mapping from nodes or spans to texts",
}


def _fault(error: Exception) -> str:
    """Return what a rule did wrong, by what its edits led to."""
    return next(fault for kind, fault in _FAULTS.items() if isinstance(error, kind))


def _wrong(rule: str, source: Source, start: int, fault: str) -> RuleError:
    """Return the error of a rule at the node that begins at byte ``start``."""
    return RuleError(f"rule {rule!r}, line {source.text.position(start).line}: {fault}")


def _together(rewrite: Rewrite | Edits) -> Edits:
    """Return what a rewrite wants where all sites change at once."""
    if isinstance(rewrite, Rewrite):
        return rewrite.edits if rewrite.together is None else rewrite.together
    return rewrite


def _see_place(source: Source, span: Span) -> None:
    """Raise ``ValueError`` for a span that is not in a program, and ``UnicodeError`` for one that cuts a character."""
    data = source.text.data
    if not source.origin <= span.start <= span.end <= len(source.text):
        raise ValueError
    if data is not None and any(data[at : at + 1] in _IN_CHARACTER for at in span):
        raise UnicodeError


def _token(source: Source, node: cst.CSTNode, place: Span) -> Span | None:
    """Return the span of the token, in a node that is one or is a string of several, that a place is a part of."""
    nodes, starts, ends = source.nodes, source.starts, source.ends
    number = source.number(node)
    while number < len(nodes) and starts[number] <= place.start:
        if type(nodes[number]) in _TOKENS and place.end <= ends[number]:
            return Span(starts[number], ends[number])
        number += 1
    return None


def _outside(token: Span | None, place: Span, before: str, behind: str) -> tuple[str, str]:
    """Return the characters before and behind a place without those of the token that it is a part of."""
    if token is None:
        return before, behind
    return "" if token.start < place.start else before, "" if place.end < token.end else behind


def _apart(before: str, behind: str, new: str, *, inserted: bool) -> str:
    """Return ``new`` with a blank before or behind it where it would run into a word that ends or begins there.

    ``1if"a"else 2`` with 3 for the string must become ``1if 3 else 2``; two braces in a row would be an escape
    in an f-string.
    """
    if not new:
        joins = before in WORD and (behind in WORD or behind in _QUOTE)
        return " " if (joins or before == "{" == behind) and not inserted else ""
    first, last = new[0], new[-1]
    if before in WORD:
        if first in WORD or first in _QUOTE or first > "\x7f":
            new = f" {new}"
    elif before == "{" == first:
        new = f" {new}"
    if behind in WORD and (last in WORD or last > "\x7f"):
        new = f"{new} "
    return new


Wish: TypeAlias = tuple[Site, int, Edits]  # a site, its node's number, and what its rule wants with all sites changed


def compose(source: Source, wishes: Sequence[Wish]) -> tuple[tuple[Edit, ...], tuple[Site, ...]]:
    """Return the edits that make the changes of many sites at once, and the sites that had a part in them.

    Deletions join. Otherwise the outermost change wins, and what lies inside it vanishes, except in the nodes that
    its replacement keeps: those are rendered with their own changes made. That is what rewriting a tree from the
    root downwards does.
    """
    changes = (change for number, wish in enumerate(wishes) for change in _changes(source, number, wish))
    unique = {(c.start, c.end, c.new): c for c in changes}
    ordered = sorted(unique.values(), key=lambda c: (c.start, c.start != c.end, -c.end, c.site))
    used: set[int] = set()
    edits = tuple(_compose(source, ordered, ordered, used))
    return edits, tuple(wishes[number][0] for number in sorted(used))


def _changes(source: Source, number: int, wish: Wish) -> Iterator[Change]:
    """Yield what a rule wants at one site. Raises ``RuleError`` for what is not in the text, or cuts a character."""
    site, at, edits = wish
    node = source.nodes[at]
    for key, new in edits.items():
        try:
            place = source.place(key)
            _see_place(source, place)
        except (KeyError, ValueError) as error:
            raise _wrong(site.rule, source, site.span.start, _fault(error)) from error
        yield Change(*place, new, number, _token(source, node, place) if type(node) in _TEXTS else None)


def _compose(source: Source, ordered: Sequence[Change], everything: Sequence[Change], used: set[int]) -> Iterator[Edit]:
    at = 0
    while at < len(ordered):
        change = ordered[at]
        start, end = change.start, change.end
        used.add(change.site)
        at += 1
        while at < len(ordered) and ordered[at].start < end:
            if change.new == "" == ordered[at].new:
                end = max(end, ordered[at].end)
                used.add(ordered[at].site)
            at += 1
        if isinstance(change.new, str):
            new = change.new
        else:
            new = "".join(
                part if isinstance(part, str) else _rendered(source, source.outer(part), everything, used)
                for part in change.new
            )
        place = Span(start, end)
        before, behind = source.text.bytewise[start - 1 : start], source.text.bytewise[end : end + 1]
        before, behind = _outside(change.token, place, before, behind)
        yield Edit(place, _apart(before, behind, new, inserted=start == end))


def _start(change: Change) -> int:
    return change.start


def _rendered(source: Source, span: Span, everything: Sequence[Change], used: set[int]) -> str:
    """Return the text of a span with those changes made that lie in it (but not one of the whole span)."""
    first = bisect_left(everything, span.start, key=_start)
    last = bisect_left(everything, span.end, first, key=_start)
    inside = [c for c in everything[first:last] if c.end <= span.end and (c.start, c.end) != span]
    return source.text.splice(_compose(source, inside, everything, used), *span)


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
