"""Searches beside each other: what they spent, and what their best settings are worth.

    python -m benchmarks.searches_compared results/SEARCH ... [results/GRID]

Reads finished runs of study.search and of study.grid, and trains nothing. Runs of one way to search
(sampler and scheduler, study and number of trials) are repeats, told apart by the sampler's seed:
means over them with half of their 95% interval. A way is judged by the confirmed accuracy of its
best setting: the mean over fresh seeds, which the search has not chosen by. Its test accuracy is
beside it, and the best that each way had seen once it had trained as many epochs as the cheapest
run did in all.

A grid of several seeds is a way, too. Each seed is a repeat: it chooses the three best settings,
which the other seeds confirm. Those repeats share trials, so their interval is a little too narrow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from lenet.config import SETTINGS
from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.search import confirmed, is_search, number_of

_CONFIRMED = 3  # of a grid, as `--confirm 3x5` does of a search


def row(directory: Path) -> dict[str, object]:
    """One search, in numbers."""
    results = Results.load(directory)
    asked = results.run["asked"]
    trials = results.trials[results.trials["trial"].map(number_of).notna()]
    best = confirmed(results)[0]
    scheduler = results.run["scheduler"]
    way = asked["sampler"] + ("" if scheduler == "none" else f" + {scheduler}")
    return {
        "study": results.run["study"],
        "way": way,
        "trials": len(trials),
        "sampler_seed": asked["sampler_seed"],
        "epochs": trials["epoch"].sum(),
        "history": history(trials, results.objective),
        "validation": 100 * best.objective.mean,
        "test": 100 * best.test_accuracy.mean if best.test_accuracy else float("nan"),
        "seen": 100 * max(one.search_value for one in confirmed(results)),
    }


def history(trials: pd.DataFrame, objective: str) -> list[tuple[float, float]]:
    """(epochs trained in all, best objective so far) after each trial, as they ended."""
    in_order = trials.sort_values("ended")
    return list(zip(in_order["epoch"].cumsum(), in_order[objective].cummax(), strict=True))


def grid_rows(results: Results) -> list[dict[str, object]]:
    """A grid, in numbers: a row for each of its seeds."""
    objective, trials = results.objective, results.counted
    point = [name for name in results.varied if name in SETTINGS]
    rows: list[dict[str, object]] = []
    for seed, chosen in trials.groupby("seed"):
        best = chosen.sort_values(objective, ascending=False).head(_CONFIRMED)
        others = trials[trials["seed"] != seed].groupby(point)
        means = others[[objective, "test_accuracy"]].mean()
        confirmed_best = means.loc[best.set_index(point).index].sort_values(objective).iloc[-1]
        rows.append(
            {
                "study": results.run["study"],
                "way": "grid",
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
    """A row per way to search, the repeats averaged."""
    least = rows["epochs"].min()
    by_then = [
        100 * max(best for epochs, best in one if epochs <= least) for one in rows["history"]
    ]
    rows = rows.assign(seen_by_then=by_then)
    made = []
    for (study, way, trials), repeats in rows.groupby(["study", "way", "trials"]):
        cells: dict[str, object] = {
            "study": study,
            "way": way,
            "trials": trials,
            "repeats": len(repeats),
        }
        for name, head in (
            ("epochs", "epochs"),
            ("validation", "confirmed validation %"),
            ("test", "test %"),
            ("seen", "best seen %"),
            ("seen_by_then", f"best seen by {least:.0f} epochs %"),
        ):
            mean = statistics.mean(repeats[name])
            text = f"{mean.mean:.2f}" if name != "epochs" else f"{mean.mean:.0f}"
            known = mean.half_width == mean.half_width
            cells[head] = f"{text} ± {mean.half_width:.2f}" if known else text
        made.append(cells)
    return pd.DataFrame(made)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.searches_compared")
    parser.add_argument("runs", nargs="*", type=Path, metavar="DIR")
    options = parser.parse_args()
    if not options.runs:  # as `make bench` calls it
        print("Searches compared: name finished runs of study.search to compare.")
        return 0
    found = [(run, Results.load(run)) for run in options.runs]
    rows = pd.DataFrame(
        [
            one
            for run, results in found
            for one in ([row(run)] if is_search(results) else grid_rows(results))
        ]
    )
    first = found[0][1]
    print(
        f"data set {first.run['dataset']['name']}; budget {first.run['budget']}; "
        f"{first.run['device']}\n"
    )
    print(table(rows).to_string(index=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
