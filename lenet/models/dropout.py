"""Dropout that draws from a generator of its own."""

from __future__ import annotations

import torch
from torch import nn


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al., 2014): zeroes each unit with probability `p`
    and scales the others by 1 / (1 - p) while training; the identity in evaluation.

    `torch.nn.Dropout` draws from the process's global random state, so two runs in one
    process would change each other's masks. This one draws from `generator`, which must
    live on the same device as the input and belongs to one run.
    """

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.p = p
        self.generator = generator

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        keep = 1 - self.p
        return x * torch.empty_like(x).bernoulli_(keep, generator=self.generator).div_(keep)

    def extra_repr(self) -> str:
        return f"p={self.p}"
