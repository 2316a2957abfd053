"""The report of a search: rankings, notes on the winner, tables and figures."""

import math

import optuna
import pytest
from optuna.trial import TrialState

from search_spaces import search
from search_spaces.search import SPACE, STUDY
from study.analysis.importances import importances, left_out
from study.analysis.leaderboard import leaderboard
from study.analysis.search import (
    best_points,
    confirmed_lines,
    confirmed_points,
    pareto_front,
    quiet_optuna,
    rank_trials,
    search_notes,
    search_trials,
    words_for_unset,
)
from study.figures import search_confirmed, search_history, search_parallel, search_slices
from study.figures.draw import draw_all
from study.figures.search_trials import Trials
from study.report import summary
from study.tables import confirmed as confirmed_table
from study.tables import epochs_saved
from study.tables import importances as importances_table
from study.tables import pareto_front as pareto_front_table
from study.tuning.search import propose
from tests.unit.made_up_search import CONFIRMATIONS, ENDS, made_up_search, point


def test_of_equal_trials_the_search_ranks_first_what_the_leaderboard_does():
    """Of the equal trials 1 to 12, the last has the lowest dropout rate."""
    equal = made_up_search([("diverged", math.nan, 1.0), *[("finished", 0.9, 1.0)] * 12])
    first = rank_trials(search_trials(equal), "validation_accuracy").iloc[0]
    best = leaderboard(equal).iloc[0]
    settings = ["optimizer", "lr", "batch_size"]
    assert first[settings].tolist() == best[settings].tolist()
    assert first["number"] == 12


def test_fresh_seeds_decide_the_rank_and_the_report_tells_of_a_lucky_winner():
    search_results = made_up_search(ENDS, CONFIRMATIONS)
    confirmed = confirmed_points(search_results)
    assert [(point.number, point.search_rank) for point in confirmed] == [(4, 2), (1, 1)]
    assert confirmed[0].objective.mean == pytest.approx(0.955)
    assert confirmed[0].test_accuracy.mean == pytest.approx(0.945)
    assert confirmed[1].search_value == 0.97
    # Stopped and diverged trials have no rank.
    settings, *lines = confirmed_lines(search_results)
    assert settings.startswith("Best setting: optimizer ")
    assert lines == [
        "  validation accuracy 95.50 [82.87, 98.94] %, test 94.50 [83.50, 98.31] %, with 2 fresh "
        "seeds",
        "  It is trial 4 of the search, which had 95.00 % there; its own best, trial 1, ranks 2",
    ]
    assert confirmed_lines(made_up_search(ENDS)) == []


def test_the_table_of_confirmed_points():
    table = confirmed_table.make(made_up_search(ENDS, CONFIRMATIONS))
    assert table["trial"].tolist() == [4, 1]
    assert table["in the search"].tolist() == ["95.00", "97.00"]
    assert table["rank there"].tolist() == [2, 1]
    assert table["validation %"].iloc[0].startswith("95.50 [")
    # A setting that only some points have comes before the measurements, too.
    assert table["momentum"].tolist() == ["0.9", "0.9"]
    assert table["gamma"].tolist() == ["0.9", "-"]
    assert list(table.columns).index("gamma") < list(table.columns).index("validation %")
    assert confirmed_table.make(made_up_search(ENDS)).empty


def test_epochs_saved_by_stopping_trials():
    (row,) = epochs_saved.make(made_up_search(ENDS, CONFIRMATIONS)).to_dict("records")
    assert (row["trials"], row["stopped"], row["finished"]) == (6, 1, 4)
    assert row["epochs trained"] == "26"
    assert row["without stopping"] == "30"
    assert row["saved %"] == "13"
    assert row["epochs to confirm"] == "20"


@pytest.mark.parametrize(
    ("epochs", "steps", "without_stopping"),
    [(5, 300, "28"), (5, 900, "30"), (None, 900, "34")],
)
def test_a_stopped_trial_would_have_ended_at_its_epochs_or_steps(epochs, steps, without_stopping):
    limited = made_up_search(ENDS)
    limited.trials["epochs"], limited.trials["steps"] = epochs, steps
    assert epochs_saved.make(limited)["without stopping"].tolist() == [without_stopping]


def test_the_leaderboard_excludes_confirmations():
    board = leaderboard(made_up_search(ENDS, CONFIRMATIONS))
    assert board["seeds"].tolist() == [1] * 6
    assert board["validation_accuracy"].iloc[0] == 0.99


