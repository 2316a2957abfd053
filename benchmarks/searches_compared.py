"""Searches beside each other: what they spent, and what their best settings are worth.

    python -m benchmarks.searches_compared results/SEARCH [results/SEARCH ...]

Reads finished runs of study.search, and trains nothing. Runs of one way to search (sampler and
scheduler, study and number of trials) are repeats, told apart by the sampler's seed: means over
them with half of their 95% interval. A way is judged by the confirmed accuracy of its best setting:
the mean over fresh seeds, which the search has not chosen by. Its test accuracy is beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from study.analysis import statistics
from study.analysis.results import Results
from study.analysis.search import confirmed, number_of


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
        "validation": 100 * best.objective.mean,
        "test": 100 * best.test_accuracy.mean if best.test_accuracy else float("nan"),
        "seen": 100 * max(one.search_value for one in confirmed(results)),
    }


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per way to search, the repeats averaged."""
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
            ("seen", "best in the search %"),
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
    rows = pd.DataFrame([row(run) for run in options.runs])
    first = Results.load(options.runs[0])
    print(
        f"data set {first.run['dataset']['name']}; budget {first.run['budget']}; "
        f"{first.run['device']}\n"
    )
    print(table(rows).to_string(index=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
