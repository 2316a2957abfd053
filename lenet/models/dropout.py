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

    Where several workers share a batch, their generators are in the same state, each draws the
    masks of the whole batch, and keeps those of its shard (see `share_masks`).
    """

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.p = p
        self.generator = generator
        self.shared: tuple[int, slice] | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        keep = 1 - self.p
        if self.shared is None:
            return x * torch.empty_like(x).bernoulli_(keep, generator=self.generator).div_(keep)
        samples, here = self.shared
        # One worker's mask is laid out as its activations are, and is drawn in that order.
        images = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if images else torch.contiguous_format
        masks = torch.empty(
            (samples, *x.shape[1:]), dtype=x.dtype, device=x.device, memory_format=layout
        )
        return x * masks.bernoulli_(keep, generator=self.generator)[here].div_(keep)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def share_masks(model: nn.Module, samples: int, here: slice) -> None:
    """From now on `model` is given the samples `here` of batches of so many: its `Dropout` gives
    them the masks that they have where the whole batch is in one place."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.shared = samples, here
