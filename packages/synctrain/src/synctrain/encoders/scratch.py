"""What the encoders share that learn from nothing: tokenizer, token vectors, and the folder that one is saved in."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from synctrain.encoders.transformer import OWN, ModelError
from synctrain.types import Kind, Ragged

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"


class Scratch(nn.Module, ABC):
    """One network for queries and code alike, over a vector for each token, all of it random at first.

    Vectors (texts, dimension) of length 1 where ``normalize``. A text's vector depends on that text alone: no padding
    takes part in it. A token that is not known is the unknown one; ``NOTHING`` is what a text without tokens is.
    """

    NAME: ClassVar[str]  # in settings and in saved folders
    WIDTH: ClassVar[int]  # the dimension where none is asked for
    GAP: ClassVar[int] = 0  # empty places that each text needs beside those of its tokens
    NOTHING: ClassVar[tuple[int, ...]] = (0,)  # the tokens of a text without any
    INSIDE: ClassVar[str] = "."  # where weights and tokenizer lie in a saved folder

    def __init__(
        self, tokenizer: Tokenizer, dimension: int | None = None, *, max_length: int = 256, normalize: bool = True
    ) -> None:
        """Begin with small random vectors, drawn from torch's generator."""
        super().__init__()
        self.tokenizer, self.dimension = tokenizer, self.WIDTH if dimension is None else dimension
        self.max_length, self.normalize = max_length, normalize
        self.embedding = nn.Embedding(tokenizer.get_vocab_size(), self.dimension)
        nn.init.normal_(self.embedding.weight, std=self.dimension**-0.5)
        self.filled: tuple[int, int] = (0, 0)  # tokens and places of the last batch

    @property
    def fingerprint(self) -> str:
        """What token ids depend on, as a hash."""
        about = f"scratch {self.NOTHING} {self.max_length} {self.tokenizer.to_str()}"
        return hashlib.sha256(about.encode()).hexdigest()

    def tokenize(self, texts: Sequence[str], kind: Kind) -> list[list[int]]:  # noqa: ARG002 - both kinds look alike
        """Return the token ids of each text, or ``NOTHING``, cut to ``max_length``."""
        encoded = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [one.ids[: self.max_length] or list(self.NOTHING) for one in encoded]

    def forward(self, tokens: Ragged) -> Tensor:
        """Return one vector a text, (texts, dimension). The tokens may be on the CPU."""
        device = self.embedding.weight.device
        count = len(tokens.ids)
        self.filled = (count, count + self.GAP * len(tokens.lengths))
        vectors = self.encode(tokens.ids.to(device), tokens.lengths.to(device)).float()
        return functional.normalize(vectors, dim=-1) if self.normalize else vectors

    @abstractmethod
    def encode(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return one vector a text, as the network makes it: (tokens,) and (texts,) to (texts, dimension)."""

    @classmethod
    def load(cls, folder: Path, *, max_length: int | None = None, normalize: bool | None = None) -> Scratch:
        """Load what ``save`` wrote; what is None is taken from there. Raises ``ModelError`` for anything else."""
        here = folder / cls.INSIDE
        try:
            weights = load_file(here / WEIGHTS)
            tokenizer = Tokenizer.from_file(str(here / TOKENIZER))
            longest = max_length or int((tokenizer.truncation or {}).get("max_length", 256))
            scaled = cls.normalized(folder) if normalize is None else normalize
            tokenizer.no_truncation()
            encoder = cls(tokenizer, weights["embedding.weight"].shape[1], max_length=longest, normalize=scaled)
            encoder.load_state_dict(weights)
        except Exception as error:  # tokenizers raises bare exceptions
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{folder}: no {cls.NAME} model that can be read: {type(error).__name__}: {reason}"
            ) from error
        return encoder

    def save(self, folder: Path) -> None:
        """Write weights and tokenizer, and how they are to be used."""
        here = folder / self.INSIDE
        here.mkdir(parents=True, exist_ok=True)
        save_file({name: part.detach().cpu().contiguous() for name, part in self.state_dict().items()}, here / WEIGHTS)
        self.tokenizer.enable_truncation(self.max_length)
        self.tokenizer.save(str(here / TOKENIZER))
        self.tokenizer.no_truncation()
        self.describe(folder)

    def describe(self, folder: Path) -> None:
        """Write which encoder it is, and what neither weights nor tokenizer say of it."""
        about = {"encoder": self.NAME, "normalize": self.normalize}
        (folder / OWN).write_text(json.dumps(about, indent=2) + "\n", "utf-8")

    @classmethod
    def normalized(cls, folder: Path) -> bool:
        """Return whether the vectors of the encoder in a folder have length 1, as ``describe`` wrote it."""
        return bool(json.loads((folder / OWN).read_text("utf-8"))["normalize"])
