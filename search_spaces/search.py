"""Which settings train LeNet best? A study of our own, for a search: `python -m study.search`.

The space: the optimizer with what belongs to it, the learning rate by ratios, the batch size,
dropout, weight decay and the schedule.
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
    """The figures of any search, whatever study it searches, for one objective or two."""
    of_one = (("history", "Search history"),)
    of_two = (("front", "What more of one objective costs in the other"),)
    return tuple(
        Figure(name=name, kind=f"search_{name}", title=title, options={})
        for name, title in (
            *(of_one if objectives == 1 else of_two),
            ("timeline", "Trials over time"),
            ("confirmed", "The best settings of the search, with fresh seeds"),
            ("importances", "Which settings matter"),
            ("slices", "Each setting alone"),
            ("pair", "The two settings that matter most"),
            ("parallel", "All settings of every trial"),
        )
    )


TABLES = (
    Table(
        name="confirmed", kind="confirmed", title="The best settings, retrained with fresh seeds"
    ),
    Table(name="epochs", kind="epochs_saved", title="Epochs trained"),
)

STUDY = Study(
    name="search",
    question="Which optimizer, learning rate, batch size, dropout, decay and schedule train LeNet "
    "best?",
    source="our own",
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
