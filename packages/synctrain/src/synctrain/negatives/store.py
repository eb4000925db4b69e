"""The mutants of all training pairs: made once, in parallel, and kept in a file that is found by its content."""

from __future__ import annotations

import json
import logging
from array import array
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from synctrain.files import write
from synctrain.negatives.mutants import Library, Mode, Piece, Recipe, Refused, recipe, version
from synctrain.negatives.text import plain
from synctrain.negatives.workers import Answer, Workers, processors
from synctrain.types import Candidate, Pair

Arrays = Mapping[str, NDArray[np.generic]]
Progress = Callable[[int, int], None]

# Part of the key and of each file: a change of the layout below must change it.
FORMAT = "synctrain mutants 1"
# The arrays of a file, and their types.
LAYOUT = {
    "snippet": "int32",  # (pairs,): which of the different codes a pair has
    "first": "int64",  # (codes + 1,): the mutants of code c are first[c] to first[c + 1]
    "rule": "int16",  # (mutants,), as the next three: which rule made it
    "start": "int32",  # the characters of the code that it replaces
    "end": "int32",
    "behind": "int64",  # where its text ends in `text`, which is where the next one's begins
    "text": "uint8",  # the replacements, one behind the other, in UTF-8
    "dropped": "int64",  # (dropped, 2), sorted: pair and mutant, which answers the pair's own question
}
COUNTS = ("pairs", "codes", "mutants", "dropped", "unparsable", "too_long", "failed", "died", "pairs_without")

_REASONS = {
    "unparsable": "snippets that do not parse",
    "too_long": "snippets that are too long",
    "failed": "snippets that a rule failed on",
    "died": "snippets that ended the process which worked on them",
    "dropped": "mutants that answer the question too",
}

_log = logging.getLogger(__name__)


class DamagedError(ValueError):
    """A cache file that does not hold what it says it holds."""


class MutantStore:
    """The mutants of each pair's code, as a ``NegativeSource``.

    Equal codes are mutated once; a mutant takes about 25 bytes and its changed text, and is spliced when asked for.

    Attributes:
        rules: the names of the rules in use, sorted.
        counts: ``pairs``; ``codes``, the different ones; ``mutants``, over these; ``dropped``, pairs' mutants that
            equal a positive of the pair's own intent; codes without mutants because they are ``unparsable``,
            ``too_long``, ``failed`` (a rule raised) or ``died`` (twice with the process that worked on it); and
            ``pairs_without`` any candidate.
    """

    def __init__(self, pairs: Sequence[Pair], rules: Sequence[str], arrays: Arrays, counts: Mapping[str, int]) -> None:
        self.rules, self.counts = tuple(rules), dict(counts)
        self._codes = [pair.code for pair in pairs]
        self._arrays = dict(arrays)
        self._text = np.ascontiguousarray(arrays["text"])

    @property
    def left_out(self) -> dict[str, int]:
        """What gave no mutants, and which mutants are none, counted by reason."""
        return {reason: self.counts[name] for name, reason in _REASONS.items() if self.counts[name]}

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._codes)

    def size(self, pair: int) -> int:
        """Return how many candidates the pair of this number has."""
        first, behind, dropped = self._range(pair)
        return behind - first - len(dropped)

    def candidates(self, pair: int) -> list[Candidate]:
        """Return the mutants of a pair's code, in the order of the text, then of the rules' names.

        Raises:
            IndexError: there is no such pair.
        """
        code, (first, behind, dropped) = self._codes[pair], self._range(pair)
        arrays, at = self._arrays, int(self._arrays["behind"][first - 1]) if first else 0
        found = []
        columns = (arrays[name][first:behind].tolist() for name in ("rule", "start", "end", "behind"))
        for number, (rule, start, end, text_end) in enumerate(zip(*columns, strict=True), first):
            if number not in dropped:
                text = self._text[at:text_end].tobytes().decode()
                found.append(Candidate(code[:start] + text + code[end:], self.rules[rule]))
            at = text_end
        return found

    def _range(self, pair: int) -> tuple[int, int, set[int]]:
        """Return first and last mutant (exclusive) of a pair's code, and those among them that are dropped."""
        snippet, dropped = int(self._arrays["snippet"][pair]), self._arrays["dropped"]
        first, behind = self._arrays["first"][snippet : snippet + 2].tolist()
        lowest, highest = np.searchsorted(dropped[:, 0], [pair, pair + 1]).tolist()
        return first, behind, set(dropped[lowest:highest, 1].tolist())


