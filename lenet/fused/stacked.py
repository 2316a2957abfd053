"""StackedModel: the interface of a fleet to the stacked weights of its members."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lenet.samples import Samples


class Unfusable(Exception):
    """Models that cannot be trained as one; the message is the reason, in one line."""


@dataclass(frozen=True)
class FleetBatch:
    """The next batch of every member.

    Members are in rows. Those of one seed have the same batch, so rows are grouped: `spans[i]` are
    the rows that train on `parts[i]`. If there are almost as many seeds as members, there is one
    part for all rows, whose tensors have a leading member axis instead.
    """

    parts: Sequence[Samples]
    spans: Sequence[slice]
    size: int
    """samples of each member's batch"""
    distinct: bool = False
    """whether the one part has a separate batch for each row: inputs (members, size, ...)"""


class StackedModel(ABC):
    """The weights of several models, the members, stacked along the first axis.

    Each tensor of `weights` is (members, n), and so is its gradient in `gradients`. A row of all of
    them holds each weight of one member once.
    """

    weights: Sequence[Tensor]
    gradients: Sequence[Tensor]

    def __init__(self, models: Sequence[nn.Module], layout: Sequence[Sequence[str]]) -> None:
        """Stack the parameters of `models`; `layout` has the names in each tensor of `weights`."""
        self.members = len(models)
        self._layout = layout
        named = [dict(model.named_parameters()) for model in models]
        self._shapes = {name: p.shape for name, p in named[0].items()}
        self.weights = self.stacked([{n: p.detach() for n, p in own.items()} for own in named])
        self.gradients = [torch.zeros_like(rows) for rows in self.weights]

    def stacked(self, rows: Sequence[Mapping[str, Tensor]]) -> list[Tensor]:
        """Return tensors such as `weights`, from one tensor per parameter and member."""
        return [
            torch.stack([torch.cat([row[name].flatten() for name in names]) for row in rows])
            for names in self._layout
        ]

    def named(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return views of tensors such as `weights`, by parameter: (members, *its shape)."""
        views = {}
        for tensor, names in zip(tensors, self._layout, strict=True):
            parts = tensor.split([self._shapes[name].numel() for name in names], 1)
            for name, part in zip(names, parts, strict=True):
                views[name] = part.view(len(tensor), *self._shapes[name])
        return views

    @abstractmethod
    def check(self, samples: Samples) -> None:
        """Try a step on `samples` without side effects. Raises `Unfusable` if it fails."""

    @abstractmethod
    def backward(self, batch: FleetBatch) -> tuple[Tensor, Tensor]:
        """Fill `gradients`; return each member's (loss, number of correct answers), (members,)."""

    @abstractmethod
    def evaluate(self, samples: Samples) -> tuple[Tensor, Tensor]:
        """Return each member's (loss, number of correct answers) on `samples`, dropout off."""
