"""The tables of statistics: a run has those that apply to it. `docs/statistics.md` defines them."""

from search_spaces.study import Table

PREFIX = "statistics-"
"""The prefix of the names of these tables."""

STATISTICS = tuple(
    Table(name=PREFIX + kind.replace("_", "-"), kind=kind, title=title)
    for kind, title in (
        ("optimizer_pairs", "Optimizers in pairs, each tuned, over the same seeds and points"),
        ("interquartile_means", "Interquartile mean over seeds and points"),
        ("lr_sensitivity", "Width of the good learning rates"),
        ("best_of_n", "Expected best of n random trials"),
        ("time_to_target", "Time to within 1 % of the best"),
        ("performance_profile", "Performance profiles over time to target"),
        ("divergence", "Share of diverged trials"),
        ("two_uncertainties", "Uncertainty from seeds and from test images"),
    )
)
