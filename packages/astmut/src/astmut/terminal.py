"""Standard input, output and error, and how a command fails: in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

FINE, NOTHING, ERROR, INTERRUPTED, PIPE_CLOSED, TERMINATED = 0, 1, 2, 130, 141, 143


class Failure(click.ClickException):
    """An error that ends the command, in one line."""

    exit_code = ERROR

    def show(self, file: Any = None) -> None:
        """Print the message."""
        click.echo(f"astmut: {self.format_message()}", file=file, err=True)


@contextmanager
def output() -> Iterator[Callable[[bytes], None]]:
    """Give a function that writes bytes to standard output as they are.

    What goes wrong there ends the command: in one line, or in none where the reader has seen enough.
    """
    if sys.stdout is None:
        raise Failure("standard output is closed")
    eager = sys.stdout.isatty()

    def write(data: bytes) -> None:
        with writing():
            sys.stdout.buffer.write(data)
            if eager:
                sys.stdout.flush()

    yield write
    with writing():
        sys.stdout.flush()


@contextmanager
def writing() -> Iterator[None]:
    """End the command where standard output fails, quietly where its reader has seen enough."""
    try:
        yield
    except BrokenPipeError:  # `| head` has seen enough
        abandon_output()
        sys.exit(PIPE_CLOSED)
    except OSError as error:
        abandon_output()
        raise Failure(f"cannot write to standard output: {error.strerror}") from None


def abandon_output() -> None:
    """Let what is still in the buffer go nowhere.

    Python would try to write it at its end, and complain loudly, or wait for a reader that has stopped reading.
    """
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def complaining() -> Iterator[None]:
    """Turn the failure of a file into one line."""
    try:
        yield
    except OSError as error:
        name = f"{error.filename}: " if error.filename is not None else ""
        raise Failure(f"{name}{error.strerror or error}") from None


def read(path: str) -> bytes:
    """Return what is in a file."""
    with complaining():
        return Path(path).read_bytes()


def stdin() -> bytes:
    """Return all of standard input."""
    if sys.stdin is None:
        raise Failure("standard input is closed")
    with complaining():
        return sys.stdin.buffer.read()


def say(text: str) -> None:
    """Write to standard error, if there is one."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()
