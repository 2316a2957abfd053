"""Learning-rate schedules, as pure functions of the step."""

from __future__ import annotations

import math
from collections.abc import Callable

from lenet import registry
from lenet.config import ConfigError, TrainConfig
from lenet.loading import describe_failure, describe_keywords, load_own, own_keywords, place_of

_ONE_CYCLE_START, _ONE_CYCLE_END = 25.0, 1e4
"""`OneCycleLR`'s: the peak is 25 times the first learning rate, which is 10,000 times the last."""


def learning_rate(
    config: TrainConfig, steps_per_epoch: int, total_steps: int
) -> Callable[[int], float]:
    """Return a function from the number of steps taken to the learning rate of the next step.

    - `constant`: lr
    - `exponential`: lr * gamma^(completed epochs), or, with `decay_steps`, lr * gamma^(completed
      intervals of that length), as TensorFlow's `exponential_decay` with `staircase`
    - `multistep`: lr * gamma^(milestones passed), milestones in epochs

    - `cosine`: rises linearly to lr within the share `warmup` of the steps (default: 0), then falls
      to final_lr (default: 0) along half a cosine, as PyTorch's `CosineAnnealingLR`
    - `one-cycle`: rises from lr / 25 to lr within the share `warmup` of the steps (default: 0.3),
      then falls to lr / 250,000, both along half a cosine, as PyTorch's `OneCycleLR`

    The ramps of a learning-rate range test increase over the run:

    - `ramp-exponential`: from lr at the first step to final_lr at the last, by a constant factor
    - `ramp-linear`: from lr at the first step to final_lr at the last, by a constant difference
    - `ramp-multistep`: from lr, by gamma after every half epoch
    - `ramp-multistep-epoch`: from lr, by gamma after every epoch

    Your own schedule is a function of the number of steps taken that returns the next learning
    rate. It gets those of the keywords `lr`, `steps_per_epoch` and `total_steps` that it declares.

    A schedule has no state to save or restore.

    Raises: ConfigError if your own cannot be loaded, or fails at the first or the last step.
    """
    if registry.is_own(config.schedule):
        return _own_schedule(config, steps_per_epoch, total_steps)
    defaults = registry.SCHEDULES[config.schedule]

    def setting(name: str) -> float:
        value = getattr(config, name)
        return float(defaults[name] if value is None else value)  # type: ignore[arg-type]

    def progress(step: int) -> float:
        return step / max(1, total_steps - 1)

    schedules: dict[str, Callable[[int], float]] = {
        "constant": lambda step: config.lr,
        "exponential": lambda step: (
            config.lr * setting("gamma") ** (step // (config.decay_steps or steps_per_epoch))
        ),
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
        "ramp-multistep-epoch": lambda step: (
            config.lr * setting("gamma") ** (step // steps_per_epoch)
        ),
    }
    cycles = {"cosine": _cosine, "one-cycle": _one_cycle}
    if config.schedule in cycles:
        final_lr = setting("final_lr") if config.schedule == "cosine" else 0.0
        warmup = setting("warmup") * total_steps
        return lambda step: cycles[config.schedule](step, config.lr, final_lr, warmup, total_steps)
    return schedules[config.schedule]


def _cosine(step: int, lr: float, final_lr: float, warmup: float, total: int) -> float:
    warmup = round(warmup)
    if step < warmup:
        return lr * (step + 1) / (warmup + 1)
    return _half_cosine(lr, final_lr, (step - warmup) / max(1, total - warmup))


def _one_cycle(step: int, lr: float, _: float, warmup: float, total: int) -> float:
    first = lr / _ONE_CYCLE_START
    # As in PyTorch: the peak is at step `warmup - 1`, the end at the last step.
    peak = warmup - 1
    if step <= peak:
        return _half_cosine(first, lr, step / peak if peak else 1.0)
    return _half_cosine(lr, first / _ONE_CYCLE_END, (step - peak) / max(1, total - 1 - peak))


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def _own_schedule(
    config: TrainConfig, steps_per_epoch: int, total_steps: int
) -> Callable[[int], float]:
    function = load_own(config, "schedule")
    offered = {"lr": config.lr, "steps_per_epoch": steps_per_epoch, "total_steps": total_steps}
    keywords = own_keywords(config, "schedule", function, offered)
    name = f"schedule={config.schedule}{place_of(function)}"
    own = describe_keywords("schedule", config.keywords_of("schedule"))

    def rate(step: int) -> float:
        try:
            found = function(step, **keywords)
        except Exception as error:  # the user's function may raise anything
            raise ConfigError(
                f"{name}{own} fails at step {step}: {describe_failure(error)}"
            ) from error
        try:
            value = float(found)
        except (TypeError, ValueError):
            value = math.nan
        if not (value >= 0 and math.isfinite(value)):
            raise ConfigError(
                f"{name} returns {found!r} at step {step}: return a learning rate, 0 or more"
            )
        return value

    for step in (0, max(0, total_steps - 1)):
        rate(step)
    return rate
