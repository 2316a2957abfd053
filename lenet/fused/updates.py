"""The updates of a fleet's weights: each member's own optimizer, rate and weight decay."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lenet import registry
from lenet.config import TrainConfig
from lenet.optimizers import build_optimizer

_REPLAYABLE = frozenset({"momentum", "nesterov", "adam", "adamw"})
"""Optimizers of torch whose fused kernels keep all of their state on the GPU."""
_NOT_KEPT = frozenset({"params", "lr", "weight_decay", "capturable"})


def update_key(config: TrainConfig) -> tuple[Hashable, ...]:
    """Return a key that is equal for members that one optimizer can update.

    If an update is proportional to the learning rate, the key is made of all settings of the
    optimizer except the rate and the weight decay. Otherwise, it also determines the rate at every
    step.
    """
    names = registry.OPTIMIZERS[config.optimizer].settings
    settings = tuple(getattr(config, name) for name in names if name != "weight_decay")
    if _is_proportional(config):
        return (config.optimizer, *settings)
    of_schedules = sorted({name for names in registry.SCHEDULES.values() for name in names})
    schedule = (config.schedule, *(getattr(config, name) for name in of_schedules))
    lengths = (config.epochs, config.steps)
    return (config.optimizer, *settings, config.lr, *schedule, config.own, *lengths)


def _is_proportional(config: TrainConfig) -> bool:
    """Return True if a step at rate lr is lr times the step at rate 1."""
    if config.optimizer == "ftrl" or (config.optimizer == "tf1-rmsprop" and config.momentum):
        return False
    return not (config.optimizer.startswith("proximal") and (config.l1 or config.l2))


class Update:
    """The update of the rows `span` of a fleet, whose configs have one `update_key`.

    A proportional update is torch's own (or ours) at a learning rate of 1 on weights that are 0,
    times each member's rate. So one call of the optimizer steps members of different rates.
    """

    def __init__(
        self,
        configs: Sequence[TrainConfig],
        span: slice,
        weights: Sequence[Tensor],
        gradients: Sequence[Tensor],
    ) -> None:
        config = configs[0]
        self._weights = [storage[span] for storage in weights]
        self._gradients = [storage[span] for storage in gradients]
        self._proportional = _is_proportional(config)
        decays = [c.weight_decay for c in configs]
        default = registry.OPTIMIZERS[config.optimizer].settings.get("weight_decay", ("", 0.0))[1]
        column = torch.tensor([default if d is None else d for d in decays])
        self._decay = column.unsqueeze(1).to(self._weights[0]) if column.any() else None
        self._decoupled = config.optimizer == "adamw"
        self._steps = (
            [torch.zeros_like(w) for w in self._weights] if self._proportional else self._weights
        )
        self._parameters = [nn.Parameter(step) for step in self._steps]
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        self._plain = config.optimizer == "sgd" or self._is_plain_proximal(config)
        self._optimizer = build_optimizer(config, self._parameters)
        group = self._optimizer.param_groups[0]
        if self._proportional:
            group["lr"] = 1.0
        if "weight_decay" in group:
            group["weight_decay"] = 0.0
        self.replayable = self._plain or config.optimizer in _REPLAYABLE
        """whether a step is the same operations each time, all of them on the GPU"""

    @staticmethod
    def _is_plain_proximal(config: TrainConfig) -> bool:
        return config.optimizer == "proximal-gd" and _is_proportional(config)

    @torch.no_grad()
    def step(self, rates: Tensor, rate: float) -> None:
        """Update the weights. `rates`: each member's learning rate, (members of the span, 1).

        `rate` is the first of them. Reading it from a GPU would make the CPU wait.
        """
        if self._decay is not None:
            for weights, gradients in zip(self._weights, self._gradients, strict=True):
                if self._decoupled:
                    weights.mul_(1 - rates * self._decay)
                else:
                    gradients.addcmul_(weights, self._decay)
        if self._plain:
            for weights, gradients in zip(self._weights, self._gradients, strict=True):
                weights.addcmul_(gradients, rates, value=-1)
            return
        if not self._proportional:
            self._optimizer.param_groups[0]["lr"] = rate
            self._optimizer.step()
            return
        for step in self._steps:
            step.zero_()
        group = self._optimizer.param_groups[0]
        if "capturable" in group and self._weights[0].is_cuda:
            # torch 2.15 refuses to record a step without it, and warns of it in any other step.
            group["capturable"] = torch.cuda.is_current_stream_capturing()
        self._optimizer.step()
        for weights, step in zip(self._weights, self._steps, strict=True):
            weights.addcmul_(step, rates)

    @property
    def state(self) -> dict[str, list[Tensor]]:
        """The optimizer's state: by key, a tensor for each of the weights' tensors.

        It is (members of the span, n), or a scalar of all of them, such as Adam's step.
        """
        states = [self._optimizer.state[p] for p in self._parameters]
        return {key: [state[key] for state in states] for key in states[0]}

    @state.setter
    def state(self, state: Mapping[str, Sequence[Tensor]]) -> None:
        for number, parameter in enumerate(self._parameters):
            self._optimizer.state[parameter] = {k: tensors[number] for k, tensors in state.items()}

    @property
    def settings(self) -> dict[str, Any]:
        """What the optimizer keeps besides its settings, such as TF1Adam's number of steps."""
        group = self._optimizer.param_groups[0]
        return {n: v for n, v in group.items() if n not in _NOT_KEPT}

    @settings.setter
    def settings(self, settings: Mapping[str, Any]) -> None:
        self._optimizer.param_groups[0].update(settings)