def test_no_trial_dominates_the_pareto_front():
    search_results = made_up_search(ENDS, objectives=("validation_accuracy", "train_seconds"))
    best = pareto_front(search_results)
    assert best["validation_accuracy"].tolist() == [0.97, 0.95]
    assert best["train_seconds"].tolist() == [9.0, 2.0]
    table = pareto_front_table.make(search_results)
    assert table["trial"].tolist() == [1, 4]
    assert table["validation %"].tolist() == ["97.00", "95.00"]
    assert table["training seconds"].tolist() == ["9", "2"]
    assert table["gamma"].tolist() == ["-", "0.9"]
    assert pareto_front_table.make(made_up_search(ENDS)).empty  # one objective


def test_the_best_points_of_a_run():
    first, second, *_ = best_points(made_up_search(ENDS), "validation_accuracy")
    assert first["lr"] == 0.01
    assert first["momentum"] == 0.9
    assert second["momentum"] == 0.9
    assert first["rho"] is None


def test_too_few_trials_have_no_importances():
    few = made_up_search([("finished", 0.9 - 0.01 * number, 1.0) for number in range(99)])
    assert importances(few) == []
    assert left_out(few)["lr"] == 99
    assert "need 100 finished trials; this search has 99" in search_notes(few)[-1]


def test_importances_are_those_of_optuna_on_the_same_study(monkeypatch):
    monkeypatch.setattr("study.analysis.importances.EVALUATOR_SEEDS", range(2))
    monkeypatch.setattr("study.analysis.importances.MIN_FOR_IMPORTANCES", 30)
    ends = [
        ("finished", 0.9 - 0.15 * (number % 4) - 0.002 * (7 * number % 10), 1.0)
        for number in range(76)
    ]
    ends[7], ends[17] = ("diverged", math.nan, 0.1), ("stopped", 0.4, 0.5)
    with quiet_optuna():
        study = optuna.create_study(direction="maximize")
        for number, (status, accuracy, _) in enumerate(ends):
            study.enqueue_trial(point(number))
            trial = study.ask()
            propose(SPACE, trial)
            if status == "finished":
                study.tell(trial, accuracy)
            elif status == "stopped":
                trial.report(accuracy, 1)
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, state=TrialState.FAIL)
    found = {one.setting: one for one in importances(made_up_search(ends))}
    # A third of the trials has momentum, too few. Half of them has gamma.
    assert "momentum" not in found
    shared = ["optimizer", "lr", "batch_size", "dropout", "weight_decay", "schedule"]
    for seed in range(2):
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        of_all = optuna.importance.get_param_importances(study, evaluator=evaluator)
        assert {name: found[name].shares[seed] for name in shared} == of_all
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        with_gamma = optuna.importance.get_param_importances(
            study, evaluator=evaluator, params=[*shared, "gamma"]
        )
        assert found["gamma"].shares[seed] == with_gamma["gamma"]
    assert next(iter(found)) == "lr"
    assert (found["lr"].trials, found["gamma"].trials) == (74, 35)
    assert found["gamma"].conditional


def test_a_setting_that_a_trial_does_not_have_is_not_used():
    results = made_up_search(ENDS)
    words = words_for_unset(results)
    assert words["gamma"] == "not used"
    assert "lr" not in words
    headers, rows = summary._ranking(leaderboard(results), words)
    cells = [dict(zip(headers, row, strict=True)) for row in rows]
    constant = [row["gamma"] for row in cells if row["schedule"] == "constant"]
    assert set(constant) == {"not used"}
    assert "default" not in {cell for row in rows for cell in row}


THREE_SEEDS = [
    *[("finished", 0.90, 4.0), ("finished", 0.92, 4.0), ("finished", 0.94, 4.0)],
    *[("finished", 0.99, 4.0), ("diverged", math.nan, 1.0), ("finished", 0.99, 4.0)],
    *[("diverged", math.nan, 1.0)] * 3,
    *[("finished", 0.91, 4.0), ("finished", 0.91, 4.0), ("unfinished", 0.99, 1.0)],
    *[("finished", 0.95, 4.0), ("finished", 0.93, 4.0), ("finished", 0.97, 4.0)],
]


def test_a_point_with_several_seeds_is_one_row_with_an_interval():
    points = search_trials(made_up_search(THREE_SEEDS, seeds=3)).set_index("number")
    # A seed of point 3 is missing.
    assert points.index.tolist() == [0, 1, 2, 4]
    assert points["validation_accuracy"].tolist()[:2] == pytest.approx([0.92, 0.66])
    assert points["status"].tolist() == ["finished", "finished", "diverged", "finished"]
    assert points.loc[0, "trial"].endswith("_seed0")
    low, high = points.loc[4, ["validation_accuracy_low", "validation_accuracy_high"]]
    assert low < 0.95 < high
    # With a diverged seed, the mean is no longer one of like with like.
    assert points.loc[1, ["validation_accuracy_low"]].isna().all()
    assert [
        one.search_rank
        for one in confirmed_points(made_up_search(THREE_SEEDS, {4: [0.94, 0.96]}, seeds=3))
    ] == [1]


