"""TF1Adam: TensorFlow 1's AdamOptimizer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import ParamsT


class TF1Adam(torch.optim.Adam):
    """Adam as TensorFlow 1 computes it: epsilon is added before the bias correction.

    For each weight, with g the gradient and t the step, counted from 1:

        m <- beta1 * m + (1 - beta1) * g                       (m starts at 0)
        v <- beta2 * v + (1 - beta2) * g^2                     (v starts at 0)
        w <- w - lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps)

    This is the variant with "epsilon hat" of Kingma & Ba, "Adam" (2015), section 2, and
    TensorFlow 1's kernel `ApplyAdam` (`core/kernels/training_ops.cc`). torch adds epsilon to
    sqrt(v / (1 - beta2^t)). Torch's update with eps / sqrt(1 - beta2^t) in place of eps is
    therefore this rule, and torch's fused kernel computes it. The two differ where gradients are
    about as small as epsilon.

    `lr` is the learning rate, above 0. `betas` are the decay rates, in [0, 1). `eps` is 0 or more.
    All may differ between parameter groups. Every parameter is expected to have a gradient at every
    step, since TensorFlow counts the steps of all parameters together.

    Raises: ValueError if a value is out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, fused=True)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group. Raises `ValueError` if one of its settings is out of range."""
        epsilon = (self.defaults | param_group)["eps"]
        super().add_param_group(param_group | {"epsilon_hat": epsilon, "steps": 0})

    @torch.no_grad()
    def step(  # type: ignore[override]
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Update the weights; return the loss from `closure`, which recomputes the gradients."""
        for group in self.param_groups:
            group["steps"] += 1
            correction = 1 - group["betas"][1] ** group["steps"]
            group["eps"] = group["epsilon_hat"] / math.sqrt(correction)
        loss: float | None = super().step(closure)
        return loss
