"""Comparisons and their opposites (SYNC rule 6)."""

import libcst as cst

from astmut.rulebook import Rewrites, rule
from astmut.source import Source

OPPOSITE: dict[type[cst.BaseCompOp], str] = {
    cst.LessThan: ">=", cst.GreaterThanEqual: "<", cst.GreaterThan: "<=", cst.LessThanEqual: ">",
    cst.Equal: "!=", cst.NotEqual: "==", cst.Is: "is not", cst.IsNot: "is", cst.In: "not in", cst.NotIn: "in",
}  # fmt: skip


@rule("flip-comparators", "sync", "disco", "natural")
def flip_comparators(node: cst.ComparisonTarget, _source: Source) -> Rewrites:
    """Turn a comparison into its opposite.

    Each operator of a chain is a site of its own. The ``in`` of a loop is no comparison.

    a < b                    =>  a >= b
    x  is   not  y           =>  x  is  y
    0 <= i < n               =>  0 > i < n  |  0 <= i >= n
    (a)in(b)                 =>  (a)not in(b)
    f"{a == b}"              =>  f"{a != b}"
    [x for x in y if x > 1]  =>  [x for x in y if x <= 1]
    while (n := f()) != 0: pass  =>  while (n := f()) == 0: pass
    a = b                    =>
    for x in y: pass         =>
    """
    yield {node.operator: OPPOSITE[type(node.operator)]}
