"""How much of a model's activations training leaves out by chance."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from synctrain.types import Ragged

_NUMBERS = ("dropout", "dropout_p", "dropout_prob")  # how attributes end by which models call a share of their own
_TEXT = "def f(x):\n    return x + 1"


def set_dropout(encoder: Any, share: float) -> None:
    """Leave out this share in all places where the encoder is known to leave anything out; 0 is nothing."""
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        for name, value in list(vars(module).items()):
            if name.endswith(_NUMBERS) and isinstance(value, float):
                setattr(module, name, share)


def has_dropout(encoder: Any) -> bool:
    """Say whether a text has another vector each time, in training."""
    training, tokens = encoder.training, encoder.tokenize([_TEXT], "code")[0]
    state = torch.get_rng_state()
    encoder.train()
    try:
        with torch.no_grad():
            one, other = (encoder(Ragged(torch.tensor(tokens), torch.tensor([len(tokens)]))) for _ in range(2))
    finally:
        encoder.train(training)
        torch.set_rng_state(state)
    return not torch.allclose(one, other, atol=1e-6)
