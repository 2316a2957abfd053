"""What the figures of numbers of workers share: how a number is called, and what is said below."""

from __future__ import annotations

import pandas as pd

from study.analysis.results import Results, select
from study.analysis.scaling import others
from study.analysis.wording import label, value_text


def marked(trained: pd.DataFrame, processor: str, workers: int) -> str:
    """A number of workers under its mark: `2 CPU`, with a star where they shared CPUs."""
    inside = select(trained, {"processor": processor, "workers": workers})
    star = "*" if len(inside) and inside["oversubscribed"].any() else ""
    return f"{workers} {processor.upper()}{star}"


def others_in_words(results: Results, trained: pd.DataFrame) -> str:
    """What a footer adds: what the star means, where there is one, and how busy the machine was."""
    said = ""
    if trained["oversubscribed"].any():
        cpus = results.run.get("machine", {}).get("cpus")
        said += f" * oversubscribed: more workers than the {value_text(cpus)} CPUs."
    varied = others(results)
    if varied:
        said += f" Means are over {', '.join(map(label, varied))}, too."
    load = results.run.get("machine", {}).get("load_average")
    if load is not None:
        said += f" Load average at the start: {load:.1f}."
    return said
