"""Losses by name. `outputs` float32 (batch, classes), `targets` int64 (batch,); the mean over
the batch, a scalar."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of logits, in nats."""
    return F.cross_entropy(outputs, targets)


def mean_squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Between outputs and one-hot classes, meaned over the classes too, as Flux.jl does."""
    one_hot = F.one_hot(targets, outputs.shape[1])
    return F.mse_loss(outputs, one_hot.to(outputs.dtype))
