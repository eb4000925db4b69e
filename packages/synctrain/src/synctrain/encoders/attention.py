"""Pooling that is learnt: which positions of a text count, and how much."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from synctrain.encoders.packing import summed


class Attention(nn.Module):
    """A text's vector is the mean of its positions' vectors, weighed by a softmax of learnt scores over the text."""

    def __init__(self, dimension: int) -> None:
        """Take the dimension of the positions' vectors."""
        super().__init__()
        # No bias: what is added to all scores alike leaves a softmax as it is.
        self.score = nn.Linear(dimension, 1, bias=False)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Return (texts, dimension), float32, for the positions of all texts in a row, (tokens, dimension)."""
        hidden = hidden.float()
        there = torch.arange(int(lengths.max()), device=hidden.device) < lengths[:, None]
        scores = torch.full(there.shape, -torch.inf, device=hidden.device)
        weights = scores.masked_scatter(there, self.score(hidden).float()).softmax(1)[there]
        return summed(hidden * weights[:, None], lengths)
