"""Spans, parents and printed text, against libcst's public providers and libcst's own printer."""

from __future__ import annotations

import inspect
import sysconfig
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper, ParentNodeProvider

from astmut import spans
from astmut.spans import WHITESPACE, Recording, record, record_plainly

# Every form of syntax, each at least once, and with odd spacing where a span could go wrong by it.
SAMPLE = r'''#!/usr/bin/env python
# -*- coding: utf-8 -*-

"""Ein Dökstring … mit Ümlauten, 漢字 und 🐍."""
from __future__ import annotations
import os, os . path as p ,  sys
import a.b.c as d; import e
from . import f
from .. g . h import (i as j , k, )
from ... import l
from m import *
from n import (
    o,  # the comment of o
    # its own line

    q as r,
)  # after the parenthesis

x = y = 1 ; z = (2) ;
a , b = b , a
( c ) = ( ( d ) )
[ e , * f ] = ( g , ) = h
i : int
j : "str"   =  ""
k . l [ m ] : float = 1.0
n += 1; n -= 1; n *= 1; n /= 1; n //= 1; n %= 1; n **= 1
n <<= 1; n >>= 1; n |= 1; n &= 1; n ^= 1; n @= 1
q = 1 + 2 - 3 * 4 / 5 // 6 % 7 ** 8 << 9 >> 10 | 11 & 12 ^ 13 @ 14
r = - 1 if not  x else + 2 if ~ y else ...
s = a < b > c <= d >= e == f != g in h not  in i is j is  not k
t = a and b or not c and ( d or e )
u = 1j , 0x_ff , 1e-3 , 0b1 , .5 , ( 7 ) , (  # why
    ( 8 )
)
v = 'a'  "b" f"c" if rb'' else (b'x'
    b"y")
w = f"{a!r:>{w}.{p}} {b=} { c = !s} {{}} {d:%Y-%m-%d} {'n' f'{e}'} {  f  }" f"""multi
{line
}""" '{{no}}'
ω = "ß" + ä.ö[ "ü" ] ( é = "è" , ** ñ ) ; 名 = f"{名}é{'ü':é>{4}}"
x = { } ; x = { 1 } ; x = { 1 , * a , } ; x = { 1 : 2 , ** b , "c" : d } ; x = [ ] ; x = ( ) ; x = [ 1 , * a ]
x = 1 ,
x = [ a for a in b ] , { a for a in b if c if d } , { a : b for a , b in c }
x = ( a for a in b for c in d )
x = ( await a async  for a in b )
x = a [ 1 ] [ : ] [ 1 : ] [ : 2 ] [ 1 : 2 : 3 ] [ :: ] [ 1 : 2 , ... , * b ] [ a := 1 ] [ ( 1 , ) ]
x = lambda : 0
x = lambda  a , / , b = 1 , * c , d , e = 2 , ** f : ( a , b )
x = lambda * , a : a ; x = lambda * a : a ; x = lambda a , / : a ; x = lambda ** k : k
x = ( lambda a , b : a )
x = f ( ) ( a , * b , c = d , ** e ) ( a for a in b ) ( * a , ) (
    a ,  # comment

    b = c
    , )
if ( x := f ( ) ) : pass
assert x ; assert x , "y"
assert (
    x ), y
del x ; del ( y ) , z [ 0 ] , w . v
del (a, b), [c]
for a in b : pass
for a , * b in c , d :
    continue
else :
    break
while True : break
while x :

	# a tab
	y
else: z
if a :
    pass
elif b :  # comment
  pass  # another indentation
# a comment before elif

elif c : pass
else  :
    if d: pass
    else: pass
    # a comment at the end of a block

# a comment after the block
with a : pass
with a as b , c as ( d , e ) , f : pass
with ( a as b , c , ) : pass
with (
    a as b,
    c
):
    pass
with ( a ) , b : pass
try :
    raise
except A :
    raise B
except ( C , D ) as e :
    raise E from e
except  :
    raise F ( ) from  None
else :
    pass
finally :
    pass
try: pass
finally: pass
try :
    pass
except * A :
    pass
except  * ( B , C ) as e :
    pass
else: pass
finally: pass

@ decorator
# between
@ a . b ( c )  # trailing

# before def
def  f ( a , / , b : int , c : "str" = "" , * args : int , d , e : int = 1 , ** kwargs : str ) -> None :
    """Docstring."""
    global x , y
    def g ( ) :
        nonlocal z , w ; return
    return
    return x , y
    return(x)
    yield
    yield x , y
    z = yield  from x
    z = ( yield )
    z = yield(x)
    x = 1; \
    y = 2

    # at the end
def h ( * , a ) : pass
def i ( a , * ,
        b = 1 ,  # comment
        ) : ...
def j(
    *args: *Ts,
    **kwargs,
): pass
async  def k ( ) :
    async  with a as b , c : pass
    async with (a as b): pass
    async  for d in e : await  f
    else: pass
    return [ a async for a in await b if await c ]
class A : pass
class B ( ) : x : int
@ dataclass
class C ( A , B , * a , metaclass = M , ** k ) :

    x = 1
    class D :
        def m ( self ) : return super ( ) . m ( )
type  X = int
type X [ T : int = str , * Ts = * tuple [ int ] , ** P = [ int ] ] = list [ T ] ; type Y[T] = T
def l [ T , * Ts , ** P ] ( a : T ) -> T : pass
class E [ T : ( int , str ) ] ( A ) : pass
class F[T]: pass
match x :
    # a comment before the first case
    case 1 | - 1 | 1 + 2j | "a" "b" | None | True : pass
    case a . b : pass
    case _ : pass
    case a if a  >  1 : pass
    case ( a ) : pass
    case [ a , * _ , b , ] | ( c , * d ) | [ ] | ( ) : pass
    case a , : pass
    case a , * b : pass
    case { } : pass
    case { "a" : 1 , ** rest , } : pass
    case { "a" : a , - 1 : b , } : pass
    case A ( ) : pass
    case A ( a , b , c = 1 , d = [ e ] , ) : pass
    case ( A ( a = ( 1 | 2 ) as b ) as c ) :
        pass

    # a comment at the end
match a , * b :
    case ( ( 1 ) , 2 ) : pass
print ( 1 ) ; print ( 2 ) ;
x = 1 + \
    2 \
  + 3
x = ( 1 +  # one

    # own line
    2
)
if x :
    if y :
        pass
  # dedented comment
    z
'''

