"""Files that break tools: odd line ends, codings, blanks, depths, sizes. Right, or one ParseError; never a crash."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libcst as cst
import pytest
from click.testing import CliRunner

import astmut
from astmut.cli import commands
from astmut.source import LONG_LINE

BOM = b"\xef\xbb\xbf"
BODY = "x = a == b\nif x and y:\n    f(1, 'q')\nelse:\n    z = [i for i in j]\n"


def contract(data: str | bytes) -> dict[str, int]:
    """Mutate in all modes, look at every mutant; return how many there were by mode."""
    source = astmut.Source(data)
    whole = source.encode(source.text.value) if isinstance(data, bytes) else data
    assert whole == data
    counts = {}
    for mode in ("each", "together", "sample"):
        mutants = list(astmut.mutate(source, mode=mode))
        counts[mode] = len(mutants)
        for mutant in mutants:
            assert astmut.revert(mutant) == source.text.value
            assert mutant.text != source.text.value
            new: str | bytes = source.encode(mutant.text) if isinstance(data, bytes) else mutant.text
            program = (
                new.encode() if isinstance(new, str) and new[:1] == "\ufeff" else new
            )  # in a file a mark, in a text no Python
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(program, "<mutant>", "exec", dont_inherit=True)
            first, last = mutant.edits[0].span.start, mutant.edits[-1].span.end
            head, tail = mutant.origin.cut(0, first), mutant.origin.cut(last, len(mutant.origin))
            if isinstance(new, bytes):
                assert new.startswith(source.encode(head))
                assert new.endswith(tail.encode(source.coding.removesuffix("-sig")))
            else:
                assert new.startswith(head)
                assert new.endswith(tail)
    return counts


# --- line ends, blanks, codings -------------------------------------------------------------------

RIGHT: dict[str, str | bytes] = {
    "CRLF": BODY.replace("\n", "\r\n"),
    "CRLF bytes": BODY.replace("\n", "\r\n").encode(),
    "mixed line ends": "x = a == b\r\nif x:\r    f(1, 2)\n    g(a or b)\r\nelse:\n    y = 'q'\r",
    "mixed line ends in a string": "x = '''a\r\nb\rc\nd''' if a == b else '\\\r\n'\n",
    "no newline at the end": BODY.rstrip("\n"),
    "no newline after a comment": "x = a == b  # c",
    "CRLF without one at the end": BODY.replace("\n", "\r\n").rstrip(),
    "blank lines at the end": BODY + "\n\n   \n\t\n",
    "form feed between": "x = a == b\n\x0c\ndef f():\n    return a < b\n\x0c\n",
    "form feed before indentation": "def f():\n\x0c    return a < b\n",
    "form feed in indentation": "if a == b:\n  \x0c    f(1, 2)\n    \n",
    "form feed inside a line": "x =\x0ca == \x0cb\n",
    "tabs": "if a == b:\n\tif c:\n\t\tf(1, 2)\n\telse:\n\t\tg('q')\n",
    "tabs behind blanks": "if a == b:\n  if c:\n  \tf(1, 2)\n",
    "one blank of indentation": "if a == b:\n f(1, 2)\n",
    "byte order mark": BOM + BODY.encode(),
    "byte order mark and cookie": BOM + b"# coding: utf-8\n" + BODY.encode(),
    "byte order mark in a str": "\ufeff" + BODY,
    "byte order mark before a CRLF file": BOM + BODY.replace("\n", "\r\n").encode(),
    "byte order mark before a letter": "\ufeffx = 'é' == ü\n".encode(),
    "latin-1": "# -*- coding: latin-1 -*-\nx = 'é' == ü\nf('ß', 2)\n".encode("latin-1"),
    "latin-1 of carriage returns": b"# coding: latin-1\rx = '\xe9' == b\r",
    "iso-8859-15": "# coding=iso-8859-15\nx = '€' == b\n".encode("iso-8859-15"),
    "cp1252": "#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '“q”' if a == b else 1\n".encode("cp1252"),
    "shift_jis": "# coding: shift_jis\nx = '漢字' == b\nf(1, 'ソ')\n".encode("shift_jis"),
    "euc_jp": "# coding: euc_jp\nx = '漢字' == b\n".encode("euc_jp"),
    "gbk": "# coding: gbk\nx = '汉字' == b\n".encode("gbk"),
    "koi8-r": "# coding: koi8-r\nx = 'я' == b\n".encode("koi8-r"),
    "utf-8 under many names": b"# coding: UTF8\nx = '\xc3\xa9' == b\n",
    "a cookie in a str is a comment": "# coding: shift_jis\nx = 'é' == b\n",
    "a str with an unknown cookie": "# coding: no-such-thing\nx = 'é' == b\n",
    "a cookie on the third line": b"\n\n# coding: no-such-thing\nx = a == b\n",
    "unicode names": "ñ = ä == ö\nfür(變數, 'é')\nclass Ж:\n    µ = ª < º\n",
    "names that normalise": "x = ﬁ == fi\nf(ﬁ, 1)\n",
    "beyond the BMP": "x = '🐍' == '\U0001d54f'\nf('🐍🐍', 1)\n",
    "a non-breaking blank in a string": "x = '\u00a0\u2028\u2029\x85\x1c' == b\ny = c < d\n",
    "line separators in a comment": "# \u2028 \x85 \x1c\x0b\nx = a == b\n",
    "nothing but a line continuation": "x = a \\\n  == b\\\n\nif x and \\\n   y: f(1, \\\n 2)\n",
    "continuation CRLF": "x = a \\\r\n  == b\r\n",
    "semicolons": "x = a == b; y = c < d;\nif x: f(1, 2); g('q');\n",
    "strings over lines": "x = 'a\\\nb' == '''c\n  d\n''' + \"e\\\n\"\n",
    "all prefixes": "".join(
        f"f({p}'a', {p.upper()}\"b\" == x)\n"
        for p in ("", "r", "u", "b", "br", "rb", "f", "fr", "rf", "bR", "Rb", "fR")
    ),
    "strange strings": "x = ['\\N{BULLET}', '\\x41', '\\101', r'\\\\', '\\\\', \"'\", '\"', '''\"''' , '' '' \"\"]\n",
    "invalid escapes": "x = '\\d' == '\\ '\n",
    "numbers": "x = [0, 00, 0_0, 1_000, 0xF_f, 0B1, 0o7, 1., .5, 1e5, 1E-5, 1j, 1.5J, 1e400, 0.1_2]\n",
    "a number beside a word": "x = (a)if(b)else(c)or[d]and'e'if{f}else(1)is(2)\n",
    "walrus": "if (n := f(a, b)) == 1 and [y := 2, y]: print(x := 3)\n",
    "async": textwrap.dedent("""\
        async def f(a):
            async with a as b, c: return await b(1, 2)
            x = [i async for i in a if await i == 1]
            async for i in a:
                await f(g(x, y))
            else:
                return i
        async def g():
            yield a == b
        """),
    "match": textwrap.dedent("""\
        match f(a, b):
            case 1 | -2 | "x" | None | True: x = a == b
            case [a, *_] if a < 1: pass
            case {"k": 1, **r}: f(1)
            case P(x=1, y=[2, 3]) as q: pass
            case a.b: pass
        match = case = type = 1 == 2
        """),
    "decorators": "@a.b(1, 2)[c == d]\n@(e or f)\n@lambda f: f(1)\nclass A(B, m=C(1, 2)): pass\n",
    "positional only": "def f(a, b=1, /, c=2 == 3, *, d='x', **e) -> 'y': return lambda a, /, *b, c=1: a < b\n",
    "lambda in default": "def f(a=lambda b=(1, 2): b == 1): pass\n",
    "star expressions": "a, *b = *c, d == e\nfor x in *a, *b: f(*x, 1, *y, 2, **z)\nreturn_ = [*a, *[b == c]]\n",
    "chained everything": "a = b = c, (d) = x[1:2, ::3, ...] = f(1)(2)[3].g(4, 5)(6) == h\n",
    "global and nonlocal": "def f():\n    global x; x = a == b\n    y = 1\n    def g():\n        nonlocal y; y = 2\n",
    "type comments": "x = [] # type: list[int]\ny = a == b # type: ignore\n",
    "future": "'doc'\nfrom __future__ import annotations, division\nx: f(1, 2) = a == b\n",
    "with in parentheses": "with (open(a, b) as f, g(1, 2) as h,): x = a == b\n",
    "except": "try: f(1, 2)\nexcept (A, B) as e: raise C(1) from e\nexcept D : pass\nelse: a == b\nfinally: c < d\n",
    "nested f-strings": "x = f'{a == b!r:>{w or 3}} {{}} {f\"{c < d}\"} {e=} {f(1, 2)}'\n",
    "print chevron": "print >>f, x == 1\n",  # Python 2's print, and Python 3 all the same
    "names of Python 2": "exec = print = unicode(a, b) == 1\n",
    "comments everywhere": "# a\nif x: # b\n    # c\n    f(1, # d\n      2) # e\n  # f\n# g\nelse: # h\n    a == b # i\n# j\n",
    "comment at a smaller depth": "def f():\n    if a:\n        b == c\n# out\n    # half\n        d < e\n    return 1\n",
    "ellipsis": "def f(a=...): ...\nx = ... == a[..., 1]\n",
    "matrix": "x = a @ b == c; x @= d\n",
    "dunder debug": "if __debug__ and a == b: f(1, 2)\n",
}
if sys.version_info >= (3, 11):
    RIGHT["except star"] = "try: f(1, 2)\nexcept* (A, B) as e: a == b\nexcept *C: pass\n"
if sys.version_info >= (3, 12):
    RIGHT["PEP 695"] = (
        "type A[T: int, *U, **V] = dict[T, 1 == 2]\ndef f[T](a: T) -> T: return a == 1\nclass C[T](B[T]): x = a < b\n"
    )
    RIGHT["PEP 701"] = "x = f'{a['k']} {f'{f'{1 + 1}'}'} {\n    b == c  # why\n} {'\\n'.join(d)}'\n"
if sys.version_info >= (3, 13):
    RIGHT["PEP 696"] = "class C[T = int, *U = *tuple[int, ...], **V = [int]]: x = a == b\ntype A[T = str] = T\n"


@pytest.mark.parametrize("name", RIGHT)
def test_odd_files_give_right_mutants(name: str) -> None:
    counts = contract(RIGHT[name])
    assert counts["each"]
    assert counts["together"]


NOTHING: dict[str, str | bytes] = {
    "empty": "",
    "empty bytes": b"",
    "only a byte order mark": BOM,
    "blanks": " \t ",
    "line ends": "\n\r\n\r\n\n",
    "form feeds": "\x0c\n\x0c",
    "a comment": "# nothing",
    "comments": b"#!/bin/sh\n# coding: latin-1\n\n# \xe9\n",
    "a docstring": '"""Doc."""',
    "a docstring with line ends": "'''Doc\r\n\r\n'''\r\n",
    "a name": "x\n",
    "pass": "pass;",
    "an indented comment": "    # nothing\n",
    "a continuation": "\\\n",
}


@pytest.mark.parametrize("name", NOTHING)
def test_files_with_nothing_to_change_give_nothing(name: str) -> None:
    try:
        assert contract(NOTHING[name]) == {"each": 0, "together": 0, "sample": 0}
    except astmut.ParseError:  # where Python itself says so
        with pytest.raises(SyntaxError):
            compile(NOTHING[name], "<source>", "exec")


UNREADABLE: dict[str, str | bytes] = {
    "syntax error": "x = = 1\n",
    "Python 2 print": "print x == 1\n",
    "Python 2 except": "try: pass\nexcept A, e: pass\n",
    "Python 2 backticks": "x = `y`\n",
    "Python 2 octal": "x = 0777\n",
    "unclosed bracket": "f(1, 2\n",
    "unclosed string": "x = '''abc\n",
    "bad indentation": "if a:\n    b\n  c\n",
    "tabs against blanks": "if a:\n        b\n\tc\n",
    "NUL": "x = 1\0\n",
    "NUL bytes": b"x = a == b\n\0\0\0",
    "NUL in a string": "x = '\0'\n",
    "NUL in a comment": b"# \0\nx = a == b\n",
    "lone surrogate": "x = '\ud800' == b\n",
    "lone surrogate in a comment": "# \udfff\nx = a == b\n",
    "not utf-8": b"x = '\xe9' == b\n",
    "cookie that lies": "# coding: ascii\nx = 'é' == b\n".encode(),
    "cookie that lies about utf-8": "# coding: utf-8\nx = 'é' == b\n".encode("latin-1"),
    "byte order mark against cookie": BOM + b"# coding: latin-1\nx = a == b\n",
    "unknown cookie": b"# coding: no-such-thing\nx = a == b\n",
    "cookie of no text": b"# coding: base64\nx = a == b\n",
    "cookie idna": b"# coding: idna\nx = a == b\n",
    "cookie unicode_escape": b"# coding: unicode_escape\nx = a == b\n",
    "cookie utf-7": b"# coding: utf-7\nx = 1 == b  # +-\n",
    "cookie hz": b"# coding: hz\nx = '~~' == b\n",
    "cookie of no backslash": b"# coding: shift_jisx0213\nx = a == b\n",
    "cookie rot13": b"# coding: rot13\nk = n == o\n",
    "utf-16": "x = a == b\n".encode("utf-16"),
    "utf-32": "x = a == b\n".encode("utf-32"),
    "utf-16 cookie": "# coding: utf-16\nx = a == b\n".encode("utf-16"),
    "two byte order marks": BOM + BOM + b"x = a == b\n",
    "binary": bytes(range(256)) * 4,
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "very long number": "x = " + "9" * 5000 + "\n",
    "a character that is no name": "x = a ≠ b\n",
    "zero width blank": "x = a\u200b == b\n",
    "non-breaking blank": "x =\u00a0a == b\n",
    "curly quotes": "x = “a” == b\n",
    "escape that is none": "x = '\\N{no such character}'\n",
    "escape too short": "x = '\\x4'\n",
    "continuation at the end": "x = 1\\",
    "indented first line": "  x = a == b\n",
    "merge conflict": "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> b\n",
    "assignment to a literal": "1 = x\n",
    "f-string that is empty": "x = f'{}'\n",
    "prompt": ">>> x = a == b\n",
    "HTML": "<!DOCTYPE html>\n<html></html>\n",
    "JSON with null bytes": b'{"a": "\x00"}',
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_files_give_one_clear_error(name: str) -> None:
    with pytest.raises(astmut.ParseError) as caught:
        list(astmut.mutate(UNREADABLE[name]))
    message = str(caught.value)
    assert message
    assert "\n" not in message
    assert caught.value.line is None or caught.value.line >= 1


@pytest.mark.parametrize("coding", ["no-such-thing", "punycode"])
@pytest.mark.parametrize(("before", "row"), [("", 1), ("\n", 2), ("# one\r\n", 2)])
def test_the_row_of_a_cookie_is_named(coding: str, before: str, row: int) -> None:
    with pytest.raises(astmut.ParseError) as caught:
        astmut.Program(f"{before}# coding: {coding}\n".encode())
    assert caught.value.line == row


@pytest.mark.parametrize("text", ["not a", "f(a)", "1 if a else 2", "True; a < b", "\nimport os; pass", "é(ü, 1)"])
@pytest.mark.parametrize("mode", ["each", "together"])
def test_a_byte_order_mark_in_a_str_changes_no_mutant(text: str, mode: Any) -> None:
    stats, with_mark = astmut.Stats(), astmut.Stats()
    plain = [mutant.text for mutant in astmut.mutate(text, mode=mode, stats=stats)]
    assert [mutant.text for mutant in astmut.mutate(f"\ufeff{text}", mode=mode, stats=with_mark)] == [
        f"\ufeff{one}" for one in plain
    ]
    assert with_mark == stats


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_row_of_a_nul_is_named(end: str) -> None:
    with pytest.raises(astmut.ParseError) as caught:
        astmut.Program(f"x = 1{end}{end}y = '\0'{end}")
    assert caught.value.line == 3


@pytest.mark.parametrize("name", [name for name, data in UNREADABLE.items() if isinstance(data, str)])
def test_what_is_unreadable_is_no_python(name: str) -> None:
    text = str(UNREADABLE[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((SyntaxError, ValueError)):
            compile(text, "<source>", "exec")


@pytest.mark.parametrize(
    "text", ["return a == b\n", "break\nx = a == b\n", "nonlocal x\ny = 1 < 2\n", "await f(1, 2)\n"]
)
def test_what_parses_and_does_not_compile_gives_no_mutant(text: str) -> None:
    stats = astmut.Stats()
    assert not list(astmut.mutate(text, stats=stats))
    assert stats.sites.total() == stats.refused.total() > 0
    assert {reason for _, reason in stats.refused} == {"source-does-not-compile"}
    assert astmut.Source(text).defect


def test_lone_carriage_returns_are_line_ends() -> None:
    for text in (BODY.replace("\n", "\r"), "x = a == b\ry = c < d\r", "def f():\r    return a == b\r"):
        for data in (text, text.encode()):
            assert contract(data)["each"]


def test_what_would_come_back_in_another_spelling_is_refused() -> None:
    """Where nothing is mutated, not one byte may change."""
    with pytest.raises(astmut.ParseError, match="does not give the same bytes back"):
        astmut.Source(b"# coding: iso2022_jp\nx = '\x1b(B' == b\n")
    assert contract("# coding: iso2022_jp\nx = '日' == b\n".encode("iso2022_jp"))["each"]


def test_every_cut_of_a_file_is_read_or_refused() -> None:
    text = "def f(a, *b):\r\n    '''é'''\n    if a == b[1:] and not {c: f'{d!r}'}: # x\r        return [e for e in (1, 'q')]\n"
    for end in range(len(text)):
        for cut in (text[:end], text[end:], text[:end].encode()):
            try:
                contract(cut)
            except astmut.ParseError:
                with pytest.raises((SyntaxError, ValueError)):
                    compile(cut, "<source>", "exec")


# --- depth and size, in processes of their own ----------------------------------------------------


def chains(links: int) -> dict[str, str]:
    """Operations that libcst reads in a time that grows with the cube of their number."""
    return {
        "addition": "x = " + " + ".join("ab" * (links // 2)),
        "mixed operators": "x = " + "".join(f"a{op}b-" for op in "+*/%" * (links // 4)) + "c",
        "attribute": "x = a" + ".b" * links,
        "call": "x = f" + "()" * links,
        "subscript": "x = a" + "[0]" * links,
        "conditional": "x = " + "a if b else " * links + "c",
    }


# Up to 3.12 Python itself refuses most chains of 5,000 links. 3.13 compiles them, and libcst would read for minutes:
# there fast tests have a quarter of the links on an eighth of the usual stack, which they would overflow as well. The
# comment makes the line as long as that of a whole chain. Whole chains are for the slow test.
LONG_CHAINS = chains(5000)
MANY_LINKS_COMPILE = sys.version_info >= (3, 13)
COMMENT = "  # " + "-" * LONG_LINE
CHAINS = {name: text + COMMENT for name, text in chains(1250).items()} if MANY_LINKS_COMPILE else LONG_CHAINS
SMALL_STACK = 1024 * 1024

DEEP = CHAINS | {
    "not": "x = " + "not " * 5000 + "a == b",
    "minus": "x = " + "-" * 5000 + "a == b",
    "signs with blanks": "x = " + "- + ~ " * 2000 + "a",
    "power": "x = " + "**".join("ab" * 2500),
    "call in call": "x = " + "f(" * 5000 + ")" * 5000,
    "call in call, 150": "x = " + "f(" * 150 + ")" * 150,
    "subscript in subscript": "x = " + "a[" * 5000 + "0" + "]" * 5000,
    "methods": "x = a" + ".b(c, d)" * 5000,
    "lambda": "x = " + "lambda: " * 5000 + "1",
    "elif": "if a: b\n" + "elif c: d\n" * 5000,
    "elif, 900": "if a == b: c\n" + "elif d: e\n" * 900 + "else: f\n",
    "strings side by side": "x = " + "'a' " * 5000,
    "f-strings side by side": "x = " + "f'{a}' " * 5000,
    "and": "x = " + " and ".join("ab" * 10_000),
    "and, or": "x = " + " and ".join("ab" * 1000) + " or " + " or ".join("cd" * 1000),
    "and or and or": "x = " + " or ".join(["a and b"] * 1000),
    "comparison": "x = " + " < ".join("ab" * 2500),
    "assignment": "".join(f"x{i} = " for i in range(5000)) + "1",
    "walrus": "x = " + "(a := " * 5000 + "1" + ")" * 5000,
    "parentheses": "x = " + "(" * 5000 + "a == b" + ")" * 5000,
    "parentheses, 190": "x = " + "(" * 190 + "a == b" + ")" * 190,
    "brackets": "x = " + "[" * 5000 + "]" * 5000,
    "brackets, 190": "x = " + "[" * 190 + "1" + "]" * 190,
    "braces": "x = " + "{" * 5000 + "1" + "}" * 5000,
    "dicts": "x = " + "{1:" * 5000 + "1" + "}" * 5000,
    "tuples": "x = " + "(" * 5000 + "1" + ",)" * 5000,
    "unclosed": "(" * 5000,
    "await": "async def f():\n    return " + "await " * 5000 + "x",
    "yield": "def f():\n    " + "x = yield (" * 300 + "1" + ")" * 300,
    "star": "f(" + "*" * 5000 + "a)",
    "comprehension": "x = [a " + "for a in b " * 5000 + "]",
    "comprehension in comprehension": "x = " + "[a for a in " * 190 + "b" + "]" * 190,
    "if in if": "".join(" " * i + "if a == b:\n" for i in range(5000)) + " " * 5000 + "c",
    "if in if, 95": "".join(" " * i + "if a == b:\n" for i in range(95)) + " " * 95 + "c\n",
    "def in def": "".join(" " * i + f"def f{i}(a=b == c):\n" for i in range(90)) + " " * 90 + "return 1\n",
    "class in class": "".join(" " * i + f"class C{i}:\n" for i in range(95)) + " " * 95 + "x = a == b\n",
    "for in for": "".join(" " * i + "for a in b:\n" for i in range(19)) + " " * 19 + "c == d\n",
    "try in try": "".join(" " * i + "try:\n" for i in range(99)) + " " * 99 + "c",
    "else if": "".join(" " * i + "if a: b\n" + " " * i + "else:\n" for i in range(95)) + " " * 95 + "c == d\n",
    "decorators": "@a\n" * 5000 + "def f(): return a == b\n",
    "f-string in f-string": "x = " + "f'{" * 140 + "a == b" + "}'" * 140,
    "format specs": "x = f'" + "{a:" * 5000 + "}" * 5000 + "'",
    # No deeper: libcst's time doubles with each bracket of a pattern.
    "patterns": "match x:\n    case " + "[" * 12 + "a" + "]" * 12 + ": pass\n",
    "pattern of alternatives": "match x:\n    case " + " | ".join(["1"] * 5000) + ": pass\n",
    "imports": "import " + ".".join(["a"] * 5000),
    "long name": "x" * 100_000 + " = a == b\n",
    "with": "with " + ", ".join(["a"] * 19) + ": b == c\n",
    "statements on a line": "a == b; " * 2000,
    "arguments": "f(" + ", ".join(f"a{i}" for i in range(2000)) + ")",
    "long string": "x = '" + "a" * 1_000_000 + "' == b",
    "escapes": "x = '" + "\\n" * 100_000 + "'",
    "blank lines": "\n" * 100_000 + "x = a == b",
    "comments": "# c\n" * 50_000 + "x = a == b",
    "continuations": "x = a == b" + " \\\n" * 10_000 + "\n",
}

LARGE = {
    "a dict of 1 MB": "x = {\n" + "".join(f"    'k{i}': [{i}, 'v', None, a == b],\n" for i in range(30_000)) + "}\n",
    "a line of 1 MB": "x = [" + ", ".join(f"({i}, 'a')" for i in range(70_000)) + "]\n",
    "200,000 statements": "".join(f"x{i} = {i}\n" for i in range(200_000)),
    "5 MB of functions": "".join(
        f"def f{i}(a, b):\n    if a == b and {i} < len('abc'):\n        return g(a, b, [x for x in b])\n    return None\n\n\n"
        for i in range(45_000)
    ),
}

CHILD = r"""
import contextlib, json, os, sys, time, warnings
warnings.simplefilter("ignore")
if len(sys.argv) > 1:
    with contextlib.suppress(ImportError):  # on Windows, where the stack is small enough as it is
        import resource
        resource.setrlimit(resource.RLIMIT_STACK, (int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_STACK)[1]))
