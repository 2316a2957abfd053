"""Ramps: the learning rate of a range test by step, and where it ended."""

from __future__ import annotations

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis.range_test import by_ramp
from study.analysis.range_test import ramps as ramps_of
from study.analysis.results import Results, select
from study.analysis.wording import provenance
from study.figures import style

_RAMP = "#444444"


def draw(results: Results, title: str) -> dict[str, Figure]:
    """A panel per ramp with the learning rate (log) by step, as far as any trial came, and a mark
    for each trial at its last step, by optimizer."""
    trials = ramps_of(results)
    if trials.empty:
        return {}
    kinds = by_ramp(trials)
    optimizers = [v for v in results.values_of("optimizer") if v in set(trials["optimizer"])]
    with style.styled():
        figure, axes = style.panels(len(kinds), share_x=False)
        colours, markers = style.colours(optimizers), style.markers(optimizers)
        for ax, (name, inside) in zip(axes, kinds, strict=True):
            ax.set_title(name)
            records = results.records[results.records["trial"].isin(inside["trial"])]
            ordered = records.sort_values("step")
            curve = ordered[ordered["trial"] == ordered["trial"].iloc[-1]]
            ax.plot(curve["step"], curve["lr"], color=_RAMP)
            ax.set_yscale("log")
            ends = ordered.groupby("trial").tail(1).set_index("trial")
            for optimizer in optimizers:
                at = ends.loc[select(inside, {"optimizer": optimizer})["trial"]]
                ax.plot(
                    at["step"],
                    at["lr"],
                    markers[optimizer],
                    color=colours[optimizer],
                    markersize=7,
                    alpha=0.8,
                )
            ax.set_xlabel("step")
            if ax.yaxis.get_tick_params()["labelleft"]:
                ax.set_ylabel("learning rate")
        entries: list[Artist] = [
            Line2D(
                [],
                [],
                ls="",
                marker=markers[o],
                markersize=7,
                color=colours[o],
                label=f"a trial of {o} ends",
            )
            for o in optimizers
        ]
        footer = [
            provenance(results.run, trials) + ".",
            "A ramp ends before its last step where its loss blows up.",
        ]
        style.surround(figure, title, [entries], footer)
    return {"": figure}
