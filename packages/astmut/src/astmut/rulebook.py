"""What a rule is, how one is declared, and how rules are chosen by name, group or plug-in.

A rule enumerates: it looks at one libcst node and yields what could be written instead. It never rolls dice and
never touches the tree.
"""

from __future__ import annotations

import inspect
import re
import typing
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial, update_wrapper
from importlib.metadata import entry_points
from textwrap import dedent
from types import UnionType
from typing import Any, NamedTuple, TypeAlias

import libcst as cst
from rapidfuzz import process

from astmut.source import Source
from astmut.tokens import SHORT, bare, tokens_of

Replacement: TypeAlias = str | tuple[str | cst.CSTNode, ...]
Edits: TypeAlias = Mapping[Any, Replacement]  # by node or Span; Mapping is not covariant in its keys


class Rewrite(NamedTuple):
    """Edits with something to say about them.

    ``tags`` go into the site. ``together`` are the edits to make instead where all sites of the rule are changed
    at once and a change of the whole differs from the sum of the single ones.
    """

    edits: Edits
    tags: tuple[str, ...] = ()
    together: Edits | None = None


Rewrites: TypeAlias = Iterable[Edits | Rewrite]
RuleFunction: TypeAlias = Callable[..., Rewrites]
Among: TypeAlias = Callable[[Source], Iterable[cst.CSTNode]]
F = typing.TypeVar("F", bound=RuleFunction)

ANNOTATION, PATTERN, FSTRING = "annotation", "pattern", "f-string"
NAME = re.compile(r"[a-z][a-z0-9-]*")

_RULES = "rules are names or rules, such as ['if-to-body'], not {!r}"
_GROUPS = "groups are names, such as ['sync'], not {!r}"
_OPTIONS = (
    "options are given by rule and name, such as {{'substitute-library-function': {{'library': 'paper'}}}}, not {!r}"
)


class Example(NamedTuple):
    """A line or block of a rule's docstring: source before, and every mutant of it in order."""

    before: str
    after: tuple[str, ...]


class UnknownRuleError(LookupError):
    """A rule or group of this name does not exist; the message suggests the nearest that does."""


class RuleError(Exception):
    """A rule gave what is no change of the source; the message names the rule, the line and what is wrong."""


class UnknownOptionError(LookupError):
    """A rule takes no option of this name; the message suggests one that it takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One way to change programs: a name, the groups it belongs to, the node types it is asked about.

    ``skip`` names the contexts whose nodes it is not asked about. ``tokens`` is a regular expression that is found in
    every text with a site, or None where there is no telling. ``among`` says of a source which nodes are worth asking
    about, or is None for all of those types. Made by the ``rule`` decorator.
    """

    name: str
    groups: tuple[str, ...]
    types: tuple[type[cst.CSTNode], ...]
    rewrites: RuleFunction = field(repr=False)
    skip: frozenset[str] = frozenset()
    tokens: str | None = None
    among: Among | None = field(default=None, repr=False)

    @property
    def doc(self) -> str:
        """The docstring of the rule's function, dedented."""
        return inspect.cleandoc(self.rewrites.__doc__ or "")

    @property
    def options(self) -> dict[str, Any]:
        """The options that the rule takes, with their defaults: the parameters that its function takes by keyword."""
        return {name: p.default for name, p in _parameters(self.rewrites).items() if p.kind is p.KEYWORD_ONLY}

    def with_options(self, **options: Any) -> Rule:
        """Return the rule with some options set; the same object for the same options.

        Raises ``UnknownOptionError`` for one that it does not take, and ``TypeError`` for a value without a hash.
        """
        known = self.options
        for name in options:
            if name not in known:
                raise UnknownOptionError(_unknown(f"option of {self.name}", name, known))
        chosen = tuple(sorted(options.items()))
        try:
            hash(chosen)
        except TypeError as error:
            raise TypeError(f"values for options of {self.name} must have a hash, as tuples have: {error}") from None
        return _with_options(self, chosen) if options else self

    @property
    def summary(self) -> str:
        """The first sentence of the docstring, without its full stop."""
        return self.doc.split("\n\n", 1)[0].replace("\n", " ").rstrip(".")

    @property
    def prose(self) -> str:
        """What the docstring says behind the summary, without the examples."""
        blocks = self.doc.split("\n\n")[1:]
        return "\n\n".join(block for block in blocks if "=>" not in block)

    @property
    def examples(self) -> tuple[Example, ...]:
        """The examples of the docstring, which are tests and documentation at once."""
        found: list[Example] = []
        for block in self.doc.split("\n\n")[1:]:
            lines = block.split("\n")
            if "=>" in (line.strip() for line in lines):
                found.append(_block_example(lines))
            elif "=>" in block:
                found += [_line_example(line) for line in lines]
        return tuple(found)


