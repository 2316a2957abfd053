"""The default search, `python -m study.search`: which settings train LeNet best?

The space: optimizer and momentum, learning rate (log scale), batch size, dropout, weight decay
(log scale), and the learning-rate schedule.
"""

from search_spaces.space import Choice, Dimension, Range
from search_spaces.study import Figure, Grid, Study, Table

_WITH_MOMENTUM = frozenset({"momentum", "nesterov"})

SPACE = (
    Dimension(
        "optimizer", Choice(("sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad"))
    ),
    Dimension("lr", Range(1e-5, 1.0, log=True)),
    Dimension("batch_size", Choice((32, 64, 128, 256))),
    Dimension("dropout", Range(0.0, 0.5)),
    Dimension("momentum", Range(0.5, 0.99), {"optimizer": _WITH_MOMENTUM}),
    Dimension("weight_decay", Range(1e-6, 1e-2, log=True)),
    Dimension("schedule", Choice(("constant", "exponential"))),
    Dimension("gamma", Range(0.5, 1.0), {"schedule": frozenset({"exponential"})}),
)


def figures(objectives: int = 1) -> tuple[Figure, ...]:
    """Return the figures of a search, of any study, with this number of objectives (1 or 2)."""
    history, front = (
        ("history", "Search history"),
        ("front", "Trade-off between the two objectives"),
    )
    return tuple(
        Figure(name=name, kind=f"search_{name}", title=title, options={})
        for name, title in (
            history if objectives == 1 else front,
            ("timeline", "Search timeline"),
            ("confirmed", "Best points of the search, retrained with fresh seeds"),
            ("importances", "Importance of each setting"),
            ("slices", "Objective along each setting"),
            ("pair", "The two most important settings"),
            ("parallel", "All settings of each finished trial"),
        )
    )


TABLES = (
    Table(name="confirmed", kind="confirmed", title="Best settings, retrained with fresh seeds"),
    Table(name="front", kind="pareto_front", title="Trade-off between the two objectives"),
    Table(name="importances", kind="importances", title="Importance of each setting (fANOVA)"),
    Table(name="epochs", kind="epochs_saved", title="Epochs trained"),
)

STUDY = Study(
    name="search",
    question="Which optimizer, learning rate, batch size, dropout, decay and schedule train LeNet "
    "best?",
    source="this project",
    fixed={"dataset": "mnist", "model": "lenet"},
    grids=(Grid(space={}),),
    space=SPACE,
    budgets={
        "smoke": {"epochs": 2, "train_samples": 256},
        "quick": {"epochs": 5, "train_samples": 10_000},
        "paper": {"epochs": 10},
    },
    figures=figures(),
    tables=TABLES,
)
