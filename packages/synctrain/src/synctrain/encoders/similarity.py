"""How a saved model's vectors are to be compared, in the file in which sentence-transformers keeps it."""

from __future__ import annotations

import json
from pathlib import Path

from synctrain.encoders.find import find
from synctrain.encoders.transformer import ModelError
from synctrain.types import Similarity

FILE = "config_sentence_transformers.json"
_NAMES: dict[Similarity, str] = {"cos": "cosine", "dot": "dot", "neg_l2": "euclidean"}


def mark(folder: Path, similarity: Similarity) -> None:
    """Write into a saved model's folder which similarity it was trained for."""
    about: dict[str, object] = {"similarity_fn_name": _NAMES[similarity], "prompts": {}, "default_prompt_name": None}
    (folder / FILE).write_text(json.dumps(about, indent=2) + "\n", "utf-8")


def similarity_of(name: str) -> Similarity:
    """Return the similarity that a model was trained for: what its folder says, else cos.

    Raises ``ModelError`` where ``name`` is ``minilm`` and that is not installed, or where what its folder says cannot
    be read, or is none of the three.
    """
    file = Path(find(name)) / FILE
    try:
        said = json.loads(file.read_text("utf-8")).get("similarity_fn_name") or _NAMES["cos"]
    except OSError:  # a hub name, or a folder without the file
        return "cos"
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{file}: cannot be read: {error}") from None
    for similarity, other in _NAMES.items():
        if other == said:
            return similarity
    raise ModelError(f"{file}: compares by {said!r}; there are {', '.join(_NAMES.values())}; --similarity chooses one")
