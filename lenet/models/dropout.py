"""Dropout with its own random generator."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al., 2014).

    In training, it zeroes each unit with probability `p` and scales the others by 1 / (1 - p). In
    evaluation, it is the identity.

    `torch.nn.Dropout` draws from the process's global random state, so two runs in one process
    would change each other's masks. This one draws from `generator`, which belongs to one run and
    is on the device of the input.

    In a data-parallel run, the workers' generators are in equal states. Each worker draws the masks
    of the whole batch and uses those of its shard (`lenet.data_parallel.share_masks`).
    """

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.p = p
        self.generator = generator
        self.shard: tuple[int, slice] | None = None
        """(samples in the batch, those of them in this worker's input); None: all of them"""
        self.given_masks: Iterator[torch.Tensor] | None = None
        """masks to multiply by, one per call, in place of drawn ones (`lenet.fused`)"""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        if self.given_masks is not None:
            return x * next(self.given_masks)
        return x * self.draw_mask(x) if self.p else x

    def draw_mask(self, x: torch.Tensor) -> torch.Tensor:
        """Draw a mask for activations such as `x`: 0 with probability p, else 1 / (1 - p)."""
        keep = 1 - self.p
        if self.shard is None:
            return torch.empty_like(x).bernoulli_(keep, generator=self.generator).div_(keep)
        samples, span = self.shard
        # Random numbers fill a mask in memory order, so its layout must be the activations'.
        channels_last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        masks = torch.empty(
            (samples, *x.shape[1:]), dtype=x.dtype, device=x.device, memory_format=layout
        )
        return masks.bernoulli_(keep, generator=self.generator)[span].div_(keep)

    def extra_repr(self) -> str:
        return f"p={self.p}"
