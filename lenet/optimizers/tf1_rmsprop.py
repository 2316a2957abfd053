"""TF1RMSProp: TensorFlow 1's RMSPropOptimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import ParamsT

from lenet.optimizers.ranges import check_ranges


class TF1RMSProp(torch.optim.Optimizer):
    """RMSProp as TensorFlow 1 computes it: the average of squared gradients starts at 1.

    For each weight, with g the gradient:

        s <- rho * s + (1 - rho) * g^2                         (s starts at 1)
        b <- momentum * b + lr * g / sqrt(s + eps)             (b starts at 0)
        w <- w - b

    This is TensorFlow 1's kernel `ApplyRMSProp` (`core/kernels/training_ops.cc`) after Tieleman &
    Hinton, "Neural Networks for Machine Learning", lecture 6.5 (2012). torch's RMSprop starts the
    average at 0, so its first update is lr / sqrt(1 - rho), however small the gradient. It also
    adds epsilon after the root, and multiplies the momentum buffer by the present learning rate.

    `lr` is the learning rate, above 0. `rho` and `momentum` are in [0, 1). `eps` is 0 or more. All
    may differ between parameter groups. Gradients must be dense; parameters without a gradient do
    not change.

    Raises: ValueError if a value is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        *,
        lr: float,
        rho: float = 0.9,
        momentum: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "momentum": momentum, "eps": eps})

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
            for p in weights:
                if not self.state[p]:
                    self.state[p] = {
                        "mean_square": torch.ones_like(p),
                        "update": torch.zeros_like(p),
                    }
            gradients = [p.grad for p in weights]
            mean_squares = [self.state[p]["mean_square"] for p in weights]
            updates = [self.state[p]["update"] for p in weights]

            torch._foreach_mul_(mean_squares, group["rho"])
            torch._foreach_addcmul_(mean_squares, gradients, gradients, value=1 - group["rho"])
            roots = torch._foreach_add(mean_squares, group["eps"])
            torch._foreach_sqrt_(roots)
            torch._foreach_mul_(updates, group["momentum"])
            torch._foreach_addcdiv_(updates, gradients, roots, group["lr"])
            torch._foreach_sub_(weights, updates)
        return loss
