"""What the figures of numbers of workers share: how a number is called, and what is said below."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results, select
from study.analysis.scaling import others
from study.analysis.wording import label, provenance, value_text


def marked(trained: pd.DataFrame, processor: str, workers: int) -> str:
    """A number of workers under its mark: `2 CPU`, with a star where they shared CPUs."""
    inside = select(trained, {"processor": processor, "workers": workers})
    star = "*" if len(inside) and inside["oversubscribed"].any() else ""
    return f"{workers} {processor.upper()}{star}"


def footer(results: Results, trained: pd.DataFrame, meaning: str) -> list[str]:
    """The lines below a figure: where its numbers come from, how busy the machine was, what
    the figure shows, and what a star means where there is one."""
    machine = results.run.get("machine", {})
    loads = trained["load_average"]
    # Of only some of the runs it would speak for the others, too.
    busy = f"; load average {loads.min():.0f} to {loads.max():.0f}" if loads.notna().all() else ""
    varied = others(results)
    also = f" Means are over {', '.join(map(label, varied))}, too." if varied else ""
    lines = [f"{provenance(results.run, trained)}{busy}.", meaning + also]
    if trained["oversubscribed"].any():
        cpus = value_text(machine.get("cpus"))
        lines.append(f"* oversubscribed: more workers than the {cpus} CPUs.")
    return lines
