"""A search with made-up results."""

import math

import pandas as pd

from search_spaces.search import SPACE, STUDY
from search_spaces.search_names import confirmation_name, trial_name
from study.analysis.results import Results
from study.runs.metadata import DatasetInfo, RunMetadata

SPACE_OF_SEARCH = STUDY.search_space({}, "quick")


def point(number):
    """Return the settings of a trial; no two trials share them all."""
    values = {
        "optimizer": ("adam", "momentum", "sgd")[number % 3],
        "lr": 10 ** (-1 - number % 4),
        "batch_size": (32, 64, 128)[number % 3],
        "dropout": 0.04 * (number % 12),
        "weight_decay": 10 ** (-5 + 0.1 * (number % 30)),
        "schedule": ("constant", "exponential")[number // 4 % 2],
    }
    if values["optimizer"] == "momentum":
        values["momentum"] = 0.9
    if values["schedule"] == "exponential":
        values["gamma"] = 0.9 - 0.05 * (number // 8 % 8)
    return values


def made_up_search(ends, confirmations=None, objectives=("validation_accuracy",), seeds=1):
    """Return a search whose trials ended with (status, accuracy, seconds): `seeds` of each point.

    `confirmations`: accuracies of the fresh seeds, by number of the point.
    """
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

    for index, (status, accuracy, seconds) in enumerate(ends):
        number, seed = divmod(index, seeds)
        config = SPACE_OF_SEARCH.config(point(number)).replace(seed=seed)
        epoch = 1.0 if status == "stopped" else 5.0
        add(trial_name(number, config, seeds), config, status, accuracy, seconds, epoch=epoch)
    for number, accuracies in (confirmations or {}).items():
        for seed, accuracy in enumerate(accuracies, seeds):
            config = SPACE_OF_SEARCH.config(point(number)).replace(seed=seed)
            name = confirmation_name(number, seed)
            add(name, config, "finished", accuracy, 1.0, test=accuracy - 0.01)
    run = RunMetadata(
        study="search",
        tool="study.search",
        budget="quick",
        dataset=DatasetInfo("mnist"),
        device="cpu",
        objective=objectives[0],
        seeds=seeds,
        options={"space": [d.to_json() for d in SPACE], "objectives": list(objectives)},
    )
    trials = pd.DataFrame(rows).drop(columns=["milestones", "evaluate_at"])
    return Results(run, trials, pd.DataFrame({"trial": trials["trial"], "step": 1}))


ENDS = [
    ("finished", 0.90, 4.0),
    ("finished", 0.97, 9.0),
    ("stopped", 0.99, 1.0),
    ("diverged", math.nan, 0.1),
    ("finished", 0.95, 2.0),
    ("finished", 0.93, 8.0),
]
CONFIRMATIONS = {1: [0.91, 0.93], 4: [0.95, 0.96]}
