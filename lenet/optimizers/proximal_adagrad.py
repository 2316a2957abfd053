"""ProximalAdagrad: TensorFlow 1's ProximalAdagradOptimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import ParamsT

from lenet.optimizers.proximal_gd import soft_threshold_
from lenet.optimizers.ranges import check_ranges

# A smaller float32 accumulator is subnormal: it loses precision and finally becomes 0.
_SMALLEST_ACCUMULATOR = torch.finfo(torch.float32).tiny


class ProximalAdagrad(torch.optim.Optimizer):
    """Adagrad, followed by a proximal step that minimizes the penalty exactly.

    For each weight, with g the gradient of the loss without its penalty:

        a   <- a + g^2                                        (a starts at a0)
        eta <- lr / sqrt(a)
        v   <- w - eta * g
        w   <- sign(v) * max(|v| - eta * l1, 0) / (1 + eta * l2)

    This is forward-backward splitting (Duchi & Singer, 2009) with Adagrad's step sizes
    (Duchi, Hazan & Singer, 2011) on loss + l1 * |w| + l2 / 2 * w^2. The rule is the kernel
    `ApplyProximalAdagrad` of TensorFlow 1 (`core/kernels/training_ops.cc`); it has no epsilon. With
    l1 = l2 = 0 it is torch's Adagrad(initial_accumulator_value=a0, eps=0) up to rounding,
    so equal results are expected by construction.

    `lr` is the learning rate, above 0. `l1` and `l2` are the penalties on |w| and w^2.
    `initial_accumulator_value` is a0, in units of g^2, above 0. All may differ between parameter
    groups. Gradients must be dense; parameters without a gradient do not change.

    Raises: ValueError if a value is out of range. As in TensorFlow 1, a0 = 0 is out of range: a
    weight whose gradients have all been 0 would have an infinite eta.
    """

    def __init__(
        self,
        params: ParamsT,
        *,
        lr: float,
        l1: float = 0.0,
        l2: float = 0.0,
        initial_accumulator_value: float = 0.1,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "l1": l1, "l2": l2, "initial_accumulator_value": initial_accumulator_value},
        )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group. Raises `ValueError` if one of its settings is out of range."""
        settings = self.defaults | param_group
        check_ranges(settings)
        start = settings["initial_accumulator_value"]
        if not _SMALLEST_ACCUMULATOR <= start < float("inf"):
            raise ValueError(
                f"initial_accumulator_value must be finite and above 0 (in float32: "
                f"{_SMALLEST_ACCUMULATOR:.2g} or more), not {start}"
            )
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
                    start = group["initial_accumulator_value"]
                    self.state[p]["accumulator"] = torch.full_like(p, start)
            gradients = [p.grad for p in weights]
            accumulators = [self.state[p]["accumulator"] for p in weights]

            torch._foreach_addcmul_(accumulators, gradients, gradients)
            etas = torch._foreach_rsqrt(accumulators)
            torch._foreach_mul_(etas, group["lr"])
            torch._foreach_addcmul_(weights, etas, gradients, value=-1)
            if group["l1"]:
                soft_threshold_(weights, list(torch._foreach_mul(etas, group["l1"])))
            if group["l2"]:
                torch._foreach_mul_(etas, group["l2"])
                torch._foreach_add_(etas, 1)
                torch._foreach_div_(weights, etas)
        return loss
