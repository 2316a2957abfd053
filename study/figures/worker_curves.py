"""Worker curves: the same training on 1, 2, ... workers, curve over curve."""

from __future__ import annotations

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.speedup import narrowest, runs
from study.figures import style
from study.figures.workers import footer, marked, net, parts

_DASHES = ("-", "--", ":", "-.")


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Training loss and, where there is one, validation loss by step of Ray's runs of strong
    scaling with the narrowest net: a line per number of workers, the mean over repeats with
    their range. What is the same for all lies on one line. A figure for each value of other
    settings that vary."""
    trained = narrowest(runs(results))
    if trained.empty or (trained["launcher"] != "ray").all():
        return {}
    trained = trained[trained["launcher"] == "ray"]
    return {
        suffix: _figure(results, titled, inside)
        for suffix, titled, inside in parts(results, trained, title)
    }


def _figure(results: Results, title: str, trained: pd.DataFrame) -> Figure:
    groups = list(trained.groupby(["processor", "workers"]))
    with style.styled():
        figure, axes = style.panels(2)
        colours = style.colours([key for key, _ in groups])
        for ax, part in zip(axes, ("train", "validation"), strict=True):
            ax.set_title({"train": "training", "validation": "validation"}[part])
            ax.set_xlabel("step")
            for i, (key, inside) in enumerate(groups):
                records = results.records[results.records["trial"].isin(inside["trial"])]
                values = records.pivot(index="step", columns="trial", values=f"{part}_loss")
                band = statistics.bands(values)
                # Thinner and thinner: a line that lies on another leaves it to be seen.
                ax.plot(
                    band.index,
                    band["mean"],
                    _DASHES[i % len(_DASHES)],
                    color=colours[key],
                    lw=max(1.2, 4.0 - i),
                    marker="o",
                    ms=3,
                )
                ax.fill_between(
                    band.index, band["low"], band["high"], color=colours[key], alpha=0.13, lw=0
                )
        axes[0].set_ylabel("loss (nats per sample)")
        legend: list[Artist] = [
            Line2D(
                [],
                [],
                ls=_DASHES[i % len(_DASHES)],
                color=colours[key],
                label=marked(trained, str(key[0]), int(str(key[1]))),
            )
            for i, (key, _) in enumerate(groups)
        ]
        if trained["seed"].nunique() > 1:
            legend.append(Patch(color="#444444", alpha=0.2, lw=0, label="range over repeats"))
        meaning = net(trained) + (
            "The batch is the same for all numbers of workers, and so is its order; gradients are "
            "weighted by each worker's samples. Differences come from the order of summation."
        )
        style.surround(figure, title, [legend], footer(results, trained, meaning))
    return figure
