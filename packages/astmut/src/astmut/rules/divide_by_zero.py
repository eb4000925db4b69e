"""Divisions by zero (DISCO for Python)."""

import libcst as cst

from astmut.rulebook import Rewrites, rule
from astmut.source import Source
from astmut.walrus import unbinds

OPERATORS = {
    cst.Divide, cst.FloorDivide, cst.Modulo, cst.DivideAssign, cst.FloorDivideAssign, cst.ModuloAssign,
}  # fmt: skip
STRINGS = {cst.SimpleString, cst.FormattedString, cst.ConcatenatedString}


@rule("divide-by-zero", "disco", tokens="[/%]")
def divide_by_zero(node: cst.BinaryOperation | cst.AugAssign, source: Source) -> Rewrites:
    """Turn the denominator of a division or remainder into 0.

    String formatting (``"%d" % x``) and joined paths (``p / "a"``) are no divisions. Not where a name that is read
    loses the ``:=`` that binds it.

    a / b              =>  a / 0
    a // (b + c)       =>  a // 0
    a % f(x)           =>  a % 0
    x /= y             =>  x /= 0
    a / b / c          =>  a / b / 0  |  a / 0 / c
    a / 0              =>
    a / (n := b) + n   =>
    "%d" % n           =>
    path / "name"      =>
    a * b              =>
    """
    if type(node.operator) not in OPERATORS:
        return
    left, right = (node.left, node.right) if isinstance(node, cst.BinaryOperation) else (node.target, node.value)
    if type(left) in STRINGS or type(right) in STRINGS:
        return
    if type(right) is cst.Integer and right.value == "0":
        return
    whole = source.outer(right)
    if not unbinds(source, (whole,)):
        yield {whole: "0"}
