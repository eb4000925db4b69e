"""Code with its data flow, as GraphCodeBERT takes it in: a row of numbers a text, and a batch of such rows.

A row goes through the token store like any other. Token ids are its numbers from 0 on; behind them stands one number
below 0 for each node of the data flow, and one still lower for each edge:

    -1 - (first * BASE + end)             a node that stands for the tokens from first up to end
    -1 - EDGES - (node * BASE + source)   a node's value comes from that of another node

A node takes up a place of the model's input as a token does, behind the tokens of its text; an edge takes up none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from synctrain.encoders import dataflow
from synctrain.encoders.packing import BLOCKED, Rows, pack, summed
from synctrain.types import Ragged

BASE = 2**15  # tokens and nodes of a text are fewer, so all numbers fit into 32 bits
EDGES = 2**30
NODE_POSITION = 0  # of all nodes, as published; RoBERTa's tokens begin at 2


def rows(texts: Sequence[str], tokenizer: Any, *, max_length: int, data_flow: int, flatten: bool) -> list[list[int]]:
    """Return the row of each text: at most ``max_length`` tokens, special ones included, and ``data_flow`` nodes.

    Code is written as its words with a blank between them, so white space and comments leave no trace; ``flatten``
    makes white space in strings single blanks too. What is cut off has no nodes.
    """
    flows = [dataflow.read(text) for text in texts]
    if flatten:
        flows = [flow._replace(words=[" ".join(word.split()) for word in flow.words]) for flow in flows]
    if not flows:
        return []
    encoded = tokenizer(
        [[word if n == 0 else f" {word}" for n, word in enumerate(flow.words)] for flow in flows],
        is_split_into_words=True,
        verbose=False,  # of being too long, which is seen to below
    )
    return [
        _row(flow, ids, encoded.word_ids(n), max_length=max_length, data_flow=data_flow)
        for n, (flow, ids) in enumerate(zip(flows, encoded["input_ids"], strict=True))
    ]


def _row(flow: dataflow.Flow, ids: list[int], owner: list[int | None], *, max_length: int, data_flow: int) -> list[int]:
    """Return the row of a text; ``owner`` is the word that each token is of, None for special tokens."""
    last = 0  # special tokens at the end
    while last < len(ids) and owner[-1 - last] is None:
        last += 1
    kept = len(ids) - last if len(ids) <= max_length else max_length - last
    tokens = ids[:kept] + ids[len(ids) - last :]
    if not data_flow or not flow.sources:
        return tokens
    spans: dict[int | None, tuple[int, int]] = {}
    for at, word in enumerate(owner):
        spans[word] = (spans[word][0] if word in spans else at, at + 1)
    chosen = [word for word in flow.sources if word in spans and spans[word][1] <= kept][:data_flow]
    number = {word: node for node, word in enumerate(chosen)}
    nodes = [-1 - (spans[word][0] * BASE + spans[word][1]) for word in chosen]
    edges = [
        -1 - EDGES - (number[word] * BASE + number[source])
        for word in chosen
        for source in flow.sources[word]
        if source in number
    ]
    return [*tokens, *nodes, *edges]


def places(ids: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return how many places of a model's input each row takes up; row i is ``ids[offsets[i] : offsets[i + 1]]``."""
    edges = np.flatnonzero(ids < -EDGES)
    of = np.searchsorted(offsets, edges, "right") - 1
    return np.diff(offsets) - np.bincount(of, minlength=len(offsets) - 1)


def has_nodes(tokens: Ragged) -> bool:
    """Say whether any text of a batch has a data flow."""
    return bool((tokens.ids < 0).any())


