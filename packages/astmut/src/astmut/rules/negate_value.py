"""Assigned numbers with the wrong sign (the reference code's rule 18)."""

from typing import Any

import libcst as cst

from astmut.layout import wrap
from astmut.rulebook import Rewrites, rule
from astmut.source import Source
from astmut.surroundings import is_zero, operands

NUMBERS = {cst.Integer, cst.Float, cst.Imaginary}
# The others are as often of sets, flags and types.
ARITHMETIC = {cst.Add, cst.Subtract, cst.Multiply, cst.Divide, cst.FloorDivide, cst.Modulo, cst.Power}
NOT_NUMBERS = {
    cst.SimpleString, cst.FormattedString, cst.ConcatenatedString, cst.TemplatedString,
    cst.List, cst.Tuple, cst.Set, cst.Dict, cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp, cst.Lambda,
}  # fmt: skip


SEVERAL = {cst.Tuple, cst.List}
NEGATABLE = NUMBERS | {cst.UnaryOperation, cst.BinaryOperation}
FLIPPED: dict[type[cst.CSTNode], str] = {cst.Minus: "", cst.Plus: "-"}


@rule("negate-value", "extra")
def negate_value(node: cst.Assign | cst.AnnAssign, source: Source) -> Rewrites:
    """Negate a number, or the result of arithmetic, that is assigned.

    Not zero, which has no other sign; not where an operand shows that the result is no number; and not in assignments
    to several names at once.

    x = 5              =>  x = -5
    x = -5             =>  x = 5
    x = y = 2.5        =>  x = y = -2.5
    x: int = 3         =>  x: int = -3
    x = a + b          =>  x = -(a + b)
    x = (a * b)        =>  x = -(a * b)
    x = 0              =>
    x = -0.0           =>
    x = "a" + b        =>
    x = int | None     =>
    x = [0] * n        =>
    x = y              =>
    a, b = c + d       =>
    x += 5             =>
    """
    value = node.value
    kind = type(value)
    if kind not in NEGATABLE or value is None:
        return
    targets = [target.target for target in node.targets] if isinstance(node, cst.Assign) else [node.target]
    if any(type(target) in SEVERAL for target in targets):
        return
    if isinstance(value, cst.UnaryOperation):
        number = type(value.expression) in NUMBERS and not is_zero(value.expression)
        if number and type(value.operator) in FLIPPED:
            yield {value.operator: FLIPPED[type(value.operator)]}
    elif kind in NUMBERS:
        if not is_zero(value):
            yield wrap(source, value, "-", "")
    elif is_arithmetic(value):
        yield wrap(source, value, "-", "") if value.lpar else wrap(source, value, "-(", ")")


def is_arithmetic(operation: Any) -> bool:
    """Whether a binary operation is one of numbers, as far as its operator and operands show."""
    return type(operation.operator) in ARITHMETIC and not any(type(each) in NOT_NUMBERS for each in operands(operation))