import astmut
from astmut import engine

def one(text, most):
    try:
        source = astmut.Source(text)
    except astmut.ParseError as error:
        return {"error": str(error)}
    before, counts = source.text.value, {}
    for mode in ("each", "together", "sample"):
        made = 0
        for mutant in astmut.mutate(source, mode=mode, count=most if mode == "each" else None):
            made += 1
            if made <= 3:
                new = mutant.text
                assert new != before and astmut.revert(mutant) == before
                compile(new, "<mutant>", "exec", dont_inherit=True)
        counts[mode] = made
    return counts

for line in sys.stdin:
    name, text, most = json.loads(line)
    print(json.dumps(["start", name]), flush=True)
    began = time.perf_counter()
    try:
        result = one(text, most)
    except BaseException as error:
        result = {"raised": f"{type(error).__name__}: {error}"[:300]}
    print(json.dumps(["end", name, result, round(time.perf_counter() - began, 2)]), flush=True)
"""


def outcomes(
    cases: dict[str, str], most: int | None, stack: int | None = None
) -> Iterator[tuple[str, dict[str, object]]]:
    """Run cases in a child process; where it dies, note that and go on in another one with the next case."""
    command = [sys.executable, "-c", CHILD, *([] if stack is None else [str(stack)])]
    left = dict(cases)
    while left:
        lines = "".join(json.dumps([name, text, most]) + "\n" for name, text in left.items())
        run = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
        running = ""
        for line in run.stdout.splitlines():
            kind, name, *rest = json.loads(line)
            if kind == "start":
                running = name
            else:
                running = ""
                del left[name]
                yield name, {**rest[0], "seconds": rest[1]}
        if running or run.returncode:
            yield running or next(iter(left)), {"died": f"exit status {run.returncode}: {run.stderr[-300:]}"}
            left.pop(running or next(iter(left)))


@pytest.fixture(scope="module")
def deep() -> dict[str, dict[str, object]]:
    others = {name: text for name, text in DEEP.items() if name not in CHAINS}
    chained = outcomes(CHAINS, 10, SMALL_STACK if MANY_LINKS_COMPILE else None)
    return dict(outcomes(others, 10)) | dict(chained)


@pytest.mark.parametrize("name", DEEP)
def test_depth_ends_no_process(deep: dict[str, dict[str, object]], name: str) -> None:
    assert_read_or_refused(deep[name], DEEP[name])


def assert_read_or_refused(outcome: dict[str, object], text: str) -> None:
    assert "died" not in outcome, outcome
    assert "raised" not in outcome, outcome
    if "error" in outcome:
        assert "\n" not in str(outcome["error"])
        # Refused, so it must be beyond what Python or libcst can read.
        assert re.search("nested too deeply|not Python|libcst cannot parse", str(outcome["error"])), outcome
    else:
        assert outcome["each"] or "==" not in text


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG_CHAINS)
def test_the_length_of_a_chain_ends_no_process(name: str) -> None:
    text = LONG_CHAINS[name]
    assert_read_or_refused(dict(outcomes({name: text}, 10))[name], text)


SHALLOW = [name for name in DEEP if name.split(", ")[-1].isdigit()]


@pytest.mark.parametrize("name", SHALLOW)
def test_depth_that_python_can_stand_is_read(deep: dict[str, dict[str, object]], name: str) -> None:
    try:
        compile(DEEP[name], "<source>", "exec")
    except (SyntaxError, RecursionError, MemoryError):
        pytest.skip("this Python cannot stand it")
    assert "error" not in deep[name], deep[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_files_are_read(name: str) -> None:
    outcome = dict(outcomes({name: LARGE[name]}, 30_000))[name]
    assert "died" not in outcome, outcome
    assert "raised" not in outcome, outcome
    assert "error" not in outcome, outcome
    assert int(str(outcome["each"])) >= 30_000


RULER = "#" * 60
RULED = f"""\
def main():
    {RULER}
    # an example
    {RULER}

    a = f(start, rules, 3)
    b = f(start, rules, 3)
    g(start,
      {"# " * 40}
      rules)
