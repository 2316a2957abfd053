"""Several models of one architecture as one, their weights stacked along a model axis."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lenet.fused.dense import StackedDense, activations_of
from lenet.fused.stacked import FleetBatch, StackedModel, Unfusable
from lenet.fused.vmapped import VmappedModel
from lenet.losses import Loss

__all__ = ["FleetBatch", "StackedModel", "Unfusable", "stack"]


def stack(models: Sequence[nn.Module], loss: Loss) -> StackedModel:
    """Stack `models`, which are equal except for their weights and dropout rates.

    Nets of dense layers have hand-written forward and backward passes. Every other module goes
    through `torch.func.vmap`.

    Raises: Unfusable if the architecture cannot be stacked.
    """
    if activations_of(models[0]) is not None and StackedDense.supports(loss):
        return StackedDense(models, loss)
    return VmappedModel(models, loss)
