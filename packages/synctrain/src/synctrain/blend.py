"""The mean of the weights that training began with and those that it came to.

A fine-tuned model is better on what it was trained for and often worse on all else; between the two sets of weights lie
models that keep both (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights of a model, on its device."""
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


@contextmanager
def blended(model: nn.Module, begun_with: Mapping[str, Tensor], share: float) -> Iterator[None]:
    """Give a model, for a moment, ``share`` of the weights that it began with and the rest of its own.

    Args:
        model: whose weights come back afterwards, to the bit.
        begun_with: as of ``weights_of``.
        share: 0 changes nothing.
    """
    if not share:
        yield
        return
    own = weights_of(model)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            tensor.lerp_(begun_with[name], share)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, tensor in model.named_parameters():
                tensor.copy_(own[name])
