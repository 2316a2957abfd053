"""The figure of accuracy against time: its axes, legend and footer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from lenet.config import ConfigError
from study.analysis.results import Results
from study.figures import style
from study.figures.accuracy_against_time import draw
from tests.unit.made_up_run import made_up_run

SMALL = {"batch_size": [32, 64], "lr": [0.1, 0.01]}


def draw_one(results: Results, **options: Any) -> Figure:
    options = {"color": "optimizer", "marker": "batch_size"} | options
    (figure,) = draw(results, "A title", **options).values()
    return figure


def marks(axes: Axes) -> list[tuple[float, float]]:
    """Return (seconds, accuracy in %) of every mark."""
    found = []
    for group in axes.containers:
        assert isinstance(group, ErrorbarContainer)
        line = group.lines[0]
        assert line is not None
        found += list(zip(line.get_xdata(), line.get_ydata(), strict=True))
    return [(float(x), float(y)) for x, y in found]


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts() if text.get_text().strip()]


def written_on(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def test_a_mark_is_a_point_at_an_evaluated_record_averaged_over_seeds() -> None:
    (axes,) = draw_one(made_up_run(seeds=3, choices=SMALL)).axes
    # The made-up run evaluates the test set at the last record alone.
    assert len(marks(axes)) == 8
    assert (12.5, pytest.approx(97.2)) in marks(axes)
    (every,) = draw_one(made_up_run(choices=SMALL), quantity="validation_accuracy").axes
    assert len(marks(every)) == 8 * 5


def test_bars_are_the_interval_over_seeds_and_one_seed_has_none() -> None:
    (axes,) = draw_one(made_up_run(seeds=3, choices=SMALL)).axes
    (bars,) = axes.containers[0].lines[2]
    (low, high) = bars.get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((93.683, 94.677), abs=0.001)
    assert "95% intervals" in written_on(axes.figure)
    one = draw_one(made_up_run(choices=SMALL))
    assert not any(group.lines[2] for group in one.axes[0].containers)
    assert "intervals" not in written_on(one)


def test_colors_and_markers_follow_their_settings() -> None:
    figure = draw_one(made_up_run(choices=SMALL))
    lines = [group.lines[0] for group in figure.axes[0].containers]
    assert len({line.get_color() for line in lines}) == 2
    assert len({line.get_marker() for line in lines}) == 2
    assert legend_of(figure) == [
        "optimizer adam",
        "optimizer sgd",
        "batch size 32",
        "batch size 64",
    ]
    same = draw_one(made_up_run(choices=SMALL), marker="optimizer")
    assert legend_of(same) == ["optimizer adam", "optimizer sgd"]


def test_a_setting_that_does_not_vary_has_one_color() -> None:
    figure = draw_one(made_up_run(choices=SMALL), color="model")
    assert legend_of(figure)[0] == "model lenet"


def test_lower_accuracies_can_be_left_out() -> None:
    figure = draw_one(made_up_run(choices=SMALL), above=0.95)
    assert sorted(y for _, y in marks(figure.axes[0])) == pytest.approx([96.0, 97.0])
    assert legend_of(figure)[0] == "optimizer sgd"
    assert "Only accuracies above 95% are shown." in written_on(figure)
    assert draw(made_up_run(), "A title", color="optimizer", marker="batch_size", above=0.99) == {}


def test_a_wide_range_of_times_takes_a_log_scale() -> None:
    results = made_up_run(choices=SMALL)
    assert draw_one(results).axes[0].get_xscale() == "linear"
    slow = results.records["trial"].str.startswith("sgd")
    results.records.loc[slow, "train_seconds"] *= 11
    assert draw_one(results).axes[0].get_xscale() == "log"


def test_good_accuracies_are_drawn_by_their_errors() -> None:
    axes = draw_one(made_up_run(), quantity="validation_accuracy").axes[0]
    assert axes.get_yscale() == "function"
    assert axes.get_ylabel().endswith("log scale of errors")
    assert draw_one(made_up_run(), above=0.95).axes[0].get_yscale() == "linear"


def test_the_frame_holds_intervals_unless_they_reach_far_beyond_all_marks() -> None:
    near = draw_one(made_up_run(seeds=3, choices=SMALL))
    low, high = near.axes[0].get_ylim()
    ends = [y for group in near.axes[0].containers for y in group.lines[2][0].get_segments()]
    assert all(low <= y <= high for segment in ends for _, y in segment)
    assert "The frame cuts off" not in written_on(near)
    wide = made_up_run(seeds=2, choices=SMALL)
    one = wide.trials["seed"] == 0
    wide.trials.loc[one, "test_accuracy"] = wide.trials.loc[one, "test_accuracy"] - 0.2
    wide.records["test_accuracy"] = wide.records["trial"].map(
        wide.trials.set_index("trial")["test_accuracy"]
    )
    assert "The frame cuts off those that reach far beyond all marks." in written_on(draw_one(wide))


def test_footer_states_provenance_and_omissions() -> None:
    status = {"sgd_lr0.1_batch32": "diverged", "sgd_lr0.1_batch64": "failed"}
    figure = draw_one(made_up_run(choices=SMALL, status=status))
    assert len(marks(figure.axes[0])) == 6
    assert "A title" in written_on(figure)
    assert "data set mnist; budget quick; 1 seed" in written_on(figure)
    assert "Settings that vary: optimizer, learning rate, batch size." in written_on(figure)
    assert "Not shown: 2 of 8 trials (diverged, failed or unfinished)." in written_on(figure)


def test_runs_without_a_result_make_no_figure() -> None:
    for status in ("failed", "diverged"):
        results = made_up_run(choices=SMALL, status={"sgd": status, "adam": status})
        assert draw(results, "A title", color="optimizer", marker="batch_size") == {}


def test_nothing_overlaps(tmp_path: Path) -> None:
    results = made_up_run(seeds=2)
    seconds = [0.5 * 3 ** (i % 5) for i in range(len(results.records))]
    results.records["train_seconds"] = seconds
    figure = draw_one(results, quantity="validation_accuracy", color="lr")
    figure.draw_without_rendering()
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    boxes += [thing.get_window_extent() for thing in (*figure.legends, *figure.texts)]
    labels = [text for text in figure.axes[0].get_xticklabels() if text.get_text()]
    inside = [
        label.get_window_extent()
        for label in labels
        if figure.axes[0].get_xlim()[0] <= label.get_position()[0] <= figure.axes[0].get_xlim()[1]
    ]
    for group in (boxes, inside):
        for i, box in enumerate(group):
            assert box is not None
            assert not any(box.overlaps(other) for other in group[:i] if other is not None)
    assert len(style.save(figure, tmp_path / "figure")) == 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"color": "optimiser"}, ConfigError, "did you mean 'optimizer'"),
        ({"marker": "batchsize"}, ConfigError, "did you mean 'batch_size'"),
        ({"quantity": "test_loss"}, ConfigError, "unknown accuracy 'test_loss'"),
    ],
)
def test_wrong_options_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        draw_one(made_up_run(), **options)
