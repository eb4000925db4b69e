"""The mastering rate: train on what is learned now and whose prerequisites are mastered.

Willems, Lahlou and Bengio, "Mastering Rate based Curriculum Learning" (2020), over any acyclic graph of tasks; SYNC
(section 3.3) is the graph of two, soft -> hard. Where SYNC's paper, its released code and Willems' code differ, the
default is named with each parameter and the others are options.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from math import fsum, isclose
from typing import Literal, TypeAlias

from synctrain.curriculum.distribution import Distribution, mixed, softmax
from synctrain.curriculum.outcome import Steps, warm_shares

Window: TypeAlias = Literal["observed", "legacy"]
Slope: TypeAlias = Literal["absolute", "legacy_signed", "none"]
WINDOWS: tuple[Window, ...] = ("observed", "legacy")
SLOPES: tuple[Slope, ...] = ("absolute", "legacy_signed", "none")

# A slope so small is rounding on a plateau. Divided by the largest of its kind it would pass for progress.
FLAT = 1e-12


class MasteringRate(Steps):
    """Shares from how well each task goes, how fast that changes, and what it depends on.

    With M the mastering rate of a task (its mean accuracy over the last ``k`` steps that had it, scaled to its
    ``bounds``) and s its slope, attention is ::

        min over ancestors(M)^p * ((1 - delta) * s + delta * (1 - M)) * (1 - min over direct successors(M))

    where a minimum over none is 1 for ancestors and 0 for successors. ``distribution`` makes shares of it, and
    ``epsilon`` of these is replaced by ``bias``. In the first ``warmup`` steps only tasks without prerequisites are
    trained on, in equal parts; accuracies are taken in meanwhile.
    """

    def __init__(
        self,
        tasks: Iterable[str],
        edges: Iterable[tuple[str, str]] = (),
        *,
        k: int = 20,
        p: float = 2.0,
        delta: float = 0.5,
        distribution: Distribution = softmax,
        epsilon: float = 0.0,
        bias: Sequence[float] | None = None,
        warmup: int = 0,
        window: Window = "observed",
        slope: Slope = "absolute",
        bounds: Mapping[str, tuple[float, float]] | None = None,
        adapt: bool = False,
    ) -> None:
        """Set up the graph; nothing has been observed yet, so every task counts as not mastered at all.

        Args:
            tasks: their names.
            edges: (before, after): the first is to be mastered before the second is trained on.
            k: length of the window of accuracies.
            p: how sharply ancestors gate a task; Willems uses 6, SYNC 2.
            delta: weight of what is not mastered yet, against the slope.
            distribution: attention to shares; ``DISTRIBUTIONS`` names those there are.
            epsilon: how much of the shares is ``bias`` instead.
            bias: a share for each task, equal ones by default.
            warmup: steps at the start with root tasks only.
            window: ``observed`` skips steps that had none of the task (Willems); ``legacy`` begins with ``k`` zeros
                and counts such a step as accuracy 0, as SYNC's released code does.
            slope: ``absolute`` is the size of the least-squares slope over true step numbers, divided by the largest
                among the tasks, in [0, 1] (Willems); ``legacy_signed`` divides signed slopes by their signed maximum
                (released code), which is unbounded; ``none`` leaves the term out (the released code's ``lp``).
            bounds: the accuracies that count as mastering rates 0 and 1, task by task; (0, 1) by default.
            adapt: widen the bounds to the mean of each full window that falls outside (Willems' min and max).

        Raises:
            ValueError: an edge to an unknown task, a cycle (named), or an option out of its range.
        """
        super().__init__(tasks)
        before: dict[str, list[str]] = {task: [] for task in self.tasks}
        self._after: dict[str, list[str]] = {task: [] for task in self.tasks}
        for first, then in edges:
            if first not in before or then not in before:
                raise ValueError(f"the edge {first} -> {then} leads to no task; there are: {', '.join(self.tasks)}")
            before[then].append(first)
            self._after[first].append(then)
        self._ancestors = _ancestors(before)
        self._roots = tuple(task for task in self.tasks if not before[task])
        self.bias = tuple(bias) if bias is not None else (1 / len(self.tasks),) * len(self.tasks)
        limits = dict(bounds or {})
        _check(
            (k >= 1, f"k = {k}: the window needs at least one step"),
            (p >= 0, f"p = {p}: must not be negative"),
            (0 <= delta <= 1, f"delta = {delta}: must lie in [0, 1]"),
            (0 <= epsilon <= 1, f"epsilon = {epsilon}: must lie in [0, 1]"),
            (warmup >= 0, f"warmup = {warmup}: must not be negative"),
            (window in WINDOWS, f"no window {window!r}; there are: {', '.join(WINDOWS)}"),
            (slope in SLOPES, f"no slope {slope!r}; there are: {', '.join(SLOPES)}"),
            (
                len(self.bias) == len(self.tasks) and min(self.bias) >= 0 and isclose(fsum(self.bias), 1, abs_tol=1e-6),
                f"bias = {self.bias}: needs one share for each of {self.tasks}, together 1",
            ),
            (
                limits.keys() <= set(self.tasks) and all(low <= high for low, high in limits.values()),
                f"bounds = {limits}: needs (low, high) with low <= high for tasks of {self.tasks}",
            ),
        )
        self.k, self.p, self.delta, self.epsilon, self.warmup = k, p, delta, epsilon, warmup
        self.distribution, self.window, self.slope, self.adapt = distribution, window, slope, adapt
        self._bounds = {task: limits.get(task, (0.0, 1.0)) for task in self.tasks}
        # (step, accuracy) of the last k steps that count. The zeros of the legacy window lie before step 1.
        zeros = [(step, 0.0) for step in range(1 - k, 1)] if window == "legacy" else []
        self._seen: dict[str, deque[tuple[int, float]]] = {task: deque(zeros, maxlen=k) for task in self.tasks}

    def mastery(self) -> tuple[float, ...]:
        """Return the mastering rate of each task, in [0, 1]; 0 where nothing was observed."""
        return tuple(self._mastery(task) for task in self.tasks)

    def slopes(self) -> tuple[float, ...]:
        """Return the normalised slope of each task; 0 with fewer than two observations."""
        if self.slope == "none":
            return (0.0,) * len(self.tasks)
        slopes = [_slope(self._seen[task]) for task in self.tasks]
        if self.slope == "absolute":
            slopes = [abs(slope) for slope in slopes]
        top = max(slopes)
        return tuple(slope / top for slope in slopes) if abs(top) > FLAT else tuple(slopes)

    def attention(self) -> tuple[float, ...]:
        """Return how much each task asks for: in [0, 1], but for ``legacy_signed``."""
        rate = dict(zip(self.tasks, self.mastery(), strict=True))
        asked = []
        for task, slope in zip(self.tasks, self.slopes(), strict=True):
            ready = min((rate[one] for one in self._ancestors[task]), default=1.0)
            done = min((rate[one] for one in self._after[task]), default=0.0)
            asked.append(ready**self.p * ((1 - self.delta) * slope + self.delta * (1 - rate[task])) * (1 - done))
        return tuple(asked)

    def shares(self) -> tuple[float, ...]:
        """Return the share of each task in the next step; they sum to 1."""
        if self.step < self.warmup:
            return warm_shares(self.tasks, self._roots)
        return mixed(self.distribution(self.attention()), self.bias, self.epsilon)

    def _mastery(self, task: str) -> float:
        seen, (low, high) = self._seen[task], self._bounds[task]
        if not seen or low == high:
            return 0.0
        return min(1.0, max(0.0, (_mean(seen) - low) / (high - low)))

    def _learn(self, accuracies: Sequence[float | None]) -> dict[str, float]:
        for task, accuracy in zip(self.tasks, accuracies, strict=True):
            seen = self._seen[task]
            if accuracy is not None:
                seen.append((self.step, accuracy))
            elif self.window == "legacy":
                seen.append((self.step, 0.0))
            if self.adapt and len(seen) == self.k:
                (low, high), mean = self._bounds[task], _mean(seen)
                self._bounds[task] = (min(low, mean), max(high, mean))
        learned = {f"mastery/{task}": rate for task, rate in zip(self.tasks, self.mastery(), strict=True)}
        return learned | {f"slope/{task}": slope for task, slope in zip(self.tasks, self.slopes(), strict=True)}

    def report(self) -> dict[str, float]:
        """Return what to log of the last observed step, empty before the first.

        ``share/TASK``, the share that the step was drawn with; ``accuracy/TASK``, left out where the step had none of
        the task; ``mastery/TASK`` and ``slope/TASK``, as they are after it.
        """
        return super().report()

    def state_dict(self) -> dict[str, object]:
        """Return all of its state, as JSON holds it. Options are not part of it."""
        return super().state_dict() | {
            "window": {task: [[step, accuracy] for step, accuracy in seen] for task, seen in self._seen.items()},
            "bounds": {task: list(bounds) for task, bounds in self._bounds.items()},
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Take back a state; of a longer window the last ``k`` steps are kept.

        Raises:
            ValueError: it is the state of another curriculum, or none at all.
        """
        super().load_state_dict(state)
        windows, bounds = state.get("window"), state.get("bounds")
        if (
            not isinstance(windows, Mapping)
            or not isinstance(bounds, Mapping)
            or not (windows.keys() == bounds.keys() == set(self.tasks))
        ):
            raise ValueError(f"not the state of a mastering rate over {self.tasks}: {dict(state)}")
        for task in self.tasks:
            self._seen[task] = deque(((int(step), float(one)) for step, one in windows[task]), maxlen=self.k)
            low, high = bounds[task]
            self._bounds[task] = (float(low), float(high))


def sync(
    *,
    warmup: int = 0,
    k: int = 20,
    p: float = 2.0,
    delta: float = 0.5,
    epsilon: float = 0.8,
    bias: tuple[float, float] = (0.8, 0.2),
    distribution: Distribution = softmax,
    window: Window = "observed",
    slope: Slope = "absolute",
) -> MasteringRate:
    """Return SYNC's curriculum: soft -> hard, with the paper's constants (section 3.3).

    For any attention P(soft) stays in [.64, .84], and with slopes in [0, 1] in [.694, .786], once warm-up is over. The
    released code is ``window="legacy", slope="legacy_signed"``; the paper's warm-up is 17,000 (CodeBERT), 12,500
    (GraphCodeBERT) or 13,000 (UniXcoder) steps.

    Raises:
        ValueError: an option is out of its range.
    """
    return MasteringRate(
        ("soft", "hard"),
        [("soft", "hard")],
        k=k,
        p=p,
        delta=delta,
        distribution=distribution,
        epsilon=epsilon,
        bias=bias,
        warmup=warmup,
        window=window,
        slope=slope,
    )


def _check(*conditions: tuple[bool, str]) -> None:
    for holds, complaint in conditions:
        if not holds:
            raise ValueError(complaint)


def _ancestors(before: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
    """Return all that comes before each task; ``ValueError`` names a cycle."""
    found: dict[str, frozenset[str]] = {}
    left = dict(before)
    while left:
        ready = [task for task, direct in left.items() if found.keys() >= set(direct)]
        if not ready:
            raise ValueError(f"the tasks form a cycle: {' -> '.join(_cycle(left))}")
        for task in ready:
            direct = left.pop(task)
            found[task] = frozenset(direct).union(*(found[one] for one in direct))
    return found


def _cycle(left: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a cycle among tasks each of which has a predecessor among them: walk back until one comes again."""
    path = [next(iter(left))]
    while True:
        task = next(one for one in left[path[-1]] if one in left)
        if task in path:
            return [task, *reversed(path[path.index(task) :])]
        path.append(task)


def _mean(seen: Sequence[tuple[int, float]]) -> float:
    return fsum(accuracy for _, accuracy in seen) / len(seen)


def _slope(seen: Sequence[tuple[int, float]]) -> float:
    """Return the least-squares slope of accuracy over step number; 0 with fewer than two points."""
    if len(seen) < 2:  # noqa: PLR2004 - a line takes two points
        return 0.0
    middle = fsum(step for step, _ in seen) / len(seen)
    mean = _mean(seen)
    spread = fsum((step - middle) ** 2 for step, _ in seen)
    return fsum((step - middle) * (accuracy - mean) for step, accuracy in seen) / spread
