"""Time shares: where the time of a training step goes."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lenet.records import PHASES
from study.analysis.results import Results
from study.analysis.scaling import runs
from study.figures import style
from study.figures.workers import footer, marked


def draw(results: Results, title: str) -> dict[str, Figure]:
    """A panel per width, a bar per number of workers and batch of Ray's runs, with the share of
    each phase in the time of all steps behind the warm-up, all workers and repeats together."""
    trained = runs(results)
    if trained.empty:
        return {}
    trained = trained[trained["launcher"] == "ray"]
    widths = sorted(trained["width"].unique())
    if not widths:
        return {}
    with style.styled():
        figure, axes = style.panels(len(widths))
        colours = style.colours(PHASES)
        keys = ["processor", "workers", "batch_size"]
        places = sorted(trained[keys].drop_duplicates().itertuples(index=False, name=None))
        for ax, width in zip(axes, widths, strict=True):
            ax.set_title(f"width {width}")
            inside = trained[trained["width"] == width].groupby(keys)
            shares = inside[[f"{phase}_share" for phase in PHASES]].mean()
            below = pd.Series(0.0, index=shares.index)
            at = [places.index(key) for key in shares.index]
            for phase in PHASES:
                share = 100 * shares[f"{phase}_share"]
                ax.bar(at, share, bottom=below, color=colours[phase], width=0.7)
                below += share
            names = [f"{marked(trained, p, n)}\nbatch {batch}" for p, n, batch in places]
            ax.set_xticks(range(len(places)), names, size=8)
            ax.set_ylim(0, 100)
            if ax.yaxis.get_tick_params()["labelleft"]:
                ax.set_ylabel("share of time (%)")
        legend = [Patch(color=colours[phase], lw=0, label=phase) for phase in PHASES]
        meaning = (
            "Measured in each worker. Communication is one all-reduce of all gradients after the "
            "backward pass, and with it the wait for the slowest worker; start-up, warm-up and "
            "evaluation are left out."
        )
        style.surround(figure, title, [legend], footer(results, trained, meaning))
    return {"": figure}
