"""The readings of a learning-rate range test, on curves with known answers."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import search_spaces
from search_spaces import lr_range
from study.analysis.ramp_shape import AFTER_THE_RISE, REPEATED_RATES
from study.analysis.range_rules import ONE_ORDER_BELOW, RULES
from study.analysis.range_test import (
    Suggestion,
    ramp_name,
    read_curve,
    smooth_losses,
    verification_lr,
)
from study.analysis.recommendation import recommend
from study.analysis.results import Results
from study.analysis.verification import range_test_cases, verification_lrs
from study.figures import range_test
from study.report.answer import range_test_lines
from study.runs.metadata import DatasetInfo, RunMetadata
from study.tables import range_recommendation, range_regret, range_suggestions
from study.tuning.verification import constant_rate

BY_NAME = {rule.name: rule for rule in RULES}


def curve(losses, lrs):
    steps = np.arange(1, len(lrs) + 1)
    return pd.DataFrame({"step": steps, "lr": lrs, "loss": losses}, dtype=float)


def cliff(points=2000, low=1e-6, high=1.0):
    """A flat loss that falls by a logistic centered at 1e-3 in log LR and rises from 0.1 on."""
    lrs = np.geomspace(low, high, points)
    fall = 2.0 / (1 + np.exp(-3 * (np.log10(lrs) + 3)))
    return lrs, 2.3 - fall + 5.0 * np.clip(np.log10(lrs) + 1, 0, None) ** 2


def read(losses, lrs, rule, *, ended_early=False, planned=None):
    planned = planned or len(lrs)
    return read_curve(curve(losses, lrs), rule, planned=planned, ended_early=ended_early)


def test_the_lowest_loss_gives_a_tenth_of_its_learning_rate():
    lrs, losses = cliff()
    at = lrs[np.argmin(losses)] / 10
    assert read(losses, lrs, ONE_ORDER_BELOW).lr == pytest.approx(at)
    # Smoothing delays the minimum, so fastai's suggestion is higher.
    assert at < read(losses, lrs, BY_NAME["fastai minimum"]).lr < 1.5 * at


def test_steepest_by_the_logarithm_or_by_the_learning_rate_itself():
    lrs, losses = cliff()
    in_log = read(losses, lrs, BY_NAME["torch-lr-finder"]).lr
    in_lr = read(losses, lrs, BY_NAME["Lightning"]).lr
    assert in_log == pytest.approx(1e-3, rel=0.5)
    # The slope by learning rate is steepest at small learning rates.
    assert in_lr < in_log / 2


def test_a_rule_that_divides_by_the_learning_rate_needs_it_to_rise():
    lrs = np.repeat([0.1, 0.15, 0.225, 0.3375, 0.5, 0.76], 10)
    losses = np.r_[np.linspace(2, 0.5, 40), np.linspace(0.6, 3, 20)]
    for name in ("fastai steep", "Lightning"):
        reading = read(losses, lrs, BY_NAME[name])
        assert (reading.lr, reading.problem) == (None, REPEATED_RATES)
    assert read(losses, lrs, BY_NAME["torch-lr-finder"]).lr in lrs[:40]


def test_a_tool_reads_a_diverged_ramp_as_if_it_had_trained_on():
    lrs, losses = cliff(100)
    losses[80] = math.nan
    for rule in RULES:
        whole = rule.pick(lrs, np.where(np.arange(100) < 80, losses, math.nan), 100)
        reading = read(losses[:81], lrs[:81], rule, ended_early=True, planned=100)
        assert reading.lr == rule.suggested_lr(lrs, whole)


def test_where_the_loss_has_risen_again_a_suggestion_is_flagged():
    """As fastai's slide, which begins at the end and stays where the slopes are alike."""
    lrs = np.geomspace(1e-7, 10, 100)
    losses = np.r_[np.full(40, 2.3), np.linspace(2.3, 0.3, 20), np.linspace(0.3, 2.3, 10)]
    losses = np.r_[losses, np.full(30, 2.3)]
    reading = read(losses, lrs, BY_NAME["fastai slide"])
    assert reading.problem == AFTER_THE_RISE
    assert reading.lr > lrs[70]