def make_mutants(
    pairs: Sequence[Pair],
    *,
    rules: Iterable[str] | str | None = None,
    groups: Iterable[str] | str = (),
    mode: Mode = "each",
    most: int | None = None,
    seed: int = 0,
    library: Library = "in-scope",
    folder: Path | None = None,
    processes: int | None = None,
    longest: int = 100_000,
    normalised: Callable[[str], Hashable] = plain,
    progress: Progress | None = None,
) -> MutantStore:
    """Return the mutants of each pair's code, from the cache if they were made before.

    A mutant that equals a positive of the pair's intent, as text or normalised, is no negative and left out. (With its
    own code astmut has compared it already, as a tree. So only pairs whose intent has other code cost a normalisation
    of each mutant.)

    Args:
        pairs: the training pairs.
        rules: names of astmut's rules; all rules where neither rules nor groups are given.
        groups: names of groups of rules, such as ``sync`` or ``disco``.
        mode: ``each``, one mutant a place; ``together``, one a rule, with all its places changed (SYNC, algorithm 1).
        most: at most so many mutants of a code, drawn by ``seed`` with the rules in turn.
        seed: of that draw.
        library: whether ``substitute-library-function`` goes by the imports of the code, or takes ``np.`` and the like
            for what they are called after and writes any function of its index (``paper``): code without imports.
        folder: where the cache is; without one nothing is kept. Several may be kept side by side. The file's name is
            the hash of codes, intents, rules, the other options that matter, the code of astmut and of the rules, and
            the version of Python.
        processes: how many worker processes; by default one a processor. 0 works in this process, unprotected: a
            rule that only this process knows needs that.
        longest: longer codes, in characters, are skipped and counted.
        normalised: code to what is equal for the same code, and best short: all are kept while mutants are made. The
            cache knows it by its full name.
        progress: called with (done, all) after each different code; never on a cache hit.

    Raises:
        ValueError: an unknown rule, group, mode or library, or ``most`` where it has no meaning.
        ChildProcessError: the worker processes do not start.
    """
    how = recipe(rules, groups, mode, most, seed=seed, library=library)
    path = folder / f"mutants-{_key(pairs, how, longest, normalised)}.safetensors" if folder else None
    if path is not None and path.exists():
        try:
            return _load(path, pairs, how)
        except (DamagedError, SafetensorError, OSError) as error:
            _log.warning("%s is damaged (%s): its mutants are made again", path, error)
    builder = _Builder(pairs, how, normalised)
    with Workers(how, _useful(processes, len(builder.codes))) as workers:
        answers = workers.answers(code if len(code) <= longest else "" for code in builder.codes)
        for done, (code, answer) in enumerate(zip(builder.codes, answers, strict=True), 1):
            builder.add(code, answer if len(code) <= longest else Refused("too_long", f"{len(code)} characters"))
            if progress is not None:
                progress(done, len(builder.codes))
    store = builder.store()
    if path is not None:
        try:
            _save(path, store)
        except OSError as error:
            _log.warning("%s cannot be kept (%s): its mutants will be made again next time", path, error)
    return store