def test_a_loss_that_diverged_in_one_seed_is_infinite():
    ends = [("finished", 0.1, 1.0), ("finished", 0.2, 1.0), ("finished", 0.1, 1.0)]
    ends += [("diverged", math.nan, 1.0)]
    search_results = made_up_search(ends, objectives=("validation_loss",), seeds=2)
    search_results.trials["validation_loss"] = search_results.trials["validation_accuracy"]
    points = search_trials(search_results)
    assert points["validation_loss"].tolist() == pytest.approx([0.15, math.inf])
    assert points["status"].tolist() == ["finished", "diverged"]


def test_the_tables_of_points_with_several_seeds_have_intervals():
    search_results = made_up_search(THREE_SEEDS, {4: [0.94, 0.96]}, seeds=3)
    (row,) = confirmed_table.make(search_results).to_dict("records")
    assert row["in the search"].startswith("95.00 [")
    assert row["seeds"] == 2
    board = leaderboard(search_results)
    assert board["seeds"].iloc[0] == 3
    assert board["validation_accuracy"].iloc[0] == pytest.approx(0.95)
    assert board["validation_accuracy_low"].iloc[0] < 0.95


def test_the_figures_of_points_with_several_seeds_are_drawn(tmp_path):
    notes = []
    search_results = made_up_search(THREE_SEEDS, {4: [0.94, 0.96]}, seeds=3)
    files = draw_all(STUDY, search_results, tmp_path, notes.append)
    assert notes == ["Figures without data in this run: importances, pair."]
    drawn = {file.stem for file in files}
    assert drawn == {"history", "timeline", "confirmed", "slices", "parallel"}


def test_the_history_holds_stopped_trials_near_the_finished_ones():
    for accuracy, is_shown in ((0.88, True), (0.2, False)):
        search_results = made_up_search([*ENDS[:2], ("stopped", accuracy, 1.0), *ENDS[4:]])
        (figure,) = search_history.draw(search_results, "A title").values()
        low, high = figure.axes[0].get_ylim()
        assert bool(low < 100 * accuracy < high) is is_shown
        assert ("outside the frame" in figure.texts[-1].get_text()) is not is_shown


def test_equal_values_share_a_color_and_a_label():
    accuracies = [1.0, 0.82, 1.0, 0.9697, 0.82, 0.969699, 1.0]
    search_results = made_up_search([("finished", accuracy, 1.0) for accuracy in accuracies])
    trials = Trials.load(search_results)
    by_value = dict(zip(trials.table["validation_accuracy"], trials.colors(), strict=True))
    assert [by_value[value] for value in trials.table["validation_accuracy"]] == trials.colors()
    assert len(set(by_value.values())) == 4
    (figure,) = search_slices.draw(search_results, "A title").values()
    bar = figure.axes[-1]
    assert [text.get_text() for text in bar.get_yticklabels()] == ["82.00", "96.97", "100.00"]


def test_equal_trials_are_drawn():
    search_results = made_up_search([("finished", 1.0, 1.0)] * 3)
    (figure,) = search_parallel.draw(search_results, "A title").values()
    assert [text.get_text() for text in figure.axes[-1].get_yticklabels()] == ["100.00"]


@pytest.mark.parametrize("points", [(1,), (1, 4)])
def test_fresh_seeds_are_drawn_beside_their_row(points):
    search_results = made_up_search(ENDS, {number: [0.91, 0.93, 0.9] for number in points})
    (figure,) = search_confirmed.draw(search_results, "A title").values()
    (ax,) = figure.axes
    figure.draw_without_rendering()
    heights = [ax.transData.transform((0, row))[1] for row in (0, 1)]
    inches = (heights[0] - heights[1]) / figure.dpi
    assert 0.2 < inches < 1.2
    assert ax.get_ylim() == (len(points) - 0.5, -0.5)
    for row, line in enumerate(line for line in ax.lines if line.get_alpha()):
        assert max(abs(line.get_ydata() - row)) <= 0.25


def test_all_figures_of_a_search_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr("study.analysis.importances.MIN_FOR_IMPORTANCES", 30)
    ends = [("finished", 0.9 - 0.1 * (number % 4) - 0.01 * number, 1.0) for number in range(30)]
    notes = []
    search_results = made_up_search([*ends, *ENDS[2:4]], CONFIRMATIONS)
    files = draw_all(STUDY, search_results, tmp_path, notes.append)
    assert notes == []
    table = importances_table.make(search_results).set_index("setting")
    low, high = map(float, table.loc["learning rate", "over fANOVA seeds"].split(" to "))
    assert low <= float(table.loc["learning rate", "importance"]) <= high
    assert "momentum" not in table.index  # ten trials have it
    assert {file.stem for file in files} == {figure.name for figure in search.figures()}
