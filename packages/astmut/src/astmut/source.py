"""A Python source, decoded and parsed once, that knows every node's byte span and parent."""

from __future__ import annotations
import __future__

import ast
import codecs
import gc
import io
import re
import symtable
import sys
import threading
import tokenize
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, reduce
from typing import TypeVar

import libcst as cst

from astmut.model import Span, Text, new_tuple
from astmut.nodes import parsed_quickly
from astmut.spans import Recording, record
from astmut.warned import quiet

T = TypeVar("T")
Key = cst.CSTNode | Span

FUTURE_FLAGS = reduce(int.__or__, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names))
BOM = "\ufeff"
# Python's own codings of other things than texts: what they make of a part is no part of what they make of the whole.
_NOT_OF_FILES = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape"})
_ASCII = bytes(range(0x20, 0x7F))
_BLANKS = (b" ", b"\t", b"\f", b"\r", b"\n")
LINE_END = re.compile(r"\r\n|\r|\n")
_PLACE = re.compile(r"parser error: error at (\d+):(\d+): ")
_COOKIE = re.compile(rb"\A(?:.*\n)?[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")

# libcst parses and frees trees by native recursion: `a.b.b.b` 6,000 attributes long ends a process with the usual
# 8 MiB of stack, 3,000 do not. Python's own compiler refuses most such texts, but not all. Where a text could nest
# so deeply, the work is done on a larger stack (not always, as the memory of a new thread costs a tenth of a parse).
LONG_LINE = 4_096
MANY_LINKS = 1_000
_LINK = re.compile(r"\n[ \t]*(?:[-.+*/%|&^@\"']|and\b|or\b|elif\b)")
_LINKS_BEFORE_LINE_END = ("+", "-", "*", "/", "%", "|", "&", "@", "or", "and", ")(", "][")
DEEP_STACK = 512 * 1024 * 1024
DEEP_RECURSION = 100_000
_stack_size_lock = threading.Lock()

# Nodes whose span holds white space beside a token of so many bytes, at the span's start, or its end if negative.
_STRINGS: set[type[cst.CSTNode]] = {cst.SimpleString, cst.FormattedString, cst.TemplatedString}
_OWN_TOKENS: dict[type[cst.CSTNode], int] = {
    cst.LeftSquareBracket: 1, cst.LeftCurlyBrace: 1, cst.LeftParen: 1,
    cst.Plus: 1, cst.Minus: 1, cst.BitInvert: 1, cst.Not: 3,
    cst.RightSquareBracket: -1, cst.RightCurlyBrace: -1, cst.RightParen: -1,
}  # fmt: skip


class ParseError(ValueError):
    """The one error that input code can cause: it cannot be read, decoded or parsed.

    ``reason`` says why, ``line`` where (from 1, None where no line is to blame), ``path`` in which file.
    """

    def __init__(self, reason: str, line: int | None = None, path: str | None = None) -> None:
        """Keep the three parts; ``str()`` puts them together as ``path:line: reason``."""
        super().__init__(reason, line, path)
        self.reason, self.line, self.path = reason, line, path

    def __str__(self) -> str:
        """Return ``path:line: reason``, without the parts that are not known."""
        where = ":".join(str(part) for part in (self.path, self.line) if part is not None)
        return f"{where}: {self.reason}" if where else self.reason


class Program:
    """A text that Python parses, decoded, without its tree. Rules are given a ``Source``, which has one.

    Offsets are utf-8 bytes of the decoded text. A file's byte order mark is no part of it: ``encode`` puts it back.
    Raises ``ParseError`` for everything that is wrong with the text, but what ``defect`` says.
    """

    def __init__(self, text: str | bytes, path: str | None = None, *, compiled: bool = False) -> None:
        """Decode ``text`` and let Python parse it.

        ``compiled`` has it compiled instead, for ``defect`` and ``flags``: that takes less than to do so later.
        """
        self.path = path
        try:
            self.coding, value = ("utf-8", text) if isinstance(text, str) else _decode(text)
            self.text = Text(value)
            self._compiled = _compiled(value) if compiled else _gate(value)
        except ParseError as error:
            error.path = path
            raise
        except UnicodeEncodeError as error:
            raise ParseError(f"no file can hold this text: {error.reason}", path=path) from None

    @property
    def defect(self) -> str:
        """Why Python does not compile a text that it parses (a ``return`` outside a function, say), or nothing.

        Raises ``ParseError`` where it is nested too deeply for Python's own compiler.
        """
        return self._compile()[1]

    @property
    def flags(self) -> int:
        """The compiler's flags for what the text imports from ``__future__``. Raises as ``defect`` does."""
        return self._compile()[0]

    def _compile(self) -> tuple[int, str]:
        """Return ``flags`` and ``defect``, for which the text is compiled, once: to find sites it need not be."""
        if self._compiled is None:
            try:
                self._compiled = _compiled(self.text.value)
            except ParseError as error:
                error.path = self.path
                raise
        return self._compiled

    def encode(self, text: str) -> bytes:
        """Return ``text`` as bytes in the coding that the program was read in, byte order mark included."""
        return text.encode(self.coding)


