"""Divisions by zero (DISCO for Python)."""

import libcst as cst

from astmut.rulebook import Rewrites, rule
from astmut.source import Source
from astmut.surroundings import is_zero, operands
from astmut.walrus import unbinds

OPERATORS = {
    cst.Divide, cst.FloorDivide, cst.Modulo, cst.DivideAssign, cst.FloorDivideAssign, cst.ModuloAssign,
}  # fmt: skip
STRINGS = {cst.SimpleString, cst.FormattedString, cst.ConcatenatedString, cst.TemplatedString}
REMAINDERS: set[type[cst.CSTNode]] = {cst.Modulo, cst.ModuloAssign}
SEVERAL = {cst.Tuple, cst.Dict, cst.DictComp}  # behind ``%`` they are what a text is filled with


@rule("divide-by-zero", "disco", tokens="[/%]")
def divide_by_zero(node: cst.BinaryOperation | cst.AugAssign, source: Source) -> Rewrites:
    """Turn the denominator of a division or remainder into 0.

    String formatting (``"%d" % x``, ``text % (x, y)``) and joined paths (``p / "a" / b``) are no divisions. Not where
    a name that is read loses the ``:=`` that binds it.

    a / b              =>  a / 0
    a // (b + c)       =>  a // 0
    a % f(x)           =>  a % 0
    x /= y             =>  x /= 0
    a / b / c          =>  a / b / 0  |  a / 0 / c
    a / 0              =>
    a / 0.0            =>
    a / (n := b) + n   =>
    "%d" % n           =>
    ("%d" + a) % n     =>
    text % (a, b)      =>
    path / "a" / name  =>
    a * b              =>
    """
    if type(node.operator) not in OPERATORS:
        return
    left, right = (node.left, node.right) if isinstance(node, cst.BinaryOperation) else (node.target, node.value)
    if is_zero(right) or _shows_text(left) or _shows_text(right):
        return
    if type(right) in SEVERAL and type(node.operator) in REMAINDERS:
        return
    whole = source.outer(right)
    if not unbinds(source, (whole,)):
        yield {whole: "0"}


def _shows_text(operand: cst.BaseExpression) -> bool:
    """Whether an operand is a string, or an operation in which one takes part."""
    return any(type(each) in STRINGS for each in operands(operand))
