"""What the figures of scaling runs share: names of workers, and the footer."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from search_spaces.hardware import SERIAL
from study.analysis.results import Results, select
from study.analysis.speedup import main_strategy, other_varied_settings
from study.analysis.wording import provenance
from study.figures import style

_SHARING = {
    "ddp": "Several workers train with DistributedDataParallel.",
    "explicit": "Several workers sum all gradients by one all-reduce after the backward pass.",
    "dp": "Several GPUs are driven by one process with nn.DataParallel.",
    SERIAL: "",
}


def sharing(trials: pd.DataFrame) -> str:
    """Return a sentence on how several workers share a step, empty if there is one worker."""
    return _SHARING[main_strategy(trials)]


def by_combination(
    results: Results, trials: pd.DataFrame, title: str
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield a file suffix, a title and the trials of each figure, as `style.by_combination` does.

    Figures tell apart workers, launchers, strategies, processors, widths and batch sizes
    themselves.
    """
    for suffix, values, inside in style.by_combination(trials, other_varied_settings(results)):
        yield suffix, title + values, inside


def workers_label(trials: pd.DataFrame, processor: str, workers: int) -> str:
    """Return the label of a number of workers, starred if they shared CPUs: `4 CPU*`."""
    inside = select(trials, {"processor": processor, "workers": workers})
    star = "*" if inside["oversubscribed"].any() else ""
    return f"{workers} {processor.upper()}{star}"


def workload(trials: pd.DataFrame) -> str:
    """Return the one net and batch size that these trials train, as a sentence."""
    return f"Width {int(trials['width'].iloc[0])}, batch size {int(trials['batch'].iloc[0])}."


def footer(results: Results, trials: pd.DataFrame, notes: str) -> list[str]:
    """Return the footer: provenance and load of the machine, `notes`, and what a star means."""
    source, loads = provenance(results.run, trials), trials["load_average"]
    if loads.notna().all():  # the load of some trials does not speak for the others
        low, high = f"{loads.min():.0f}", f"{loads.max():.0f}"
        source += f"; load average {low if low == high else f'{low} to {high}'}"
    lines = [source + ".", notes]
    if trials["oversubscribed"].any():
        lines.append("* Oversubscribed: more workers than CPUs.")
    return lines