class Laid(NamedTuple):
    """A batch laid out in rows. A place is an index into the flattened rows."""

    rows: Rows
    lengths: Tensor  # (texts,): tokens of each
    tokens: Tensor  # (tokens,): their places, text by text
    ends: Tensor  # (2 * texts,): the places of first and last tokens
    nodes: Tensor  # (nodes,): their places,
    spans: Tensor  # (nodes,): and how many tokens each stands for
    node: Tensor  # (links,): number of a node,
    word: Tensor  # (links,): and the place of a token that it stands for
    sees: Tensor  # (edges,): the place of a node,
    seen: Tensor  # (edges,): and that of a node that its value comes from

    def to(self, device: torch.device) -> Laid:
        """Return the same on a device."""
        moved = Rows(*(part.to(device) for part in self.rows))
        return Laid(moved, *(part.to(device) for part in self[1:]))

    @property
    def mask(self) -> Tensor:
        """The additive mask (rows, 1, width, width), which is 0 where a place sees another place of its text.

        Tokens see all tokens; first and last ones all nodes too. A node sees the tokens that it stands for, which see
        it, and the nodes that its value comes from; itself it does not see (as the published code has it).
        """
        segments = self.rows.segments
        width = segments.shape[1]
        is_node = torch.zeros(segments.numel(), dtype=torch.bool, device=segments.device)
        is_end = is_node.clone()
        is_node[self.nodes], is_end[self.ends] = True, True
        is_node, is_end = is_node.view_as(segments), is_end.view_as(segments)
        among_tokens = ~(is_node[:, :, None] | is_node[:, None, :])
        is_open = (segments[:, :, None] == segments[:, None, :]) & (among_tokens | is_end[:, :, None])
        spoken = self.nodes[self.node]
        left, right = torch.cat([spoken, self.word, self.sees]), torch.cat([self.word, spoken, self.seen])
        is_open.view(-1)[left * width + right % width] = True
        return torch.zeros(is_open.shape, device=segments.device).masked_fill_(~is_open, BLOCKED)[:, None]


def lay_out(tokens: Ragged, pad: int, first_position: int) -> Laid:
    """Lay rows out for a model, each text's nodes behind its tokens.

    The id of a node is ``pad``, and plays no part: its embedding is made of others.
    """
    ids, count = tokens.ids.numpy(), len(tokens.lengths)
    text = np.repeat(np.arange(count), tokens.lengths.numpy())
    is_token, is_edge = ids >= 0, ids < -EDGES
    is_node = ~is_token & ~is_edge
    lengths, nodes = (np.bincount(text[kind], minlength=count) for kind in (is_token, is_node))
    taken = torch.from_numpy(np.where(is_token, ids, pad)[~is_edge])
    packed = pack(Ragged(taken, torch.from_numpy(lengths + nodes)), pad, first_position)
    place = packed.flat.numpy()
    token_places, node_places = place[is_token[~is_edge]], place[is_node[~is_edge]]
    packed.positions.view(-1)[torch.from_numpy(node_places)] = NODE_POSITION
    begins = place[np.cumsum(lengths + nodes) - lengths - nodes]

    first, end = np.divmod(-1 - ids[is_node], BASE)
    spans = end - first
    within = np.arange(spans.sum()) - np.repeat(np.cumsum(spans) - spans, spans)
    word = np.repeat(begins[text[is_node]] + first, spans) + within
    node, source = np.divmod(-1 - EDGES - ids[is_edge], BASE)
    behind = (begins + lengths)[text[is_edge]]
    found = (
        lengths,
        token_places,
        np.concatenate([begins, begins + lengths - 1]),
        node_places,
        spans,
        np.repeat(np.arange(len(node_places)), spans),
        word,
        behind + node,
        behind + source,
    )
    return Laid(packed, *(torch.from_numpy(part) for part in found))


def hidden(model: nn.Module, laid: Laid) -> Tensor:
    """Return the last vectors of all tokens, text by text, (tokens, dimension): those of nodes are left out.

    A node goes in as the mean of the embeddings of the tokens that it stands for. These are looked up once more, with
    all others: gradients of a place that is read twice add up in any order on a GPU, those of a looked-up word in one.
    """
    ids = laid.rows.ids.flatten()
    looked_up = model.get_input_embeddings()(torch.cat([ids, ids[laid.word]]))  # type: ignore[operator]
    flat, words = looked_up.split([len(ids), len(laid.word)])
    means = summed(words, laid.spans) / laid.spans[:, None]
    out = model(
        inputs_embeds=flat.index_copy(0, laid.nodes, means).view(*laid.rows.ids.shape, -1),
        position_ids=laid.rows.positions,
        attention_mask=laid.mask,
    )
    return out.last_hidden_state.flatten(0, 1)[laid.tokens]  # type: ignore[no-any-return]