@pytest.mark.parametrize(
    ("losses", "advice"),
    [
        (np.linspace(1, 5, 100), "begin the ramp lower"),
        (np.r_[np.linspace(2.3, 2.25, 50), np.linspace(2.25, 4, 50)], "more steps"),
        (np.linspace(5, 1, 100), "end the ramp higher"),
        ([2.0, 1.0, 3.0], "too few records"),
    ],
)
def test_no_true_minimum_comes_with_advice(losses, advice):
    lrs = np.geomspace(1e-4, 1, len(losses))
    reading = read(losses, lrs, ONE_ORDER_BELOW)
    assert reading.lr is None
    assert advice in reading.advice


def test_a_ramp_that_diverged_was_not_still_falling():
    lrs = np.geomspace(1e-4, 1, 100)
    reading = read(np.linspace(5, 1, 100), lrs, ONE_ORDER_BELOW, ended_early=True)
    assert reading.lr == pytest.approx(0.1)


def test_a_tool_with_too_few_losses_has_no_answer():
    lrs, losses = cliff(15)
    for name in ("fastai slide", "torch-lr-finder"):
        reading = read(losses, lrs, BY_NAME[name])
        assert reading.lr is None
        assert "too few records" in reading.advice
    assert read(losses, lrs, BY_NAME["fastai minimum"]).lr is not None


def test_smoothing_decays_per_step_and_has_no_initial_bias():
    dense = curve(np.full(50, 3.0), np.ones(50))
    assert smooth_losses(dense, 0.98) == pytest.approx(np.full(50, 3.0))
    sparse = pd.DataFrame({"step": [1, 101], "lr": [1.0, 1.0], "loss": [9.0, 1.0]})
    # After a hundred steps the first loss has almost no weight.
    assert smooth_losses(sparse, 0.9)[-1] == pytest.approx(1.0, abs=0.01)


def test_a_suggestion_is_a_geometric_mean_with_an_interval():
    readings = [
        read(np.r_[np.linspace(5, 1, 50), np.full(50, 9.0)], lrs, ONE_ORDER_BELOW)
        for lrs in (np.geomspace(1e-4, 1, 100), np.geomspace(1e-3, 10, 100))
    ]
    found = Suggestion(ONE_ORDER_BELOW, readings)
    assert found.lr == pytest.approx(math.sqrt(readings[0].lr * readings[1].lr))
    low, high = found.interval
    assert low < min(reading.lr for reading in readings) < found.lr < high
    assert low * high == pytest.approx(found.lr**2)


def test_most_seeds_must_have_a_minimum():
    lrs = np.geomspace(1e-4, 1, 100)
    good, bad = np.r_[np.linspace(5, 1, 50), np.full(50, 9.0)], np.linspace(1, 5, 100)
    readings = [read(losses, lrs, ONE_ORDER_BELOW) for losses in (good, bad)]
    found = Suggestion(ONE_ORDER_BELOW, readings)
    assert found.lr is None
    assert found.seeds_without_answer == 1
    assert "begin the ramp lower" in found.advice


@pytest.mark.parametrize(
    ("lr", "trained"), [(0.0249, 0.02), (0.0033, 0.005), (0.9, 1.0), (1.2e-05, 1e-05), (7.5, 10.0)]
)
def test_a_suggestion_is_verified_at_1_2_or_5(lr, trained):
    assert verification_lr(lr) == trained


def test_ramps_have_names():
    assert ramp_name("ramp-exponential", 1e-6) == "lambda"
    assert ramp_name("ramp-linear", 0.5) == "linear from 0.5"


def results(accuracies, quantity="train_loss", ended_at=601):
    """Return a run of a ramp with two seeds, whose lowest loss is at 0.1, and of its verification.

    `accuracies`: the final accuracy of each seed, by constant learning rate; None if it diverged.
    `ended_at`: the last step of the ramp, of 601.
    """
    study = lr_range.STUDIES[0].with_choices({"schedule": ["ramp-exponential"], "lr": [1e-6]})
    study = study.with_choices({"optimizer": ["sgd"]})
    trials, records = [], []
    for planned in study.plan("quick", 2):
        ramp = {"trial": planned.name, "status": "finished", "validation_accuracy": math.nan}
        ramp |= {"epoch": ended_at / 79, "samples": ended_at / 79 * 10_000, "step": ended_at}
        trials.append(ramp | planned.config.replace(steps=601).to_dict())
        lrs = np.geomspace(1e-6, 1, 601)
        losses = np.r_[np.linspace(5, 1, 501), np.full(100, 9.0)]
        records += [
            {"trial": planned.name, "step": i + 1, "lr": lr, quantity: loss, "diverged": False}
            for i, (lr, loss) in enumerate(zip(lrs, losses, strict=True))
            if i < ended_at
        ]
        for lr, by_seed in accuracies.items():
            final = by_seed[planned.config.seed]
            status = "diverged" if final is None else "finished"
            settings = planned.config.replace(schedule="constant", lr=lr, final_lr=None).to_dict()
            trials.append(
                {
                    "trial": f"{planned.name}-{lr}",
                    "status": status,
                    "validation_accuracy": final,
                    **settings,
                }
            )
    table = pd.DataFrame(trials).drop(columns="evaluate_at")  # parquet tables hold no tuples
    return Results({"study": "lr-range"}, table, pd.DataFrame(records))


