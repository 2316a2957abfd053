"""What the figures of numbers of workers share: how a number is called, and what is said below."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from study.analysis.results import Results, select
from study.analysis.speedup import others
from study.analysis.wording import label, provenance, value_text
from study.figures import style


def parts(
    results: Results, trained: pd.DataFrame, title: str
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The runs by the settings that vary beside those of a point of scaling, which are never
    averaged over: what to add to a file's name, the title, and the runs of each."""
    varied = others(results)
    if not varied:
        yield "", title, trained
        return
    for key, inside in trained.groupby(varied, dropna=False):
        said = [(name, value_text(value)) for name, value in zip(varied, key, strict=True)]
        where = ", ".join(f"{label(name)} {text}" for name, text in said)
        yield style.suffix([f"{name}{text}" for name, text in said]), f"{title}: {where}", inside


def marked(trained: pd.DataFrame, processor: str, workers: int) -> str:
    """A number of workers under its mark: `2 CPU`, with a star where they shared CPUs."""
    inside = select(trained, {"processor": processor, "workers": workers})
    star = "*" if len(inside) and inside["oversubscribed"].any() else ""
    return f"{workers} {processor.upper()}{star}"


def net(trained: pd.DataFrame) -> str:
    """Which of several nets and batches a figure shows."""
    width, batch = int(trained["width"].iloc[0]), int(trained["batch"].iloc[0])
    return f"The net of width {width}, batch {batch}. "


def footer(results: Results, trained: pd.DataFrame, meaning: str) -> list[str]:
    """The lines below a figure: where its numbers come from, how busy the machine was, what
    the figure shows, and what a star means where there is one."""
    loads = trained["load_average"]
    # Of only some of the runs it would speak for the others, too.
    busy = f"; load average {loads.min():.0f} to {loads.max():.0f}" if loads.notna().all() else ""
    lines = [f"{provenance(results.run, trained)}{busy}.", meaning]
    if trained["oversubscribed"].any():
        lines.append("* oversubscribed: more workers than CPUs.")
    return lines
