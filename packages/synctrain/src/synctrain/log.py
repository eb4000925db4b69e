"""What a run says while it goes: one JSON line a step, TensorBoard where it is installed, a line on the terminal."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Log:
    """``log.jsonl`` of a run, continued from a step; what a killed run wrote beyond it is cut off.

    Two runs with equal numbers have equal lines, but for ``seconds`` and ``pairs_per_second``.
    """

    def __init__(self, folder: Path, after: int, total: int, *, quiet: bool = False) -> None:
        """Open the log behind step ``after``."""
        self.path = folder / "log.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        kept = [line for line in self._lines() if _step(line) <= after] if after else []
        shortened = self.path.with_suffix(".part")  # a kill must not find the log cut off
        shortened.write_text("".join(kept), "utf-8")
        shortened.replace(self.path)
        self._file = self.path.open("a", encoding="utf-8")
        self._board: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter  # keeps --help fast

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=after + 1)
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[now]}"),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=total, completed=after, now="")
        self._plain = not quiet and not console.is_terminal
        self._every = max(1, total // 20)

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text("utf-8", "replace").splitlines(keepends=True)
        except OSError:
            return []

    def __enter__(self) -> Log:  # noqa: PYI034 - typing.Self came with 3.11
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        self._bar.stop()
        self._file.close()
        if self._board is not None:
            self._board.close()

    def write(self, step: int, values: Mapping[str, Any], *, event: str = "step") -> None:
        """Write the values of a step: one line, flushed, so that a kill loses none."""
        clean = {name: _finite(value) for name, value in values.items()}
        self._file.write(json.dumps({"event": event, "step": step, **clean}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in clean.items():
                if isinstance(value, int | float):
                    self._board.add_scalar(name.replace(".", "/", 1), value, step)
        if event == "step":
            now = " ".join(f"{name} {values[name]:.3f}" for name in _SHOWN if values.get(name) is not None)
            self._bar.update(self._task, completed=step, now=now)
            if self._plain and step % self._every == 0:
                sys.stderr.write(f"step {step} {now}\n")


_SHOWN = ("loss", "share.soft", "accuracy.soft", "accuracy.hard", "pairs_per_second")


def _finite(value: Any) -> Any:
    """Return a value as JSON holds it: what is not finite has no number there."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _step(line: str) -> int:
    """Return the step of a line; one that a kill cut short belongs to no step."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return sys.maxsize
