"""What is made of a finished search: rankings, verdict on the winner, tables and figures."""

import math

import pandas as pd
import pytest

from search_spaces import search
from search_spaces.search import SPACE, STUDY
from study.analysis.leaderboard import leaderboard
from study.analysis.results import Results
from study.analysis.search import (
    best_points,
    confirmation_name,
    confirmed_points,
    described,
    importances,
    pareto_front,
    trial_name,
    winner_notes,
)
from study.figures.draw import draw_all
from study.runs.metadata import DatasetInfo, RunMetadata
from study.tables import confirmed as confirmed_table
from study.tables import epochs_saved

SEARCHED = STUDY.search_space({}, "quick")


def point(number):
    """Settings that all differ; the learning rate and the batch size decide the accuracy."""
    values = {
        "optimizer": ("adam", "momentum", "sgd")[number % 3],
        "lr": 10 ** (-1 - number % 4),
        "batch_size": (32, 64, 128)[number % 3],
        "dropout": 0.04 * (number % 12),
        "weight_decay": 10 ** (-5 + 0.1 * number),
        "schedule": ("constant", "exponential")[number // 4 % 2],
    }
    if values["optimizer"] == "momentum":
        values["momentum"] = 0.9
    if values["schedule"] == "exponential":
        values["gamma"] = 0.9
    return values


def results(ends, fresh=None, objectives=("validation_accuracy",)):
    """A search whose trials ended as (status, accuracy, seconds), and confirmations: number ->
    accuracies by seed."""
    rows = []

    def add(name, config, status, accuracy, seconds, *, epoch=5.0, test=math.nan):
        measured = {"validation_accuracy": accuracy, "test_accuracy": test, "epoch": epoch}
        times = {
            "started": f"2026-11-22T10:{len(rows):02}:00+00:00",
            "ended": f"2026-11-22T10:{len(rows):02}:30+00:00",
        }
        where = {"device": "cpu (made up)", "threads": 1, "host": "made-up", "error": None}
        more = {"train_seconds": seconds, "step": 100 * epoch, "status": status, "trial": name}
        rows.append({**config.to_dict(), **measured, **times, **where, **more})

    for number, (status, accuracy, seconds) in enumerate(ends):
        config = SEARCHED.config(point(number))
        epoch = 1.0 if status == "stopped" else 5.0
        add(trial_name(number, config), config, status, accuracy, seconds, epoch=epoch)
    for number, accuracies in (fresh or {}).items():
        for seed, accuracy in enumerate(accuracies, 1):
            config = SEARCHED.config(point(number)).replace(seed=seed)
            name = confirmation_name(number, seed)
            add(name, config, "finished", accuracy, 1.0, test=accuracy - 0.01)
    run = RunMetadata(
        study="search",
        tool="study.search",
        budget="quick",
        dataset=DatasetInfo("mnist"),
        device="cpu",
        objective=objectives[0],
        options={"space": [described(d) for d in SPACE], "objectives": list(objectives)},
    )
    trials = pd.DataFrame(rows).drop(columns=["milestones", "evaluate_at"])
    return Results(run, trials, pd.DataFrame({"trial": trials["trial"], "step": 1}))


ENDS = [
    *(("finished", 0.90, 4.0), ("finished", 0.97, 9.0), ("stopped", 0.99, 1.0)),
    *(("diverged", math.nan, 0.1), ("finished", 0.95, 2.0), ("finished", 0.93, 8.0)),
]
FRESH = {1: [0.91, 0.93], 4: [0.95, 0.96]}


def test_fresh_seeds_rank_and_the_lucky_winner_is_told():
    of = results(ENDS, FRESH)
    found = confirmed_points(of)
    assert [(one.number, one.search_rank) for one in found] == [(4, 2), (1, 1)]
    assert found[0].objective.mean == pytest.approx(0.955)
    assert found[0].test_accuracy.mean == pytest.approx(0.945)
    assert found[1].search_value == 0.97
    # A stopped trial's early value is no rank, a diverged one has none.
    assert "trial 1, comes out as number 2 of 2" in winner_notes(of)[0]


def test_the_table_of_the_confirmed():
    table = confirmed_table.make(results(ENDS, FRESH))
    assert table["trial"].tolist() == [4, 1]
    assert table["in the search"].tolist() == ["95.00", "97.00"]
    assert table["rank there"].tolist() == [2, 1]
    assert table["validation %"].iloc[0].startswith("95.50 ± ")
    # Settings that a point does not have are not there, those of others stay before the numbers.
    assert table["momentum"].tolist() == ["0.9", "0.9"]
    assert table["gamma"].tolist() == ["0.9", "-"]
    assert list(table.columns).index("gamma") < list(table.columns).index("validation %")
    assert confirmed_table.make(results(ENDS)).empty


def test_epochs_that_stopping_saved():
    (row,) = epochs_saved.make(results(ENDS, FRESH)).to_dict("records")
    assert (row["trials"], row["stopped"], row["finished"]) == (6, 1, 4)
    assert row["epochs trained"] == "26"
    assert row["without stopping"] == "30"
    assert row["saved %"] == "13"
    assert row["epochs to confirm"] == "20"


def test_confirmations_take_no_part_in_the_leaderboard():
    board = leaderboard(results(ENDS, FRESH))
    assert board["seeds"].tolist() == [1] * 6
    assert board["validation_accuracy"].iloc[0] == 0.99


def test_the_front_is_what_nothing_beats_in_both():
    of = results(ENDS, objectives=("validation_accuracy", "train_seconds"))
    best = pareto_front(of)
    assert best["validation_accuracy"].tolist() == [0.95, 0.97]
    assert best["train_seconds"].tolist() == [2.0, 9.0]


def test_the_best_points_of_a_run():
    first, second, *_ = best_points(results(ENDS), "validation_accuracy")
    assert first["lr"] == 0.01
    assert first["momentum"] == 0.9
    assert second["momentum"] == 0.9
    assert first["rho"] is None


def test_importances_go_to_what_decides():
    ends = [("finished", 0.9 - 0.2 * (number % 4), 1.0) for number in range(24)]
    shares = importances(results(ends))
    assert next(iter(shares)) == "lr"
    assert sum(shares.values()) == pytest.approx(1.0, abs=0.01)
    assert importances(results(ends[:3])) == {}


def test_all_figures_of_a_search_are_drawn(tmp_path):
    ends = [("finished", 0.9 - 0.1 * (number % 4) - 0.01 * number, 1.0) for number in range(12)]
    said = []
    files = draw_all(STUDY, results([*ends, *ENDS[2:4]], FRESH), tmp_path, said.append)
    assert said == []
    assert {file.stem for file in files} == {figure.name for figure in search.figures()}