# Syntax of Python 3.14 and 3.15, apart, because an older libcst may not parse it.
NEWER = {
    "template strings": "x = t'a {b !r:>{c}} { d = } {{}}' ; y = ( t\"\" )\n",
    "lazy imports": "lazy import a , b . c as d\nlazy  from . e import ( f as g , )\nlazy from i import *\n",
    "unpacking comprehensions": "x = [ * a for a in b ] , { * a for a in b } , { ** a for a in b }\n",
    "except without parentheses": "try : pass\nexcept A , B : pass\n",
}

ODD = {
    "empty": "",
    "one newline": "\n",
    "only a comment": "# comment",
    "spaces and no newline": "  ",
    "no newline at the end": "x = 1\nif x:\n    y = 'é'",
    "no newline after a comment": "if x:\n    y\n    # comment",
    "spaces after the last newline": "if x:\n    y\n  ",
    "carriage returns": "if x:\r\n    y = (1,\r\n  2)\r\n\r\nelse:\r\n    z  # é\r\n",
    "carriage returns, no newline at the end": "x = 1\r\ny",
    "old carriage returns": "if x:\r    y\rz",
    "mixed newlines": "a\r\nb\nif c:\n  d\r\n  e\r\nf\r\n",
    "mixed newlines, no newline at the end": "a\nb\nc\r\nd",
    "tabs": "if x:\n\ty\n\tif z:\n\t\tw\t=\t1\t\n",
    "form feeds": "\f\nx = 1\n\f\nclass A:\n\f\n    y\n\f    z\n",
    "mixed indentation": "if x:\n  if y:\n     z\n  w\nif v:\n\tu\n",
    "backslashes": "x \\\n = \\\n 1\nif x \\\n   and y: pass\nfrom a \\\n  import b\n",
    "wide characters": "# é漢🐍\nx = '🐍' + 'é' + \"漢\"  # é\ny\n",
    "elif in else": "if a: b\nelse:\n  if c: d\n  elif e: f\n",
}


