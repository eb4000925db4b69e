"""Signs, not and ~ (the reference code's rule 16)."""

import libcst as cst

from astmut.layout import keep
from astmut.rulebook import Rewrites, rule
from astmut.source import Source


@rule("flip-unary", "extra")
def flip_unary(node: cst.UnaryOperation, source: Source) -> Rewrites:
    """Turn ``-x`` into ``+x`` and back, drop ``not`` and ``~``.

    -x                 =>  +x
    - x                =>  + x
    a - +b             =>  a - -b
    not x              =>  x
    a = not(x)         =>  a = (x)
    ~(a | b)           =>  (a | b)
    x = not y in z     =>  x = y in z
    a - b              =>

    match x:
        case -1: pass
    =>
    """
    if type(node.operator) is cst.Minus:
        yield {node.operator: "+"}
    elif type(node.operator) is cst.Plus:
        yield {node.operator: "-"}
    else:
        yield keep(source, node, node.expression)
