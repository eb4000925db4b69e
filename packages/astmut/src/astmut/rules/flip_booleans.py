"""True and False (SYNC rule 5)."""

from typing import Any

import libcst as cst

from astmut.rulebook import ANNOTATION, Rewrites, rule
from astmut.source import Source
from astmut.surroundings import in_literal_type

OPPOSITE = {"True": "False", "False": "True"}


def _booleans(source: Source) -> list[cst.Name]:
    """Return the names that are one of the two."""
    names: Any = map(source.nodes.__getitem__, source.of_types((cst.Name,)))
    return [name for name in names if name.value in OPPOSITE]


@rule("flip-booleans", "sync", "natural", skip=(ANNOTATION,), tokens="True|False", among=_booleans)
def flip_booleans(node: cst.Name, source: Source) -> Rewrites:
    """Turn ``True`` into ``False`` and back.

    Anywhere, default values and match patterns included, but not in ``Literal[...]``. ``None`` is no boolean.

    f(x, flag=True)        =>  f(x, flag=False)
    def f(a=False): pass   =>  def f(a=True): pass
    x = True if y else 1   =>  x = False if y else 1
    Literal[True]          =>
    x: Literal[True]       =>
    None                   =>

    match x:
        case True: pass
    =>
    match x:
        case False: pass
    """
    if (new := OPPOSITE.get(node.value)) is None or in_literal_type(node, source):
        return ()
    return ({node: new},)
