"""RNN: two layers of LSTMs that read a text in both directions, pooled by attention (paper, appendix E)."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from synctrain.encoders.attention import Attention
from synctrain.encoders.scratch import Scratch
from synctrain.encoders.transformer import ModelError

LAYERS, DROPOUT = 2, 0.2


class Rnn(Scratch):
    """Each position knows what stands before it and what behind; half of the dimensions are for each direction.

    States begin at zero, and texts are packed, so an LSTM that reads backward begins at a text's own last token.
    """

    NAME, WIDTH = "rnn", 128

    def __init__(
        self, tokenizer: Tokenizer, dimension: int | None = None, *, max_length: int = 256, normalize: bool = True
    ) -> None:
        """Begin with random weights, drawn from torch's generator. Raises ``ModelError`` for an odd dimension."""
        super().__init__(tokenizer, dimension, max_length=max_length, normalize=normalize)
        half, odd = divmod(self.dimension, 2)
        if odd:
            raise ModelError(f"dimension = {self.dimension}: that of an rnn is even, half for each direction")
        # Not one LSTM of two layers: on a GPU its dropout has a state of its own, which no seed sets anew.
        self.layers = nn.ModuleList(nn.LSTM(self.dimension, half, bidirectional=True) for _ in range(LAYERS))
        self.dropout = nn.Dropout(DROPOUT)
        self.attention = Attention(self.dimension)

    def encode(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the weighed mean of the last layer's positions, for each text."""
        packed = pack_sequence(self.embedding(ids).split(lengths.tolist()), enforce_sorted=False)
        for number, layer in enumerate(self.layers):
            data = self.dropout(packed.data) if number else packed.data
            packed, _ = layer(PackedSequence(data, *packed[1:]))
        return self.attention(torch.cat(unpack_sequence(packed)), lengths)  # type: ignore[no-any-return]
