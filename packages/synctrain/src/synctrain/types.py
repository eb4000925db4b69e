"""The nouns of training and the protocols that its parts meet in. Parts never import each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias

from torch import Tensor

Kind: TypeAlias = Literal["query", "code"]
KINDS: tuple[Kind, ...] = ("query", "code")
Similarity: TypeAlias = Literal["dot", "cos", "neg_l2"]
# (texts, kind) -> their vectors, (n, dimension) float32 on the CPU: all that an evaluation knows of a model.
Embed: TypeAlias = Callable[[Sequence[str], Kind], Tensor]
# What tells the user something, and what is called with (done, all).
Say: TypeAlias = Callable[[str], None]
Progress: TypeAlias = Callable[[int, int], None]


def nothing(_text: str) -> None:
    """Say nothing: stands for a ``Say`` where nobody listens, or another process or run speaks."""


class DataError(ValueError):
    """Input data that cannot be used: the message names the file, the row and the cause."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and code that answers it. Pairs with the same ``intent`` answer one question."""

    id: str
    query: str
    code: str
    intent: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """Code that may stand as a negative; ``rule`` made it, and is empty for soft negatives."""

    code: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """Queries, documents, and which documents are relevant to which query, all by id, in the order of the files."""

    name: str
    queries: Mapping[str, str]
    documents: Mapping[str, str]
    relevant: Mapping[str, frozenset[str]]


class Ragged(NamedTuple):
    """Texts as token ids, one behind the other: ``ids`` (tokens,) and ``lengths`` (texts,), both int64.

    What else an encoder needs to know of a text stands behind its tokens, in numbers below 0.
    """

    ids: Tensor
    lengths: Tensor


class Embedded(NamedTuple):
    """What an objective sees of a batch of b pairs with n negatives in d dimensions."""

    query: Tensor  # (b, d)
    positive: Tensor  # (b, d)
    negative: Tensor  # (n, d)
    row: Tensor  # (n,) int64: the pair that each negative was drawn for
    hard: Tensor  # (n,) bool: a mutant, not a soft negative
    same: Tensor  # (b, b) bool: the code of pair j answers query i too (same intent or same code); true at i == j
    partner: Tensor | None = None  # (b, d): other code of the intent, or the same code dropped out anew (CodeRetriever)
    same_partner: Tensor | None = None  # (b, b) bool: partner j is no wrong answer to positive i; true at i == j


class Loss(NamedTuple):
    """A loss to go down, and its parts for the log; all of them scalars."""

    value: Tensor
    parts: dict[str, Tensor]


class Encoder(Protocol):
    """Texts in, vectors out. An ``nn.Module``."""

    dimension: int

    def tokenize(self, texts: Sequence[str], kind: Kind) -> list[list[int]]:
        """Return the token ids of each text, special tokens included, cut to the longest allowed; see ``Ragged``."""
        ...

    def __call__(self, tokens: Ragged) -> Tensor:
        """Return one vector a text, (texts, dimension)."""
        ...

    def save(self, folder: Path) -> None:
        """Write weights, tokenizer and what else loads the encoder again into a folder."""
        ...


class NegativeSource(Protocol):
    """Where negatives come from."""

    def candidates(self, pair: int) -> Sequence[Candidate]:
        """Return what may stand as a negative for the pair of this number."""
        ...


class Curriculum(Protocol):
    """How often each task is trained on, from how well each goes. Never sees a batch."""

    tasks: tuple[str, ...]

    def shares(self) -> tuple[float, ...]:
        """Return the share of each task in the next step; they sum to 1."""
        ...

    def observe(self, outcome: Sequence[tuple[int, int]]) -> None:
        """Take in how many triplets of each task were right, of how many seen, over all processes."""
        ...

    def report(self) -> dict[str, float]:
        """Return what to log of this step: shares, accuracies, slopes."""
        ...

    def state_dict(self) -> dict[str, object]:
        """Return all of its state, as JSON holds it."""
        ...

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Take back a state."""
        ...


class Objective(Protocol):
    """A loss over embeddings. Never sees a model."""

    @property
    def similarity(self) -> Similarity:
        """The measure that the vectors are trained for, and are to be ranked by."""
        ...

    @property
    def partners(self) -> bool:
        """Whether it looks at ``Embedded.partner``."""
        ...

    def __call__(self, embedded: Embedded) -> Loss:
        """Return the loss of a batch."""
        ...
