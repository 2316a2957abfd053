"""Ftrl: FTRL-Proximal, TensorFlow 1's FtrlOptimizer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.optim.optimizer import ParamsT

from lenet.optimizers.proximal_gd import soft_threshold_
from lenet.optimizers.ranges import check_ranges

# A floor that only prevents 0 / 0. It is the square root of the smallest float32 above 0, so no
# other sum of squares has a smaller root.
_SMALLEST_ROOT = 3.7e-23


class Ftrl(torch.optim.Optimizer):
    """Follow the regularized leader: w minimizes a penalized sum over all gradients so far.

    For each weight, with g the gradient of the loss without its penalty:

        n' <- n + g^2                                         (n starts at n0)
        z  <- z + g - (sqrt(n') - sqrt(n)) / lr * w           (z starts at 0)
        w  <- (l1 * sign(z) - z) / (sqrt(n') / lr + 2 * l2)   where |z| > l1, else exactly 0

    This is Algorithm 1 of McMahan et al., "Ad Click Prediction" (2013), as in TensorFlow 1's kernel
    `ApplyFtrl` (`core/kernels/training_ops.cc`) with `learning_rate_power` = -0.5, the square roots
    above. The penalty l1 * |w| + l2 * w^2 counts once for the whole run, not once per step.

    Two consequences surprise on deep nets:

    - The first step keeps only the fraction 1 - sqrt(n0 / (n0 + g^2)) of an initial weight.
      A weight whose gradients have all been 0 becomes 0. As in TensorFlow, this also holds for
      n0 = 0, where other implementations divide 0 by 0.
    - z accumulates at earlier learning rates, but w is solved for the current one. A decaying lr
      therefore shrinks the weights.

    `lr` is the learning rate, above 0. `l1` and `l2` are the penalties on |w| and w^2.
    `initial_accumulator_value` is n0, in units of g^2, 0 or more. All may differ between parameter
    groups. Gradients must be dense; parameters without a gradient do not change.

    Raises: ValueError if a value is out of range, or if lr is 0 at a step: the rule divides by it.
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
        if not (math.isfinite(start) and start >= 0):
            raise ValueError(f"initial_accumulator_value must be finite and 0 or more, not {start}")
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
            check_ranges(group)
            for p in weights:
                if not self.state[p]:
                    start = group["initial_accumulator_value"]
                    self.state[p]["accumulator"] = torch.full_like(p, start)
                    self.state[p]["linear"] = torch.zeros_like(p)
            gradients = [p.grad for p in weights]
            accumulators = [self.state[p]["accumulator"] for p in weights]
            linears = [self.state[p]["linear"] for p in weights]

            # shifts: g - (sqrt(n') - sqrt(n)) / lr * w, which this step adds to z
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