FILES = [
    *(
        "abc.py",
        "bdb.py",
        "bisect.py",
        "calendar.py",
        "cmd.py",
        "codeop.py",
        "contextlib.py",
        "copy.py",
        "csv.py",
    ),
    *("dataclasses.py", "enum.py", "fnmatch.py", "functools.py", "glob.py", "heapq.py", "html/parser.py"),
    *("json/decoder.py", "keyword.py", "logging/config.py", "netrc.py", "queue.py", "sched.py", "shlex.py"),
    *("tempfile.py", "webbrowser.py"),
]
STDLIB = Path(sysconfig.get_path("stdlib"))


def assert_as_libcst_says(module: cst.Module, recording: Recording) -> None:
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    theirs = {
        node: (span.start, span.start + span.length)
        for node, span in wrapper.resolve(ByteSpanPositionProvider).items()
        if type(node) not in WHITESPACE
    }
    ours = dict(zip(recording.nodes, zip(recording.starts, recording.ends, strict=True), strict=True))
    assert len(ours) == len(recording.nodes), "a node is listed twice"
    assert [node for node in theirs if node not in ours] == []
    assert [(node, span, theirs[node]) for node, span in ours.items() if theirs[node] != span] == []
    parents = wrapper.resolve(ParentNodeProvider)
    for index, (node, parent) in enumerate(zip(recording.nodes, recording.parents, strict=True)):
        assert parent < index
        assert parents.get(node) is (None if parent < 0 else recording.nodes[parent])
    assert recording.printed == module.code


def differences(one: Recording, other: Recording) -> list[str]:
    """The names of the fields in which two recordings of one tree differ."""
    names = [name for name in Recording._fields[1:] if getattr(one, name) != getattr(other, name)]
    return names if list(map(id, one.nodes)) == list(map(id, other.nodes)) else ["nodes", *names]


def never(module: cst.Module, *, ascii_only: bool, origin: int = 0) -> Recording:
    pytest.fail(f"the table did not do: {module.code[:200]} {ascii_only} {origin}")


@pytest.fixture
def compiled_anew() -> Iterator[None]:
    spans._printers.cache_clear()
    yield
    spans._printers.cache_clear()


