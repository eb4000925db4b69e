"""Signatures are read, and nothing of what they are read from is run."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("typeshed_client", reason="astmut[index] is not installed")

from astmut.library import reader
from astmut.library.build import BuildError, build
from astmut.library.index import Index, opened, packed
from astmut.library.reader import Report
from astmut.library.signature import Signature

BOMB = "from pathlib import Path\nPath(__file__).with_name('RAN').write_text('x')\nraise SystemExit(3)\n"


def package(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")


def read(folder: Path) -> tuple[dict[str, Signature], Report]:
    signatures, report = build(["shop"], [folder])
    return {path: one for one in signatures for path in (one.qualified_name, *one.aliases)}, report


def test_parameters_of_every_kind(tmp_path: Path) -> None:
    package(
        tmp_path,
        {
            "shop/__init__.py": """
                def f(a, b: int = 1, /, c="x", *rest: int, d, e=None, **more) -> list[int]: ...
                async def g(*, k=-1): ...
                def h(): pass
                class C:
                    def method(self): ...
                def _private(): ...
                x = 1
                y = lambda a: a
            """
        },
    )
    found, _ = read(tmp_path)
    assert {str(one) for one in found.values()} == {
        "shop.f(a, b=1, /, c='x', *rest, d, e=None, **more) -> list[int]",
        "shop.g(*, k=-1)",
        "shop.h()",
    }
    assert found["shop.f"].package == "shop"


def test_return_types_are_written_in_one_way(tmp_path: Path) -> None:
    types = {
        "typing.List[int]": "list[int]",
        "'Optional[np.ndarray]'": "ndarray | None",
        "Union[int, t.Dict[str, 'C']]": "int | dict[str, C]",
        "Literal['a']": "Literal['a']",
        "None": "None",
        "'not a type ('": "'not a type ('",
        "Callable[..., Tuple[()]]": "Callable[..., tuple[()]]",
    }
    body = "\n".join(f"def f{number}() -> {text}: ..." for number, text in enumerate(types))
    package(tmp_path, {"shop/__init__.py": body})
    found, _ = read(tmp_path)
    assert [found[f"shop.f{number}"].returns for number in range(len(types))] == list(types.values())


def test_names_that_are_handed_on(tmp_path: Path) -> None:
    package(
        tmp_path,
        {
            "shop/__init__.py": """
                from os.path import join
                import json
                from shop._inner import one, two as second, _hidden
                from ._inner import three
                from .till import *
                from ._loop import ring
                pay = three
            """,
            "shop/_inner.py": """
                def one(a): ...
                def two(b): ...
                def three(c): ...
                def _hidden(): ...
            """,
            "shop/till.py": """
                from ._inner import two
                __all__ = ["open_till"]
                __all__ += ["two"]
                __all__.extend(["nothing"])
                def open_till(): ...
                def close_till(): ...
            """,
            "shop/_loop.py": "from shop import ring\nfrom ._loop import *\n",
            "shop/desk.py": "from ._inner import one\ndef desk(): ...\n",
        },
    )
    found, report = read(tmp_path)
    assert sorted(found) == [
        "shop.desk.desk", "shop.one", "shop.open_till", "shop.pay", "shop.second", "shop.three",
        "shop.till.open_till", "shop.till.two", "shop.two",
    ]  # fmt: skip
    assert report.skipped == []
    assert found["shop.two"].aliases == ("shop.till.two",)
    assert found["shop.two"].definition == found["shop.second"].definition == "shop._inner.two"
    assert found["shop.pay"].definition == found["shop.three"].definition


def test_stubs_go_before_sources(tmp_path: Path) -> None:
    package(
        tmp_path,
        {
            "shop/__init__.py": "def k(a): ...\n",
            "shop/__init__.pyi": """
                import sys
                from typing import Any, Final, overload, type_check_only
                from os.path import join
                @overload
                def f(a: int) -> int: ...
                @overload
                def f(a: str, b: str) -> str: ...
                if sys.version_info >= (3, 99):
                    def g(): ...
                else:
                    def h(__a: int, b: int = ...): ...
                @type_check_only
                def i(): ...
                class _Sum:
                    def __call__(self, x: Any, /, *, out: Any = ...) -> float: ...
                class _Sub(_Sum): ...
                total: _Sum
                also: Final[_Sub]
                class _Dice:
                    def roll(self, times: int = 1) -> int: ...
                    @staticmethod
                    def fixed(n: int) -> int: ...
                _dice: _Dice
                roll = _dice.roll
                fixed = _dice.fixed
                count: int
                from . import _base
                class Coin(_base.Coin): ...
                _coin: Coin
                toss = _coin.toss
            """,
            "shop/_base.py": "",
            "shop/_base.pyi": "class Coin:\n    def toss(self, high: bool) -> bool: ...\n",
        },
    )
    found, _ = read(tmp_path)
    assert sorted(map(str, set(found.values()))) == [
        "shop.also(x, /, *, out=...) -> float",
        "shop.f(a) -> int",
        "shop.fixed(n) -> int",
        "shop.h(a, /, b=...)",
        "shop.roll(times=1) -> int",
        "shop.toss(high) -> bool",  # of a class of the same name, as random's is of _random's
        "shop.total(x, /, *, out=...) -> float",
    ]


def test_overloads_of_a_source_give_way_to_the_function(tmp_path: Path) -> None:
    package(
        tmp_path,
        {
            "shop/__init__.py": """
                from typing import overload
                @overload
                def f(a: int) -> int: ...
                @overload
                def f(a: str) -> str: ...
                def f(a, b=0): return a
                def deleted(): ...
                del deleted
            """
        },
    )
    assert [str(one) for one in read(tmp_path)[0].values()] == ["shop.f(a, b=0)"]


def test_nothing_runs(tmp_path: Path) -> None:
    package(
        tmp_path,
        {
            "shop/__init__.py": f"{BOMB}\ndef f(a): ...\n",
            "shop/setup.py": BOMB,
            "shop/conftest.py": BOMB,
            "shop/__main__.py": BOMB,
            "shop/inner.py": f"{BOMB}\ndef g(): ...\n",
            "setup.py": BOMB,
            "json.py": BOMB,
        },
    )
    program = (
        "import sys\nfrom pathlib import Path\nfrom astmut.library.build import build\n"
        "found, report = build(['shop'], [Path(sys.argv[1])])\n"
        "print([one.qualified_name for one in found], [name for name in sys.modules if name.startswith('shop')])\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path / "shop")
    assert done.stdout == "[] []\n" or "shop.f" in done.stdout
    assert done.stdout.endswith(" []\n")
    assert not list(tmp_path.rglob("RAN"))
    assert not list(tmp_path.rglob("__pycache__"))


def test_broken_files_cost_their_own_names(tmp_path: Path) -> None:
    package(
        tmp_path,
        {
            "shop/__init__.py": "from .good import *\nfrom .odd import *\n",
            "shop/good.py": "def f(): ...\n",
            "shop/facade.pyi": "from .bad import *\nfrom .worse import *\nfrom .no import *\nfrom .good import *\n",
            "shop/facade.py": "",
            "shop/bad.py": "def f(:\n",
            "shop/deep.py": "x = " + "(" * 5000 + ")" * 5000 + "\n",
            "shop/odd.py": "__all__ = [name for name in dir()]\ndef g(): ...\n",
        },
    )
    (tmp_path / "shop/worse.py").write_bytes(b"def h(): ...\nx = '\xff'\n")
    (tmp_path / "shop/null.py").write_bytes(b"def i(): ...\n\0")
    (tmp_path / "shop/latin.py").write_bytes(b"# coding: latin-1\ndef j(a='\xe9'): ...\n")
    found, report = read(tmp_path)
    assert sorted(found) == ["shop.f", "shop.facade.f", "shop.g", "shop.good.f", "shop.latin.j", "shop.odd.g"]
    assert str(found["shop.latin.j"]) == "shop.latin.j(a='é')"
    assert {name for name, _ in report.skipped} == {"shop.bad", "shop.worse", "shop.null", "shop.deep"}
    assert all(reason and "\n" not in reason for _, reason in report.skipped)
    assert [reason for name, reason in report.skipped if name == "shop.bad"] == [
        f"{tmp_path / 'shop' / 'bad.py'}:1: invalid syntax"
    ]


def test_modules_in_circles_come_to_an_end(tmp_path: Path) -> None:
    package(
        tmp_path,
        {
            "shop/__init__.py": "from .a import *\nfrom .b import ring as ring\nhere = there\nthere = here\n",
            "shop/a.py": "from .b import *\nfrom . import *\ndef f(): ...\nring: _C\n",
            "shop/b.py": "from .a import *\nfrom .a import ring\ndef g(): ...\nclass D(D): ...\nx: D\ny = y.z\n"
            "class E(F): ...\nclass F(E): ...\nv: E\nw = v.u\n",
        },
    )
    assert set(read(tmp_path)[0]) >= {"shop.f", "shop.a.f", "shop.b.g"}


def test_modules_in_a_circle_all_lack_what_one_of_them_lacks(tmp_path: Path) -> None:
    package(
        tmp_path,
        {
            "shop/__init__.py": "from .b import f\n",
            "shop/b.py": "from .c import *\nimport not_installed\ndef f(): ...\n",
            "shop/c.py": "from . import b\ndef g(): ...\n",
        },
    )
    found, report = read(tmp_path)
    assert not found
    why = "needs not_installed, which is not there"
    assert report.skipped == [("shop", why), ("shop.b", why), ("shop.c", why)]


@pytest.mark.skipif(os.name == "nt", reason="links and pipes as Unix has them")
def test_links_pipes_and_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, {"shop/__init__.py": "def f(): ...\n", "shop/big.py": "def g(): ...\n" * 999})
    (tmp_path / "shop/again").symlink_to(tmp_path / "shop")
    (tmp_path / "shop/self.py").symlink_to(tmp_path / "shop/self.py")
    os.mkfifo(tmp_path / "shop/pipe.py")
    package(tmp_path, {"shop/through.pyi": "from .pipe import *\nfrom .self import *\ndef h(): ...\n"})
    package(tmp_path, {"shop/through.py": ""})
    monkeypatch.setattr(reader, "LARGEST_FILE", 5000)
    found, _ = read(tmp_path)
    assert sorted(found) == ["shop.f", "shop.through.h"]


def test_what_users_cannot_import_is_left_out(tmp_path: Path) -> None:
    package(
        tmp_path,
        {
            "shop/__init__.py": "def f(): ...\n",
            "shop/tests/__init__.py": "def t(): ...\n",
            "shop/_private.py": "def p(): ...\n",
            "shop/gtk.py": "import no_such_module_here\ndef g(): ...\n",
            "shop/uses.py": "from .gtk import g\ndef u(): ...\n",
            "shop/guarded.py": "try:\n    import no_such_module_here\nexcept ImportError: pass\ndef h(): ...\n",
            "shop/refuses.py": "raise ImportError\ndef r(): ...\n",
            "shop/built_in.py": "import _collections\ndef b(): ...\n",  # typeshed has no stub of it
            "shop/typed.pyi": "def s(): ...\n",
        },
    )
    found, report = read(tmp_path)
    assert sorted(found) == ["shop.built_in.b", "shop.f", "shop.guarded.h"]
    assert dict(report.skipped) == {
        "shop.gtk": "needs no_such_module_here, which is not there",
        "shop.uses": "needs no_such_module_here, which is not there",
        "shop.refuses": "raises an error when it is imported",
        "shop.typed": "is not there: there is only its stub, typed.pyi",
    }


def test_what_is_no_function_when_the_module_runs_is_left_out(tmp_path: Path) -> None:
    names = "abcdefghijklm"
    package(
        tmp_path,
        {
            "shop/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .real import real\n",
            "shop/lazy.py": "import typing as t\ndef __getattr__(name): ...\nif t.TYPE_CHECKING:\n    def lazily(): ...\n",
            "shop/late.py": "import typing as t\nif t.TYPE_CHECKING:\n    def of_c(): ...\nglobals().update(more)\n",
            "shop/real.py": "def real(): ...\n",
            "shop/types.py": "import typing as t\nif t.TYPE_CHECKING:\n    def no(): ...\nelse:\n    def yes(): ...\n",
            "shop/fast.py": "try:\n    import c\n    HAS_C = True\nexcept (ImportError, OSError):\n    HAS_C = False\n"
            "if HAS_C:\n    def in_c(): ...\nelse:\n    def in_python(): ...\n",
            "shop/declared.py": "class C:\n    def __call__(self): ...\nx: C\ny: C = C()\n",
            "shop/again.py": "".join(f"def {name}(): ...\n" for name in names)
            + """