def test_a_ramp_that_ended_early_was_not_still_falling(tmp_path):
    """In a table on disk, unset settings are None or NaN."""

    def advice(ended_at):
        of = results({}, ended_at=ended_at)
        falls = of.records["step"] <= 501
        of.records["train_loss"] = of.records["train_loss"].where(
            falls, 0.9 - of.records["step"] / 1000
        )
        of.trials.to_parquet(tmp_path / "trials.parquet")
        of = Results(of.run, pd.read_parquet(tmp_path / "trials.parquet"), of.records)
        (case,) = range_test_cases(of, "train_loss")
        found = {s.rule.name: s for ramp in case.ramps for s in ramp.suggestions}
        return found["one order below"].advice, found["one order below"].lr

    assert advice(ended_at=501) == ("", pytest.approx(0.01))
    assert "end the ramp higher" in advice(ended_at=601)[0]


def test_ramps_with_different_ends_are_different_ramps():
    of = results({})
    of.trials["final_lr"] = [0.5, 1.0]
    (case,) = range_test_cases(of, "train_loss")
    assert [ramp.name for ramp in case.ramps] == ["lambda, final lr 0.5", "lambda, final lr 1"]
    assert all(len(s.readings) == 1 for ramp in case.ramps for s in ramp.suggestions)


def test_trials_of_another_model_are_not_seeds():
    of = results({})
    of.trials["model"] = ["lenet", "lenet5-tanh"]
    of.trials["seed"] = 0
    without = of.trials.drop(columns="blow_up")  # as in runs of earlier versions
    for trials in (of.trials, without):
        table = range_suggestions.make(Results(of.run, trials, of.records), quantity="train_loss")
        assert len(table) == 2 * len(BY_NAME)
        assert set(table["seeds without answer"]) == {"0 of 1"}


def test_learning_rates_of_the_verification():
    (case,) = range_test_cases(results({}), "train_loss")
    found = {s.rule.name: s.lr for ramp in case.ramps for s in ramp.suggestions}
    assert found["one order below"] == pytest.approx(0.01)
    assert {0.001, 0.01, 0.1} <= set(verification_lrs(case))
    assert case.best_lr is None


def test_regret_is_the_accuracy_below_the_best():
    of = results({0.001: (0.90, 0.91), 0.01: (0.95, 0.97), 0.1: (0.99, 0.98), 1.0: (None, None)})
    (case,) = range_test_cases(of, "train_loss")
    assert case.best_lr == 0.1
    assert case.regret(0.01).mean == pytest.approx(0.025)
    assert case.regret(0.1).mean == 0
    assert case.regret(1.0).mean == pytest.approx(0.985)
    assert case.regret(0.5) is None
    table = range_regret.make(of, quantity="train_loss").set_index("rule")
    assert table.loc["one order below", "sgd"].startswith("2.50 [-16.42, 21.24]")
    assert table.loc["one order below", "sgd"].endswith("(at 0.01)")
    assert table.loc["best learning rate found", "sgd"] == "0.1, 98.50 %"


def test_the_table_of_suggestions():
    table = range_suggestions.make(results({}), quantity="train_loss").set_index("rule")
    assert list(table.index) == list(BY_NAME)
    assert table.loc["one order below", "suggested LR"] == "0.01"
    assert table.loc["one order below", "note"] == "-"
    assert set(table["ramp"]) == {"lambda"}


def test_the_table_of_recommendations_has_one_learning_rate_per_optimizer():
    trained = {0.01: (0.95, 0.97), 0.1: (0.99, 0.98), 1.0: (None, None)}
    (row,) = range_recommendation.make(results(trained), quantity="train_loss").to_dict("records")
    assert (row["optimizer"], row["use"]) == ("sgd", "0.1")
    assert row["reason"].startswith("Best of 3 learning rates trained: 98.50 % over 2 seeds. Rules")


