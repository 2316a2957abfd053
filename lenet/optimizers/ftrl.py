"""FTRL-Proximal (TensorFlow 1's FtrlOptimizer)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import ParamsT

from lenet.optimizers.proximal_gd import check_settings, soft_threshold_

# The square root of the smallest float32 above 0, so no sum of squares but 0 has a root
# below it: a floor that keeps 0 / 0 away and changes nothing else.
_SMALLEST_ROOT = 3.7e-23


class Ftrl(torch.optim.Optimizer):
    """Follow the regularised leader: w solves a penalised problem over all gradients so far.

    With g the gradient of the loss without its penalty, for every weight on its own:

        n' <- n + g^2                                         (n starts at n0)
        z  <- z + g - (sqrt(n') - sqrt(n)) / lr * w           (z starts at 0)
        w  <- (l1 * sign(z) - z) / (sqrt(n') / lr + 2 * l2)   where |z| > l1, else exactly 0

    This is Algorithm 1 of McMahan et al., "Ad Click Prediction" (2013), as `ApplyFtrl` in
    TensorFlow 1's `core/kernels/training_ops.cc` has it, with `learning_rate_power` fixed at
    -0.5 (the square roots above). The penalty is l1 * |w| + l2 * w^2, once for the whole run
    and not once a step.

    What follows from the rule, and surprises on deep nets:

    - The first step keeps only the share 1 - sqrt(n0 / (n0 + g^2)) of an initial weight, and
      a weight whose gradients have all been 0 becomes 0 (also with n0 = 0, as in TensorFlow,
      where other implementations divide 0 by 0).
    - z was summed at earlier learning rates and is solved at the present one, so a decaying
      lr shrinks the weights along with it.

    Arguments: `lr`, the learning rate, above 0; `l1` and `l2`, the penalties, in units of
    loss per |w| and per w^2; `initial_accumulator_value`, n0, in units of g^2, 0 or more. All
    may differ between parameter groups. Gradients are dense; parameters without one are left
    alone. Raises `ValueError` on a value out of range, and at a step whose lr a schedule has
    brought to 0: the rule divides by it.
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
        """Raises `ValueError` on a setting of the group that is out of range."""
        settings = self.defaults | param_group
        check_settings(settings)
        start = settings["initial_accumulator_value"]
        if not (math.isfinite(start) and start >= 0):
            raise ValueError(f"initial_accumulator_value must be finite and 0 or more, not {start}")
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
            check_settings(group)
            for p in weights:
                if not self.state[p]:
                    start = group["initial_accumulator_value"]
                    self.state[p]["accumulator"] = torch.full_like(p, start)
                    self.state[p]["linear"] = torch.zeros_like(p)
            gradients = [p.grad for p in weights]
            accumulators = [self.state[p]["accumulator"] for p in weights]
            linears = [self.state[p]["linear"] for p in weights]

            # shifts: g - (sqrt(n') - sqrt(n)) / lr * w, what this step adds to z
            shifts = torch._foreach_sqrt(accumulators)
            torch._foreach_addcmul_(accumulators, gradients, gradients)
            roots = torch._foreach_sqrt(accumulators)
            torch._foreach_sub_(shifts, roots)
            torch._foreach_div_(shifts, group["lr"])
            torch._foreach_mul_(shifts, weights)
            torch._foreach_add_(shifts, gradients)
            torch._foreach_add_(linears, shifts)

            torch._foreach_clamp_min_(roots, _SMALLEST_ROOT)
            torch._foreach_div_(roots, group["lr"])
            if group["l2"]:
                torch._foreach_add_(roots, 2 * group["l2"])
            # l1 * sign(z) - z where |z| > l1, else 0, is the soft threshold of -z.
            torch._foreach_copy_(weights, linears)
            torch._foreach_neg_(weights)
            if group["l1"]:
                soft_threshold_(weights, group["l1"])
            torch._foreach_div_(weights, roots)
        return loss
