"""How figures and tables write settings, values and the provenance of a run."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from lenet.config import TrainConfig, settings_in
from study.runs.metadata import RunMetadata

_LABELS = {
    "lr": "learning rate",
    "dataset": "data set",
    "train_samples": "training samples",
    "train_loss": "training loss",
    "train_seconds": "training seconds",
}

_UNSET = {"epochs": "unlimited", "steps": "unlimited", "decay_steps": "one epoch"}
"""What an unset setting means, where `default` would not say it."""


def label(setting: str) -> str:
    """Return a setting or measurement in words: `lr` becomes `learning rate`."""
    return _LABELS.get(setting, setting.replace("_", " "))


def format_value(value: Any) -> str:
    """Return the value of a setting as text; `default` if it is unset (None or NaN).

    A number keeps up to four significant digits. A longer one was sampled by a search and gets
    three.
    """
    if value is None or value != value:
        return "default"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return str(value)
    number = float(value)
    # A column with missing values holds whole numbers as floats: 10000.0 is 10000.
    if number.is_integer():
        return f"{number:.0f}"
    rounded = f"{number:.3g}"
    is_typed = float(f"{number:.4g}") == number or float(rounded).is_integer()
    return f"{number:g}" if is_typed else rounded


def format_setting(setting: str, value: Any) -> str:
    """Return the value of `setting` as text; an unset one is what leaving it unset means."""
    if setting in _UNSET and (value is None or value != value):
        return _UNSET[setting]
    return format_value(value)


def format_percent(share: float) -> str:
    """Return a share in [0, 1] in percent with two decimals; `-` for NaN."""
    return "-" if share != share else f"{100 * share:z.2f}"


def column_heading(measurement: str) -> str:
    """Return the heading of a column of measurements; accuracies are in percent."""
    if measurement.endswith("_accuracy"):
        return f"{label(measurement.removesuffix('_accuracy'))} %"
    return label(measurement)


def format_measurement(measurement: str, value: float) -> str:
    """Return a value as text, in the units of its `column_heading`; `-` for NaN."""
    if measurement.endswith("_accuracy"):
        return format_percent(value)
    if value != value:
        return "-"
    # Four significant digits would give 1.136e+04.
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:z.4g}"


def format_mean(measurement: str, mean: float, low: float, high: float) -> str:
    """Return a mean with its interval (see `format_interval`) in the units of `column_heading`."""
    return format_interval(
        mean, low, high, lambda value: format_measurement(measurement, float(value))
    )


def format_duration(seconds: float) -> str:
    """Format a duration as `0:42`, `12:05` or `3:07:30`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_interval(
    mean: float, low: float, high: float, format_number: Callable[[float], str]
) -> str:
    """Return `mean ± half-width`, or the mean alone if the interval is NaN.

    If the interval of a bounded quantity is not symmetric at the precision of `format_number`, the
    text is `mean [low, high]`.
    """
    text = format_number(mean)
    if low != low:
        return text
    down, up = format_number(mean - low), format_number(high - mean)
    if down == up:
        return f"{text} ± {up}"
    return f"{text} [{format_number(low)}, {format_number(high)}]"


def pluralize(count: int, noun: str) -> str:
    """Return `1 trial`, `2 trials`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def describe_settings(settings: Mapping[str, Any]) -> str:
    """Return `batch size 32, learning rate 0.1`."""
    return ", ".join(f"{label(n)} {format_setting(n, value)}" for n, value in settings.items())


def provenance(run: RunMetadata, trials: pd.DataFrame) -> str:
    """Return one line on where the numbers of these trials come from.

    It has the data set, budget, seeds and device. Where they apply, it adds a reduced precision,
    the machines of data-parallel workers, a resumption on other machines, and a limit on training
    data or steps. It also says if nothing was held out for validation.

    `trials`: rows of `Results.trials`, at least one.
    """
    facts = [
        "data set " + _unique_values(trials["dataset"]),
        # The model is named only if `--set` chose it.
        *(["model " + _unique_values(trials["model"])] if "model" in run.choices else []),
        f"budget {run.budget}",
        _seeds(trials),
        _devices(trials),
    ]
    if "precision" in trials and (trials["precision"] != TrainConfig.precision).any():
        facts.append(_unique_values(trials["precision"]))
    if workers_on := describe_machines(trials):
        facts.append(f"workers {workers_on}")
    if run.resumed_on:
        facts.append("resumed on other machines, so seconds do not compare")
    if "validation_fraction" in trials and (trials["validation_fraction"] == 0).all():
        facts.append("no validation data")
    has_subset, has_steps = (trials[name].notna().any() for name in ("train_samples", "steps"))
    if has_subset:
        facts.append(f"at most {_unique_values(trials['train_samples'])} training samples")
    has_epochs = trials["epochs"].notna().any()
    if has_epochs and (has_subset or has_steps):
        epochs = _unique_values(trials["epochs"], "unlimited")
        facts.append(f"{epochs} {'epoch' if epochs == '1' else 'epochs'}")
    if has_steps:
        limit = "at most " if has_epochs else ""
        facts.append(f"{limit}{_unique_values(trials['steps'], 'unlimited')} steps")
    return "; ".join(facts)


def describe_machines(trials: pd.DataFrame) -> str:
    """Return `on 2 machines`, or an empty string if the workers shared one machine."""
    machines = trials["machines"].dropna() if "machines" in trials else pd.Series(dtype=float)
    if not (machines > 1).any():
        return ""
    fewest, most = int(machines.min()), int(machines.max())
    return f"on {fewest} to {most} machines" if fewest < most else f"on {most} machines"


def _devices(trials: pd.DataFrame) -> str:
    """Name the devices that the trials ran on; the driver's may differ."""
    begun = trials.dropna(subset="device")
    if begun.empty:
        return "no trial has begun"
    devices = begun[["device", "threads"]].drop_duplicates().sort_values(["device", "threads"])
    unit = "worker" if "workers" in trials else "trial"
    return " / ".join(
        device if pd.isna(threads) else f"{device}, {pluralize(int(threads), 'thread')} a {unit}"
        for device, threads in devices.itertuples(index=False)
    )


def _seeds(trials: pd.DataFrame) -> str:
    """Return the number of seeds of a config."""
    settings = [name for name in settings_in(trials) if name != "seed"]
    counts = trials.groupby(settings, dropna=False)["seed"].nunique()
    fewest, most = int(counts.min()), int(counts.max())
    if most == 1:
        return "1 seed (no interval)"
    return f"{fewest} to {most} seeds" if fewest < most else f"{most} seeds"


def _unique_values(column: pd.Series, missing: str = "all") -> str:
    """List the values of a column in order, with a word for a `missing` one."""
    values = sorted(column.dropna().unique().tolist())
    if column.isna().any():
        return " / ".join([*map(_thousands, values), missing])
    return " / ".join(map(_thousands, values))


def _thousands(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:,.0f}"
