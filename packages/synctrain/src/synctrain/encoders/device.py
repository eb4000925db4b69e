"""Where a model works when nobody trains it: on the accelerator that torch sees, else on the CPU."""

from __future__ import annotations

import os

import torch

_YES = ("1", "true", "yes")


def asked_for_cpu() -> bool:
    """Say whether ``ACCELERATE_USE_CPU`` is set, by which accelerate is kept off the accelerator, and so are we."""
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in _YES


def has_accelerator() -> bool:
    """Say whether torch sees an accelerator."""
    return bool(getattr(torch, "accelerator", torch.cuda).is_available())  # the former since torch 2.6


def best_device() -> torch.device:
    """Return torch's accelerator (CUDA, Apple's, others); the CPU where there is none, or it is asked for."""
    if asked_for_cpu() or not has_accelerator():
        return torch.device("cpu")
    found = torch.accelerator.current_accelerator() if hasattr(torch, "accelerator") else None
    return found or torch.device("cuda")
