"""From the attention that each task asks for to its share: Willems et al. (2020), section 4, and SYNC's mixture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp, fsum
from typing import TypeAlias

# Attention of each task (any finite numbers) -> their shares, in [0, 1], together 1.
Distribution: TypeAlias = Callable[[Sequence[float]], tuple[float, ...]]

# Below this all attention together is rounding, and a division by it would only blow that up.
NOTHING = 1e-300


def softmax(attention: Sequence[float], tau: float = 1.0) -> tuple[float, ...]:
    """Return shares proportional to exp(attention / tau). SYNC's choice, with tau = 1."""
    top = max(attention)
    return _normalised([exp((one - top) / tau) for one in attention])


def boltzmann(attention: Sequence[float], tau: float = 4e-4) -> tuple[float, ...]:
    """Return ``softmax`` at the temperature of Willems' code, which gives nearly all to the highest attention."""
    return softmax(attention, tau)


def prop(attention: Sequence[float]) -> tuple[float, ...]:
    """Return shares proportional to attention. Negative attention counts as 0; without any, shares are equal."""
    return _normalised([max(0.0, one) for one in attention])


def greedy_prop(attention: Sequence[float], epsilon: float = 0.1) -> tuple[float, ...]:
    """Return ``prop``, with ``epsilon`` of it spread evenly: every task keeps being tried."""
    return mixed(prop(attention), [1 / len(attention)] * len(attention), epsilon)


def greedy_max(attention: Sequence[float], epsilon: float = 0.1) -> tuple[float, ...]:
    """Return all for the highest attention (the first of equals), with ``epsilon`` of it spread evenly."""
    top = max(range(len(attention)), key=attention.__getitem__)
    chosen = [float(task == top) for task in range(len(attention))]
    return mixed(chosen, [1 / len(attention)] * len(attention), epsilon)


def mixed(shares: Sequence[float], bias: Sequence[float], epsilon: float) -> tuple[float, ...]:
    """Return (1 - epsilon) * shares + epsilon * bias: the bias bounds how far the shares can move."""
    return _normalised([(1 - epsilon) * one + epsilon * other for one, other in zip(shares, bias, strict=True)])


DISTRIBUTIONS: Mapping[str, Distribution] = {
    "softmax": softmax,
    "boltzmann": boltzmann,
    "prop": prop,
    "greedy_prop": greedy_prop,
    "greedy_max": greedy_max,
}


def _normalised(weights: Sequence[float]) -> tuple[float, ...]:
    total = fsum(weights)
    if total <= NOTHING:
        return (1 / len(weights),) * len(weights)
    return tuple(weight / total for weight in weights)
