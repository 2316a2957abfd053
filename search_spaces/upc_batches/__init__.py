"""Valério (UPC), "High-Performance Computing Aspects of Deep Learning", exercise 3: batches.

One study per table, with the net that `upc_optimizers` describes. The report's epoch is one step.
It gives the accuracy "attained at the best epoch", on data it does not name. Here that is the
highest test accuracy of the records, one every 100 steps. This chooses by the test data, so tables
have the test accuracy at the record with the best validation accuracy beside it.

Table 4.1 is taken to be one pass over the training set in a fixed order, cut at 5,000 steps. The
report says 5,000 steps for every batch size, but at 150 a pass has 367. Wrapping around to the
first batch reaches 97.8 % there by step 1,500 (measured, one seed), and 94.1 % is printed; one pass
is within a point of the whole row. So the study is one pass, and the counterfactual, wrapping
around for 5,000 steps, stands beside it. Table 4.2 is taken to be 5,000 steps with a new order of
the training set every epoch, and both fixed orders stand beside it. At batches of 10 and less,
5,000 steps end within the first pass. There, all three orders are the same run, which is trained
once.

The report also describes table 4.2 differently: a random batch size for each epoch. The table has a
column for each batch size, so here the composition of the batches is random, not their size.

The report gives a decay of 0.95, but not after how many steps. One epoch is this project's guess.
The grid `decay-interval` of table 4.3 tries 100 and 1,000 steps, at batches of 150. The decay is a
staircase.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from search_spaces.study import Figure, Grid, Settings, Study, Table
from search_spaces.upc_batches.claims import AS_PRINTED, CLAIMS, as_printed
from search_spaces.upc_batches.values import (
    AT_BEST,
    BEST,
    DECAY,
    DECAY_BY_EPOCH,
    LONGER_THAN_A_PASS,
    ONE_PASS,
    PUBLISHED,
    SHORT_PASS,
    SHUFFLED,
    WRAPPED,
)

_SOURCE = "João Valério, High-Performance Computing Aspects of Deep Learning (UPC), "


def _figure(number: str, panel: str, by: str, where: Settings, order: str = "") -> Figure:
    return Figure(
        name="-".join(filter(None, ("figure", number, order.replace(" ", "-"), "accuracy"))),
        kind="curves",
        title=f"Validation accuracy by {by.replace('_', ' ')}{order and f', {order}'}",
        source=f"UPC, behind table {number}" if not order else "",
        options={
            "where": where,
            "quantity": "accuracy",
            "panel": panel,
            "line": by,
            "parts": ("validation",),
            "x": "step",
        },
    )


def _table(
    number: str,
    question: str,
    panel: str,
    by: str,
    *,
    grids: Sequence[Mapping[str, Sequence[object]]] = ({},),
    extra_grids: tuple[Grid, ...] = (),
    where: Settings = MappingProxyType({}),
    orders: Mapping[str, Settings] = MappingProxyType({}),
    tables: tuple[Table, ...] = (),
    quick: Settings = MappingProxyType({}),
    **settings: object,
) -> Study:
    """Return the study of one table.

    `grids`: dimensions of each grid, besides those of the table or instead of them. `where`: the
    trials in the table. `orders`: the trials of other sample orders, which stand beside them.
    `quick`: settings of that budget, and `settings`: fixed ones, besides those of all tables.
    """
    published = PUBLISHED[number]
    rows = tuple(dict.fromkeys(row for rows in published.values() for row in rows))
    return Study(
        name=f"upc-batches-{number}",
        question=question,
        source=f"{_SOURCE}exercise 3, table {number}",
        fixed={
            "dataset": "mnist",
            "model": "deep-mnist",
            "optimizer": "tf1-adam",
            "dropout": 0.5,
            "epochs": None,
            "test_curve": True,
            **settings,
        },
        grids=tuple(
            Grid(space={panel: tuple(published), by: rows, **dimensions}) for dimensions in grids
        ),
        extra_grids=extra_grids,
        budgets={
            "smoke": {"steps": 4, "record_every": 2, "train_samples": 256},
            "quick": {"steps": 100, "record_every": 50, **quick},
            "paper": {"steps": 5_000, "record_every": 100},
        },
        conditional_settings=((DECAY, {"gamma": 0.95}),),
        claims=CLAIMS[number] + (as_printed(number, panel, by, where),) * (number in AS_PRINTED),
        figures=(
            _figure(number, panel, by, where),
            *(_figure(number, panel, by, settings, order) for order, settings in orders.items()),
        ),
        tables=(
            Table(
                name=f"table-{number}",
                kind="published",
                title=f"Table {number}: accuracy (%), published and measured",
                options={
                    "where": where,
                    "by": by,
                    "panel": panel,
                    "published": published,
                    "quantity": BEST,
                    "also": {"at best validation %": AT_BEST},
                    "beside": {f"{order} %": settings for order, settings in orders.items()},
                },
            ),
            *tables,
        ),
    )


STUDIES = (
    _table(
        "4.1",
        "Which batch size reaches the highest accuracy in one pass in fixed order?",
        "lr",
        "batch_size",
        grids=({"epochs": (1,)}, {"batch_size": LONGER_THAN_A_PASS, "epochs": (None,)}),
        where=ONE_PASS,
        orders={"wrapping around": WRAPPED},
        quick=SHORT_PASS,
        shuffle=False,
    ),
    _table(
        "4.2",
        "Which batch size reaches most with the training set shuffled every epoch?",
        "lr",
        "batch_size",
        grids=(
            {"shuffle": (True,)},
            {"batch_size": LONGER_THAN_A_PASS, "shuffle": (False,), "epochs": (1, None)},
        ),
        where=SHUFFLED,
        orders={"one pass": ONE_PASS, "wrapping around": WRAPPED},
        quick=SHORT_PASS,
    ),
    _table(
        "4.3",
        "Which batch size reaches most with a decaying learning rate?",
        "lr",
        "batch_size",
        grids=({"schedule": ("exponential", "constant")},),
        extra_grids=(
            Grid(
                name="decay-interval",
                space={
                    "lr": (1e-4,),
                    "batch_size": (150,),
                    "schedule": ("exponential",),
                    "decay_steps": (100, 1_000),
                },
            ),
        ),
        where=DECAY_BY_EPOCH,
        tables=(
            Table(
                name="decay-interval",
                kind="published",
                title="Table 4.3 at batch size 150, by steps between two decays",
                options={
                    "where": DECAY | {"batch_size": 150},
                    "by": "decay_steps",
                    "panel": None,
                    "published": {None: 99.0, 100: None, 1_000: None},
                    "quantity": BEST,
                },
            ),
        ),
    ),
    _table(
        "4.4",
        "Which initial learning rate reaches most when it decays?",
        "batch_size",
        "lr",
        schedule="exponential",
    ),
    _table(
        "4.5", "Does dropout matter?", "batch_size", "dropout", lr=0.001, schedule="exponential"
    ),
    _table(
        "4.6",
        "Which accuracy does the best configuration reach?",
        "lr",
        "batch_size",
        schedule="exponential",
    ),
)
