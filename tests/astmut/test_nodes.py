"""libcst's nodes: made without validation for astmut's parses alone, and otherwise what they always were."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import libcst as cst
import pytest

from astmut import ParseError, Source, nodes

KINDS = [kind for kind in vars(cst).values() if isinstance(kind, type) and issubclass(kind, cst.CSTNode)]
FILES = (
    "ast.py",
    "textwrap.py",
    "dataclasses.py",
    "typing.py",
    "test/test_patma.py",
    "test/test_fstring.py",
)


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has parsed a lot."""
    monkeypatch.setattr(nodes, "_parsed", nodes.WORTH)
    Source("x")


def printed(program: str) -> str:
    """Return what a program prints in a process of its own, where libcst's classes are still its own."""
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout


def test_all_classes_that_a_parse_makes_are_prepared() -> None:
    """Those of today's libcst: what another one has that is not alike stays as it is, and is slower."""
    slow = {
        kind.__name__
        for kind in KINDS
        if "__init__" in vars(kind) and kind.__init__.__code__.co_filename != "<astmut.nodes>"
    }
    assert slow == set()
    assert len(KINDS) > 150


def test_classes_look_as_they_did() -> None:
    """Names, defaults, annotations and documentation of each, in a process where they are still libcst's own."""
    look = (
        "import inspect, json, sys, libcst as cst\n"
        "from astmut import nodes\n"
        "kinds = [k for k in vars(cst).values() if isinstance(k, type) and issubclass(k, cst.CSTNode)]\n"
        "def look():\n"
        "    return [[k.__name__, str(inspect.signature(k)), k.__init__.__name__, k.__init__.__qualname__,\n"
        "             k.__init__.__module__, k.__init__.__doc__, str(k.__init__.__annotations__)] for k in kinds]\n"
        "before, inits = look(), [k.__init__ for k in kinds]\n"
        "nodes._prepare()\n"
        "changed = sum(k.__init__ is not init for k, init in zip(kinds, inits))\n"
        "json.dump([before, look(), changed], sys.stdout)\n"
    )
    before, after, changed = json.loads(printed(look))
    assert before == after
    assert changed > 150


def in_full(node: cst.CSTNode) -> Iterator[tuple[str, object]]:
    """Yield the type of each node and all its fields that are no nodes, in order."""
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if isinstance(value, cst.CSTNode):
            yield field.name, type(value)
            yield from in_full(value)
        elif isinstance(value, list | tuple):
            yield field.name, (type(value), len(value))
            for each in value:
                yield from in_full(each)
        else:
            yield field.name, value


@pytest.mark.parametrize("name", FILES)
def test_trees_are_those_of_libcst(name: str) -> None:
    file = Path(inspect.__file__).parent / name
    if not file.is_file():
        pytest.skip(f"this Python has no {name}")
    text = file.read_text("utf-8")
    assert list(in_full(nodes.parsed_quickly(text))) == list(in_full(cst.parse_module(text)))


def test_a_node_of_ones_own_is_validated_and_has_its_defaults() -> None:
    with pytest.raises(cst.CSTValidationError):
        cst.Name("")
    with pytest.raises(cst.CSTValidationError):
        cst.Arg(cst.Name("x"), star="?")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        cst.Name("x", colour=1)  # type: ignore[call-arg]
    with pytest.raises(dataclasses.FrozenInstanceError):
        cst.Name("x").value = "y"  # type: ignore[misc]
    one, other = cst.Arg(cst.Name("x")), cst.Arg(cst.Name("x"))
    assert one.whitespace_after_arg is not other.whitespace_after_arg  # made anew for each
    assert one.deep_equals(other)
    assert cst.Module([]).with_changes(body=[cst.parse_statement("x = 1")]).code == "x = 1\n"


def test_a_class_derived_from_a_node_is_made_by_its_own_means() -> None:
    seen = []

    class Mine(cst.Name):
        def __post_init__(self) -> None:
            seen.append(self.value)

    assert Mine("").value == ""
    assert seen == [""]


def test_classes_change_once() -> None:
    """A class that changes with each parse is, after a thousand, as slow as can be for the rest of the process."""
    before = [vars(kind).get("__init__") for kind in KINDS]
    post_init = vars(cst.CSTNode)["__post_init__"]
    for _ in range(3):
        Source("y = f(x)")
    with pytest.raises(ParseError):
        Source("x = (")
    assert [vars(kind).get("__init__") for kind in KINDS] == before
    assert vars(cst.CSTNode)["__post_init__"] is post_init
    with pytest.raises(cst.CSTValidationError):
        cst.Integer("x")


def test_other_threads_have_their_nodes_validated_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    real, outcome = cst.parse_module, []

    def other() -> None:
        try:
            cst.Name("")
        except cst.CSTValidationError:
            outcome.append("validated")

    def parse(text: str) -> cst.Module:
        assert cst.Name("").value == ""  # as the parser's own nodes: not validated
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return real(text)

    monkeypatch.setattr(cst, "parse_module", parse)
    assert nodes.parsed_quickly("x = 1\n").code == "x = 1\n"
    assert outcome == ["validated"]


@pytest.mark.parametrize(
    "statement",
    [
        *("return(a if b else c)", "x = a or(b if c else d)", "while(a if b else c): pass", "x = not(lambda: a < b)"),
        *("assert(lambda: a)(1)", "[a for a in b if(a if b else c)]", "return await f()or 2", "x = await f()is None"),
    ],
)
def test_what_validation_refuses_and_python_does_not_has_its_mutants(statement: str) -> None:
    """So that it does not matter what a process has parsed before."""
    look = (
        "import astmut\n"
        "from astmut import nodes\n"
        f"text = 'async def f():\\n  {statement}\\n'\n"
        "first = [mutant.id for mutant in astmut.mutate(text)]\n"
        "nodes._parsed = nodes.WORTH\n"
        "print(len(first), first == [mutant.id for mutant in astmut.mutate(text)])\n"
    )
    count, same = printed(look).split()
    assert int(count) > 0
    assert same == "True"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_is_forked_during_a_parse_validates() -> None:
    look = (
        "import os, threading, libcst as cst\n"
        "from astmut import nodes\n"
        "nodes._prepare()\n"
        "nodes._parsing.update(range(1000), (threading.get_ident(),))\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(len(nodes._parsing))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(nodes._parsing))\n"
    )
    assert printed(look) == "0 1001\n"


def test_a_class_whose_init_is_no_function_stays_as_it_is() -> None:
    look = (
        "import functools, libcst as cst\n"
        "from astmut import nodes\n"
        "cst.Name.__init__ = own = functools.partialmethod(cst.Name.__init__)\n"
        "nodes._parsed = nodes.WORTH\n"
        "assert nodes.parsed_quickly('x = y\\n').code == 'x = y\\n'\n"
        "print(vars(cst.Name)['__init__'] is own, cst.Arg.__init__.__code__.co_filename)\n"
    )
    assert printed(look) == "True <astmut.nodes>\n"


def test_what_parses_little_leaves_libcst_as_it_is() -> None:
    """To prepare all classes takes longer than to parse a short file."""
    look = (
        "import libcst as cst, astmut\n"
        "list(astmut.mutate('x = 1 == 2'))\n"
        "print(cst.Name.__init__.__code__.co_filename)\n"
        "list(astmut.mutate('x = 1 == 2\\n' * 4000, rules=['divide-by-zero', 'flip-comparators']))\n"
        "print(cst.Name.__init__.__code__.co_filename)\n"
    )
    assert printed(look).splitlines() == ["<string>", "<astmut.nodes>"]
