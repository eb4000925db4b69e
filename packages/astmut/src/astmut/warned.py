"""The compiler's warnings, kept from users: they are about mutants, or are the affair of a program's authors."""

from __future__ import annotations

import threading
import warnings


class quiet:  # noqa: N801 - used as a function
    """Have warnings ignored while any thread is inside.

    ``warnings.catch_warnings`` alone does not serve: its filters are the process's, and where two threads leave in
    another order than they came, one puts back what the other had set.
    """

    _lock = threading.Lock()
    _inside = 0
    _before: warnings.catch_warnings[None]

    def __enter__(self) -> None:
        """Keep the filters and set others, unless a thread has done so."""
        with quiet._lock:
            if not quiet._inside:
                quiet._before = warnings.catch_warnings()
                quiet._before.__enter__()
                warnings.simplefilter("ignore")
            quiet._inside += 1

    def __exit__(self, *_: object) -> None:
        """Put the filters back, unless another thread is inside."""
        with quiet._lock:
            quiet._inside -= 1
            if not quiet._inside:
                quiet._before.__exit__(None, None, None)
