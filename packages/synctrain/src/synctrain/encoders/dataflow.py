"""Where the values in a piece of Python come from, as GraphCodeBERT reads code. Code is parsed, and never run.

The rules are those by which GraphCodeBERT's published input for Python was made, since its weights know no others:

- A word is a leaf of the parser's tree: a name, a number, a sign. A string is one word, an f-string too. Comments are
  none.
- A name comes from the words that gave it its value last. Names are told apart by spelling alone: scopes and attributes
  do not count, and what a function or an import is called is a name as any other.
- What is assigned comes from the words on the right, constants among them, item by item where there are as many on both
  sides. An augmented assignment does not come from the old value.
- Each branch of an ``if`` begins with what was known before it, and a name comes from what any branch left behind.
- Loops are gone through twice, so that the end of a turn reaches the beginning of the next, and a name that is first
  met in a loop comes from itself.

Beyond them, since the published rules pass these by or lose what is in them: ``:=``, ``as`` in ``with``, ``except`` and
``case``, defaults of parameters with types, and the body of a ``for`` that has an ``else``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any, NamedTuple

try:
    import tree_sitter
    import tree_sitter_python
except ImportError:  # the extra [graph]
    GRAMMAR = ""
else:
    GRAMMAR = metadata.version("tree-sitter-python")
    _PYTHON = tree_sitter.Language(tree_sitter_python.language())

RULES = 1  # to be raised with any change of what comes out
NESTED = 5  # loops deeper than this are gone through once: each one above doubles the work
WORK = 300_000  # uses and sources after which the walk ends: what comes after so much is beyond any encoder's length
_CLAUSES = ("elif_clause", "else_clause")


class Flow(NamedTuple):
    """The words of a text in their order, and what comes from what.

    ``sources`` has the words that come from others, or that others come from, by number and in order; for each the
    numbers of those that it comes from, which may be none.
    """

    words: list[str]
    sources: dict[int, list[int]]


def read(text: str) -> Flow:
    """Return words and data flow of any text; of what is no Python, as much as the parser makes sense of.

    Needs tree-sitter (``GRAMMAR`` is empty where it is missing).
    """
    data = text.encode("utf-8", "replace")  # the parser counts bytes
    root = tree_sitter.Parser(_PYTHON).parse(data).root_node
    walk = _Walk(list(_words(root, data)))
    walk.run(root)
    used = {source for found in walk.sources.values() for source in found}
    used.update(word for word, found in walk.sources.items() if found)
    return Flow([word.text for word in walk.words], {word: sorted(walk.sources.get(word, ())) for word in sorted(used)})


class _Word(NamedTuple):
    begin: int
    text: str
    is_value: bool  # a name, a constant: not a sign or keyword


def _words(root: Any, data: bytes) -> Iterator[_Word]:
    """Yield the leaves of a tree in order, and what the parser skipped between them in broken code."""
    at, rest = 0, [root]
    while rest:
        node = rest.pop()
        if not _is_leaf(node):
            rest.extend(reversed(node.children))
            continue
        yield from _skipped(data, at, node.start_byte)
        at = max(at, node.end_byte)
        text = data[node.start_byte : node.end_byte].decode("utf-8", "replace")
        if text.strip() and not node.is_extra:  # extra: comments and joined lines
            yield _Word(node.start_byte, text, text != node.type)
    yield from _skipped(data, at, len(data))


def _skipped(data: bytes, begin: int, end: int) -> Iterator[_Word]:
    """Yield what lies between two words, which in code that is not broken is blank, or joins lines."""
    for text in data[begin:end].decode("utf-8", "replace").split():
        if text != "\\":
            yield _Word(begin, text, is_value=False)


def _is_leaf(node: Any) -> bool:
    return node.type == "string" or not node.child_count


def _parts(node: Any) -> list[Any]:
    """Return what a node is made of, commas and comments aside; nothing for a word, strings included."""
    return [] if _is_leaf(node) else [child for child in node.children if child.type != "," and not child.is_extra]


class _Walk:
    """One pass through a tree, in the order in which values arise.

    Its methods are generators that yield the nodes to go through next, and go on when that is done: nesting of any
    depth takes no depth of calls.
    """

    def __init__(self, words: list[_Word]) -> None:
        """Begin with nothing known."""
        self.words = words
        self.begins = [word.begin for word in words]
        self.known: dict[str, frozenset[int]] = {}  # spelling: the words that gave it its value
        self.sources: dict[int, set[int]] = {}
        self.nested, self.work = 0, WORK
        self.ways = {
            "assignment": self._assignment,
            "augmented_assignment": self._assignment,
            "named_expression": self._binding,
            "default_parameter": self._binding,
            "typed_default_parameter": self._binding,
            "as_pattern": self._as,
            "for_in_clause": self._for_in,
            "if_statement": self._if,
            "for_statement": self._for,
            "while_statement": self._while,
        }

    def run(self, root: Any) -> None:
        """Go through a tree, to its end or until too much work was done."""
        stack = [iter([root])]
        while stack and self.work > 0:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
            elif _is_leaf(node):
                self._use(node)
            else:
                stack.append(self.ways.get(node.type, self._anything)(node))

    def _use(self, node: Any) -> None:
        """A word is read: it comes from what gave it its value, or, if it is a new name, is where a value begins."""
        number = bisect_left(self.begins, node.start_byte)
        if number == len(self.words) or self.begins[number] != node.start_byte or not self.words[number].is_value:
            return
        self.work -= 1
        text = self.words[number].text
        if text in self.known:
            self._comes_from(number, self.known[text])
        elif node.type == "identifier":
            self.known[text] = frozenset([number])

    def _set(self, target: Any, value: Any) -> None:
        """All values in one node get theirs from all in the other."""
        sources = self._values(value)
        for number in self._values(target):
            self._comes_from(number, sources)
            self.known[self.words[number].text] = frozenset([number])

    def _comes_from(self, number: int, sources: Iterable[int]) -> None:
        found = self.sources.setdefault(number, set())
        before = len(found)
        found.update(sources)
        self.work -= len(found) - before

    def _values(self, node: Any) -> list[int]:
        """Return the numbers of the values in a node."""
        span = range(bisect_left(self.begins, node.start_byte), bisect_left(self.begins, node.end_byte))
        self.work -= len(span)
        return [number for number in span if self.words[number].is_value]

    def _anything(self, node: Any) -> Iterator[Any]:
        """Comprehensions say first what comes last: where their variables get values."""
        children = node.children
        yield from (child for child in children if child.type == "for_in_clause")
        yield from (child for child in children if child.type != "for_in_clause")

    def _assignment(self, node: Any) -> Iterator[Any]:
        """``left = right``, item by item where both sides have as many; a declaration without a value is nothing."""
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            return
        targets, values = _parts(left), _parts(right)
        if not targets or len(targets) != len(values):
            targets, values = [left], [right]
        yield from values
        for target, value in zip(targets, values, strict=True):
            self._set(target, value)

    def _binding(self, node: Any) -> Iterator[Any]:
        """``name := value``, and ``name=value`` or ``name: type = value`` of a parameter."""
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        yield from (child for child in node.children if name is not None and child != name)
        if name is not None and value is not None:
            self._set(name, value)

    def _as(self, node: Any) -> Iterator[Any]:
        """``value as target``."""
        value, *_, target = node.children
        yield value
        self._set(target, value)

    def _for_in(self, node: Any) -> Iterator[Any]:
        """``for left in right`` of a comprehension, always as a whole."""
        left, right = node.child_by_field_name("left"), node.children[-1]
        yield right
        if left is not None:
            self._set(left, right)

    def _if(self, node: Any) -> Iterator[Any]:
        before, ends, is_complete = self.known, [], False
        first = dict(before)  # condition and first block
        for child in node.children:
            is_complete |= child.type == "else_clause"
            if child.type in _CLAUSES:
                self.known = dict(before)
                yield child
                ends.append(self.known)
            else:
                self.known = first
                yield child
                first = self.known
        ends.append(first)
        if not is_complete:
            ends.append(before)
        self.known = self._joined(ends)

    def _joined(self, ends: list[dict[str, frozenset[int]]]) -> dict[str, frozenset[int]]:
        """Return what is known where branches meet."""
        found: dict[str, frozenset[int]] = {}
        for known in ends:
            for text, numbers in known.items():
                there = found.get(text, numbers)
                if there is not numbers and there != numbers:
                    there |= numbers
                    self.work -= len(there)
                found[text] = there
            self.work -= len(known)
        return found

    def _for(self, node: Any) -> Iterator[Any]:
        rest = [child for child in node.children if child.type in ("block", *_CLAUSES)]
        for _ in self._turns():
            yield from self._assignment(node)
            yield from rest

    def _while(self, node: Any) -> Iterator[Any]:
        for _ in self._turns():
            yield from node.children

    def _turns(self) -> Iterator[int]:
        self.nested += 1
        yield from range(2 if self.nested <= NESTED else 1)
        self.nested -= 1
