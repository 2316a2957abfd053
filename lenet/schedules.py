"""Learning-rate schedules, as pure functions of the step."""

from __future__ import annotations

from collections.abc import Callable

from lenet import registry
from lenet.config import TrainConfig


def learning_rate(
    config: TrainConfig, steps_per_epoch: int, total_steps: int
) -> Callable[[int], float]:
    """Return a function from the number of steps taken to the learning rate of the next step.

    - `constant`: lr
    - `exponential`: lr * gamma^(completed epochs)
    - `multistep`: lr * gamma^(milestones passed), milestones in epochs

    The ramps of a learning-rate range test increase over the run:

    - `ramp-exponential`: from lr at the first step to final_lr at the last, by a constant factor
    - `ramp-linear`: from lr at the first step to final_lr at the last, by a constant difference
    - `ramp-multistep`: from lr, by gamma after every half epoch

    A schedule has no state to save or restore.
    """
    defaults = registry.SCHEDULES[config.schedule]

    def setting(name: str) -> float:
        value = getattr(config, name)
        return float(defaults[name] if value is None else value)  # type: ignore[arg-type]

    def progress(step: int) -> float:
        return step / max(1, total_steps - 1)

    schedules: dict[str, Callable[[int], float]] = {
        "constant": lambda step: config.lr,
        "exponential": lambda step: config.lr * setting("gamma") ** (step // steps_per_epoch),
        "multistep": lambda step: (
            config.lr
            * setting("gamma")
            ** sum(step >= epoch * steps_per_epoch for epoch in config.milestones or ())
        ),
        "ramp-exponential": lambda step: (
            config.lr * (setting("final_lr") / config.lr) ** progress(step)
        ),
        "ramp-linear": lambda step: config.lr + (setting("final_lr") - config.lr) * progress(step),
        "ramp-multistep": lambda step: (
            config.lr * setting("gamma") ** (2 * step // steps_per_epoch)
        ),
    }
    return schedules[config.schedule]
