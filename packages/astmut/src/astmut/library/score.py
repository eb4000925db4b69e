"""How alike two functions are by name and signature (paper, appendix A.2). The plain way, for one pair.

``ranking`` computes the same numbers for all pairs at once, and the tests hold it to this module.
"""

from __future__ import annotations

from typing import NamedTuple

from rapidfuzz import fuzz

from astmut.library.signature import Parameter, Signature

DIGITS = 12  # of a total: 3/4 + 2/3 and 1/4 + 1 + 1/6 are one number, whatever a machine makes of them


class Score(NamedTuple):
    """The three parts, each from 0 to 1."""

    name: float
    returns: float
    parameters: float

    @property
    def total(self) -> float:
        """The sum, from 0 to 3, rounded so that equal sums of different parts are equal."""
        return round(self.name + self.returns + self.parameters, DIGITS)


def score(a: Signature, b: Signature) -> Score:
    """Return how alike two functions are.

    >>> p, q = Parameter("x", "positional"), Parameter("key", "keyword-only", "None")
    >>> score(Signature("m.sort_by", (p, q), "list"), Signature("n.by_sort", (p, q), "list"))
    Score(name=1.0, returns=1.0, parameters=1.0)
    >>> score(Signature("m.sin", (p,), "float"), Signature("m.sinh", (p, q), "float")).parameters
    0.5
    """
    return Score(
        name_score(a.name, b.name), return_score(a.returns, b.returns), parameter_score(a.parameters, b.parameters)
    )


def name_score(a: str, b: str) -> float:
    """Return ``token_sort_ratio`` of two names, underscores taken for spaces: the order of the words is no matter.

    >>> name_score("load_file", "file_load")
    1.0
    >>> round(name_score("dumps", "loads"), 3)
    0.4
    """
    return fuzz.token_sort_ratio(a.replace("_", " "), b.replace("_", " ")) / 100


def return_score(a: str, b: str) -> float:
    """Return 1 for the same return type. One that is not known is the same as no other.

    >>> return_score("str", "str"), return_score("str", "bytes"), return_score("", "")
    (1.0, 0.0, 0.0)
    """
    return float(a == b != "")


def parameter_score(a: tuple[Parameter, ...], b: tuple[Parameter, ...]) -> float:
    """Return the share of kinds and defaults that agree, place by place from the left.

    Each place of the longer list gives two points at most: one for the same kind, one for the same default, which
    may be none. Names do not count. Two functions without parameters agree.

    >>> x, y = Parameter("x", "positional"), Parameter("y", "positional", "0")
    >>> parameter_score((x,), (Parameter("z", "positional"),))
    1.0
    >>> parameter_score((x,), (y,))
    0.5
    >>> parameter_score((x, y), (x,)), parameter_score((), ()), parameter_score((x,), ())
    (0.5, 1.0, 0.0)
    """
    most = 2 * max(len(a), len(b))
    points = sum((p.kind == q.kind) + (p.default == q.default) for p, q in zip(a, b, strict=False))
    return points / most if most else 1.0