"""


def test_comments_that_draw_a_line_cost_no_more_than_others(tmp_path: Path) -> None:
    """Each is read in one way, not in 2**60. In a process of its own, which can be ended."""
    path = tmp_path / "ruled.py"
    path.write_text(RULED, "utf-8")
    command = [sys.executable, "-m", "astmut", "mutate", str(path), "--format", "jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    plain = path.with_name("plain.py")
    plain.write_text(RULED.replace(RULER, "#"), "utf-8")
    assert done.stdout.count("\n") == len(list(astmut.mutate(plain.read_bytes())))


# What a reader of words by regular expressions could read in many ways.
MANY_WAYS = {
    "a line of number signs": f"f(a,\n{'#' * 3_000}\nb)",
    "comments in comments": f"f(a,{' #' * 3_000}\nb",
    "blank lines": "f(a," + " \n" * 3_000 + "b)",
    "backslashes in an open string": "'''" + "\\" * 3_001,
    "escapes in an open string": '"""' + "\\a" * 3_000,
    "digits": "1_" * 3_000,
    "quotes": "f'" * 3_000,
    "commas": ",#\n" * 3_000,
}


@pytest.mark.parametrize("name", MANY_WAYS)
def test_words_are_read_in_one_way(name: str) -> None:
    read = "import sys; from astmut.words import pieces; pieces(sys.stdin.read())"
    done = subprocess.run([sys.executable, "-c", read], input=MANY_WAYS[name], text=True, check=False, timeout=60)
    assert done.returncode == 0


