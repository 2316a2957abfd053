"""Learning rate over a run, as a pure function of the step."""

from __future__ import annotations

from collections.abc import Callable

from lenet import registry
from lenet.config import TrainConfig


def learning_rate(
    config: TrainConfig, steps_per_epoch: int, total_steps: int
) -> Callable[[int], float]:
    """A function from the number of steps already taken to the learning rate of the next.

    `constant`: lr. `exponential`: lr * gamma^(whole epochs done). `multistep`: lr times
    gamma for every milestone (in epochs) that has been passed.

    The ramps of a learning-rate range test rise over the run: `ramp-exponential` by the same
    factor every step and `ramp-linear` by the same difference, from lr at the first step to
    final_lr at the last; `ramp-multistep` by gamma after every half epoch, from lr.

    Being a function of the step alone, a schedule has no state to save or restore.
    """
    defaults = registry.SCHEDULES[config.schedule]

    def setting(name: str) -> float:
        given = getattr(config, name)
        return float(defaults[name] if given is None else given)  # type: ignore[arg-type]

    def risen(step: int) -> float:
        return step / max(1, total_steps - 1)

    kinds: dict[str, Callable[[int], float]] = {
        "constant": lambda step: config.lr,
        "exponential": lambda step: config.lr * setting("gamma") ** (step // steps_per_epoch),
        "multistep": lambda step: (
            config.lr
            * setting("gamma")
            ** sum(step >= epoch * steps_per_epoch for epoch in config.milestones or ())
        ),
        "ramp-exponential": lambda step: (
            config.lr * (setting("final_lr") / config.lr) ** risen(step)
        ),
        "ramp-linear": lambda step: config.lr + (setting("final_lr") - config.lr) * risen(step),
        "ramp-multistep": lambda step: (
            config.lr * setting("gamma") ** (2 * step // steps_per_epoch)
        ),
    }
    return kinds[config.schedule]
