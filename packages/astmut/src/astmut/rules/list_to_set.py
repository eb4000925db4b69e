"""Lists that become sets (SYNC rule 2)."""

import libcst as cst

from astmut.rulebook import Rewrites, rule
from astmut.source import Source
from astmut.surroundings import is_target

UNHASHABLE = {cst.List, cst.Dict, cst.Set, cst.ListComp, cst.DictComp, cst.SetComp}


@rule("list-to-set", "sync", "natural")
def list_to_set(node: cst.List | cst.ListComp, source: Source) -> Rewrites:
    """Turn a list display or list comprehension into a set.

    Not an empty list, which would be a dict; not a target of an assignment; not a display of lists, sets or
    dicts, which cannot be in a set.

    [x for x in y]                   =>  {x for x in y}
    [ a, *b ]                        =>  { a, *b }
    [*[a, b], c]                     =>  {*[a, b], c}  |  [*{a, b}, c]
    [[i for i in j] for j in k]      =>  {[i for i in j] for j in k}  |  [{i for i in j} for j in k]
    f"{[a, b]}"                      =>  f"{ {a, b}}"
    [[1], [2]]                       =>  [{1}, [2]]  |  [[1], {2}]
    [a, b] = c                       =>
    for [a, b] in c: pass            =>
    del [a, b]                       =>
    x[0] = []                        =>
    def f(a: Callable[[int], str]): pass  =>

    async def f():
        return [await x async for x in y]
    =>
    async def f():
        return {await x async for x in y}
    """
    if type(node) is cst.List and (
        not node.elements
        or any(type(element) is cst.Element and type(element.value) in UNHASHABLE for element in node.elements)
        or is_target(node, source)
    ):
        return
    yield {node.lbracket: "{", node.rbracket: "}"}
