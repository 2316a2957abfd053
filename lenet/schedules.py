"""Learning rate over a run, as a pure function of the step."""

from __future__ import annotations

from collections.abc import Callable

from lenet import registry
from lenet.config import TrainConfig


def learning_rate(config: TrainConfig, steps_per_epoch: int) -> Callable[[int], float]:
    """A function from the number of steps already taken to the learning rate of the next.

    `constant`: lr. `exponential`: lr * gamma^(whole epochs done). `multistep`: lr times
    gamma for every milestone (in epochs) that has been passed. Being a function of the
    step alone, a schedule has no state to save or restore.
    """
    defaults = registry.SCHEDULES[config.schedule]
    gamma = config.gamma if config.gamma is not None else defaults.get("gamma")
    milestones = config.milestones or ()

    def exponential(step: int) -> float:
        return config.lr * float(gamma) ** (step // steps_per_epoch)  # type: ignore[arg-type]

    def multistep(step: int) -> float:
        passed = sum(step >= epoch * steps_per_epoch for epoch in milestones)
        return config.lr * float(gamma) ** passed  # type: ignore[arg-type]

    kinds: dict[str, Callable[[int], float]] = {
        "constant": lambda step: config.lr,
        "exponential": exponential,
        "multistep": multistep,
    }
    return kinds[config.schedule]
