"""Strings that become fractional numbers (SYNC rule 4)."""

import libcst as cst

from astmut.rulebook import ANNOTATION, FSTRING, PATTERN, Rewrites, rule
from astmut.source import Source
from astmut.strings import in_place_of_string, measured


@rule("string-to-float", "sync", "disco", skip=(ANNOTATION, PATTERN, FSTRING))
def string_to_float(node: cst.SimpleString | cst.ConcatenatedString, source: Source) -> Rewrites:
    """Turn a string into its length, written as a float.

    A string that is a statement is tagged ``trivial``. Docstrings and the like are left alone as in ``string-to-int``.

    x = "abc"              =>  x = 3.0
    x = "nan"              =>  x = 3.0
    "".join(x)             =>  (0.0).join(x)
    x = "a" "bc"           =>  x = 3.0
    f"{x}"                 =>
    b"abc"                 =>
    "A docstring."         =>
    """
    found = measured(node, source)
    return () if found is None else (in_place_of_string(node, found, f"{found.length}.0"),)
