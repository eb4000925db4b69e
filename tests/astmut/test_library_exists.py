"""What the index names is there: looked up by a process that imports it, package by package."""

import json
import random
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import pytest

from astmut.library.index import Index, opened

# Prints the names that are not there or cannot be called. Modules may print when they are imported: that goes elsewhere.
LOOK_UP = """
import importlib, json, os, sys, warnings
warnings.simplefilter("ignore")
names = json.load(sys.stdin)
out = os.dup(1)
os.dup2(2, 1)
wrong = []
for name in names:
    module, _, last = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), last)
        if not callable(found) or isinstance(found, type):
            wrong.append(f"{name}: {type(found).__name__}")
    except BaseException as error:
        wrong.append(f"{name}: {error!r}")
os.write(out, json.dumps(wrong).encode())
"""
DISTRIBUTIONS = {"sklearn": "scikit-learn"}
OPTIONAL = ("curses", "dbm", "readline", "sqlite3", "tkinter", "lzma", "bz2", "turtle", "ctypes", "ssl")


def wrong(names: list[str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOOK_UP], input=json.dumps(names), capture_output=True, encoding="utf-8", check=True
    )
    found: list[str] = json.loads(done.stdout)
    return found


def lacks_another(fault: str, package: str) -> bool:
    """Whether an import failed for want of a package that is not the one in question, and is not installed."""
    absent = re.search(r"ModuleNotFoundError\(.No module named '([\w.]+)'", fault.replace('\\"', "'"))
    return absent is not None and absent[1].split(".")[0] != package and find_spec(absent[1].split(".")[0]) is None


def names_of(index: Index, package: str) -> list[str]:
    names = [name for row in index.rows if row[5] == package for name in (row[0], *row[1])]
    return sorted(name for name in names if package == "python" or name.partition(".")[0] in index.packages)


@pytest.mark.skipif(sys.platform != "linux", reason="the index has what the standard library has on Linux")
@pytest.mark.skipif(sys.version_info[:2] > (3, 13), reason="the index is made for Python 3.10 to 3.13")
def test_the_standard_library_has_it_all() -> None:
    names = names_of(opened(), "python")
    missing = {name for name in OPTIONAL if find_spec(f"_{name}") is find_spec(name) is None}
    names = [name for name in names if name.partition(".")[0] not in missing]
    assert len(names) > 2000
    not_built = [
        each for each in wrong(names) if "ModuleNotFoundError" not in each or each.split(".")[0] not in OPTIONAL
    ]
    assert not_built == []


@pytest.mark.parametrize("package", sorted(set(opened().packages) - {"python"}))
def test_a_package_has_it_all(package: str) -> None:
    known = opened().packages[package]
    try:
        installed = version(DISTRIBUTIONS.get(package, package))
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    if installed != known:
        pytest.skip(f"{package} {installed} is installed, the index is of {known}")
    available = set(opened().packages)
    names = [name for name in names_of(opened(), package) if find_spec(name.partition(".")[0])]
    assert available
    assert names
    # A module may need another package that this environment lacks: whoever imports it has that package.
    faults = wrong(names)
    lacking = [each for each in faults if lacks_another(each, package)]
    assert len(lacking) < len(names) / 100
    assert [each for each in faults if each not in lacking] == []


@pytest.mark.skipif(sys.platform != "linux", reason="the index has what the standard library has on Linux")
def test_substitutes_exist_and_are_others() -> None:
    """Of 200 functions: every one of the ten nearest exists where its package is installed, and is another object."""
    index = opened()
    installed = {"python"}
    for package, known in index.packages.items():
        try:
            if version(DISTRIBUTIONS.get(package, package)) == known:
                installed.add(package)
        except PackageNotFoundError:
            pass
    rows = [row for row in index.rows if row[5] in installed]
    chosen = random.Random(8).sample(rows, 200)
    others = set()
    for row in chosen:
        nearest = index.nearest(row[0])
        assert len(nearest) == 10
        assert row[0] not in {one.signature.qualified_name for one in nearest}
        others |= {one.signature.qualified_name for one in nearest if one.signature.package in installed}
    found = [each for each in wrong(sorted(others)) if each.split(".")[0] not in OPTIONAL]
    assert found == []
