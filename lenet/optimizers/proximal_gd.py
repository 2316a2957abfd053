"""ProximalGD: TensorFlow 1's ProximalGradientDescentOptimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lenet.optimizers.ranges import check_ranges


def soft_threshold_(values: list[Tensor], threshold: float | list[Tensor]) -> None:
    """Set values to sign(values) * max(|values| - threshold, 0), in place.

    `threshold` is one number for all elements, or a list with a tensor for each of `values`, of the
    same shape. Computed as values - clamp(values, -threshold, threshold): fewer passes with the
    same rounding, and exactly 0 where |value| <= threshold.
    """
    if isinstance(threshold, list):
        clipped = torch._foreach_minimum(values, threshold)
        torch._foreach_maximum_(clipped, torch._foreach_neg(threshold))
    else:
        clipped = torch._foreach_clamp_max(values, threshold)
        torch._foreach_clamp_min_(clipped, -threshold)
    torch._foreach_sub_(values, clipped)


class ProximalGD(torch.optim.Optimizer):
    """Gradient descent, followed by a proximal step that minimizes the penalty exactly.

    For each weight, with g the gradient of the loss without its penalty:

        v <- w - lr * g
        w <- sign(v) * max(|v| - lr * l1, 0) / (1 + lr * l2)

    This is forward-backward splitting (Duchi & Singer, 2009) on loss + l1 * |w| + l2 / 2 * w^2.
    Under l1, weights with small gradients become exactly 0. The rule is TensorFlow 1's kernel
    `ApplyProximalGradientDescent` (`core/kernels/training_ops.cc`). With l1 = l2 = 0 it is SGD,
    so equal results are expected by construction.

    `lr` is the learning rate, above 0. `l1` and `l2` are the penalties on |w| and w^2.
    All may differ between parameter groups. Gradients must be dense; parameters without a gradient
    do not change.

    Raises: ValueError if a value is out of range.
    """

    def __init__(self, params: ParamsT, *, lr: float, l1: float = 0.0, l2: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "l1": l1, "l2": l2})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group. Raises `ValueError` if one of its settings is out of range."""
        check_ranges(self.defaults | param_group)
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(  # type: ignore[override]
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Update the weights; return the loss from `closure`, which recomputes the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if not weights:
                continue
            lr, l1, l2 = group["lr"], group["l1"], group["l2"]
            torch._foreach_add_(weights, [p.grad for p in weights], alpha=-lr)
            if l1:
                soft_threshold_(weights, lr * l1)
            if l2:
                torch._foreach_div_(weights, 1 + lr * l2)
        return loss
