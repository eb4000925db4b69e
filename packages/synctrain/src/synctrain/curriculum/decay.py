"""From the first task to the second by the clock alone: the ``exp`` curriculum of SYNC's released code."""

from __future__ import annotations

from synctrain.curriculum.outcome import Steps


class Decay(Steps):
    """Share of the first task 2^(-step / half_life), the rest for the second; looks at no accuracy.

    The released code's half-life is four fifths of all steps, so that its soft share ends at 2^-1.25 = .42.
    """

    def __init__(self, half_life: float, *, tasks: tuple[str, str] = ("soft", "hard")) -> None:
        """Take the number of steps after which half of the training is on the second task.

        Raises:
            ValueError: a half-life that is not positive, or not two tasks.
        """
        super().__init__(tasks)
        if half_life <= 0 or len(self.tasks) != 2:  # noqa: PLR2004 - the first task and the second
            raise ValueError(f"a half-life of {half_life} steps over tasks {self.tasks}: needs > 0 and two tasks")
        self.half_life = half_life

    def shares(self) -> tuple[float, ...]:
        """Return the share of each task in the next step; they sum to 1."""
        first = 2.0 ** (-self.step / self.half_life)
        return first, 1 - first
