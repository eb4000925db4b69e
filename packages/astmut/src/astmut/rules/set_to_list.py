"""Sets that become lists (SYNC rule 3)."""

import libcst as cst

from astmut.rulebook import Rewrites, rule
from astmut.source import Source


@rule("set-to-list", "sync", "natural")
def set_to_list(node: cst.Set | cst.SetComp, _source: Source) -> Rewrites:
    """Turn a set display or set comprehension into a list.

    {x for x in y}               =>  [x for x in y]
    { 1, *a }                    =>  [ 1, *a ]
    {f(i) for i in {j for j in k}}  =>  [f(i) for i in {j for j in k}]  |  {f(i) for i in [j for j in k]}
    {a: b}                       =>
    {}                           =>
    """
    yield {node.lbrace: "[", node.rbrace: "]"}
