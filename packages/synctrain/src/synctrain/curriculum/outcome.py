"""What all curricula share: they count steps, check what they are told, and say what the last step was like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


class Steps:
    """The steps observed so far, and what to log of the last of them.

    A subclass says what the shares are, and may learn from each step in ``_learn``.
    """

    def __init__(self, tasks: Iterable[str]) -> None:
        self.tasks = tuple(tasks)
        if not self.tasks or len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"a curriculum needs tasks with different names, not {list(self.tasks)}")
        self.step = 0
        self._last: dict[str, float] = {}

    def shares(self) -> tuple[float, ...]:
        """Return the share of each task in the next step; they sum to 1."""
        raise NotImplementedError

    def observe(self, outcome: Sequence[tuple[int, int]]) -> None:
        """Take in one step.

        Args:
            outcome: for each task, how many of its triplets were right and how many were seen, over all processes.

        Raises:
            ValueError: the counts are not one pair a task with 0 <= right <= seen.
        """
        counts = [(int(right), int(seen)) for right, seen in outcome]
        if len(counts) != len(self.tasks) or not all(0 <= right <= seen for right, seen in counts):
            raise ValueError(f"not one (right, seen) with 0 <= right <= seen for each of {self.tasks}: {counts}")
        last = {f"share/{task}": share for task, share in zip(self.tasks, self.shares(), strict=True)}
        accuracies = [right / seen if seen else None for right, seen in counts]
        for task, accuracy in zip(self.tasks, accuracies, strict=True):
            if accuracy is not None:
                last[f"accuracy/{task}"] = accuracy
        self.step += 1
        self._last = last | self._learn(accuracies)

    def _learn(self, accuracies: Sequence[float | None]) -> dict[str, float]:  # noqa: ARG002 - for subclasses
        """Take in the accuracy of each task (None: not seen) in step number ``self.step``; return more to log."""
        return {}

    def report(self) -> dict[str, float]:
        """Return what to log of the last observed step, empty before the first.

        ``share/TASK``, the share that the step was drawn with; ``accuracy/TASK``, left out where the step had none of
        the task; and what the curriculum made of them.
        """
        return dict(self._last)

    def state_dict(self) -> dict[str, object]:
        """Return all of its state, as JSON holds it."""
        return {"tasks": list(self.tasks), "step": self.step, "last": dict(self._last)}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Take back a state.

        Raises:
            ValueError: it is the state of a curriculum over other tasks, or none at all.
        """
        step, last = state.get("step"), state.get("last")
        if state.get("tasks") != list(self.tasks) or not isinstance(step, int) or not isinstance(last, Mapping):
            raise ValueError(f"not the state of a curriculum over {self.tasks}: {dict(state)}")
        self.step, self._last = step, {str(name): float(value) for name, value in last.items()}


def warm_shares(tasks: Sequence[str], roots: Iterable[str]) -> tuple[float, ...]:
    """Return equal shares of the tasks that a warm-up trains on, 0 for the others."""
    chosen = set(roots)
    return tuple((task in chosen) / len(chosen) for task in tasks)
