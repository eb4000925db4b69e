"""Train code search models with hard negatives made by astmut.

The training code is not here yet. What the package offers today:

- `__version__`: the release, as text.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