class _Builder:
    """Takes the mutants of one code after another, in order, and keeps their changes only."""

    def __init__(self, pairs: Sequence[Pair], how: Recipe, normalised: Callable[[str], Hashable]) -> None:
        self.pairs, self.how, self.normalised = pairs, how, normalised
        numbers: dict[str, int] = {}
        self.snippet = array("i", (numbers.setdefault(pair.code, len(numbers)) for pair in pairs))
        self.codes = list(numbers)
        self.counts = dict.fromkeys(COUNTS, 0) | {"pairs": len(pairs), "codes": len(self.codes)}
        self.members: list[list[int]] = [[] for _ in self.codes]
        for number, snippet in enumerate(self.snippet):
            self.members[snippet].append(number)
        # Each intent's right answers.
        self.texts: dict[str, set[str]] = defaultdict(set)
        self.forms: dict[str, set[Hashable]] = defaultdict(set)
        self.form = [normalised(code) for code in self.codes]
        for pair, snippet in zip(pairs, self.snippet, strict=True):
            self.texts[pair.intent].add(pair.code)
            self.forms[pair.intent].add(self.form[snippet])
        self.first, self.behind = array("q", [0]), array("q")
        self.rule, self.start, self.end = array("h"), array("i"), array("i")
        self.text = bytearray()
        self.dropped: list[tuple[int, int]] = []
        self.rules = {name: number for number, name in enumerate(how.rules)}

    def add(self, code: str, answer: Answer) -> None:
        """Take in what became of the next code."""
        snippet = len(self.first) - 1
        members, form = self.members[snippet], self.form[snippet]
        if isinstance(answer, Refused):
            self.counts[answer.kind] += 1
            answer = []
        intents: dict[str, list[int]] = defaultdict(list)
        for member in members:
            intents[self.pairs[member].intent].append(member)
        others = any(len(self.forms[intent]) > 1 for intent in intents)
        gone = dict.fromkeys(members, 0)
        for piece in answer:
            number = len(self.rule)
            self._keep(piece)
            text = code[: piece.start] + piece.text + code[piece.end :]
            mine = self.normalised(text) if others else form
            for intent, those in intents.items():
                if text in self.texts[intent] or (mine != form and mine in self.forms[intent]):
                    self.dropped += ((member, number) for member in those)
                    gone.update((member, gone[member] + 1) for member in those)
        self.first.append(len(self.rule))
        self.counts["pairs_without"] += sum(number == len(answer) for number in gone.values())

    def _keep(self, piece: Piece) -> None:
        self.rule.append(self.rules[piece.rule])
        self.start.append(piece.start)
        self.end.append(piece.end)
        self.text += piece.text.encode()
        self.behind.append(len(self.text))

    def store(self) -> MutantStore:
        """Return the store, when all codes were added."""
        self.counts |= {"mutants": len(self.rule), "dropped": len(self.dropped)}
        columns: dict[str, object] = {name: getattr(self, name) for name in LAYOUT}
        columns["dropped"] = np.array(sorted(self.dropped), dtype=np.int64).reshape(-1, 2)
        columns["text"] = np.frombuffer(bytes(self.text), dtype=np.uint8)
        arrays = {name: np.asarray(columns[name], dtype=kind) for name, kind in LAYOUT.items()}
        return MutantStore(self.pairs, self.how.rules, arrays, self.counts)


def _key(pairs: Sequence[Pair], how: Recipe, longest: int, normalised: Callable[[str], Hashable]) -> str:
    """Return the hash of all that the mutants depend on. Names of intents do not count, who shares one does."""
    name = f"{getattr(normalised, '__module__', '')}.{getattr(normalised, '__qualname__', repr(type(normalised)))}"
    digest = blake2b(json.dumps([FORMAT, version(how.rules), how, longest, name]).encode(), digest_size=16)
    intents: dict[str, int] = {}
    for pair in pairs:
        code = pair.code.encode("utf-8", "surrogatepass")
        digest.update(f"{len(code)} {intents.setdefault(pair.intent, len(intents))} ".encode())
        digest.update(code)
    return digest.hexdigest()


def _digest(arrays: Arrays) -> str:
    digest = blake2b(digest_size=16)
    for name in LAYOUT:
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _save(path: Path, store: MutantStore) -> None:
    """Write a store so that the file is there whole or not at all, also when several processes write it."""
    # One entry: the order of several is chance, and the same mutants should be the same bytes.
    about = json.dumps({"format": FORMAT, "counts": store.counts, "digest": _digest(store._arrays)}, sort_keys=True)  # noqa: SLF001 - its own file
    write(path, save(dict(store._arrays), {"about": about}))  # noqa: SLF001


def _load(path: Path, pairs: Sequence[Pair], how: Recipe) -> MutantStore:
    """Return the store in a file; ``DamagedError`` or ``SafetensorError`` where it is not as it was written."""
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        metadata = file.metadata() or {}
    try:
        about = json.loads(metadata["about"])
        counts = {name: int(about["counts"][name]) for name in COUNTS}
        whole = about["format"] == FORMAT and about["digest"] == _digest(arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"its description is incomplete: {error!r}") from None
    if not whole or {name: each.dtype.name for name, each in arrays.items()} != LAYOUT:
        raise DamagedError("its content is not what was written")
    return MutantStore(pairs, how.rules, arrays, counts)


def _useful(processes: int | None, codes: int) -> int:
    """Return how many processes to start: none has nothing to do."""
    return min(processors() if processes is None else processes, codes)
