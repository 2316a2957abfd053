"""Proximal gradient descent (TensorFlow 1's ProximalGradientDescentOptimizer)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless lr is finite and above 0, and l1 and l2 finite and not below."""
    if not (math.isfinite(settings["lr"]) and settings["lr"] > 0):
        raise ValueError(f"lr must be finite and above 0, not {settings['lr']}")
    for name in ("l1", "l2"):
        if not (math.isfinite(settings[name]) and settings[name] >= 0):
            raise ValueError(f"{name} must be finite and 0 or more, not {settings[name]}")


def soft_threshold_(values: list[Tensor], threshold: float | list[Tensor]) -> None:
    """values <- sign(values) * max(|values| - threshold, 0), in place.

    `threshold` is one number for all elements, or one tensor in the shape of each value.
    Written as values - clamp(values, -threshold, threshold): the same rounding in fewer
    passes, and |value| <= threshold leaves exactly 0.
    """
    if isinstance(threshold, list):
        clipped = torch._foreach_minimum(values, threshold)
        torch._foreach_maximum_(clipped, torch._foreach_neg(threshold))
    else:
        clipped = torch._foreach_clamp_max(values, threshold)
        torch._foreach_clamp_min_(clipped, -threshold)
    torch._foreach_sub_(values, clipped)


class ProximalGD(torch.optim.Optimizer):
    """Gradient descent on the loss, then the exact minimum of the penalty nearby.

    With g the gradient of the loss without its penalty:

        v <- w - lr * g
        w <- sign(v) * max(|v| - lr * l1, 0) / (1 + lr * l2)

    This is forward-backward splitting (Duchi & Singer, 2009) on
    loss + l1 * |w| + l2 / 2 * w^2; weights with little gradient become exactly 0 under l1.
    The rule is `ApplyProximalGradientDescent` in TensorFlow 1's
    `core/kernels/training_ops.cc`. With l1 = l2 = 0 it is plain SGD: an identity, so equal
    results are no finding.

    Arguments: `lr`, the learning rate, above 0; `l1` and `l2`, the penalties, in units of
    loss per |w| and per w^2. All three may differ between parameter groups. Gradients are
    dense; parameters without one are left alone. Raises `ValueError` on a value out of range.
    """

    def __init__(self, params: ParamsT, *, lr: float, l1: float = 0.0, l2: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "l1": l1, "l2": l2})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Raises `ValueError` on a setting of the group that is out of range."""
        check_settings(self.defaults | param_group)
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(  # type: ignore[override]
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """One update; returns what `closure`, which recomputes loss and gradients, returns."""
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
