"""What a docstring says its function does: one sentence of plain English, fit to stand for a query."""

from __future__ import annotations

import re

_SIGNATURE = re.compile(
    r"^[\w.]+\s?\([^()]*(?:\([^()]*\)[^()]*)*\)(?:\s*(?:->|=>)\s*[^\n]*?)?(?:\s+--?\s+|:?\s*(?:\n|$))"
)
_DASHED = re.compile(r"^[\w.]+\s+--\s+")  # name -- what it does
_STOP = re.compile(
    r"^(?:>>>|\.\.\s|[:@][a-zA-Z]|[=~^*+#-]{3,}|[|+]|"
    r"(?:args?|arguments|param(?:eter)?s|keyword\s+(?:args?|arguments)|returns?|yields?|raises|exceptions|examples?|usage|"
    r"notes?|see\s+also|references|attributes|warnings?|todo|deprecated)\s*:{1,2}\s*$)",
    re.IGNORECASE,
)
_UNDERLINE = re.compile(r"^[=~^*+#\"'`-]{3,}$")
# Each markup with what stays of it.
_MARKUP = (
    (re.compile(r":[\w:+.-]+:`~?([^`<]*?)\s*<[^`>]*>`"), r"\1"),  # :func:`text <target>`
    (re.compile(r":[\w:+.-]+:`~(?:[^`]*\.)?([^`]*)`"), r"\1"),  # :class:`~package.Class`
    (re.compile(r":[\w:+.-]+:`!?([^`]*)`"), r"\1"),
    (re.compile(r"``([^`]*(?:`[^`]+)*)``"), r"\1"),
    (re.compile(r"`([^`<]+?)\s*<[^`>]*>`__?"), r"\1"),  # `text <target>`_
    (re.compile(r"`([^`]*)`_{0,2}(?!\w)"), r"\1"),
    (re.compile(r"`([^`']*)'"), r"'\1'"),  # `quoted as in TeX'
    (re.compile(r"\b[BCILMU]\{([^{}]*)\}"), r"\1"),  # epydoc
    (re.compile(r"\s*\[[\w#*]+\]_"), ""),  # a footnote
    (re.compile(r"(?<![\w*])(\*\*?)(?=[^\s*])([^*\n]*[^\s*])\1(?![\w*])"), r"\2"),
    (re.compile(r"\\([*_`|\\])"), r"\1"),
)
_END = re.compile(r"[.!?][\"')\]]*(?=\s+[^\sa-z])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|resp|approx|no|fig|sec|st|mr|dr)|\b[A-Z]|\.\.)\.$", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_FOREIGN = frozenset(
    {"le", "les", "des", "une", "est", "dans", "pour", "sur", "avec", "qui", "el", "los", "las", "del", "por", "con"}
    | {"para", "una", "der", "das", "und", "ist", "nicht", "ein", "eine", "wird", "von", "mit", "den", "dem", "della"}
    | {"delle", "gli", "che", "sono", "os", "uma", "com", "het", "een", "van", "niet", "voor"}
)
_ENGLISH = frozenset(
    {"the", "a", "an", "of", "to", "and", "or", "is", "in", "for", "if", "with", "by", "from", "this", "that", "as"}
    | {"be", "on", "it", "are", "not", "all", "at", "when"}
)


def summary(docstring: str) -> str:
    """Return the first sentence of a docstring on one line, or "" where it has none.

    A signature at the beginning is no sentence; doctests, fields (``:param x:``), sections (``Args:``) and directives
    end the prose; of Sphinx's, Markdown's and epydoc's markup, the text stays.
    """
    lines: list[str] = []
    for line in _shortened(docstring.strip()).splitlines():
        bare = line.strip()
        if _UNDERLINE.match(bare) and len(lines) <= 1:  # what stood above was a title
            continue
        if _STOP.match(bare) or (not bare and lines):
            break
        if bare:
            lines.append(bare)
    return _sentence(plain(" ".join(lines)))


def plain(text: str) -> str:
    """Return a text without markup, with one blank between words."""
    for pattern, kept in _MARKUP:
        text = pattern.sub(kept, text)
    return " ".join(text.split())


def words(text: str) -> list[str]:
    """Return the words of a text: letters, with dashes and apostrophes inside."""
    return _WORD.findall(text)


def is_english(text: str) -> bool:
    """Say whether a text looks like English prose: by its letters and by its small words. A guess, and a cheap one."""
    letters = [character for character in text if character.isalpha()]
    solid = sum(not character.isspace() for character in text)
    if len(letters) < 0.6 * solid or sum(letter.isascii() for letter in letters) < 0.9 * len(letters):
        return False
    found = [word.casefold() for word in words(text)]
    foreign = sum(word in _FOREIGN for word in found)
    return foreign < 2 or foreign <= sum(word in _ENGLISH for word in found)  # noqa: PLR2004 - one may be a name


def _shortened(text: str) -> str:
    for pattern in (_SIGNATURE, _DASHED):
        match = pattern.match(text)
        if match and match.end() < len(text):
            return text[match.end() :].lstrip()
    return text


def _sentence(text: str) -> str:
    for match in _END.finditer(text):
        if not _ABBREVIATION.search(text[: match.start() + 1]):
            return text[: match.end()]
    return text
