"""Figures of curves and paths: their axes, legends and footers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from lenet.config import ConfigError
from lenet.datasets import Dataset
from search_spaces.fan import FAN as STUDY
from search_spaces.study import Figure
from study.analysis.chance import chance_accuracy
from study.analysis.results import Results, select
from study.figures import curves, path, style
from study.figures.draw import draw_all
from tests.unit.fan_figures import curves_of, draw_fan, legend_of, marks_of, written_on
from tests.unit.made_up_run import EPOCHS, made_up_run

# What is drawn


def test_a_panel_for_each_batch_size_with_its_lines() -> None:
    figure = draw_fan(made_up_run())
    assert [ax.get_title() for ax in figure.axes] == [
        f"batch size {size}" for size in (32, 64, 128, 256)
    ]
    for ax in figure.axes:
        assert [line.get_linestyle() for line in curves_of(ax)] == ["-", "--"] * 3
    assert legend_of(figure) == [
        "learning rate 0.001",
        "learning rate 0.01",
        "learning rate 0.1",
        "training",
        "validation",
    ]


def test_a_line_is_its_trials_records() -> None:
    results = made_up_run()
    solid, dashed = curves_of(draw_fan(results).axes[0])[-2:]  # the last is learning rate 0.1
    records = results.records[results.records["trial"] == "sgd_lr0.1_batch32_seed0"]
    assert list(solid.get_xdata()) == [1, 2, 3, 4, 5]
    assert list(solid.get_ydata()) == pytest.approx(100 * records["train_accuracy"])
    assert list(dashed.get_ydata()) == pytest.approx(100 * records["validation_accuracy"])


def test_seeds_become_a_mean_with_a_band() -> None:
    axes = draw_fan(made_up_run(seeds=3)).axes[0]
    one = draw_fan(made_up_run(seeds=1)).axes[0]
    assert len(axes.collections) == 6
    assert len(one.collections) == 0
    solid = curves_of(axes)[-1]
    assert solid.get_ydata()[-1] == pytest.approx(98.2)  # of 98.0, 98.2 and 98.4
    bands = ["range over seeds, training", "range over seeds, validation"]
    assert [text for text in legend_of(axes.figure) if "range" in text] == bands
    assert not [text for text in legend_of(one.figure) if "range" in text]


def test_bands_of_training_and_validation_look_different() -> None:
    training, validation = draw_fan(made_up_run(seeds=3)).axes[0].collections[-2:]
    assert training.get_facecolor()[0][3] > 0
    assert training.get_linewidth()[0] == 0
    assert not len(validation.get_facecolor())
    assert validation.get_linewidth()[0] > 0


def test_panels_share_their_axes() -> None:
    figure = draw_fan(made_up_run())
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "epoch", "epoch"]
    assert [ax.get_ylabel() for ax in figure.axes] == ["accuracy (%)\nlog scale of errors", ""] * 2


def test_a_wide_range_of_losses_takes_a_log_scale() -> None:
    results = made_up_run()
    assert draw_fan(results, "loss").axes[0].get_yscale() == "log"
    flat = results.records.assign(train_loss=0.5, validation_loss=0.6)
    level = Results(run=results.run, trials=results.trials, records=flat)
    assert draw_fan(level, "loss").axes[0].get_yscale() == "linear"


def test_footer_states_provenance_and_omissions() -> None:
    text = written_on(draw_fan(made_up_run(seeds=2, status={"sgd_lr0.1_batch32_seed1": "failed"})))
    flat = text.replace("\n", " ")
    assert "A title" in flat
    assert "data set mnist; budget quick; 1 to 2 seeds; cpu (made up)" in flat
    assert "at most 10,000 training samples; 5 epochs" in flat
    assert "Not shown: 1 of 24 trials (failed or unfinished)." in flat


@pytest.mark.parametrize(
    ("begun", "reason"), [(False, "not trained yet"), (True, "failed or unfinished")]
)
def test_footer_tells_trials_to_come_from_those_that_were_cut_short(
    begun: bool, reason: str
) -> None:
    results = made_up_run(seeds=2, status={"sgd_lr0.1_batch32_seed1": "unfinished"})
    is_finished = results.trials["status"] == "finished"
    started = results.trials["status"].where(is_finished | begun).astype(object)
    trials = results.trials.assign(started=started)
    found = Results(run=results.run, trials=trials, records=results.records)
    text = written_on(draw_fan(found)).replace("\n", " ")
    assert f"Not shown: 1 of 24 trials ({reason})." in text


# Runs that ended early


def test_a_diverged_run_is_marked_where_it_ended() -> None:
    figure = draw_fan(made_up_run(status={"sgd_lr0.1_batch32": "diverged"}))
    (mark,) = marks_of(figure.axes[0])
    assert list(mark.get_xdata()) == [3]
    assert all(not marks_of(ax) for ax in figure.axes[1:])
    assert mark.get_color() == curves_of(figure.axes[0])[-1].get_color()
    assert any(text.startswith("diverged") for text in legend_of(figure))


def test_a_loss_that_is_not_finite_is_marked_inside_the_panel_at_its_top() -> None:
    figure = draw_fan(made_up_run(status={"sgd_lr0.1_batch32": "diverged"}), "loss")
    axes = figure.axes[0]
    (mark,) = marks_of(axes)
    x, y = axes.transAxes.inverted().transform(mark.get_transform().transform((3, 0.97)))
    assert mark.get_ydata()[0] == pytest.approx(0.97)
    assert 0 < x < 1
    assert y == pytest.approx(0.97)
    assert list(curves_of(axes)[-1].get_xdata()) == [1, 2]


def test_runs_that_all_diverged_at_once_are_still_a_figure(tmp_path: Path) -> None:
    results = made_up_run(choices={"batch_size": [32]}, status={"sgd": "diverged"})
    nan = float("nan")
    results.records[["train_loss", "validation_loss"]] = nan
    figure = draw_fan(results, "loss")
    heights = [mark.get_ydata()[0] for mark in marks_of(figure.axes[0])]
    assert len(set(heights)) == 3  # none hides another
    style.save(figure, tmp_path / "all-diverged")


def test_the_mean_ends_with_the_first_seed_and_the_others_go_on_alone() -> None:
    figure = draw_fan(made_up_run(seeds=3, status={"sgd_lr0.1_batch32_seed1": "diverged"}))
    axes = figure.axes[0]
    solid = curves_of(axes)[-2]
    assert list(solid.get_xdata()) == [1, 2, 3]
    thin = [line for line in axes.lines if line.get_linestyle() == "-" and line.get_lw() < 1]
    assert [list(line.get_xdata()) for line in thin] == [[3, 4, 5]] * 2
    assert "remaining seeds, after one ended" in legend_of(figure)


def test_a_mark_stays_inside_its_panel() -> None:
    results = made_up_run(seeds=2, status={"sgd_lr0.1_batch32_seed1": "diverged"})
    ended = (results.records["trial"] == "sgd_lr0.1_batch32_seed1") & results.records["diverged"]
    results.records.loc[ended, "train_accuracy"] = 0.02  # far below every mean
    axes = draw_fan(results).axes[0]
    (mark,) = marks_of(axes)
    assert mark.get_ydata()[0] == pytest.approx(2.0)
    assert axes.get_ylim()[0] <= 2.0


def test_a_stopped_run_is_marked_apart_from_a_diverged_one() -> None:
    figure = draw_fan(made_up_run(status={"sgd_lr0.1_batch32": "stopped"}))
    (mark,) = marks_of(figure.axes[0], "|")
    assert list(mark.get_xdata()) == [2]
    assert not marks_of(figure.axes[0])
    assert "stopped by the scheduler" in legend_of(figure)


# Narrowed and widened grids


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_there_are_no_empty_panels(count: int) -> None:
    sizes = [2**k for k in range(3, 3 + count)]
    figure = draw_fan(made_up_run(choices={"batch_size": sizes}))
    assert len(figure.axes) == count
    assert all(curves_of(ax) for ax in figure.axes)
    # Below every panel come either another one or the numbers of the epochs.
    last = [ax for ax in figure.axes if ax.get_xlabel()]
    assert len(last) == len({ax.get_subplotspec().colspan.start for ax in figure.axes})


def test_a_panel_whose_trials_all_failed_is_dropped() -> None:
    figure = draw_fan(
        made_up_run(status={f"sgd_lr{lr}_batch64": "failed" for lr in (0.1, 0.01, 0.001)})
    )
    assert [ax.get_title() for ax in figure.axes] == [
        f"batch size {size}" for size in (32, 128, 256)
    ]


def test_a_combination_that_failed_leaves_the_other_lines() -> None:
    figure = draw_fan(made_up_run(status={"sgd_lr0.1_batch64": "failed"}))
    assert [len(curves_of(ax)) for ax in figure.axes] == [6, 4, 6, 6]


def test_a_third_setting_splits_the_figure_and_is_not_averaged_over() -> None:
    options = curves.Options(
        where={"optimizer": "sgd"}, quantity="loss", panel="batch_size", line="lr"
    )
    figures = curves.draw(made_up_run(choices={"dropout": [0.0, 0.5]}), "A title", options)
    assert sorted(figures) == ["-dropout0", "-dropout0.5"]
    assert "A title, dropout 0.5" in written_on(figures["-dropout0.5"])
    assert all(not ax.collections for figure in figures.values() for ax in figure.axes)


def test_a_users_model_makes_file_names_without_a_colon() -> None:
    results = made_up_run(choices={"model": ["lenet", "my.models:Net"], "batch_size": [32]})
    options = curves.Options(**STUDY.figures[0].options)
    assert sorted(curves.draw(results, "A title", options)) == [
        "-modellenet",
        "-modelmy.models-Net",
    ]


def test_a_value_has_the_same_color_in_every_figure() -> None:
    full = draw_fan(made_up_run())
    partial = draw_fan(made_up_run(status={"sgd_lr0.001": "failed", "sgd_lr0.01": "failed"}))
    assert curves_of(partial.axes[0])[-1].get_color() == curves_of(full.axes[0])[-1].get_color()


@pytest.mark.parametrize("count", [1, 3, 6, 7, 12])
def test_values_have_distinct_colors(count: int) -> None:
    colors = style.colors(range(count))
    assert len({to_hex(color) for color in colors.values()}) == count


# Scales


def test_good_accuracies_are_drawn_by_their_errors() -> None:
    axes = draw_fan(made_up_run()).axes[0]

    def height(accuracy: float) -> float:
        return float(
            axes.transAxes.inverted().transform(axes.transData.transform((1, accuracy)))[1]
        )

    # Half the errors are the same step everywhere.
    assert height(98) - height(96) == pytest.approx(height(92) - height(84))
    assert height(98) - height(96) > 0.1
    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert ticks == [80, 90, 95, 98]


def test_a_line_is_at_chance() -> None:
    results = made_up_run()
    assert "chance (10%)" not in legend_of(draw_fan(results))  # below all that is drawn
    results.records.loc[results.records["epoch"] == 1, "train_accuracy"] = 0.08
    figure = draw_fan(results)
    assert "chance (10%)" in legend_of(figure)
    for ax in figure.axes:
        assert [list(line.get_ydata()) for line in ax.lines].count([10, 10]) == 1
    assert "chance (10%)" not in legend_of(draw_fan(results, "loss"))
    results.trials["dataset"] = "my.data:load"
    assert "chance (10%)" not in legend_of(draw_fan(results))


def test_the_line_at_chance_has_dashes_of_its_own() -> None:
    results = made_up_run(seeds=2)
    results.records.loc[results.records["epoch"] == 1, "train_accuracy"] = 0.08
    figure = draw_fan(results)
    (handle,) = [h for h in figure.legends[0].legend_handles if h.get_label() == "chance (10%)"]
    axes = figure.axes[0]
    (chance,) = [line for line in axes.lines if list(line.get_ydata()) == [10, 10]]
    others = [line for line in axes.lines if line is not chance]
    assert {line.get_linestyle() for line in others} == {"-", "--"}
    # Dash, gap, dot, gap: neither dashed as validation nor dotted as the edges of its range.
    for line in (chance, handle):
        _, pattern = line._unscaled_dash_pattern
        assert len(pattern) == 4
        assert pattern[0] > 3 * pattern[2]


@pytest.mark.parametrize("epochs", [5, 40])
def test_the_legend_has_the_markers_of_the_lines(epochs: int) -> None:
    results = made_up_run()
    whole = [results.records.assign(epoch=results.records["epoch"] + 5 * i) for i in range(8)]
    longer = [each.assign(step=each["step"] + 500 * i) for i, each in enumerate(whole)]
    figure = draw_fan(replace(results, records=pd.concat(longer[: epochs // 5])))
    drawn = {line.get_marker() != "" for ax in figure.axes for line in curves_of(ax)}
    handles = {h.get_label(): h.get_marker() for h in figure.legends[0].legend_handles}
    of_lines = {marker not in {"", "None"} for name, marker in handles.items() if name.strip()}
    assert drawn == of_lines == {epochs == 5}


def test_chance_is_one_of_the_classes(digits: Dataset) -> None:
    assert (
        chance_accuracy(made_up_run(choices={"dataset": ["digits"]}).trials) == 1 / digits.classes
    )
    assert chance_accuracy(pd.DataFrame({"dataset": ["mnist", "line"]})) is None


def test_points_at_one_place_are_spread() -> None:
    offsets = style.spread(12)
    assert offsets == style.spread(12)
    assert max(map(abs, offsets)) <= 0.5
    assert min(abs(a - b) for a, b in itertools.combinations(offsets, 2)) > 0.03


# What cannot be drawn


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        ("curve", {}, ConfigError, "did you mean 'curves'"),
        ("style", {}, ConfigError, "unknown kind of figure 'style'"),
        ("curves", {"rows": "lr"}, ConfigError, "figure mine, of kind curves: .*'rows'"),
        ("curves", {"quantity": "speed"}, ConfigError, "unknown quantity 'speed'"),
        ("curves", {"panel": "batchsize"}, ConfigError, "did you mean 'batch_size'"),
    ],
)
def test_a_wrong_declaration_is_refused(
    tmp_path: Path, kind: str, options: Mapping[str, Any], error: type[Exception], message: str
) -> None:
    options = {**STUDY.figures[0].options, **options}
    figure = Figure(name="mine", kind=kind, title="Mine", options=options)
    with pytest.raises(error, match=message):
        draw_all(replace(STUDY, figures=(figure,)), made_up_run(), tmp_path)


def draw_curves(results: Results, **options: Any) -> Any:
    where = {"optimizer": "sgd", "batch_size": 32}
    chosen = curves.Options(where=where, line="lr", **options)
    (figure,) = curves.draw(results, "A title", chosen).values()
    return figure


def test_two_settings_can_share_the_lines_of_one_panel() -> None:
    options = curves.Options(
        where={"batch_size": 32}, quantity="loss", line=("optimizer", "lr"), parts=("test",)
    )
    (figure,) = curves.draw(made_up_run(choices={"batch_size": [32]}), "A title", options).values()
    (axes,) = figure.axes
    lines = curves_of(axes)
    assert len({line.get_color() for line in lines}) == len(lines) == 6
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named[:2] == ["adam, learning rate 0.001", "adam, learning rate 0.01"]
    assert "sgd, learning rate 0.1" in named


def test_any_column_of_the_records_can_be_drawn_by_step() -> None:
    results = made_up_run(choices={"batch_size": [32]})
    figure = draw_curves(results, quantity="lr", x="step", log=True)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "learning rate")
    assert axes.get_yscale() == "log"
    drawn = {tuple(line.get_ydata()) for line in axes.get_lines()}
    assert drawn == {(lr,) * EPOCHS for lr in (0.001, 0.01, 0.1)}
    assert list(axes.get_lines()[0].get_xdata()) == [100, 200, 300, 400, 500]


def test_a_single_split_is_solid_and_ends_at_the_step_given() -> None:
    results = made_up_run(choices={"batch_size": [32]})
    figure = draw_curves(results, quantity="accuracy", parts=("validation",), until=300)
    lines = figure.axes[0].get_lines()
    assert {line.get_linestyle() for line in lines} == {"-"}
    assert {max(line.get_xdata()) for line in lines} == {3.0}
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "validation" not in labels


def test_curves_can_begin_at_the_start() -> None:
    results = made_up_run(choices={"batch_size": [32], "lr": [0.1], "optimizer": ["sgd"]})
    options = {"quantity": "accuracy", "parts": ("test",), "x": "step"}
    (line,) = draw_curves(results, **options, start=0.1).axes[0].get_lines()[:1]
    (without,) = draw_curves(results, **options).axes[0].get_lines()[:1]
    assert list(line.get_xdata()) == [0, *without.get_xdata()]
    assert list(line.get_ydata()) == pytest.approx([10.0, *without.get_ydata()])


def test_a_setting_that_follows_from_the_line_does_not_split_the_figure() -> None:
    results = made_up_run(choices={"batch_size": [32]})
    results.trials["eps"] = results.trials["lr"] / 1000
    figure = draw_curves(results, quantity="accuracy")
    assert len(figure.axes) == 1


def test_paths_run_from_the_start_to_the_last_step() -> None:
    results = made_up_run(choices={"batch_size": [32], "optimizer": ["sgd"]})
    results.records["observed_W"] = 1.0 - results.records["epoch"]
    results.records["observed_b"] = results.records["epoch"] / 5
    options = {"where": {}, "line": "lr", "start": (1.0, 0.0), "points": ((0, 1), (1, 0))}
    (figure,) = path.draw(results, "A title", **options, until=300).values()
    assert [ax.get_title() for ax in figure.axes] == [
        f"learning rate {lr}" for lr in ("0.001", "0.01", "0.1")
    ]
    line = figure.axes[0].get_lines()[0]
    assert list(line.get_xdata()) == [1, 0, -1, -2]
    assert list(line.get_ydata()) == pytest.approx([0, 0.2, 0.4, 0.6])
    # The minimum is the line through the two points.
    best = figure.axes[0].get_lines()[-1]
    assert (best.get_xdata()[0], best.get_ydata()[0]) == pytest.approx((-1, 1))
    with pytest.raises(ConfigError, match="a path needs observed_W"):
        path.draw(made_up_run(), "A title", **options)


def test_a_set_stands_for_any_of_its_values() -> None:
    trials = made_up_run().trials
    chosen = select(trials, {"lr": frozenset({0.1, 0.01}), "optimizer": "sgd"})
    assert sorted(chosen["lr"].unique()) == [0.01, 0.1]
    assert set(chosen["optimizer"]) == {"sgd"}
