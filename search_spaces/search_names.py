"""Names of a search's trials and of its confirmations, and the points that they belong to."""

from __future__ import annotations

import re

from lenet.config import TrainConfig

_TRIAL = re.compile(r"(\d{4,})_")
_CONFIRMATION = re.compile(r"confirm(\d{4,})_seed\d+")


def trial_name(number: int, config: TrainConfig, seeds: int = 1) -> str:
    """Return the name of a trial of a search: the number of its point, then its main settings.

    Its seed follows if the point has several `seeds`.
    """
    name = f"{number:04d}_{config.optimizer}_lr{config.lr:.3g}_batch{config.batch_size}"
    return f"{name}_seed{config.seed}" if seeds > 1 else name


def confirmation_name(number: int, seed: int) -> str:
    """Return the name of a trial that retrains the settings of trial `number`."""
    return f"confirm{number:04d}_seed{seed}"


def trial_number(name: str) -> int | None:
    """Return the number of the point in a name made by `trial_name`; None for other names."""
    match = _TRIAL.match(name)
    return int(match[1]) if match else None


def confirmed_number(name: str) -> int | None:
    """Return the number of the point in a name made by `confirmation_name`; else None."""
    match = _CONFIRMATION.fullmatch(name)
    return int(match[1]) if match else None