@pytest.mark.slow
def test_a_file_on_disk_of_5_mb_is_mutated(tmp_path: Path) -> None:
    path = tmp_path / "large.py"
    path.write_text(LARGE["5 MB of functions"], "utf-8")
    mutants = list(astmut.mutate(path.read_bytes(), mode="sample", count=20))
    assert len(mutants) == 20


# --- what the file's coding lacks -----------------------------------------------------------------


def greek(node: cst.Call, source: astmut.Source) -> Iterator[Any]:
    yield {node.func: "\xe9"}
    if source.code(node.func) == "f":
        yield {node.func: "\u03a9"}


@pytest.mark.parametrize("mode", ["each", "sample", "together"])
def test_no_mutant_is_outside_the_coding_of_its_file(mode: Any) -> None:
    rule, stats = astmut.Rule("greek", (), (cst.Call,), greek), astmut.Stats()
    source = astmut.Source(b"# coding: latin-1\nf(a)\ng(b)\n")
    mutants = list(astmut.mutate(source, rules=[rule], mode=mode, stats=stats))
    assert mutants
    assert all(b"\xe9" in source.encode(mutant.text) for mutant in mutants)
    assert stats.refused == ({} if mode == "together" else {("greek", "not-in-the-files-encoding"): 1})
    utf8 = astmut.Source(b"f(a)\n")
    assert len(list(astmut.mutate(utf8, rules=[rule]))) == 2


