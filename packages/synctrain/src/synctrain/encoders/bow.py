"""n-BOW: the mean of the vectors of a text's tokens (paper, appendix E), and a byte-pair tokenizer of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional

from synctrain.encoders.transformer import ModelError
from synctrain.types import Kind, Ragged

UNKNOWN = "[UNK]"
HERE = "0_StaticEmbedding"


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """Return a lower-casing byte-pair tokenizer learnt from texts: words, digits and signs apart, white space dropped.

    ``size`` is the most entries that its vocabulary may have. Identifiers are split at underscores and humps,
    since their parts are the words of queries.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    humps = normalizers.Replace(Regex(r"(?<=[a-z0-9])(?=[A-Z])"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), humps, normalizers.Lowercase()])
    words = pre_tokenizers.Split(Regex(r"[^\W\d_]+|\d|[^\w\s]"), "removed", invert=True)
    tokenizer.pre_tokenizer = words
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[UNKNOWN],
        show_progress=False,
        min_frequency=2,
        initial_alphabet=[chr(code) for code in range(33, 127)],
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


class Bow(nn.Module):
    """The mean of its tokens' vectors stands for a text; order says nothing. No padding takes part in it.

    Vectors (texts, dimension) of length 1 where ``normalize``. A text without a known token gets the vector of the
    unknown one.
    """

    def __init__(self, tokenizer: Tokenizer, dimension: int, *, max_length: int = 256, normalize: bool = True) -> None:
        """Begin with small random vectors, drawn from torch's generator."""
        super().__init__()
        self.tokenizer, self.dimension = tokenizer, dimension
        self.max_length, self.normalize = max_length, normalize
        self.embedding = nn.EmbeddingBag(tokenizer.get_vocab_size(), dimension, mode="mean")
        nn.init.normal_(self.embedding.weight, std=dimension**-0.5)
        self.filled: tuple[int, int] = (0, 0)

    @classmethod
    def load(cls, folder: Path, *, max_length: int | None = None) -> Bow:
        """Load what ``save`` wrote, by default with its length. Raises ``ModelError`` for anything else."""
        here = folder / HERE
        try:
            weight = load_file(here / "model.safetensors")["embedding.weight"]
            tokenizer = Tokenizer.from_file(str(here / "tokenizer.json"))
            longest = max_length or int((tokenizer.truncation or {}).get("max_length", 256))
            kinds = [module["type"] for module in json.loads((folder / "modules.json").read_text("utf-8"))]
        except Exception as error:  # tokenizers raises bare exceptions
            raise ModelError(f"{folder}: no n-BOW model that can be read: {error}") from error
        tokenizer.no_truncation()
        bow = cls(tokenizer, weight.shape[1], max_length=longest, normalize=kinds[-1].endswith("Normalize"))
        if bow.embedding.weight.shape != weight.shape:
            raise ModelError(f"{folder}: {weight.shape[0]} vectors for {tokenizer.get_vocab_size()} tokens")
        bow.embedding.weight.data.copy_(weight)
        return bow

    @property
    def fingerprint(self) -> str:
        """What token ids depend on, as a hash."""
        return hashlib.sha256(f"bow {self.max_length} {self.tokenizer.to_str()}".encode()).hexdigest()

    def tokenize(self, texts: Sequence[str], kind: Kind) -> list[list[int]]:  # noqa: ARG002 - both kinds look alike
        """Return the token ids of each text, at least one, cut to ``max_length``."""
        encoded = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [one.ids[: self.max_length] or [0] for one in encoded]

    def forward(self, tokens: Ragged) -> Tensor:
        """Return one vector a text, (texts, dimension)."""
        device = self.embedding.weight.device
        self.filled = (len(tokens.ids), len(tokens.ids))
        offsets = torch.cumsum(tokens.lengths, 0) - tokens.lengths
        vectors = self.embedding(tokens.ids.to(device), offsets.to(device)).float()
        return functional.normalize(vectors, dim=-1) if self.normalize else vectors

    def save(self, folder: Path) -> None:
        """Write a folder that ``SentenceTransformer`` loads (as static embeddings), with the same vectors."""
        here = folder / HERE
        here.mkdir(parents=True, exist_ok=True)
        save_file({"embedding.weight": self.embedding.weight.detach().cpu().contiguous()}, here / "model.safetensors")
        self.tokenizer.enable_truncation(self.max_length)
        self.tokenizer.save(str(here / "tokenizer.json"))
        self.tokenizer.no_truncation()
        kinds = [("StaticEmbedding", HERE), *([("Normalize", "1_Normalize")] if self.normalize else [])]
        modules = [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
            for i, (name, path) in enumerate(kinds)
        ]
        for _, path in kinds:
            (folder / path).mkdir(exist_ok=True)
        (folder / "modules.json").write_text(json.dumps(modules, indent=2) + "\n", "utf-8")
