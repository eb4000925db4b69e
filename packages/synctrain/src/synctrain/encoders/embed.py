"""A model as a function from texts to vectors: all that an evaluation needs to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synctrain.encoders.device import best_device
from synctrain.encoders.find import load
from synctrain.encoders.graph import places
from synctrain.encoders.transformer import ModelError
from synctrain.types import Embed, Kind, Ragged

TOKENS = 8_192  # of one forward pass


def embedder(encoder: Any, *, name: str = "the model", tokens: int = TOKENS) -> Embed:
    """Return the function (texts, kind) -> vectors, (texts, dimension) float32 on the CPU.

    Each different text is encoded once, with texts of similar length, in passes of about so many ``tokens``, without
    dropout and without gradients; on a GPU too in full precision (but in that of ``optim.precision`` while a model is
    trained), and the same each time. The model is left in the mode
    (training or not) that it was in. The function raises ``ModelError``, with the model's ``name``, where a vector
    holds what is no number.
    """

    def embed(texts: Sequence[str], kind: Kind) -> Tensor:
        unique = list(dict.fromkeys(texts))
        ids = encoder.tokenize(unique, kind)
        lengths = np.array([len(one) for one in ids], dtype=np.int64)
        flat_ids = np.fromiter((i for one in ids for i in one), np.int64)
        taken = places(flat_ids, np.concatenate([[0], np.cumsum(lengths)]))
        order = np.argsort(taken, kind="stable")
        vectors = torch.zeros(len(unique), encoder.dimension)
        training = encoder.training
        encoder.eval()
        try:
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
                for batch in np.split(order, _cuts(taken[order], tokens)):
                    if len(batch):
                        flat = torch.tensor([i for n in batch for i in ids[n]], dtype=torch.int64)
                        found = encoder(Ragged(flat, torch.from_numpy(lengths[batch])))
                        vectors[torch.from_numpy(batch)] = found.float().cpu()
        finally:
            encoder.train(training)
        if not bool(torch.isfinite(vectors).all()):
            raise ModelError(f"{name}: its vectors hold infinite numbers or NaN: the model is broken")
        number = {text: n for n, text in enumerate(unique)}
        return vectors[[number[text] for text in texts]] if texts else vectors

    return embed


def opened(name: str, **options: Any) -> Embed:
    """Load a model, as ``load`` does, and return what embeds with it on the best device that there is.

    Raises ``ModelError``.
    """
    return embedder(load(name, **options).to(best_device()), name=name)


def _cuts(lengths: np.ndarray, tokens: int) -> list[int]:
    """Return where to cut, so that no piece has more than so many tokens (or a single longer text)."""
    cuts, here = [], 0
    for n, length in enumerate(lengths):
        if here and here + length > tokens:
            cuts.append(n)
            here = 0
        here += int(length)
    return cuts
