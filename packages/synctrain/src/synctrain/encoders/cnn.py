"""CNN: three convolutions over a text's tokens, pooled by attention (paper, appendix E)."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from synctrain.encoders.attention import Attention
from synctrain.encoders.scratch import Scratch

LAYERS, KERNEL, DROPOUT = 3, 16, 0.2


class Cnn(Scratch):
    """Each position sees itself and the 15 behind it, three times over: x becomes tanh(convolution(x) + x).

    There are as many filters as dimensions, so the residual fits in every layer. Behind its last token a text has
    zeros, in each layer anew. All texts stand in one row, each followed by the 15 zeros that its last token sees: one
    convolution serves them all, a text meets no other, and short ones cost no padding to the longest.
    """

    NAME, WIDTH, GAP = "cnn", 128, KERNEL - 1

    def __init__(
        self, tokenizer: Tokenizer, dimension: int | None = None, *, max_length: int = 256, normalize: bool = True
    ) -> None:
        """Begin with random weights, drawn from torch's generator."""
        super().__init__(tokenizer, dimension, max_length=max_length, normalize=normalize)
        self.layers = nn.ModuleList(nn.Conv1d(self.dimension, self.dimension, KERNEL) for _ in range(LAYERS))
        self.dropout = nn.Dropout(DROPOUT)
        self.attention = Attention(self.dimension)

    def encode(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the weighed mean of the last layer's positions, for each text."""
        hidden = self.embedding(ids)
        place = torch.arange(len(ids), device=ids.device) + self.GAP * torch.repeat_interleave(lengths)
        for layer in self.layers:
            row = hidden.new_zeros(len(ids) + self.GAP * len(lengths), self.dimension).index_copy(0, place, hidden)
            seen = layer(row.T[None])[0].T[place]
            hidden = self.dropout(torch.tanh(seen + hidden))
        return self.attention(hidden, lengths)  # type: ignore[no-any-return]
