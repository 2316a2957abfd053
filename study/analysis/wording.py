"""What settings, values and a run are called in figures and printed tables."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lenet.config import SETTINGS

_LABELS = {
    "lr": "learning rate",
    "dataset": "data set",
    "train_samples": "training samples",
    "train_loss": "training loss",
    "train_seconds": "training seconds",
}


def label(setting: str) -> str:
    """A setting in words: `lr` is the learning rate."""
    return _LABELS.get(setting, setting.replace("_", " "))


def value_text(value: Any) -> str:
    """A setting's value as a person writes it; a setting left unset is at its default."""
    if value is None or value != value:
        return "default"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return str(value)
    number = float(value)
    # A column with gaps holds its whole numbers as floats: 10000.0 is 10000.
    return f"{number:.0f}" if number.is_integer() else f"{number:g}"


def percent(share: float) -> str:
    """An accuracy in [0, 1] in percent with two decimals, `-` where there is none."""
    return "-" if share != share else f"{100 * share:.2f}"


def heading(measured: str) -> str:
    """A measurement as the head of a column: accuracies are in percent there."""
    if measured.endswith("_accuracy"):
        return f"{label(measured.removesuffix('_accuracy'))} %"
    return label(measured)


def amount(measured: str, value: float) -> str:
    """A value of a measurement under its `heading`."""
    if measured.endswith("_accuracy"):
        return percent(value)
    if value != value:
        return "-"
    # Not 1.136e+04, as four digits would have it.
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"


def with_interval(measured: str, mean: float, half_width: float) -> str:
    """A mean with half of its interval, if it has one."""
    text = amount(measured, mean)
    return text if half_width != half_width else f"{text} ± {amount(measured, half_width)}"


def counted(number: int, thing: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def provenance(run: Mapping[str, Any], trials: pd.DataFrame) -> str:
    """One line on where the numbers of these trials come from: data set, budget, seeds,
    device, the machines of data-parallel workers where a run had several or went on elsewhere,
    and how much of the training data they saw where that was not all of it.

    `trials` must not be empty.
    """
    said = [
        "data set " + _listed(trials["dataset"]),
        # Only where it is another than the study's own.
        *(["model " + _listed(trials["model"])] if "model" in run.get("choices", {}) else []),
        f"budget {run['budget']}",
        _seeds(trials),
        _devices(trials),
    ]
    if over := machines(trials):
        said.append(f"workers {over}")
    if "resumed_on" in run:
        said.append("resumed on other machines, so seconds do not compare")
    in_part, in_steps = (trials[name].notna().any() for name in ("train_samples", "steps"))
    if in_part:
        said.append(f"at most {_listed(trials['train_samples'])} training samples")
    if in_part or in_steps:
        length = "steps" if in_steps else "epochs"
        said.append(f"{_listed(trials[length])} {length}")
    return "; ".join(said)


def machines(trials: pd.DataFrame) -> str:
    """`on 2 machines`, where the workers of these trials were on several; else nothing."""
    on = trials["machines"].dropna() if "machines" in trials else pd.Series(dtype=float)
    if not (on > 1).any():
        return ""
    fewest, most = int(on.min()), int(on.max())
    return f"on {fewest} to {most} machines" if fewest < most else f"on {most} machines"


def _devices(trials: pd.DataFrame) -> str:
    """Where the trials ran, which is not always where the run was started."""
    kinds = trials[["device", "threads"]].drop_duplicates().sort_values(["device", "threads"])
    each = "worker" if "workers" in trials else "trial"
    return " / ".join(
        f"{device}, {counted(int(threads), 'thread')} a {each}"
        for device, threads in kinds.itertuples(index=False)
    )


def _seeds(trials: pd.DataFrame) -> str:
    """How many seeds each config has, and what that means for the intervals."""
    point = [name for name in SETTINGS if name in trials and name != "seed"]
    each = trials.groupby(point, dropna=False)["seed"].nunique()
    fewest, most = int(each.min()), int(each.max())
    if most == 1:
        return "1 seed (no interval)"
    return f"{fewest} to {most} seeds" if fewest < most else f"{most} seeds"


def _listed(column: pd.Series) -> str:
    """The values of a column, each once, in order."""
    values = sorted(column.dropna().unique().tolist())
    if column.isna().any():
        return " / ".join([*map(_thousands, values), "all"])
    return " / ".join(map(_thousands, values))


def _thousands(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:,.0f}"