@pytest.mark.parametrize("source", [SAMPLE, *NEWER.values(), *ODD.values()], ids=["sample", *NEWER, *ODD])
def test_as_libcst_says(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        module = cst.parse_module(source)
    except cst.ParserSyntaxError:
        if source in NEWER.values():
            pytest.skip("this libcst does not parse it")
        raise
    monkeypatch.setattr(spans, "record_plainly", never)
    recording = record(module, ascii_only=False)
    assert_as_libcst_says(module, recording)
    assert differences(recording, record_plainly(module, ascii_only=False)) == []
    if source.isascii():
        assert differences(recording, record(module, ascii_only=True)) == []
        assert differences(recording, record_plainly(module, ascii_only=True)) == []


@pytest.mark.parametrize("file", FILES)
def test_as_libcst_says_of_a_real_file(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (STDLIB / file).read_text(encoding="utf-8")
    module = cst.parse_module(source)
    monkeypatch.setattr(spans, "record_plainly", never)
    assert_as_libcst_says(module, record(module, ascii_only=source.isascii()))


@pytest.mark.parametrize("recorder", [record, record_plainly])
@pytest.mark.parametrize("source", ["a + b", "é + b", "", "\n"])
def test_origin_is_added_to_all_positions(recorder: Callable[..., Recording], source: str) -> None:
    module = cst.parse_module(source)
    here = recorder(module, ascii_only=source.isascii())
    there = recorder(module, ascii_only=source.isascii(), origin=3)
    assert [start + 3 for start in here.starts] == there.starts
    assert [end + 3 for end in here.ends] == there.ends
    assert (here.nodes, here.parents, here.printed) == (there.nodes, there.parents, there.printed)


def test_the_table_has_the_classes_of_libcst_and_the_samples_have_those_of_the_table() -> None:
    nodes = {value for value in vars(cst).values() if isinstance(value, type) and issubclass(value, cst.CSTNode)}
    concrete = {node for node in nodes if not inspect.isabstract(node)}
    assert spans._printers().keys() == concrete - WHITESPACE
    seen: set[type[cst.CSTNode]] = set()
    for source in (SAMPLE, *NEWER.values()):
        seen.update(map(type, record(cst.parse_module(source), ascii_only=False).nodes))
    assert seen == spans._printers().keys()


@pytest.mark.usefixtures("compiled_anew")
@pytest.mark.parametrize(
    ("row", "changed"),
    [
        ("\nArg:", "\nArgument:"),  # a class that is not in the table
        ("\nComma:", "\nKomma:"),
        ("\nName Integer", "\nNumber Integer"),
        ("\nModule:", "\nFile:"),
        (
            "\nCall:                ( func",
            "\nCall:                ( function",
        ),  # a field that is not in the class
    ],
)
def test_what_the_table_does_not_know_is_left_to_libcst(
    row: str, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert row in spans.TABLE
    monkeypatch.setattr(spans, "TABLE", spans.TABLE.replace(row, changed))
    module = cst.parse_module(SAMPLE)
    calls = []

    def fallback(module: cst.Module, *, ascii_only: bool, origin: int = 0) -> Recording:
        calls.append((ascii_only, origin))
        return record_plainly(module, ascii_only=ascii_only, origin=origin)

    monkeypatch.setattr(spans, "record_plainly", fallback)
    recording = record(module, ascii_only=False, origin=3)
    assert calls == [(False, 3)]
    assert differences(recording, record_plainly(module, ascii_only=False, origin=3)) == []
    # A tree without such a node does not need it.
    if "Arg" in row:
        record(cst.parse_module("x, y"), ascii_only=True)
        assert len(calls) == 1


@pytest.mark.usefixtures("compiled_anew")
def test_threads_do_not_meet() -> None:
    module = cst.parse_module(SAMPLE)
    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(lambda _: record(module, ascii_only=False), range(32))
    assert [differences(first, other) for other in others] == [[]] * 31


@pytest.mark.parametrize("recorder", [record, record_plainly])
def test_a_tree_too_deep_is_a_recursion_error(recorder: Callable[..., Recording]) -> None:
    module = cst.parse_module("a" + ".b" * 1500)
    with pytest.raises(RecursionError):
        recorder(module, ascii_only=True)


@pytest.mark.slow
def test_the_table_prints_the_standard_library_as_libcst_does() -> None:
    wrong = []
    for file in sorted(STDLIB.rglob("*.py")):
        if "site-packages" in file.parts:
            continue
        try:
            source = file.read_text(encoding="utf-8")
            module = cst.parse_module(source)
            plain = record_plainly(module, ascii_only=source.isascii())
        except (UnicodeDecodeError, SyntaxError, cst.ParserSyntaxError, RecursionError):
            continue  # files of the standard library that are wrong on purpose, or that libcst cannot do
        if found := differences(record(module, ascii_only=source.isascii()), plain):
            wrong.append((file, found))
    assert wrong == []