class Source(Program):
    """One parsed program. Everything a rule may ask: spans, parents, text of nodes.

    Raises ``ParseError`` for a text that Python or libcst does not parse.
    """

    def __init__(self, text: str | bytes | Program, path: str | None = None) -> None:
        """Parse ``text``: Python as the gate, then libcst, then one printing pass for the spans."""
        if isinstance(text, Program):
            self.path, self.coding, self.text = text.path, text.coding, text.text
            self._compiled = text._compiled  # noqa: SLF001 - of its own class
        else:
            super().__init__(text, path)
        self.memo: dict[object, object] = {}  # what other modules worked out about this source, by their own keys
        value = self.text.value
        self.origin = len(BOM.encode()) if value.startswith(BOM) else 0  # where the program begins
        try:
            with collector_off():
                self.module, recording = _parse(self.text, self.origin)
                self.nodes, self.starts, self.ends, self.parents, self.by_type, _ = recording
                # By identity: the hash of a libcst node is a Python function, three times as slow.
                self._numbers = dict(zip(map(id, self.nodes), range(len(self.nodes)), strict=True))
        except ParseError as error:
            error.path = self.path
            raise

    def of_types(self, types: Iterable[type[cst.CSTNode]]) -> list[int]:
        """Return the numbers of all nodes of just these types, in the order of the text."""
        found: list[int] = []
        for kind in types:
            found += self.by_type.get(kind, ())
        found.sort()
        return found

    @cached_property
    def strings(self) -> tuple[list[int], list[int]]:
        """Starts and ends of the outermost strings with their prefixes, in order."""
        starts: list[int] = []
        ends: list[int] = []
        for number in self.of_types(_STRINGS):
            if not ends or self.starts[number] >= ends[-1]:
                starts.append(self.starts[number])
                ends.append(self.ends[number])
        return starts, ends

    @cached_property
    def strings_over_lines(self) -> list[Span]:
        """The spans of the outermost strings that hold a line end, in order."""
        return [Span(*ends) for ends in zip(*self.strings, strict=True) if LINE_END.search(self.text.cut(*ends))]

    def number(self, node: cst.CSTNode) -> int:
        """Return the place of ``node`` in ``nodes``, ``starts``, ``ends`` and ``parents``."""
        return self._numbers[id(node)]

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """Return the node that ``node`` stands in, None for the module."""
        at = self.parents[self._numbers[id(node)]]
        return None if at < 0 else self.nodes[at]

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield the nodes around ``node``, from its parent to the module."""
        at = self.parents[self._numbers[id(node)]]
        while at >= 0:
            yield self.nodes[at]
            at = self.parents[at]

    def span(self, node: cst.CSTNode) -> Span:
        """Return the bytes of ``node`` as libcst counts them: without its own parentheses."""
        at = self._numbers[id(node)]
        return new_tuple(Span, (self.starts[at], self.ends[at]))

    def outer(self, node: cst.CSTNode) -> Span:
        """Return the bytes of ``node`` together with its own parentheses."""
        numbers = self._numbers
        lpar = getattr(node, "lpar", None)
        if lpar:
            first, last = numbers[id(lpar[0])], numbers[id(node.rpar[-1])]  # type: ignore[attr-defined]
            return new_tuple(Span, (self.starts[first], self.ends[last]))
        at = numbers[id(node)]
        return new_tuple(Span, (self.starts[at], self.ends[at]))

    def place(self, key: Key) -> Span:
        """Return the bytes that an edit of ``key`` replaces.

        That is the node's span, but for brackets and unary operators, which own white space, the token alone.
        """
        if type(key) is Span:
            return key
        at = self._numbers[id(key)]
        start, end = self.starts[at], self.ends[at]
        size = _OWN_TOKENS.get(type(key))  # type: ignore[arg-type]
        if size is None:
            return new_tuple(Span, (start, end))
        return new_tuple(Span, (start, start + size) if size > 0 else (end + size, end))

    def code(self, node: cst.CSTNode) -> str:
        """Return the text of ``node`` without its own parentheses."""
        at = self._numbers[id(node)]
        return self.text.cut(self.starts[at], self.ends[at])


def _decode(data: bytes) -> tuple[str, str]:
    """Return coding and text of a file's bytes, by its byte order mark or coding cookie."""
    if not isinstance(data, bytes):
        raise TypeError(f"the program must be str, bytes or Source, not {type(data).__name__}")
    coding = "utf-8"
    lines = data if b"\n" in data else data.replace(b"\r", b"\n")
    cookie = _COOKIE.search(lines.removeprefix(BOM.encode()))
    row = cookie[0].count(b"\n") + 1 if cookie else 1
    try:
        coding, _ = tokenize.detect_encoding(io.BytesIO(lines).readline)
    except (SyntaxError, LookupError) as error:
        if cookie:  # without one, the decoding below says where the bad byte is
            raise ParseError(f"cannot be decoded: {error}", row) from None
    if codecs.lookup(coding).name in _NOT_OF_FILES:
        raise ParseError(f"cannot be decoded: {coding} is no coding of a file", row)
    is_utf8 = coding in {"utf-8", "utf-8-sig"}
    try:
        text = data.decode(coding)
        same = is_utf8 or text.encode(coding) == data
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ParseError(f"not {error.encoding}: {error.reason} at byte {error.start}", line) from None
    except (LookupError, UnicodeError) as error:
        raise ParseError(f"cannot be decoded: {error}", 1) from None
    if text.startswith(BOM):
        raise ParseError("two byte order marks", 1)
    if not is_utf8 and not _keeps_ascii(coding):
        raise ParseError(f"cannot be decoded: in {coding} not all of ASCII means itself", row)
    if not same:
        raise ParseError(f"its coding {coding} does not give the same bytes back", 1)
    return coding, text


