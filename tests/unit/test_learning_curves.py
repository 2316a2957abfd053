"""The figure of single trials side by side, the moving average of raw losses, and the ranking."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from lenet.config import ConfigError
from study.analysis.results import Results
from study.analysis.step_losses import moving_average
from study.figures import effort, learning_curves
from tests.unit.made_up_run import made_up_run

RAW = np.random.default_rng(0).exponential(size=1_000)
"""A loss for each step of a run."""
CHOICES = {"batch_size": [32], "lr": [0.1, 0.01]}
PANELS = (
    ({"optimizer": "sgd", "lr": 0.1}, 101, 400),
    ({"optimizer": "adam", "lr": 0.01}, 1, 900),
)


def records_at(steps: list[int]) -> pd.DataFrame:
    """Return the records of the run with the losses `RAW` that has one at each of `steps`."""
    means = [RAW[begin:end].mean() for begin, end in zip([0, *steps], steps, strict=False)]
    return pd.DataFrame({"step": steps, "train_loss": means})


def draw(results: Results, **options: Any) -> Figure:
    drawn = {"where": {}, "panels": PANELS} | options
    (figure,) = learning_curves.draw(results, "A title", **drawn).values()
    return figure


def written_on(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts() if text.get_text().strip()]


# The moving average


@pytest.mark.parametrize("every", [1, 20, 50, 100])
def test_the_moving_average_is_over_raw_losses(every: int) -> None:
    steps = list(range(every, 1_001, every))
    expected = pd.Series(RAW).rolling(100, min_periods=1).mean()
    averages = moving_average(records_at(steps), 100)
    assert averages.tolist() == pytest.approx(expected.iloc[[s - 1 for s in steps]].tolist())


def test_records_at_any_distance_make_the_same_moving_average() -> None:
    dense = [*range(1, 201), *range(300, 1_001, 100)]
    averages = moving_average(records_at(dense), 100)
    assert averages.iloc[149] == pytest.approx(RAW[50:150].mean())
    assert averages.iloc[-1] == pytest.approx(RAW[900:].mean())


def test_records_too_far_apart_have_no_moving_average() -> None:
    with pytest.raises(ConfigError, match=r"the records are 200 steps apart; set record_every=100"):
        moving_average(records_at([200, 400]), 100)


# The figure


def test_each_panel_has_its_own_trial_steps_and_scales() -> None:
    figure = draw(made_up_run(choices=CHOICES))
    assert [ax.get_title() for ax in figure.axes] == [
        "sgd, learning rate 0.1",
        "adam, learning rate 0.01",
    ]
    first, second = figure.axes
    # A record is about the hundred steps up to its own.
    assert list(first.get_lines()[0].get_xdata()) == [100, 200, 300, 400]
    assert list(second.get_lines()[0].get_xdata()) == [0, 100, 200, 300, 400, 500]
    assert first.get_xlim() == (100, 400)
    assert second.get_xlim() == (0, 500)
    assert first.get_ylim() != second.get_ylim()
    assert "This run ends before step 900, to which the report draws." in written_on(figure)


def test_a_band_reaches_from_the_lowest_to_the_highest_loss() -> None:
    results = made_up_run(choices=CHOICES)
    figure = draw(results)
    (band,) = figure.axes[0].collections
    records = results.records[results.records["trial"] == "sgd_lr0.1_batch32_seed0"]
    heights = band.get_paths()[0].vertices[:, 1]
    shown = records[records["step"].between(101, 400)]
    assert heights.min() == pytest.approx(shown["lowest_train_loss"].min())
    assert heights.max() == pytest.approx(shown["highest_train_loss"].max())
    assert legend_of(figure) == [
        "mean of the steps since the previous record",
        "lowest to highest loss of a step",
    ]


def test_a_few_steps_with_huge_losses_do_not_flatten_the_curve() -> None:
    results = made_up_run(choices=CHOICES)
    assert "cut off" not in written_on(draw(results))
    records = results.records.copy()
    records.loc[records["step"] == 200, "highest_train_loss"] = 1e6
    figure = draw(Results(run=results.run, trials=results.trials, records=records))
    means = records[records["step"].between(101, 400)]["train_loss"]
    assert means.max() < figure.axes[0].get_ylim()[1] < 10 * means.max()
    assert "Losses of single steps above the frame are cut off." in written_on(figure)


def test_records_of_every_step_need_no_band() -> None:
    results = made_up_run(choices=CHOICES)
    results.records["step"] //= 100
    figure = draw(results, panels=[(settings, 1, 5) for settings, *_ in PANELS])
    assert not any(ax.collections for ax in figure.axes)
    assert legend_of(figure) == ["loss of each step"]


def test_a_run_of_an_earlier_version_has_no_band() -> None:
    results = made_up_run(choices=CHOICES)
    earlier = results.records.drop(columns=["lowest_train_loss", "highest_train_loss"])
    figure = draw(replace(results, records=earlier))
    assert not any(ax.collections for ax in figure.axes)


def test_a_moving_average_is_drawn_in_place_of_the_losses() -> None:
    results = made_up_run(choices=CHOICES)
    figure = draw(results, average=200)
    losses = results.records.loc[
        results.records["trial"] == "adam_lr0.01_batch32_seed0", "train_loss"
    ].tolist()
    (line,) = figure.axes[1].get_lines()
    assert line.get_ydata()[2] == pytest.approx((losses[1] + losses[2]) / 2)
    assert legend_of(figure) == ["mean of the last 200 steps"]


def test_the_first_seed_is_drawn_and_the_footer_says_so() -> None:
    figure = draw(made_up_run(seeds=3, choices=CHOICES))
    assert all(len(ax.get_lines()) == 1 for ax in figure.axes)
    assert "The first of 3 seeds is drawn." in written_on(figure)


def test_a_diverged_trial_ends_where_its_loss_was_finite() -> None:
    figure = draw(made_up_run(choices=CHOICES, status={"sgd_lr0.1": "diverged"}))
    assert figure.axes[0].get_title() == "sgd, learning rate 0.1 (diverged)"
    assert list(figure.axes[0].get_lines()[0].get_xdata()) == [100, 200]
    assert all(math.isfinite(y) for y in figure.axes[0].get_ylim())


def test_another_setting_that_varies_has_figures_of_its_own() -> None:
    results = made_up_run(choices=CHOICES | {"dropout": [0.0, 0.5]})
    suffixes = list(learning_curves.draw(results, "A title", where={}, panels=PANELS))
    assert suffixes == ["-dropout0", "-dropout0.5"]


def test_panels_without_records_are_left_out() -> None:
    results = made_up_run(choices=CHOICES)
    late = (PANELS[0][0], 4_001, 512_000)
    assert len(draw(results, panels=(late, PANELS[1])).axes) == 1
    assert learning_curves.draw(results, "A title", where={}, panels=(late,)) == {}
    with pytest.raises(ConfigError, match="did you mean 'optimizer'"):
        draw(results, where={"optimiser": "sgd"})


# The ranking by effort


def test_a_bar_per_point_in_the_order_of_the_effort() -> None:
    results = made_up_run(seeds=2, choices=CHOICES)
    (figure,) = effort.draw(results, "A title", color="optimizer").values()
    (axes,) = figure.axes
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == pytest.approx([12.5 / 97.1, 12.5 / 94.1, 12.5 / 94.1, 12.5 / 91.1])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "sgd, learning rate 0.1"
    assert names[-1] == "adam, learning rate 0.1"
    assert axes.texts[0].get_text() == " 97.10% at 500"
    assert legend_of(figure) == ["optimizer adam", "optimizer sgd"]


def test_the_ranking_has_the_trials_in_where_alone() -> None:
    results = made_up_run(choices=CHOICES)
    options = {"color": "optimizer", "where": {"lr": 0.1}}
    (figure,) = effort.draw(results, "A title", **options).values()
    assert len(figure.axes[0].patches) == 2
    assert effort.draw(results, "A title", color="optimizer", above=0.99) == {}
