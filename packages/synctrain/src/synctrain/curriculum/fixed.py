"""The same shares at every step: soft only, hard only, random, and the control for a curriculum that hardly moves."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose

from synctrain.curriculum.outcome import Steps, warm_shares


class Fixed(Steps):
    """Fixed shares, after a warm-up on the first task alone.

    ``{"soft": 1, "hard": 0}`` trains on soft negatives, ``{"soft": 0, "hard": 1}`` on hard ones, ``.5`` each is the
    paper's random curriculum, and ``{"soft": 0.75, "hard": 0.25}`` after SYNC's warm-up is the control for SYNC, whose
    own share of soft stays between .64 and .84.
    """

    def __init__(self, shares: Mapping[str, float], *, warmup: int = 0) -> None:
        """Take the share of each task.

        Args:
            shares: task to share, each in [0, 1], together 1 (to 1e-6).
            warmup: steps at the start with nothing but the first task.

        Raises:
            ValueError: no tasks, shares that do not sum to 1, or a negative warm-up.
        """
        super().__init__(shares)
        if any(not 0 <= share <= 1 for share in shares.values()) or not isclose(sum(shares.values()), 1, abs_tol=1e-6):
            raise ValueError(f"shares must lie in [0, 1] and sum to 1, not {dict(shares)}")
        if warmup < 0:
            raise ValueError(f"a warm-up of {warmup} steps: must not be negative")
        self.warmup = warmup
        self._fixed = tuple(float(share) for share in shares.values())

    def shares(self) -> tuple[float, ...]:
        """Return the share of each task in the next step; they sum to 1."""
        return warm_shares(self.tasks, self.tasks[:1]) if self.step < self.warmup else self._fixed
