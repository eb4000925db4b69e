"""n-BOW: the mean of the vectors of a text's tokens (paper, appendix E)."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from synctrain.encoders.scratch import Scratch


class Bow(Scratch):
    """The mean of its tokens' vectors stands for a text; order says nothing.

    A saved folder is one that ``SentenceTransformer`` loads, as static embeddings, with the same vectors: zeros for a
    text without tokens.
    """

    NAME, WIDTH, NOTHING, INSIDE = "bow", 512, (), "0_StaticEmbedding"

    def encode(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the mean vector of each text."""
        return functional.embedding_bag(ids, self.embedding.weight, torch.cumsum(lengths, 0) - lengths, mode="mean")

    def describe(self, folder: Path) -> None:
        """Write the modules of the folder, as sentence-transformers asks for them."""
        kinds = [("StaticEmbedding", self.INSIDE), *([("Normalize", "1_Normalize")] if self.normalize else [])]
        modules = [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
            for i, (name, path) in enumerate(kinds)
        ]
        for _, path in kinds:
            (folder / path).mkdir(exist_ok=True)
        (folder / "modules.json").write_text(json.dumps(modules, indent=2) + "\n", "utf-8")

    @classmethod
    def normalized(cls, folder: Path) -> bool:
        """Return whether the last of the modules scales vectors to length 1."""
        modules = json.loads((folder / "modules.json").read_text("utf-8"))
        return str(modules[-1]["type"]).endswith("Normalize")
