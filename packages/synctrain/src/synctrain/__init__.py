"""Train code search models with hard negatives made by astmut.

The command line is the way in: `synctrain fit`, see docs/synctrain.md. `train.train` is the same from Python.

The face:

- `__version__`: the release, as text.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