def _parameters(function: RuleFunction) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


@lru_cache
def _with_options(rule: Rule, options: tuple[tuple[str, Any], ...]) -> Rule:
    """Return one rule for the same options: the engine keeps what it worked out about a rule."""
    function = update_wrapper(partial(rule.rewrites, **dict(options)), rule.rewrites)
    del function.__wrapped__  # or its signature would be the one without the options
    return replace(rule, rewrites=function)


def _line_example(line: str) -> Example:
    before, _, after = line.partition("=>")
    return Example(before.strip(), tuple(part.strip() for part in after.split("  |  ") if part.strip()))


def _block_example(lines: list[str]) -> Example:
    cut = [line.strip() for line in lines].index("=>")
    after = dedent("\n".join(lines[cut + 1 :])).split("\n|\n")
    return Example(dedent("\n".join(lines[:cut])), tuple(part for part in after if part))


RULES: dict[str, Rule] = {}


def rule(
    name: str,
    *groups: str,
    skip: Iterable[str] = (ANNOTATION, PATTERN),
    tokens: str | None = None,
    among: Among | None = None,
) -> Callable[[F], F]:
    """Register a function as the rule ``name``, in kebab case, of some groups.

    The function takes ``(node, source)``; the annotation of ``node`` says which nodes it is asked about
    (``cst.If | cst.IfExp`` works). It yields mappings from nodes (or spans) to what stands there instead: a text,
    or a tuple of texts and nodes, where a node means its own text, with this rule's other changes inside it when
    all sites change together. Several yields are alternatives, best first.

    What it takes by keyword only, with defaults, are its options, for ``Rule.with_options``.

    ``skip`` are contexts that the rule does not look into: ``annotation`` (also of type aliases and type
    parameters), ``pattern`` (of ``case``), ``f-string``. The docstring holds the examples.

    ``tokens`` is a regular expression that is found in every text with a site. Texts without it are not parsed where
    no other rule is asked for. What the node types say already (an ``if`` is written with "if") need not be said.

    ``among`` takes the source and returns the nodes that may have a site, for a rule that knows so of all of them at
    once: to ask about each takes longer where most have none (a quarter of all nodes are names). The rule may be asked
    about the others all the same, and must then yield nothing.

    Raises ``ValueError`` for a name that is taken or not in kebab case, ``TypeError`` for a name that is no text and an
    annotation that names no node type, and ``re.error`` for tokens that are no regular expression.
    """
    for each in (name, *groups):
        if not isinstance(each, str):
            raise TypeError(f"a rule is declared by @rule('its-name', 'a-group'), not by {each!r}")
        if NAME.fullmatch(each) is None:  # it becomes a part of file names, and commas divide names
            raise ValueError(f"rules and groups have names such as 'my-rule', not {each!r}")

    def declare(function: F) -> F:
        if name in RULES:
            raise ValueError(f"a rule named {name!r} exists already")
        types = _node_types(function)
        if tokens is not None:
            re.compile(tokens)
        RULES[name] = Rule(name, tuple(groups), types, function, frozenset(skip), tokens or tokens_of(types), among)
        return function

    return declare


def _node_types(function: RuleFunction) -> tuple[type[cst.CSTNode], ...]:
    """Return the node types in the annotation of a rule's first parameter."""
    first = next(iter(inspect.signature(function).parameters), "")
    hint = typing.get_type_hints(function).get(first)
    types = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, UnionType) else (hint,)
    if not all(isinstance(t, type) and issubclass(t, cst.CSTNode) for t in types):
        raise TypeError(f"{function.__name__}: its first parameter needs a libcst node type as annotation")
    return types