def test_together_leaves_out_what_the_coding_lacks() -> None:
    def rewrites(node: cst.Call, source: astmut.Source) -> Iterator[Any]:
        yield {node.func: "\u03a9" if source.code(node.func) == "f" else "\xe9"}

    rule = astmut.Rule("greek", (), (cst.Call,), rewrites)
    source = astmut.Source(b"# coding: latin-1\nf(a)\ng(b)\n")
    (mutant,) = astmut.mutate(source, rules=[rule], mode="together")
    assert mutant.text == "# coding: latin-1\nf(a)\n\xe9(b)\n"


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("x = 1\n(a): int\nb\n", 2),
        ("x = 1\n(a): int", 2),
        ("\n(\nx\n) = 1; (ä): int\r\nb\n", 4),
        ("x = 1\nclass C(A, metaclass=M, *a): pass", 2),
        ("x = 1\nclass C(A, metaclass=M, *a): pass\n\nb\n", 2),
        ("if x:\n    class C(A, metaclass=M, *a): pass  # c\n\n# d\n    b\n", 2),
    ],
)
def test_what_libcst_cannot_parse_is_named_with_its_row(text: str, row: int) -> None:
    with pytest.raises(astmut.ParseError, match=rf"^{row}: libcst cannot parse it: expected one of "):
        astmut.Source(text)


