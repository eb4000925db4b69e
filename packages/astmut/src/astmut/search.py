"""All sites of some rules, found in one walk over the nodes that they ask for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import compress
from typing import Any, NamedTuple, TypeAlias

import libcst as cst

from astmut.model import Edit, Site, Span, new_tuple
from astmut.placing import JOINING, TEXTS, fault_of, outside, rule_error, see_place, spaced, token_of
from astmut.rulebook import ANNOTATION, FSTRING, PATTERN, Edits, Replacement, Rewrite, Rule, RuleFunction
from astmut.source import Source, collector_off
from astmut.where import Wanted

_CONTEXTS: tuple[tuple[str, tuple[type[cst.CSTNode], ...]], ...] = (
    (ANNOTATION, (cst.Annotation, cst.TypeAlias, cst.TypeParameters)),
    (PATTERN, (cst.MatchPattern,)),
    (FSTRING, (cst.FormattedString, cst.TemplatedString)),
)

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
        fault = "its `among` gave what are no nodes of the source"
        raise rule_error(rule.name, source, source.origin, fault) from error
    for kind in set(map(type, nodes)):
        if not issubclass(kind, rule.types):
            fault = f"its `among` gave a {kind.__name__}, which it is not asked about"
            raise rule_error(rule.name, source, source.origin, fault)
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
        raise rule_error(rule, source, start, f"it returned {given}, not an iterable") from error
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
                        see_place(source, span)
                    elif not 0 <= span[0] <= span[1] <= size:  # a byte order mark is no ASCII
                        raise ValueError  # noqa: TRY301 - as all else that a rule may do wrong
                else:
                    span = place(key)
                start, end = span
                if type(new) is not str:
                    new = _written(new, source)  # noqa: PLW2901
                before, behind = around[start], around[end + 1]
                if before in JOINING or (new and behind in JOINING):
                    if span is not whole and type(node) in TEXTS:
                        before, behind = outside(token_of(source, node, span), span, before, behind)
                    new = spaced(before, behind, new, inserted=start == end)  # noqa: PLW2901
                edits.append(new_tuple(Edit, (span, new)))
            first = start if len(edits) == 1 else _put_in_order(edits)
        except (IndexError, KeyError, ValueError, AttributeError, TypeError) as error:
            raise rule_error(rule, source, whole[0], fault_of(error)) from error
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


def _together(rewrite: Rewrite | Edits) -> Edits:
    """Return what a rewrite wants where all sites change at once."""
    if isinstance(rewrite, Rewrite):
        return rewrite.edits if rewrite.together is None else rewrite.together
    return rewrite
