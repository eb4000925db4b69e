"""CodeSearchNet as published, or under the names that it has on the Hugging Face Hub: docstrings and functions."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from synctrain.data.compare import normalised_query
from synctrain.data.functions import functions
from synctrain.data.rows import Outcome, Row
from synctrain.types import DataError, Pair

_QUERY = ("docstring", "func_documentation_string")
_CODE = ("code", "func_code_string")
_TOKENS = ("code_tokens", "func_code_tokens")
_PARAGRAPH = re.compile(r"\n\s*\n")


def knows(fields: AbstractSet[str]) -> bool:
    """Say whether rows with these fields are CodeSearchNet's."""
    return not fields.isdisjoint(_QUERY) and not fields.isdisjoint(_CODE + _TOKENS)


def pair(row: Row) -> Outcome:
    """Return the pair of a row: the docstring's first paragraph, and the function without its docstring.

    The published code still holds the docstring, which is the query. Where it cannot be cut out, because the code
    is not Python 3, the published tokens, which hold neither docstring nor comments, stand for the code.
    """
    query = " ".join(_PARAGRAPH.split(row.text(*_QUERY).strip())[0].split())
    tokens = row.words(*_TOKENS)
    if row.values.keys().isdisjoint(_CODE):
        code = tokens
    else:
        text = row.text(*_CODE)
        code = (_without_docstring(text) or tokens) if text.strip() else tokens
        if text.strip() and not code:
            return "with code that does not parse and no tokens"
    return Pair(row.id, query, code, normalised_query(query))


def _without_docstring(text: str) -> str:
    try:
        return next((function.code for function in functions(text, "")), text)
    except DataError:
        return ""
