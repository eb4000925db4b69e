"""RNN: two layers of LSTMs that read a text in both directions, pooled by attention (paper, appendix E)."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from synctrain.encoders.attention import Attention
from synctrain.encoders.scratch import Scratch
from synctrain.encoders.transformer import ModelError

LAYERS, DROPOUT = 2, 0.2
TOGETHER = 64  # texts of like length that are read at once, padded to the longest of them


class BothWays(nn.Module):
    """An LSTM that reads onward and one that reads back; half of the dimensions are for each."""

    def __init__(self, dimension: int) -> None:
        """Begin with random weights, drawn from torch's generator."""
        super().__init__()
        # Not one LSTM of two directions: that would begin to read back in the padding.
        self.onward, self.back = nn.LSTM(dimension, dimension // 2), nn.LSTM(dimension, dimension // 2)

    def forward(self, hidden: Tensor, mirror: Tensor) -> Tensor:
        """Return the states, (positions, texts, dimension), as ``hidden``.

        ``mirror``, (positions, texts), is where each position stands in its text read back.
        """
        if hidden.is_cuda:
            return self._read(hidden, mirror)
        with torch.autocast("cpu", enabled=False):  # many processors have no LSTM in half precision
            return self._read(hidden.float(), mirror)

    def _read(self, hidden: Tensor, mirror: Tensor) -> Tensor:
        onward, _ = self.onward(hidden)
        back, _ = self.back(hidden.gather(0, _wide(mirror, hidden.shape[2])))
        return torch.cat((onward, back.gather(0, _wide(mirror, back.shape[2]))), dim=2)


def _wide(mirror: Tensor, dimension: int) -> Tensor:
    return mirror[:, :, None].expand(-1, -1, dimension)


class Rnn(Scratch):
    """Each position knows what stands before it and what behind.

    States begin at zero, and an LSTM that reads back begins at a text's own last token. Texts are read in groups of
    like length: torch's packed sequences take, on a CPU, time and memory by the square of the tokens in training.
    """

    NAME, WIDTH = "rnn", 128

    def __init__(
        self, tokenizer: Tokenizer, dimension: int | None = None, *, max_length: int = 256, normalize: bool = True
    ) -> None:
        """Begin with random weights, drawn from torch's generator. Raises ``ModelError`` for an odd dimension."""
        super().__init__(tokenizer, dimension, max_length=max_length, normalize=normalize)
        if self.dimension % 2:
            raise ModelError(f"dimension = {self.dimension}: that of an rnn is even, half for each direction")
        # Not one LSTM of two layers: on a GPU its dropout has a state of its own, which no seed sets anew.
        self.layers = nn.ModuleList(BothWays(self.dimension) for _ in range(LAYERS))
        self.dropout = nn.Dropout(DROPOUT)
        self.attention = Attention(self.dimension)

    def encode(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the weighed mean of the last layer's positions, for each text."""
        vectors, starts = self.embedding(ids), lengths.cumsum(0) - lengths
        states: list[Tensor] = []
        places: list[Tensor] = []
        padded = 0
        for group in torch.split(lengths.argsort(descending=True, stable=True), TOGETHER):
            length = lengths[group]
            position = torch.arange(int(length[0]), device=ids.device)[:, None].expand(-1, len(group))
            there = position < length
            place = torch.where(there, starts[group] + position, 0)
            mirror = torch.where(there, length - 1 - position, position)
            hidden = vectors[place]
            for number, layer in enumerate(self.layers):
                hidden = layer(self.dropout(hidden) if number else hidden, mirror)
            states.append(hidden[there])
            places.append(place[there])
            padded += place.numel()
        self.filled = (len(ids), padded)
        found = torch.cat(states)  # in half precision perhaps, and group by group
        return self.attention(torch.empty_like(found).index_copy(0, torch.cat(places), found), lengths)  # type: ignore[no-any-return]
