"""Many short texts in a few full rows: what makes one merged forward cheap.

A batch of queries and code holds texts of very different lengths, and padding all to the longest wastes most of the
work. Here texts stand one behind the other in rows of one width; a block-diagonal mask keeps them apart, and
positions begin anew with each text, so every text gets the vector that it would get alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from synctrain.types import Ragged

BLOCKED = -1e9  # added to the attention between two texts; half precision takes it for minus infinity
ROUND = 8  # widths are multiples of this, which matrix units like
NARROWEST = 64  # rows are at least so wide, or short texts would leave much of each row empty


class Rows(NamedTuple):
    """A batch laid out in rows: three tensors (rows, width), and where each text's tokens went."""

    ids: Tensor
    positions: Tensor
    segments: Tensor  # number of the text that stands there, -1 for padding
    flat: Tensor  # (tokens,): index into the flattened rows, text by text

    @property
    def mask(self) -> Tensor:
        """The additive mask (rows, 1, width, width): 0 within a text, ``BLOCKED`` between texts."""
        apart = self.segments[:, None, :, None] != self.segments[:, None, None, :]
        return torch.zeros(apart.shape, device=apart.device).masked_fill_(apart, BLOCKED)


def width_of(lengths: np.ndarray) -> int:
    """Return the width of the rows for texts of these lengths: the longest fits, many short ones share a row."""
    longest = int(lengths.max(initial=1))
    wide = max(longest, min(NARROWEST, int(lengths.sum())))
    return -(-wide // ROUND) * ROUND


def pack(tokens: Ragged, pad: int, first_position: int = 0) -> Rows:
    """Lay texts out in rows, each text whole, the longest first, each into the fullest row that has room for it.

    ``pad`` is the id that fills rows up; ``first_position`` the position of a text's first token (RoBERTa counts
    from its padding index plus one). All texts must have at least one token.
    """
    lengths = tokens.lengths.numpy()
    width = width_of(lengths)
    row, column, count = _places(lengths, width)
    starts = np.repeat(row * width + column, lengths)
    begins = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(begins, lengths)
    flat = torch.from_numpy(starts + within)
    ids = torch.full((count * width,), pad)
    positions = torch.full((count * width,), first_position)
    segments = torch.full((count * width,), -1)
    ids[flat] = tokens.ids
    positions[flat] = torch.from_numpy(within + first_position)
    segments[flat] = torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths))
    shape = (count, width)
    return Rows(ids.view(shape), positions.view(shape), segments.view(shape), flat)


def _places(lengths: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return row and column of each text, and the number of rows: best fit, by decreasing length."""
    row = np.zeros(len(lengths), dtype=np.int64)
    column = np.zeros(len(lengths), dtype=np.int64)
    with_room: list[list[int]] = [[] for _ in range(width + 1)]  # rows by the room that is left in them
    count = 0
    for text in np.argsort(-lengths, kind="stable"):
        length = int(lengths[text])
        room = next((room for room in range(length, width + 1) if with_room[room]), None)
        if room is None:
            room = width
            with_room[room].append(count)
            count += 1
        here = with_room[room].pop()
        row[text], column[text] = here, width - room
        with_room[room - length].append(here)
    return row, column, count


def summed(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the sum of each text's vectors, (tokens, dimension) to (texts, dimension).

    On a GPU too it is the same sum to the bit whenever it is asked for; ``index_add`` adds there in any order.
    """
    if values.is_cuda:
        return torch.segment_reduce(values, "sum", lengths=lengths, unsafe=True)
    owner = torch.repeat_interleave(lengths)
    return values.new_zeros(len(lengths), values.shape[1]).index_add(0, owner, values)


def padded(tokens: Ragged, pad: int) -> tuple[Tensor, Tensor]:
    """Return ids and a 0/1 mask, both (texts, longest): for models that cannot be packed."""
    longest = int(tokens.lengths.max())
    mask = torch.arange(longest)[None, :] < tokens.lengths[:, None]
    ids = torch.full(mask.shape, pad)
    ids[mask] = tokens.ids
    return ids, mask.long()