def load_plugins() -> None:
    """Import what other packages registered under the entry point group ``astmut.rules``.

    One that cannot be imported is left out, with a warning that names it: the other rules are still there.
    """
    for point in entry_points(group="astmut.rules"):
        try:
            point.load()
        except Exception as error:  # noqa: BLE001, PERF203 - it is somebody else's code, and may raise anything
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            warnings.warn(f"the rules of {point.value!r} could not be loaded: {reason}", RuntimeWarning, stacklevel=2)


def choose(names: Iterable[str | Rule] | str | None = None, groups: Iterable[str] | str = ()) -> tuple[Rule, ...]:
    """Return the rules of these names and groups, sorted by name; all rules where none is given.

    Raises ``UnknownRuleError`` for a name or group that does not exist, ``TypeError`` for what is no name.
    """
    names = [names] if isinstance(names, str) else names
    groups = [groups] if isinstance(groups, str) else listed(groups, _GROUPS)
    if names is None and not groups:
        return tuple(RULES[name] for name in sorted(RULES))
    chosen: dict[str, Rule] = {}
    for each in () if names is None else listed(names, _RULES):
        found = each if isinstance(each, Rule) else RULES.get(each) if isinstance(each, str) else None
        if found is None:
            raise _fault("rule", each)
        chosen[found.name] = found
    for group in groups:
        if not isinstance(group, str) or group not in _known_groups():
            raise _fault("group", group)
        chosen.update((each.name, each) for each in RULES.values() if group in each.groups)
    return tuple(chosen[name] for name in sorted(chosen))


def _known_groups() -> set[str]:
    return {group for each in RULES.values() for group in each.groups}


def _fault(kind: str, name: Any) -> Exception:
    """Return what is wrong with what should name a rule or a group."""
    groups = _known_groups()
    known, other, others, fault = (
        (RULES, "group", groups, _RULES) if kind == "rule" else (groups, "rule", RULES, _GROUPS)
    )
    if not isinstance(name, str):
        return TypeError(fault.format(name))
    return UnknownRuleError(
        f"no {kind} is named {name!r}, but a {other}" if name in others else _unknown(kind, name, known)
    )


def listed(values: Any, fault: str) -> list[Any]:
    """Return the items of an argument; ``fault`` says how it should be."""
    try:
        return list(values)
    except TypeError:
        raise TypeError(fault.format(values)) from None


def configured(rules: Iterable[Rule], options: Mapping[str, Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Return rules with the options that are given for them by name; options of other rules have no effect.

    Raises ``UnknownRuleError`` for the name of no rule, ``UnknownOptionError``, and ``TypeError``.
    """
    rules = tuple(rules)
    names = {rule.name for rule in rules}
    if type(options) is not dict and not isinstance(options, Mapping):
        raise TypeError(_OPTIONS.format(options))
    for name, values in options.items():
        if (
            not isinstance(name, str)
            or not isinstance(values, Mapping)
            or not all(isinstance(one, str) for one in values)
        ):
            raise TypeError(_OPTIONS.format(options))
        if name not in names and name not in RULES:
            raise UnknownRuleError(_unknown("rule", name, RULES))
    return tuple(rule.with_options(**options[rule.name]) if rule.name in options else rule for rule in rules)


@lru_cache(maxsize=1)  # it is asked twice of a text whose mutants are checked
def may_apply(rules: tuple[Rule, ...], text: str) -> bool:
    """Say whether one of ``rules`` may have a site in a text that Python parses, by a look at its tokens alone."""
    look = _first_look(rules)
    if look is None:
        return True
    return look.search(text) is not None and (len(text) > SHORT or look.search(bare(text)) is not None)


@lru_cache
def _first_look(rules: tuple[Rule, ...]) -> re.Pattern[str] | None:
    tokens = [rule.tokens for rule in rules]
    return None if None in tokens else re.compile("|".join(f"(?:{each})" for each in tokens))


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = process.extractOne(name, known, score_cutoff=60)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"
    return f"no {kind} named {name!r}; {hint}"
