"""Compare searches: the epochs that they spent, and the accuracy of their best settings.

    python -m benchmarks.searches_compared results/SEARCH ... [results/GRID]

Reads finished runs of study.search and study.grid; trains nothing. A search method is a sampler, a
scheduler, a study and a number of trials. Runs of one method with different sampler seeds are its
repeats. Each column is the mean over repeats, with half of its 95% interval:
- confirmed validation: the accuracy of the best setting, as the mean over seeds that the search did
  not use for its choice
- test: the test accuracy of that setting
- best seen: the search's own best accuracy, at its end and after as many epochs as the cheapest
  run trained in total

A grid with several seeds is a method, too. Each seed is a repeat: it chooses the three best
settings, which the other seeds confirm. These repeats share trials, so their interval is slightly
too narrow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from lenet.config import SETTINGS
from search_spaces.search_names import trial_number
from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.search import confirmed_points, is_search

_CONFIRMED = 3  # settings of a grid, as many as `--confirm 3x5` takes from a search


def row(directory: Path) -> dict[str, object]:
    """Return one search as a row of numbers."""
    results = Results.load(directory)
    search_options = results.run.options
    trials = results.trials[results.trials["trial"].map(trial_number).notna()]
    best = confirmed_points(results)[0]
    scheduler = results.run.scheduler
    method = search_options["sampler"] + ("" if scheduler == "none" else f" + {scheduler}")
    return {
        "study": results.run.study,
        "method": method,
        "trials": len(trials),
        "sampler_seed": search_options["sampler_seed"],
        "epochs": trials["epoch"].sum(),
        "history": history(trials, results.objective),
        "validation": 100 * best.objective.mean,
        "test": 100 * best.test_accuracy.mean if best.test_accuracy else float("nan"),
        "seen": 100 * max(one.search_value for one in confirmed_points(results)),
    }


def history(trials: pd.DataFrame, objective: str) -> list[tuple[float, float]]:
    """Return (epochs trained so far, best objective so far) at the end of each trial."""
    in_order = trials.sort_values("ended")
    return list(zip(in_order["epoch"].cumsum(), in_order[objective].cummax(), strict=True))


def grid_rows(results: Results) -> list[dict[str, object]]:
    """Return a grid as rows of numbers, one per seed."""
    objective, trials = results.objective, results.completed
    point = [name for name in results.varied_settings if name in SETTINGS]
    rows: list[dict[str, object]] = []
    for seed, chosen in trials.groupby("seed"):
        best = chosen.sort_values(objective, ascending=False).head(_CONFIRMED)
        others = trials[trials["seed"] != seed].groupby(point)
        means = others[[objective, "test_accuracy"]].mean()
        confirmed_best = means.loc[best.set_index(point).index].sort_values(objective).iloc[-1]
        rows.append(
            {
                "study": results.run.study,
                "method": "grid",
                "trials": len(chosen),
                "sampler_seed": seed,
                "epochs": chosen["epoch"].sum(),
                "history": history(chosen, objective),
                "validation": 100 * confirmed_best[objective],
                "test": 100 * confirmed_best["test_accuracy"],
                "seen": 100 * best[objective].max(),
            }
        )
    return rows


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Average the repeats: one row per method."""
    fewest_epochs = rows["epochs"].min()
    seen_early = [
        100 * max(best for epochs, best in history if epochs <= fewest_epochs)
        for history in rows["history"]
    ]
    rows = rows.assign(seen_early=seen_early)
    averaged = []
    for (study, method, trials), repeats in rows.groupby(["study", "method", "trials"]):
        cells: dict[str, object] = {
            "study": study,
            "method": method,
            "trials": trials,
            "repeats": len(repeats),
        }
        for name, heading in (
            ("epochs", "epochs"),
            ("validation", "confirmed validation %"),
            ("test", "test %"),
            ("seen", "best seen %"),
            ("seen_early", f"best seen by {fewest_epochs:.0f} epochs %"),
        ):
            is_share = name != "epochs"
            support = statistics.Support(0.0, 100.0) if is_share else statistics.NON_NEGATIVE
            mean = statistics.mean(repeats[name], support)
            text = f"{mean.mean:.2f}" if name != "epochs" else f"{mean.mean:.0f}"
            has_interval = mean.low == mean.low
            interval = f" ({mean.low:.2f} - {mean.high:.2f})" if has_interval else ""
            cells[heading] = text + interval
        averaged.append(cells)
    return pd.DataFrame(averaged)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.searches_compared")
    parser.add_argument("runs", nargs="*", type=Path, metavar="DIR")
    options = parser.parse_args()
    if not options.runs:  # `make bench` passes none
        print("Nothing to compare: pass the folders of finished runs of study.search.")
        return 0
    loaded = [(run, Results.load(run)) for run in options.runs]
    rows = pd.DataFrame(
        [
            one
            for run, results in loaded
            for one in ([row(run)] if is_search(results) else grid_rows(results))
        ]
    )
    first = loaded[0][1]
    print(f"data set {first.run.dataset.name}; budget {first.run.budget}; {first.run.device}\n")
    print(table(rows).to_string(index=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
