"""Valério (UPC), "High-Performance Computing Aspects of Deep Learning", exercises 2 to 4.

The net of exercises 2 to 4 is that of TensorFlow 1's tutorial "Deep MNIST for Experts"
(`deep-mnist`), with dropout 0.5 and TensorFlow 1's defaults (see `upc_line`). What the report
calls an epoch is one step. Its accuracies are "at the best epoch", on data it does not name;
here they are on the test set, at the record with the best validation accuracy, every 100 steps.

*Exercise 2* reports about 0.91 for nearly every optimizer after 500 steps of 100, which is what
a softmax regression reaches and this net does not stop at: both are run.

*Exercise 3*, one study per table. Batches in fixed order are taken here as the same order of the
training set over and over. A decay of 0.95 is per epoch. The report's two readings of 4e-4
beside a best of 10e-4 come from single runs.

*Exercise 4* is declared here and runs by the scaling command.
"""

from search_spaces.study import Figure, Grid, Study, Table
from search_spaces.upc_line import TF1_DEFAULTS

_SOURCE = "João Valério, High-Performance Computing Aspects of Deep Learning (UPC), "
OPTIMIZERS = (
    *("sgd", "momentum", "adam", "nesterov", "adagrad"),
    *("adadelta", "rmsprop", "ftrl", "proximal-adagrad"),
)
_LRS = (0.1, 0.5, 0.01, 0.05, 0.001, 0.005, 0.0001, 0.0005)

_OPTIMIZERS = Study(
    name="upc-optimizers",
    question="Which optimizer learns most in 500 steps, and at which learning rate?",
    source=_SOURCE + "exercise 2, figures 3.1-3.9",
    fixed={"dataset": "mnist", "batch_size": 100, "record_every": 25, "test_curve": True},
    grids=(
        Grid(
            space={"model": ("deep-mnist", "softmax"), "optimizer": OPTIMIZERS, "lr": _LRS},
            budgets={
                # The small net costs next to nothing: it is the larger one that is cut short.
                "smoke": {"steps": 4, "record_every": 2, "train_samples": 256},
            },
        ),
    ),
    budgets={
        "smoke": {},
        "quick": {"steps": 40, "record_every": 20},
        "paper": {"steps": 500},
    },
    given=(*TF1_DEFAULTS, ({"model": "deep-mnist"}, {"dropout": 0.5})),
    figures=tuple(
        Figure(
            name=f"figure-3.{number}-{optimizer}-{quantity}",
            kind="curves",
            title=f"{quantity.capitalize()} of {optimizer} by learning rate "
            f"(UPC, figure 3.{number})",
            options={
                "where": {"optimizer": optimizer},
                "quantity": quantity,
                "panel": "model",
                "line": "lr",
                "x": "step",
            },
        )
        for number, optimizer in enumerate(OPTIMIZERS, 1)
        for quantity in ("loss", "accuracy")
    ),
    tables=(
        Table(
            name="best-learning-rates",
            kind="best_settings",
            title="Best learning rate of each optimizer",
            options={"where": {}, "per": ("model", "optimizer")},
        ),
    ),
)

_BATCH_SIZES = (150, 100, 50, 25, 10, 8, 6, 4)
_DECAYED = {"schedule": "exponential", "gamma": 0.95}
_DECAYED_LRS = tuple(round(1e-4 * n, 6) for n in range(2, 11))
_DROPOUTS = tuple(n / 10 for n in range(10))

