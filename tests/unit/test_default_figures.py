"""The figures that every grid has, and when a study's own are drawn in their place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from lenet.config import ConfigError
from search_spaces.fan import FAN
from study.analysis.results import Results
from study.figures import best_curves, final_values, heat_map, style
from study.figures.draw import draw_all
from tests.unit.made_up_run import made_up_run

Draw = Callable[..., dict[str, Figure]]

BY_ACCURACY: Any = {"quantity": "validation_accuracy", "where": {}}
DEFAULTS = {"curves-by-setting", "heat-map", "final-values"}
FIGURES = {
    f"figure-{number}-{name}"
    for number, name in enumerate(("sgd-accuracy", "sgd-loss", "adam-accuracy", "adam-loss"), 1)
}


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Draw:
    """Return the figures of a run by name, without the seconds of writing them."""
    figures: dict[str, Figure] = {}
    notes: list[str] = []

    def keep(figure: Figure, path: Path) -> list[Path]:
        figures[path.name] = figure
        return [path]

    def draw(results: Results, study: Any = FAN) -> dict[str, Figure]:
        draw_all(study, results, tmp_path, notes.append)
        assert notes == []
        return figures

    monkeypatch.setattr(style, "save", keep)
    return draw


def title_of(figure: Figure) -> str:
    return figure.texts[0].get_text().replace("\n", " ")


def cells_of(figure: Figure) -> list[list[str]]:
    """Return the texts in the cells of each panel, from left to right and upwards."""
    return [[text.get_text() for text in ax.texts] for ax in figure.axes if ax.texts]


# Which figures a run has


@pytest.mark.parametrize(
    ("choices", "published", "defaults"),
    [
        ({}, FIGURES, DEFAULTS),
        ({"dataset": ["digits"]}, FIGURES, DEFAULTS),
        (
            {"optimizer": ["sgd"]},
            {"figure-1-sgd-accuracy", "figure-2-sgd-loss"},
            {*DEFAULTS, "curves"},
        ),
        ({"optimizer": ["rmsprop", "adamw"]}, set(), DEFAULTS),
        ({"dropout": ["0", "0.5"]}, set(), DEFAULTS),
        ({"lr": ["0.1", "0.01"]}, set(), DEFAULTS),
        (
            {"optimizer": ["sgd"], "lr": ["0.1"], "batch_size": ["8", "16"]},
            set(),
            {"curves", "final-values"},
        ),
        (
            {"optimizer": ["sgd"], "lr": ["0.1"], "batch_size": ["8"]},
            set(),
            {"curves", "final-values"},
        ),
    ],
)
def test_every_grid_has_figures(
    draw: Draw, choices: Mapping[str, Sequence[Any]], published: set[str], defaults: set[str]
) -> None:
    figures = draw(made_up_run(choices=choices))
    assert set(figures) == published | defaults
    for name, figure in figures.items():
        is_published = name in published and "dataset" not in choices
        assert ("(Fan, figure" in title_of(figure)) is is_published
    if published and not choices:
        assert title_of(figures["figure-3-adam-accuracy"]) == (
            "Accuracy of Adam by learning rate and batch size (Fan, figure 3)"
        )


def test_a_figure_with_another_fixed_setting_does_not_name_the_report(draw: Draw) -> None:
    figures = draw(made_up_run(choices={"model": ["softmax"], "optimizer": ["sgd"]}))
    assert {"figure-1-sgd-accuracy", "figure-2-sgd-loss"} <= set(figures)
    assert not [name for name, figure in figures.items() if "Fan" in title_of(figure)]


def test_a_study_that_is_not_installed_has_figures(draw: Draw) -> None:
    assert set(draw(made_up_run(), study=None)) == DEFAULTS


def test_an_own_study_needs_no_figures_of_its_own(draw: Draw) -> None:
    assert set(draw(made_up_run(), study=replace(FAN, figures=()))) == DEFAULTS


def test_a_regression_is_drawn_by_its_loss(draw: Draw) -> None:
    results = made_up_run()
    results.trials["dataset"] = "line"
    for table in (results.records, results.trials):
        held_out = [name for name in table if str(name).split("_")[0] in {"validation", "test"}]
        table[[*held_out, "train_accuracy"]] = np.nan
    run = replace(results.run, objective="train_loss")
    figures = draw(replace(results, run=run), study=None)
    assert set(figures) == DEFAULTS
    assert title_of(figures["final-values"]) == "Final training loss"
    best = figures["final-values"].axes[0].get_yticklabels()[0].get_text()
    assert best in {
        "adam, learning rate 0.001, batch size 32",
        "sgd, learning rate 0.1, batch size 32",
    }


def test_each_data_set_has_its_own(draw: Draw) -> None:
    choices = {"dataset": ["mnist", "digits"], "batch_size": ["32"]}
    figures = draw(made_up_run(choices=choices), study=None)
    assert {name for name in figures if name.endswith("-mnist")} == {
        f"{name}-mnist" for name in {*DEFAULTS, "curves"}
    }
    assert len(figures) == 8
    assert title_of(figures["final-values-digits"]) == "Final validation accuracy on digits"


def test_a_large_grid_is_cut(draw: Draw) -> None:
    choices = {
        "lr": [0.3 / 1.3**k for k in range(10)],
        "batch_size": [32, 64],
        "dropout": [0.0, 0.1, 0.2, 0.3],
    }
    figures = draw(made_up_run(choices=choices), study=None)
    assert set(figures) == DEFAULTS
    assert title_of(figures["final-values"]).endswith(", best 30 of 160 points")
    assert len(figures["final-values"].axes[0].get_yticks()) == 30
    panels = [ax for ax in figures["curves-by-setting"].axes if ax.get_title()]
    assert max(len(ax.get_lines()) for ax in panels) <= 8 + 1  # and chance


# What they show


def test_a_heat_map_has_a_cell_per_point_and_frames_the_best() -> None:
    results = made_up_run(seeds=2, status={"sgd_lr0.01_batch64": "diverged"})
    options = {"rows": "batch_size", "columns": "lr", **BY_ACCURACY}
    (figure,) = heat_map.draw(results, "A title", **options).values()
    adam, sgd = cells_of(figure)
    assert adam[:3] == ["98.10", "95.10", "92.10"]
    assert sgd[:3] == ["92.10", "95.10", "98.10"]
    assert len(adam) == 12
    assert len(sgd) == 11
    frames = [
        (ax.get_title(), patch.get_xy())
        for ax in figure.axes
        for patch in ax.patches
        if isinstance(patch, Rectangle) and not patch.get_fill()
    ]
    assert frames == [("optimizer adam", (-0.46, -0.46))]
    hatched = [patch for ax in figure.axes for patch in ax.patches if patch.get_hatch()]
    assert [patch.get_xy() for patch in hatched] == [(0.5, 0.5)]


def test_figures_say_what_an_unset_setting_means(draw: Draw) -> None:
    results = made_up_run(choices={"optimizer": ["sgd"], "batch_size": [32, 64]})
    results.trials.loc[results.trials["lr"] == 0.1, "epochs"] = None
    drawn = draw(results)
    for name in ("heat-map", "curves-by-setting"):
        texts = {text.get_text() for text in drawn[name].findobj(Text)}
        assert "default" not in " ".join(texts)
        assert any("unlimited" in text for text in texts)


def test_a_heat_map_over_many_others_shows_the_best_and_says_so() -> None:
    results = made_up_run(choices={"dropout": [0.1 * k for k in range(9)], "batch_size": [32, 64]})
    options = {"rows": "batch_size", "columns": "lr", **BY_ACCURACY}
    (figure,) = heat_map.draw(results, "A title", **options).values()
    assert title_of(figure) == "A title, best over dropout and optimizer"
    assert cells_of(figure) == [["98.00", "95.00", "98.00", "97.00", "94.00", "97.00"]]


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_final_values_have_intervals_from_two_seeds(seeds: int) -> None:
    results = made_up_run(seeds=seeds, choices={"lr": [0.1], "batch_size": [32]})
    (figure,) = final_values.draw(results, "A title", **BY_ACCURACY).values()
    (ax,) = figure.axes
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == ["sgd", "adam"]
    lines = [line for line in ax.get_lines() if line.get_linestyle() == "-"]
    assert len(lines) == (2 if seeds > 1 else 0)
    if seeds == 3:  # 98.0, 98.2, 98.4 on the logit scale: t(0.975, 2) = 4.303
        half = 4.303 * 0.002 / 3**0.5 / (0.982 * 0.018)
        center = math.log(0.982 / 0.018)
        ends = [100 / (1 + math.exp(-center + sign * half)) for sign in (1, -1)]
        assert list(lines[0].get_xdata()) == pytest.approx(ends, abs=1e-3)


def test_the_axis_of_final_values_holds_intervals_close_to_the_seeds() -> None:
    choices = {"lr": [0.1], "batch_size": [32], "optimizer": ["sgd"]}
    for accuracies, whole in (((0.95, 0.952, 0.953, 0.951, 0.951), True), ((0.95, 0.951), False)):
        results = made_up_run(seeds=len(accuracies), choices=choices)
        results.trials["validation_accuracy"] = accuracies
        (figure,) = final_values.draw(results, "A title", **BY_ACCURACY).values()
        (ax,) = figure.axes
        (interval,) = (line for line in ax.get_lines() if line.get_linestyle() == "-")
        (low, high), ends = ax.get_xlim(), interval.get_xdata()
        assert bool(low < min(ends) and max(ends) < high) is whole


def test_a_mean_closer_to_100_than_any_other_seed_is_at_its_own_place() -> None:
    choices = {"lr": [0.1, 0.01], "batch_size": [32], "optimizer": ["sgd"]}
    results = made_up_run(seeds=3, choices=choices)
    good, bad = (1.0, 1.0, 0.9697), (0.87, 0.84, 0.85)
    for lr, accuracies in ((0.1, good), (0.01, bad)):
        results.trials.loc[results.trials["lr"] == lr, "validation_accuracy"] = accuracies
    (figure,) = final_values.draw(results, "A title", **BY_ACCURACY).values()
    (ax,) = figure.axes
    mean, seed, perfect = (ax.transData.transform((x, 0))[0] for x in (98.99, 96.97, 100))
    assert seed + 20 < mean < perfect - 20
    assert "cuts off" not in figure.texts[-1].get_text()


def test_seeds_that_end_alike_do_not_hide_each_other() -> None:
    results = made_up_run(seeds=5, choices={"lr": [0.1], "batch_size": [32]})
    results.trials["validation_accuracy"] = 0.9
    (figure,) = final_values.draw(results, "A title", **BY_ACCURACY).values()
    dots = next(line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 5)
    assert len(set(dots.get_ydata())) == 5


def test_points_that_diverged_come_last_with_a_cross() -> None:
    choices = {"lr": [0.1, 0.01], "batch_size": [32], "optimizer": ["sgd"]}
    results = made_up_run(seeds=2, choices=choices, status={"sgd_lr0.1": "diverged"})
    (figure,) = final_values.draw(results, "A title", **BY_ACCURACY).values()
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.get_yticklabels()] == [
        "learning rate 0.01",
        "learning rate 0.1",
    ]
    crosses = [line for line in ax.get_lines() if line.get_marker() == "x"]
    assert [line.get_ydata()[0] for line in crosses] == [1]
    assert "2 of 2" in [text.get_text() for text in ax.texts]


def test_curves_by_setting_are_those_of_the_best_points() -> None:
    results = made_up_run(choices={"dropout": [0.0, 0.5]})
    options = {"quantity": "accuracy", "part": "validation", "where": {}}
    ranked = {"ranked_by": "validation_accuracy"}
    (figure,) = best_curves.draw(results, "A title", **options, **ranked).values()
    panels = {ax.get_title(): ax for ax in figure.axes}
    assert list(panels) == ["dropout", "optimizer", "learning rate", "batch size"]
    ax = panels["batch size"]
    records = results.records.set_index("trial")
    best = records.loc["adam_lr0.001_batch256_dropout0.0_seed0", "validation_accuracy"]
    drawn = [list(line.get_ydata()) for line in ax.get_lines()]
    assert any(line == pytest.approx(list(100 * best)) for line in drawn if len(line) == len(best))
    assert {text.get_text() for text in ax.texts} == {"32", "64", "128", "256"}
    heights = sorted(text.get_position()[1] for text in ax.texts)
    assert min(np.diff(heights)) > 0.07


def test_a_band_of_ordinary_size_is_whole_and_a_wider_one_is_noted() -> None:
    options = {"quantity": "accuracy", "part": "validation", "where": {}}
    ranked = {"ranked_by": "validation_accuracy"}
    for spread, is_whole in ((0.1, True), (0.4, False)):
        results = made_up_run(seeds=2, choices={"batch_size": [32], "lr": [0.1, 0.01]})
        results.records["validation_accuracy"] = 0.3 + 0.05 * results.records["epoch"]
        second = results.records["trial"].str.endswith("_seed1")
        results.records.loc[second, "validation_accuracy"] += spread
        (figure,) = best_curves.draw(results, "A title", **options, **ranked).values()
        highest = 100 * results.records["validation_accuracy"].max()
        assert bool(figure.axes[0].get_ylim()[1] > highest) is is_whole
        assert ("cuts off bands" in figure.texts[-1].get_text()) is not is_whole


def test_nothing_overlaps(tmp_path: Path) -> None:
    """No text, panel or legend covers another, and all are on the page."""
    results = made_up_run(seeds=3, status={"sgd_lr0.1_batch64": "diverged"})
    options = {"rows": "batch_size", "columns": "lr", **BY_ACCURACY}
    curve = {"quantity": "accuracy", "part": "validation", "ranked_by": "validation_accuracy"}
    for figures in (
        heat_map.draw(results, "A title", **options),
        final_values.draw(results, "A title", **BY_ACCURACY),
        best_curves.draw(results, "A title", **curve, where={}),
    ):
        (figure,) = figures.values()
        figure.draw_without_rendering()
        boxes = [ax.get_tightbbox() for ax in figure.axes]
        boxes += [thing.get_window_extent() for thing in (*figure.legends, *figure.texts)]
        for i, box in enumerate(boxes):
            assert box is not None
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
            assert not any(box.overlaps(other) for other in boxes[:i] if other is not None)


def test_unset_settings_are_a_value_of_their_own(draw: Draw) -> None:
    results = made_up_run(choices={"batch_size": [32], "lr": [0.1, 0.01]})
    results.trials["gamma"] = results.trials["lr"].map({0.1: None, 0.01: 0.9})
    half = results.trials["optimizer"] == "adam"
    results.trials.loc[half, "gamma"] = 0.5
    assert isinstance(results.trials, pd.DataFrame)
    figures = draw(results, study=None)
    assert {"curves-by-setting", "heat-map", "final-values"} <= set(figures)


def test_nothing_is_compared_where_nothing_varies() -> None:
    results = made_up_run(choices={"batch_size": [32], "lr": [0.1], "optimizer": ["sgd"]})
    curve = {"quantity": "accuracy", "part": "validation", "ranked_by": "validation_accuracy"}
    assert best_curves.draw(results, "A title", **curve, where={}) == {}
    options = {"rows": "batch_size", "columns": "lr", **BY_ACCURACY}
    assert heat_map.draw(results, "A title", **options) == {}
    with pytest.raises(ConfigError, match="did you mean 'batch_size'"):
        heat_map.draw(results, "A title", **{**options, "rows": "batchsize"})


def test_the_ramps_of_a_range_test_are_in_no_default_figure(draw: Draw) -> None:
    results = made_up_run(choices={"batch_size": [32]})
    ramps = results.trials.assign(schedule="ramp-linear", trial="ramp " + results.trials["trial"])
    records = results.records.assign(trial="ramp " + results.records["trial"])
    both = replace(
        results,
        trials=pd.concat([results.trials, ramps], ignore_index=True),
        records=pd.concat([results.records, records], ignore_index=True),
    )
    assert set(draw(both, None)) == set(draw(results, None)) == {"curves", *DEFAULTS}