def test_the_answer_names_the_learning_rate_or_why_there_is_none():
    of = results({})
    (case,) = range_test_cases(of, "train_loss")
    assert range_test_lines([case]) == [f"Learning rate for optimizer sgd: {recommend(case).lr:g}"]
    rising = of.records["train_loss"].groupby(of.records["trial"]).cummax() + of.records["step"]
    of.records["train_loss"] = rising
    (line,) = range_test_lines(range_test_cases(of, "train_loss"))
    assert line.startswith("No learning rate for optimizer sgd: ")
    assert "These rules answer" not in line


def test_a_ramp_that_diverges_at_once_does_not_affect_other_panels():
    """One of two optimizers never leaves its first learning rate."""
    good, bad = results({}), results({})
    bad.trials["optimizer"] = "adam"
    bad.trials["trial"] = "bad-" + bad.trials["trial"]
    few = bad.records[bad.records["step"] <= 3].assign(lr=1e-6, train_loss=[2.0, 90.0, 900.0] * 2)
    few["trial"] = "bad-" + few["trial"]
    trials = pd.concat([good.trials, bad.trials], ignore_index=True)
    trials = trials.assign(device="cpu (made up)", threads=1)
    records = pd.concat([good.records, few], ignore_index=True)
    run = RunMetadata(
        study="lr-range", budget="quick", dataset=DatasetInfo("mnist"), device="cpu (made up)"
    )
    drawn = range_test.draw(Results(run, trials, records), "made up", quantity="train_loss")
    (figure,) = drawn.values()
    adam, sgd, *_ = figure.axes
    assert [text.get_text() for text in adam.texts] == ["blows up at once"]
    assert sgd.get_ylim()[1] < 10


def test_no_mark_of_a_suggestion_is_clipped():
    measured = Results.load(Path(__file__).parents[2] / "docs" / "results" / "lr-range")
    drawn = range_test.draw(measured, "measured", quantity="train_loss")
    assert len(drawn) == 3
    marks = 0
    for figure in drawn.values():
        for ax in figure.axes:
            inside = ax.get_window_extent()
            for line in ax.get_lines():
                if line.get_marker() == "None":
                    continue
                marks += 1
                ((x, _),) = line.get_transform().transform(line.get_xydata())
                radius = line.get_markersize() / 2 * figure.dpi / 72
                assert inside.x0 + radius <= x <= inside.x1 - radius
    assert marks > 40


def test_suggestions_lie_in_a_strip_below_the_losses():
    measured = Results.load(Path(__file__).parents[2] / "docs" / "results" / "cs5260-lenet5-tanh")
    drawn = range_test.draw(measured, "measured", quantity="train_loss")
    figure = drawn["-multistep"]
    figure.draw_without_rendering()
    panels, strips = figure.axes[:3], figure.axes[3:]
    for panel, strip in zip(panels, strips, strict=True):
        (loss,) = [line for line in panel.get_lines() if line.get_lw() > 1]
        assert loss.get_marker() == "None"
        assert panel.get_ylim()[0] < min(loss.get_ydata())
        assert strip.get_window_extent().y1 <= panel.get_window_extent().y0
        assert strip.get_xlim() == panel.get_xlim()
        marks = [line for line in strip.get_lines() if line.get_marker() != "None"]
        heights = [float(line.get_ydata()[0]) for line in marks]
        assert len(set(heights)) == len(marks) >= 3  # a row per rule
    assert [ax.get_ylabel() for ax in figure.axes] == [
        *("training loss", "", ""),
        *("suggestions", "", ""),
    ]
    widths = [ax.get_window_extent().width for ax in figure.axes]
    assert max(widths) - min(widths) < 1


@pytest.mark.parametrize(("chosen", "epochs"), [((), 22), (("epochs",), 3)])
def test_a_verification_on_a_small_data_set_has_as_many_steps(chosen, epochs):
    study = search_spaces.find("lr-range").with_grids(["multistep"])
    ramp = study.plan("quick", 1, "digits")[0].config
    config = constant_rate(ramp, 3, "mnist", chosen)
    assert (config.epochs, config.schedule, config.gamma) == (epochs, "constant", None)
