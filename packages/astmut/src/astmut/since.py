"""Which lines of which files changed since a revision, by asking git."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

Ranges = tuple[tuple[int, int], ...]

_HUNK = re.compile(rb"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
# Whatever the user's settings and the repository's attributes say.
_PLAIN = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames=50%", "-l1000", "--ignore-submodules")
_HUNKS = (*_PLAIN, "--text", "--unified=0", "--inter-hunk-context=0", "--diff-algorithm=myers", "--indent-heuristic")


class GitError(Exception):
    """Git is missing, or the file is in no repository, or the repository lacks the revision."""


class _Repository(NamedTuple):
    """The commit of the revision, the names that changed since, and the names that git does not track.

    With each changed name goes what tells git which file that is: the name, and before it the former one of a file that
    was renamed.
    """

    commit: str
    changed: dict[bytes, tuple[bytes, ...]]
    unknown: frozenset[bytes]


class Since:
    """Answers for any number of files, with two calls of git for a repository and one for each changed file."""

    def __init__(self, revision: str) -> None:
        """Ask nothing yet."""
        self.revision = revision
        self._roots: dict[Path, Path | GitError] = {}
        self._repositories: dict[Path, _Repository | GitError] = {}

    def lines(self, path: str) -> Ranges | None:
        """Return the changed lines of a file, each range with its last line, and None for a file git does not know.

        Lines are counted as git does, by line feeds. Raises ``GitError``.
        """
        file = Path(path).resolve()
        root = _once(self._roots, file.parent, _root)
        commit, changed, unknown = _once(self._repositories, root, self._repository)
        name = os.fsencode(file.relative_to(root).as_posix())
        if name in unknown:
            return None
        if name not in changed:
            return ()
        names = (os.fsdecode(b":(top,literal)" + each) for each in changed[name])
        return tuple(_added(git(root, *_HUNKS, commit, "--", *names)))

    def _repository(self, root: Path) -> _Repository:
        try:
            found = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{self.revision}^{{commit}}")
        except GitError:
            raise GitError(f"git knows no revision {self.revision!r} in {root}") from None
        commit = found.decode().strip()
        if commit.startswith("^"):  # all but what leads to it
            raise GitError(f"{self.revision!r} is no single revision")
        changed = git(root, *_PLAIN, "--name-status", "-z", commit, "--")
        unknown = git(root, "ls-files", "--others", "-z")
        return _Repository(commit, dict(_changed(changed.split(b"\0"))), frozenset(unknown.split(b"\0")))


def _once(known: dict[Path, T | GitError], key: Path, ask: Callable[[Path], T]) -> T:
    """Return, or raise, what was answered for a key; it is asked once."""
    if key not in known:
        try:
            known[key] = ask(key)
        except GitError as error:
            known[key] = error
    answer = known[key]
    if isinstance(answer, GitError):
        raise answer
    return answer


def _root(folder: Path) -> Path:
    """Return the root of the repository that a folder is in."""
    return Path(os.fsdecode(git(folder, "rev-parse", "--show-toplevel").rstrip(b"\r\n"))).resolve()


def _changed(fields: list[bytes]) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    """Yield the names in what git says of changed files: a letter and a name, or R, the former name and the name."""
    rest = iter(fields)
    for status in filter(None, rest):
        names = tuple(next(rest) for _ in range(2 if status[:1] == b"R" else 1))
        yield names[-1], names


def _added(diff: bytes) -> Iterator[tuple[int, int]]:
    for match in _HUNK.finditer(diff):
        first, size = int(match[1]), int(match[2] or 1)
        if size:
            yield first, first + size - 1


def _environment() -> dict[str, str]:
    """Return the environment for git: without options that win, and without the repository that a hook works for.

    ``git --literal-pathspecs`` hands itself on to hooks, and would have a place in the repository taken for a name.

    A hook has that one's index, in a linked worktree its folder too, for which git would take any folder for the root.
    """
    names = {"GIT_DIFF_OPTS", "GIT_INDEX_FILE", "GIT_LITERAL_PATHSPECS"} | (
        set() if "GIT_WORK_TREE" in os.environ else {"GIT_DIR", "GIT_COMMON_DIR"}
    )
    return {name: value for name, value in os.environ.items() if name not in names}


def git(folder: Path, *arguments: str) -> bytes:
    """Return what git prints. Raises ``GitError`` with the first line of its complaint."""
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git, wherever it is
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(),
            check=False,
        )
    except FileNotFoundError:
        raise GitError("git is not installed (--diff-base needs it)") from None
    except OSError as error:
        raise GitError(f"git cannot be run: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().split("\n")[0]
        raise GitError(said.removeprefix("fatal: ") or f"git failed with status {done.returncode}")
    return done.stdout
