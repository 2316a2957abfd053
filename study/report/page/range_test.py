"""The range test in the page: loss by learning rate, with each rule's suggestion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from search_spaces.study import Study
from study.analysis.ramp_curves import SMOOTHING, ramp_curves
from study.analysis.range_rules import RULES
from study.analysis.range_test import ramp_trials, split_by_ramp, suggest
from study.analysis.results import Results, select
from study.analysis.wording import label
from study.report.page.series import series

_NOTE = (
    f"Curves are moving averages of the loss (decay {SMOOTHING:g} per step), means over seeds with "
    "their range. Marks are the learning rates that the rules suggest, on the curve: geometric "
    "means over seeds. The table of suggestions says which are not to be trusted."
)


def quantity_of(study: Study | None) -> str:
    """Return the loss that the study's rules read."""
    declared = [
        figure for figure in (study.figures if study else ()) if figure.kind == "range_test"
    ]
    return str(declared[0].options["quantity"]) if declared else "train_loss"


def describe(results: Results, quantity: str) -> Iterator[dict[str, Any]]:
    """Yield the one figure: a variant per ramp, a panel per optimizer."""
    variants = []
    for ramp, trials in split_by_ramp(ramp_trials(results)):
        panels = []
        for optimizer in results.values_of("optimizer"):
            inside = select(trials, {"optimizer": optimizer})
            if described := _panel(results, inside, quantity):
                panels.append({"title": str(optimizer), "series": described})
        if panels:
            variants.append(
                {
                    "label": ramp,
                    "x": {"label": "learning rate", "kind": "log"},
                    "y": {"label": label(quantity)},
                    "panels": panels,
                }
            )
    if variants:
        title = "Learning-rate range test"
        yield {"id": "range-test", "title": title, "note": _NOTE, "variants": variants}


def _panel(results: Results, trials: Any, quantity: str) -> list[dict[str, Any]]:
    curves = ramp_curves(results, trials, quantity) if len(trials) else None
    if curves is None:
        return []
    means, several = curves.values.mean(axis=0), len(curves.values) > 1
    ends = (curves.values.min(axis=0), curves.values.max(axis=0)) if several else None
    described = [series(label(quantity), curves.lrs, means, ends, plain=True)]
    for rule in RULES:
        suggestion = suggest(results, trials, rule, quantity)
        if suggestion.lr is None:
            continue
        nearest = int(abs(curves.lrs - suggestion.lr).argmin())
        text = f"suggests {suggestion.lr:.3g}"
        if suggestion.interval:
            low, high = suggestion.interval
            text += f" [{low:.3g}, {high:.3g}]"
        if suggestion.problem:
            text += f"; {suggestion.problem.note}"
        described.append(
            series(rule.name, [suggestion.lr], [means[nearest]], mode="points", texts=[text])
        )
    return described