def _keeps_ascii(coding: str) -> bool:
    """Whether a coding writes the characters of ASCII as they are, which patches and offsets rely on."""
    try:
        return _ASCII.decode(coding) == _ASCII.decode("ascii")
    except UnicodeError:
        return False


def _gate(text: str) -> tuple[int, str] | None:
    """Raise ``ParseError`` for a text that Python does not parse.

    That takes less than to compile it. Where the compiler has to be asked all the same, its answer is returned.
    """
    try:
        with quiet():
            symtable.symtable(text.removeprefix(BOM), "<source>", "exec")
    except (SyntaxError, RecursionError, MemoryError, ValueError, OverflowError):
        return _compiled(text)
    return None


def _compiled(text: str) -> tuple[int, str]:
    """Return the ``__future__`` flags of a text that Python parses, and why it does not compile, if so."""
    try:
        with quiet():
            text = text.removeprefix(BOM)
            try:
                code = compile(text, "<source>", "exec", 0, dont_inherit=True, optimize=0)
            except SyntaxError as error:
                ast.parse(text)
                return 0, f"{error.msg} (line {error.lineno})"
    except SyntaxError as error:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise ParseError(f"not Python {version}: {error.msg}", error.lineno or _row_of_nul(text)) from None
    except RecursionError:
        raise ParseError("nested too deeply for Python's own compiler") from None
    except MemoryError:
        raise ParseError("nested too deeply for Python's own parser, or too large for the memory") from None
    except (ValueError, OverflowError) as error:
        raise ParseError(f"not Python: {error}", _row_of_nul(text)) from None
    return code.co_flags & FUTURE_FLAGS, ""


def _row_of_nul(text: str) -> int | None:
    """Return the row of the first NUL in a text, None without one: Python refuses them without a row."""
    before, nul, _ = text.partition("\0")
    return len(LINE_END.findall(before)) + 1 if nul else None


def _parse(text: Text, origin: int) -> tuple[cst.Module, Recording]:
    """Return libcst's tree of a text and the record of its printing, checked against the text."""

    def parse() -> tuple[cst.Module, Recording]:
        module = parsed_quickly(value)
        return module, record(module, ascii_only=text.data is None, origin=origin)

    value = text.value.removeprefix(BOM)
    try:
        if len(value) > LONG_LINE and _may_be_deep(value):
            module, recording = deeply(parse)
        else:
            try:
                module, recording = parse()
            except RecursionError:
                module, recording = deeply(parse)
    except cst.ParserSyntaxError as error:
        raise _unexpected(error, value) from None
    except RecursionError:
        raise ParseError("nested too deeply for libcst") from None
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # pyo3's, which is no Exception and cannot be imported
            raise ParseError(f"libcst panicked: {error}") from None
        raise
    if recording.printed == value:
        return module, recording
    return module, _aligned(recording, value.encode(), origin)