a, b = map(traced, (a, b))
for c in (): pass
with d as e: pass
try: pass
except E as f: pass
match 1:
    case {1: g, **h}: pass
    case [_, *i]: pass
    case str() as j: pass
(k := 1)
if k: del (l)
[m for m in ()]
""",
        },
    )
    assert sorted(read(tmp_path)[0]) == [
        *(
            "shop.again.a",
            "shop.again.b",
            "shop.again.d",
            "shop.again.m",
            "shop.declared.y",
            "shop.fast.in_python",
            "shop.late.of_c",
            "shop.lazy.lazily",
        ),
        *("shop.real.real", "shop.types.yes"),
    ]


def test_a_package_that_does_not_parse_is_named_with_its_row(tmp_path: Path) -> None:
    package(tmp_path, {"shop/__init__.py": "\ndef f(:\n", "shop/till.py": "def g(): ...\n"})
    found, report = read(tmp_path)
    assert found == {}
    assert dict(report.skipped) == {
        "shop": f"{tmp_path / 'shop' / '__init__.py'}:2: invalid syntax",
        "shop.till": "needs shop, which cannot be read",
    }


@pytest.mark.parametrize(
    "listed",
    [
        '__all__ = ["aa"] + ["zz"]',
        '__all__ = ["aa"] + ("zz",)\n__all__ += [] + []',
        '__all__ = ["aa"]\n__all__ += ["zz"] + []',
        '__all__ = ["aa"]\n__all__.extend([] + ["zz"])',
        '__all__ = ["aa"]\n__all__ = __all__ + ["zz"]',
    ],
)
def test_sums_of_lists_are_read(tmp_path: Path, listed: str) -> None:
    inner = f"def aa(): ...\ndef zz(): ...\ndef hidden(): ...\n{listed}\n"
    package(tmp_path, {"shop/__init__.py": "from ._inner import *\n"})
    package(tmp_path, {"shop/_inner.py": inner})
    assert sorted(read(tmp_path)[0]) == ["shop.aa", "shop.zz"]


def test_a_module_of_one_file(tmp_path: Path) -> None:
    package(tmp_path, {"shop.py": "def f(a): ...\n"})
    assert list(read(tmp_path)[0]) == ["shop.f"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shopp", "there is no package 'shopp'"),
        ("../x", "'../x' is no name of a package"),
        ("math", "'math' is a part of the standard library: give python"),
    ],
)
def test_what_is_not_there_is_an_error(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(BuildError, match=message):
        build([name], [tmp_path])


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    package(
        tmp_path,
        {f"shop/m{n}.py": f"def f{n}(a={n}): ...\n" + "from .m0 import f0 as f0\n" * (n > 0) for n in range(20)},
    )
    package(tmp_path, {"shop/__init__.py": "from .m3 import *\n"})

    def data(number: int) -> bytes:
        signatures, report = build(["shop"], [tmp_path])
        (tmp_path / f"{number}.gz").write_bytes(packed(signatures, report.packages, report.built_with)[1])
        return (tmp_path / f"{number}.gz").read_bytes()

    assert data(1) == data(2)
    assert len(Index(tmp_path / "1.gz")) == 20


@pytest.mark.slow
def test_the_standard_library_in_the_index_is_what_the_stubs_say() -> None:
    index = opened()
    signatures, report = build(["python"], [])
    if report.built_with["typeshed-client"] != index.header["built_with"]["typeshed-client"]:
        pytest.skip("the committed index was made with other stubs")
    ours = {str(one) for one in signatures}
    theirs = {str(index.signature(at)) for at in range(len(index)) if index.rows[at][5] == "python"}
    assert ours == theirs


def test_names_beyond_ascii_are_written_and_read(tmp_path: Path) -> None:
    package(tmp_path, {"shop/__init__.py": "def größe(a): ...\ndef f(a): ...\n"})
    signatures, report = build(["shop"], [tmp_path])
    (tmp_path / "shop.gz").write_bytes(packed(signatures, report.packages, {})[1])
    assert [str(near.signature) for near in Index.from_file(tmp_path / "shop.gz").nearest("shop.f")] == [
        "shop.größe(a)"
    ]
