"""Ramps of a range test: the learning rate by step, and where each trial ended."""

from __future__ import annotations

from matplotlib.figure import Figure

from study.analysis.range_test import ramp_trials, split_by_ramp
from study.analysis.results import Results, select
from study.analysis.wording import provenance
from study.figures import style


def draw(results: Results, title: str) -> dict[str, Figure]:
    """Draw a panel per ramp: the learning rate by step, and a mark at each trial's last step.

    Returns: one figure, keyed by an empty suffix, or none if no ramp has a result.
    """
    trials = ramp_trials(results)
    if trials.empty:
        return {}
    ramps = split_by_ramp(trials)
    optimizers = [v for v in results.values_of("optimizer") if v in set(trials["optimizer"])]
    with style.styled():
        figure, axes = style.panels(len(ramps), share_x=False)
        colors, markers = style.colors(optimizers), style.markers(optimizers)
        for ax, (name, inside) in zip(axes, ramps, strict=True):
            ax.set_title(name)
            records = results.records[results.records["trial"].isin(inside["trial"])]
            records = records.sort_values("step")
            longest = records[records["trial"] == records["trial"].iloc[-1]]
            ax.plot(longest["step"], longest["lr"], color=style.GREY)
            ax.set_yscale("log")
            ends = records.groupby("trial").tail(1).set_index("trial")
            for optimizer in optimizers:
                at = ends.loc[select(inside, {"optimizer": optimizer})["trial"]]
                ax.plot(
                    at["step"],
                    at["lr"],
                    markers[optimizer],
                    color=colors[optimizer],
                    markersize=7,
                    alpha=0.8,
                )
        style.label_outer(axes, x="step", y="learning rate")
        legend = [
            style.entry(f"{name}, last step", color=colors[name], marker=markers[name], size=7)
            for name in optimizers
        ]
        footer = [
            provenance(results.run, trials) + ".",
            "A ramp stops early if its loss blows up.",
        ]
        style.finish(figure, title, [legend], footer)
    return {"": figure}