def test_sites_are_found_without_compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the compiler alone refuses costs an error where mutants are checked, at once, and on the command line."""

    def too_deep(_: str) -> None:
        raise astmut.ParseError("nested too deeply for Python's own compiler")

    monkeypatch.setattr("astmut.source._compiled", too_deep)
    assert len(astmut.sites("x = a / b\n", rules="divide-by-zero")) == 1
    assert len(list(astmut.mutate("x = a / b\n", rules="divide-by-zero", check=False))) == 1
    with pytest.raises(astmut.ParseError, match="own compiler"):
        astmut.mutate("x = a / b\n", rules="divide-by-zero")
    (tmp_path / "a.py").write_text("x = a / b\n")
    for mode in ("each", "together", "sample"):
        run = CliRunner().invoke(commands, ["mutate", str(tmp_path), "--rule", "divide-by-zero", "--mode", mode])
        assert run.stderr.splitlines()[0].endswith("a.py: nested too deeply for Python's own compiler")
        assert run.exit_code == 2


@pytest.mark.parametrize("text", ["x = a / b\n", b"x = a / b\n"])
def test_what_is_compiled_is_not_parsed_before(
    text: str | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("astmut.source._gate", asked.append)
    assert len(list(astmut.mutate(text, rules="divide-by-zero"))) == 1
    (tmp_path / "a.py").write_text("x = a / b\n")
    assert CliRunner().invoke(commands, ["mutate", str(tmp_path), "--rule", "divide-by-zero"]).exit_code == 0
    assert asked == []
    assert list(astmut.mutate("x = a + b\n", rules="divide-by-zero")) == []  # what has no sites is not compiled
    assert asked == ["x = a + b\n"]


@pytest.mark.parametrize("text", ["x = 1\n", "return 1\n", "from __future__ import annotations\n"])
def test_a_program_says_the_same_whenever_it_is_compiled(text: str) -> None:
    now, later = astmut.Program(text, compiled=True), astmut.Program(text)
    assert (now.defect, now.flags) == (later.defect, later.flags)
    assert bool(now.defect) == text.startswith("return")


def test_what_is_printed_anew_may_nest_deeply() -> None:
    text = "x = True\ny = " + " + ".join(f"a{number}" for number in range(700)) + "\n"
    (mutant,) = astmut.mutate(text, rules=["flip-booleans"], unparse=True)
    assert mutant.text == text.replace("True", "False").rstrip("\n")
    assert astmut.revert(mutant) == text


@pytest.mark.parametrize("mode", ["each", "together", "sample"])
def test_what_cannot_be_printed_anew_is_refused(mode: Any) -> None:
    stats = astmut.Stats()
    text = "x = True\ny = f'{\"\u2028\"}'\n"
    found = list(astmut.mutate(text, rules=["flip-booleans"], mode=mode, unparse=True, stats=stats))
    if sys.version_info >= (3, 12):
        assert [mutant.text for mutant in found] == ["x = False\ny = f'{'\\u2028'}'"]
        assert not stats.refused
    else:
        assert not found
        assert stats.refused == {("flip-booleans", "not-printed-by-unparse"): 1}
    assert stats.sites.total() == stats.mutants.total() + stats.refused.total() == 1
