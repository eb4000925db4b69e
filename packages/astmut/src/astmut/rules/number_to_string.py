"""Numbers that become strings (SYNC rule 4)."""

import libcst as cst

from astmut.rulebook import ANNOTATION, FSTRING, PATTERN, Rewrite, Rewrites, rule
from astmut.source import Source
from astmut.surroundings import in_literal_type

SIGNS: dict[type[cst.CSTNode], str] = {cst.Minus: "-", cst.Plus: "+"}
SUBSCRIPTS = {cst.Index, cst.Slice}


@rule("number-to-string", "sync", "disco", skip=(ANNOTATION, PATTERN, FSTRING))
def number_to_string(node: cst.Integer | cst.Float | cst.Imaginary, source: Source) -> Rewrites:
    """Turn a number into a string of the same spelling.

    A sign belongs to its number. Not in f-strings, match patterns and ``Literal[...]``. Numbers in subscripts are
    tagged ``subscript``.

    x = 3                  =>  x = "3"
    0o666 + 2.50           =>  "0o666" + 2.50  |  0o666 + "2.50"
    -5                     =>  "-5"
    x[1:-1]                =>  x["1":-1]  |  x[1:"-1"]
    a - 5                  =>  a - "5"
    -2 ** x                =>  -"2" ** x
    f(lambda k=1: k)       =>  f(lambda k="1": k)
    def f(a=1): pass       =>  def f(a="1"): pass
    f"{3:>{10}}"           =>
    Literal[1]             =>
    x: Array[3] = y        =>

    match x:
        case 1: pass
    =>
    """
    if in_literal_type(node, source):
        return
    above = source.parent(node)
    new = node.value
    place: cst.CSTNode = node
    if type(above) is cst.UnaryOperation and type(above.operator) in SIGNS and not node.lpar:
        place = above
        new = SIGNS[type(above.operator)] + new
    edits = {place: f'"{new}"'}
    yield Rewrite(edits, ("subscript",)) if type(source.parent(place)) in SUBSCRIPTS else edits
