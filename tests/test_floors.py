"""Each package is a house with floors: a module imports only from a lower floor, or from its own folder."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGES = Path(__file__).parents[1] / "packages"

# From the roof to the ground, as in docs/architecture.md. A name with /* is a folder, its __init__ included.
FLOORS = {
    "astmut": "__main__ > cli > cli_index > __init__, task, terminal > face, document, corpus, files, since > rules/*, engine"
    " > search, compose > check, placing, strings, substitutes, variables > siblings > cells"
    " > atoms, cell, rulebook, where, layout, formats, scope, walrus > imports"
    " > surroundings, words > source > model, nodes, spans, tokens, trees, library/* > warned",
    "synctrain": "__main__ > cli > baselines, probe > train, measure > unread > build, excerpt, loop, report > draw, inputs, nearest"
    " > data/*, encoders/*, negatives/*, curriculum/*, objectives/*, evaluate/*, blend, checkpoint, order, parts"
    " > __init__, types, config, files, log",
}
# One idea a file, and none knows another: only the folder's __init__ may import them.
STRANGERS = {"rules"}
# libcst's private code generator may change with any release: such a change may reach these rooms only.
PRINTERS = {"spans", "source", "layout"}
# The one reason to import inside a function, written on the import's line or on the line above it.
EXCUSE = "# keeps --help fast"


class Import(NamedTuple):
    line: int
    module: str
    name: str  # dotted and full: what is imported, be it a module or something in it
    hidden: bool  # in a function or behind TYPE_CHECKING, without the excuse


def imports(text: str, package: tuple[str, ...]) -> Iterator[Import]:
    lines, tree = ["", *text.splitlines()], ast.parse(text)
    late = {inner for outer in ast.walk(tree) if is_late(outer) for inner in ast.walk(outer)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            hidden = node in late and EXCUSE not in lines[node.lineno - 1] + lines[node.lineno]
            for alias in node.names:
                module = name = alias.name
                if isinstance(node, ast.ImportFrom):
                    above = package[: len(package) - node.level + 1] if node.level else ()
                    module = ".".join(filter(None, [*above, node.module]))
                    name = f"{module}.{name}"
                yield Import(node.lineno, module, name, hidden)


def is_late(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def room_of(name: str, house: Path) -> str:
    """The module or folder right under the package that a full name leads to; a mere name is in __init__."""
    room = (*name.split("."), "__init__")[1]
    return room if (house / room).is_dir() or (house / f"{room}.py").is_file() else "__init__"


def complaints(house: Path, where: str, found: Import) -> Iterator[str]:
    """What is wrong with one import, floors aside."""
    top, room = found.name.split(".")[0], Path(where).parts[0].removesuffix(".py")
    if found.hidden:
        yield f"hides the import of {found.name}"
    if found.name.startswith("libcst._nodes") and room not in PRINTERS:
        yield "touches libcst's code generator"
    if (house.name, top) == ("astmut", "synctrain"):
        yield "imports synctrain"
    if (house.name, top) == ("synctrain", "astmut") and (where, found.module) != (
        "negatives/mutants.py",
        "astmut",
    ):
        yield f"imports {found.name}: the only door is astmut's face, in negatives/mutants.py"


def violations(house: Path, plan: str) -> Iterator[str]:
    """Every breach by the package in the folder `house`."""
    floors = plan.replace("/*", "").split(">")
    height = {room.strip(): -depth for depth, floor in enumerate(floors) for room in floor.split(",")}
    for file in sorted(house.rglob("*.py")):
        where, parts = file.relative_to(house).as_posix(), file.relative_to(house).with_suffix("").parts
        room = parts[0]
        if room not in height:
            yield f"{where}: stands on no floor"
            continue
        at_home = len(parts) > 1 and (room not in STRANGERS or parts[1] == "__init__")
        for found in imports(file.read_text("utf-8"), (house.name, *parts[:-1])):
            said = list(complaints(house, where, found))
            if found.name.split(".")[0] == house.name:
                other = room_of(found.name, house)
                if height.get(other, 1) >= height[room] and not (other == room and at_home):
                    said.append(f"imports {other}, which is not on a lower floor")
            yield from (f"{where}:{found.line}: {breach}" for breach in said)


@pytest.mark.parametrize("package", FLOORS)
def test_every_module_imports_downward(package: str) -> None:
    house = PACKAGES / package / "src" / package
    assert list(house.rglob("*.py"))
    assert not list(violations(house, FLOORS[package]))


# (file, its text, the breach or "") in a house where every room of the plan is there.
CASES = [
    ("astmut/cli.py", "import astmut\nfrom astmut import corpus, mutate", ""),
    ("astmut/cli.py", "from astmut.model import Span", ""),
    ("astmut/engine.py", "from astmut.rulebook import Rule\nfrom .source import Source", ""),
    ("astmut/engine.py", "from astmut.rules import flip", "imports rules"),
    ("astmut/engine.py", "from astmut import document", "imports document"),
    ("astmut/engine.py", "from . import cli", "imports cli"),
    ("astmut/engine.py", "from astmut import mutate", "imports __init__"),
    ("astmut/engine.py", "import astmut", "imports __init__"),
    ("astmut/engine.py", "import synctrain.types", "imports synctrain"),
    ("astmut/rules/flip.py", "from astmut.rulebook import rule\nfrom ..layout import dedent", ""),
    ("astmut/rules/flip.py", "from astmut.engine import sites", "imports engine"),
    ("astmut/rules/flip.py", "from astmut.rules.other import helper", "imports rules"),
    ("astmut/rules/flip.py", "from . import other", "imports rules"),
    ("astmut/rules/__init__.py", "from astmut.rules import flip", ""),
    ("astmut/library/index.py", "from astmut.library.score import score\nfrom .score import score", ""),
    ("astmut/library/index.py", "from astmut.model import Span", "imports model"),
    ("astmut/corpus.py", "from astmut import mutate", "imports __init__"),
    ("astmut/helpers.py", "", "stands on no floor"),
    ("astmut/model.py", "def f():\n    import json", "hides the import of json"),
    ("astmut/model.py", "def f():\n    import json  # keeps --help fast", ""),
    ("astmut/model.py", "async def f():\n    # keeps --help fast\n    import json", ""),
    ("astmut/cli.py", "def f():\n    import synctrain  # keeps --help fast", "imports synctrain"),
    ("astmut/model.py", "if TYPE_CHECKING:\n    import json", "hides the import of json"),
    (
        "astmut/model.py",
        "if typing.TYPE_CHECKING:\n    from json import load",
        "hides the import of json.load",
    ),
    ("astmut/model.py", "if sys.version_info >= (3, 11):\n    import tomllib", ""),
    ("astmut/source.py", "from libcst._nodes.internal import CodegenState", ""),
    (
        "astmut/engine.py",
        "from libcst._nodes.internal import CodegenState",
        "touches libcst's code generator",
    ),
    ("astmut/engine.py", "from libcst import _nodes", "touches libcst's code generator"),
    ("synctrain/build.py", "from synctrain.data.pairs import read\nfrom synctrain.types import Pair", ""),
    ("synctrain/build.py", "from synctrain.loop import fit", "imports loop"),
    ("synctrain/data/pairs.py", "from synctrain.data import retrieval", ""),
    ("synctrain/data/pairs.py", "from synctrain.encoders import bow", "imports encoders"),
    ("synctrain/data/pairs.py", "from astmut import mutate", "the only door is astmut's face"),
    ("synctrain/negatives/mutants.py", "import astmut\nfrom astmut import mutate", ""),
    ("synctrain/negatives/mutants.py", "from astmut.engine import mutate", "the only door is astmut's face"),
    ("synctrain/negatives/mutants.py", "import astmut.engine", "the only door is astmut's face"),
]


@pytest.mark.parametrize(("file", "text", "breach"), CASES)
def test_the_test_itself(tmp_path: Path, file: str, text: str, breach: str) -> None:
    package = Path(file).parts[0]
    house = tmp_path / package
    for room in FLOORS[package].replace(">", ",").split(","):
        name = room.strip()
        one = house / name.replace("*", "__init__.py") if "*" in name else house / f"{name}.py"
        one.parent.mkdir(parents=True, exist_ok=True)
        one.touch()
    (tmp_path / file).write_text(text, "utf-8")
    found = list(violations(house, FLOORS[package]))
    if breach:
        assert len(found) == 1
        assert breach in found[0]
    else:
        assert found == []
