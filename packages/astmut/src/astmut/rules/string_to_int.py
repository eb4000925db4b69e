"""Strings that become whole numbers (SYNC rule 4)."""

import libcst as cst

from astmut.rulebook import ANNOTATION, FSTRING, PATTERN, Rewrites, rule
from astmut.source import Source
from astmut.strings import in_place_of_string, measured


@rule("string-to-int", "sync", "disco", skip=(ANNOTATION, PATTERN, FSTRING))
def string_to_int(node: cst.SimpleString | cst.ConcatenatedString, source: Source) -> Rewrites:
    r"""Turn a string into its length.

    Strings written side by side are one string. One that is a statement, as those that describe an attribute are, has
    no effect to go wrong, and is tagged ``trivial``. Not docstrings, bytes, f-strings, match patterns and
    ``Literal[...]``.

    x = "abc"              =>  x = 3
    f('a' "bc")            =>  f(3)
    d["nan"]               =>  d[3]
    "5"                    =>
    x = "5"                =>  x = 1
    "".join(x)             =>  (0).join(x)
    ("a b").split()        =>  (3).split()
    1 if"a"else b          =>  1 if 1 else b
    x = "a\nb"            =>  x = 3
    b"abc"                 =>
    f"abc {x['k']}"        =>
    x: "int" = y           =>
    Literal["a"]           =>

    def f():
        "What it does."
        return "a"
    =>
    def f():
        "What it does."
        return 1

    match x:
        case "a": pass
    =>
    """
    found = measured(node, source)
    return () if found is None else (in_place_of_string(node, found, str(found.length)),)