def _unexpected(error: cst.ParserSyntaxError, value: str) -> ParseError:
    """Return libcst's complaint, with the row of the token that it did not expect: it says where the next one is."""
    place = _PLACE.match(error.message)
    if place is None:
        return ParseError(f"libcst cannot parse it: {error.message}", error.raw_line)
    row, column = int(place[1]), int(place[2])
    rows = LINE_END.split(value)[:row]
    rows += [""] * (row - len(rows))
    rows[-1] = rows[-1][:column]
    while rows[1:] and rows[-1].lstrip()[:1] in {"", "#"}:
        rows.pop()
    return ParseError(f"libcst cannot parse it: {error.message[place.end() :]}", len(rows))


def _may_be_deep(value: str) -> bool:
    """Whether a text could nest thousands deep: in one long line, or over many lines that continue others."""
    lines = value.split("\n")
    if len(max(lines, key=len)) > LONG_LINE:
        return True
    if len(lines) < MANY_LINKS:
        return False
    links = sum(value.count(f"{link}\n") for link in _LINKS_BEFORE_LINE_END)
    return links > MANY_LINKS or len(_LINK.findall(value)) > MANY_LINKS


def normal(name: str) -> str:
    """Return a name as Python compares it: in normal form (PEP 3131)."""
    return name if name.isascii() else unicodedata.normalize("NFKC", name)


def deeply(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, run on a large stack of its own with room for deep recursion."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            failure.append(error)

    with _stack_size_lock:
        limit, size = sys.getrecursionlimit(), threading.stack_size(DEEP_STACK)
        sys.setrecursionlimit(max(limit, DEEP_RECURSION))
        try:
            thread = threading.Thread(target=run, name="astmut-deep")
            thread.start()
            thread.join()
        except RuntimeError:  # no room for such a stack: the ordinary one has to do
            run()
        finally:
            threading.stack_size(size)
            sys.setrecursionlimit(limit)
    if failure:
        raise failure[0]
    return outcome[0]


class collector_off:  # noqa: N801 - used as a function; a class costs a snippet less than a generator does
    """Keep the cyclic collector from walking a growing tree again and again: up to a quarter of the parse.

    The tree has no cycles. At the end it is put into the oldest generation (freeze and unfreeze only join
    lists), or the next young collection would walk all of it once more.
    """

    def __enter__(self) -> None:
        """Switch the collector off, if it is on."""
        self.was_on = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        """Switch it on again, if it was on."""
        if self.was_on:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _aligned(recording: Recording, actual: bytes, origin: int) -> Recording:
    """Return the record with its spans moved to where the tokens stand in the actual text.

    libcst drops a blank here and there (before the colon of ``except A :``), or blank lines at the end. Where printed
    and actual text differ by such blanks alone, each loss moves what follows; anything else raises ``ParseError``.
    """
    printed = recording.printed.encode()
    at, shift = 0, 0
    losses, shifts = [], [0]
    while (at := _first_difference(printed, at, actual, at + shift)) < len(printed) or at + shift < len(actual):
        lost = 0
        while actual[at + shift + lost : at + shift + lost + 1] in _BLANKS:
            lost += 1
            if actual[at + shift + lost : at + shift + lost + 1] == printed[at : at + 1]:
                break
        else:
            raise ParseError("libcst does not print this text back as it was", actual.count(b"\n", 0, at + shift) + 1)
        shift += lost
        losses.append(at + origin)
        shifts.append(shift)
    starts = [start + shifts[bisect_right(losses, start)] for start in recording.starts]
    ends = [end + shifts[bisect_left(losses, end)] for end in recording.ends]
    return recording._replace(starts=starts, ends=ends, printed=actual.decode())


def _first_difference(a: bytes, i: int, b: bytes, j: int) -> int:
    """Return the offset in ``a``, from ``i``, of the first byte that differs from ``b`` from ``j``."""
    step = 4096
    while step:
        while a[i : i + step] == b[j : j + step] and (i < len(a) or j < len(b)):
            if i >= len(a) or j >= len(b):
                break
            i, j = i + min(step, len(a) - i), j + min(step, len(b) - j)
        step //= 8
    return i