PUBLISHED: dict[str, dict[float, dict[float, float]]] = {
    "4.1": {
        1e-4: dict(zip(_BATCH_SIZES, (94.1, 95.0, 95.5, 96.2, 97.3, 97.3, 96.9, 96.4), strict=True))
    },
    "4.2": {
        1e-4: dict(zip(_BATCH_SIZES, (98.9, 98.9, 98.6, 98.3, 97.7, 97.4, 97.4, 95.3), strict=True))
    },
    "4.3": {1e-4: {150: 99.0, 100: 99.0}},
    "4.4": {
        150: dict(
            zip(_DECAYED_LRS, (99.0, 99.1, 99.0, 99.2, 98.8, 99.1, 99.2, 99.0, 99.3), strict=True)
        ),
        100: dict(
            zip(_DECAYED_LRS, (99.1, 99.2, 99.1, 98.9, 99.1, 99.0, 99.1, 99.2, 99.2), strict=True)
        ),
    },
    "4.5": {
        150: dict(
            zip(
                _DROPOUTS, (99.2, 99.1, 99.2, 99.1, 99.2, 99.3, 99.1, 99.0, 99.0, 99.0), strict=True
            )
        ),
        100: dict(
            zip(
                _DROPOUTS, (99.2, 99.2, 99.1, 99.1, 99.1, 99.2, 99.1, 99.2, 99.1, 99.0), strict=True
            )
        ),
    },
    "4.6": {0.001: {150: 99.3}},
}
"""The report's accuracies in percent: table -> panel -> row -> accuracy."""


def _table(number: str, question: str, panel: str, by: str, **settings: object) -> Study:
    published = PUBLISHED[number]
    return Study(
        name=f"upc-batches-{number}",
        question=question,
        source=f"{_SOURCE}exercise 3, table {number}",
        fixed={
            "dataset": "mnist",
            "model": "deep-mnist",
            "optimizer": "adam",
            "dropout": 0.5,
            "test_curve": True,
            **settings,
        },
        grids=(
            Grid(
                space={
                    panel: tuple(published),
                    by: tuple(dict.fromkeys(row for rows in published.values() for row in rows)),
                }
            ),
        ),
        budgets={
            "smoke": {"steps": 4, "record_every": 2, "train_samples": 256},
            "quick": {"steps": 100, "record_every": 50},
            "paper": {"steps": 5_000, "record_every": 100},
        },
        figures=(
            Figure(
                name=f"figure-{number}-accuracy",
                kind="curves",
                title=f"Accuracy behind table {number} (UPC, exercise 3)",
                options={
                    "where": {},
                    "quantity": "accuracy",
                    "panel": panel,
                    "line": by,
                    "parts": ("validation",),
                    "x": "step",
                },
            ),
        ),
        tables=(
            Table(
                name=f"table-{number}",
                kind="published",
                title=f"Table {number}: accuracy (%), the report's and ours",
                options={"where": {}, "by": by, "panel": panel, "published": published},
            ),
        ),
    )


_GPUS = Study(
    name="upc-gpus",
    question="Does the training time of the best net fall with 1, 2 and 4 GPUs?",
    source=_SOURCE + "exercise 4, table 5.1",
    fixed={
        "dataset": "mnist",
        "model": "deep-mnist",
        "optimizer": "adam",
        "lr": 0.001,
        "batch_size": 150,
        "dropout": 0.5,
        **_DECAYED,
    },
    grids=(Grid(space={"batch_size": (150,)}),),
    budgets={
        "smoke": {"steps": 4, "train_samples": 256},
        "quick": {"steps": 100},
        "paper": {"steps": 5_000},
    },
    workers=(1, 2, 4),
)

STUDIES = (
    _OPTIMIZERS,
    _table(
        "4.1",
        "Which batch size reaches most in 5,000 steps, batches in fixed order?",
        "lr",
        "batch_size",
        shuffle=False,
    ),
    _table("4.2", "And with the training set shuffled every epoch?", "lr", "batch_size"),
    _table("4.3", "And with a decaying learning rate?", "lr", "batch_size", **_DECAYED),
    _table("4.4", "Which initial learning rate, when it decays?", "batch_size", "lr", **_DECAYED),
    _table("4.5", "Does dropout matter?", "batch_size", "dropout", lr=0.001, **_DECAYED),
    _table("4.6", "How much does the best configuration reach?", "lr", "batch_size", **_DECAYED),
    _GPUS,
)
