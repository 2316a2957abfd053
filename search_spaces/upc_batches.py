"""Valério (UPC), "High-Performance Computing Aspects of Deep Learning", exercise 3: batches.

One study per table, with the net that `upc_optimizers` describes. The report's epoch is one step.
It gives the accuracy "attained at the best epoch", on data it does not name. Here that is the
highest test accuracy of the records, one every 100 steps. This chooses by the test data, so tables
have the test accuracy at the record with the best validation accuracy beside it.

Table 4.1 is taken to be one pass over the training set in a fixed order, cut at 5,000 steps. The
report says 5,000 steps for every batch size, but at 150 a pass has 367. Wrapping around to the
first batch reaches 97.8 % there by step 1,500 (measured, one seed), and 94.1 % is printed; one pass
explains the whole row. So the study is one pass, and the counterfactual, wrapping around for 5,000
steps, stands beside it. Table 4.2 is taken to be 5,000 steps with a new order of the training set
every epoch, and both fixed orders stand beside it. At batches of 10 and less, 5,000 steps end
within the first pass. There, all three orders are the same run, which is trained once.

The report also describes table 4.2 differently: a random batch size for each epoch. The table has a
column for each batch size, so here the composition of the batches is random, not their size.

The report gives a decay of 0.95, but not after how many steps. One epoch is this project's guess.
The grid `decay-interval` of table 4.3 tries 100 and 1,000 steps, at batches of 150. The decay is a
staircase.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from search_spaces.study import Claim, Figure, Grid, Settings, Study, Table

_SOURCE = "João Valério, High-Performance Computing Aspects of Deep Learning (UPC), "
_BATCH_SIZES = (150, 100, 50, 25, 10, 8, 6, 4)
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


_BEST = "best_test_accuracy"
_AT_BEST = "test_accuracy_at_best"
_LARGE = frozenset({150, 100})
_LONGER_THAN_A_PASS = (150, 100, 50, 25)
"""The batch sizes at which 5,000 steps are more than one pass, so that the sample order matters."""
_SHUFFLED = {"shuffle": True, "epochs": None}
_ONE_PASS = {"shuffle": False, "epochs": 1}
_WRAPPED = {"shuffle": False, "epochs": None}
_SHORT_PASS = {"train_samples": 5_000}
"""Without this limit, a pass would exceed the budget's 100 steps at every batch size."""
_AS_PRINTED = frozenset({"4.2", "4.3", "4.4", "4.5"})
"""The tables whose accuracies are a claim, set before they were trained."""
_DECAY = {"schedule": "exponential"}
_DECAY_BY_EPOCH = {"schedule": "exponential", "decay_steps": None}

_CLAIMS: dict[str, tuple[Claim, ...]] = {
    "4.1": (
        Claim(
            name="small-batches-best-unshuffled",
            source="Valério, table 4.1",
            statement="In one pass in fixed order, batches of 10 or 8 reach most (at the record "
            "with the best validation accuracy, here).",
            published="97.3 % against 94.1 to 96.9 %",
            kind="best_value",
            options={
                "where": _ONE_PASS,
                "best": {"batch_size": frozenset({10, 8})},
                "quantity": _AT_BEST,
                "at": {"step": 5_000},
            },
        ),
        Claim(
            name="96.1-as-given",
            source="Valério, exercise 3",
            statement="The code as given reaches 96.1 % in 1,000 steps (within 1 point, at the "
            "tutorial's batches of 50, in fixed order, here).",
            published="96.1 %",
            kind="within",
            options={
                "where": _ONE_PASS | {"batch_size": 50},
                "quantity": "test_accuracy",
                "at": {"step": 1_000},
                "above": 0.951,
                "below": 0.971,
            },
        ),
    ),
    "4.2": (
        Claim(
            name="shuffling-beats-fixed-order",
            source="Valério, tables 4.1 and 4.2",
            statement="Shuffling every epoch beats one pass in fixed order (at batches of 25 and "
            "more: below, 5,000 steps end within the first pass, and both are the same run here).",
            published="2.1 to 4.8 points; at 10, 8, 6 and 4: 0.4, 0.1, 0.5 and -1.1",
            kind="compared",
            options={
                "ahead": _SHUFFLED | {"batch_size": frozenset(_LONGER_THAN_A_PASS)},
                "behind": _ONE_PASS,
                "quantity": _BEST,
                "at": {"step": 5_000},
                "per": ("batch_size",),
            },
        ),
        Claim(
            name="large-batches-best-shuffled",
            source="Valério, table 4.2",
            statement="With shuffling, batches of 150 or 100 reach most.",
            published="98.9 % against 95.3 to 98.6 %",
            kind="best_value",
            options={
                "where": _SHUFFLED,
                "best": {"batch_size": _LARGE},
                "quantity": _BEST,
                "at": {"step": 5_000},
            },
        ),
        Claim(
            name="shuffling-helps-large-batches-more",
            source="Valério, table 4.2",
            statement="The larger the batch, the more shuffling helps (the gain over one pass in "
            "fixed order falls from batches of 150 to 25; below, both are the same run here).",
            published="4.8, 3.9, 3.1 and 2.1 points",
            kind="trend",
            options={
                "where": _SHUFFLED,
                "gain_over": _ONE_PASS,
                "setting": "batch_size",
                "best_first": _LONGER_THAN_A_PASS,
                "quantity": _BEST,
                "at": {"step": 5_000},
            },
        ),
        Claim(
            name="shuffling-beats-wrapping-around",
            source="Valério, tables 4.1 and 4.2",
            statement="Shuffling every epoch beats a fixed order at batches of 150 and 100 in as "
            "many steps, too (5,000, where the report's fixed order may have had one pass; less "
            "than 0.1 points is no difference, here).",
            published="none",
            kind="compared",
            options={
                "ahead": _SHUFFLED | {"batch_size": _LARGE},
                "behind": _WRAPPED,
                "quantity": _BEST,
                "at": {"step": 5_000},
                "per": ("batch_size",),
                "band": 0.001,
            },
        ),
    ),
    "4.3": (
        Claim(
            name="decay-helps-a-little",
            source="Valério, tables 4.2 and 4.3",
            statement="A decaying learning rate helps, by less than half a point (less than 0.1 is "
            "no difference, here).",
            published="0.1 points",
            kind="compared",
            options={
                "ahead": _DECAY_BY_EPOCH,
                "behind": {"schedule": "constant"},
                "quantity": _BEST,
                "at": {"step": 5_000},
                "per": ("batch_size",),
                "less_than": 0.005,
                "band": 0.001,
            },
        ),
    ),
    "4.4": (
        Claim(
            name="10e-4-best-at-150",
            source="Valério, table 4.4",
            statement="At batches of 150, 10e-4 is the best initial learning rate (by more than "
            "0.05 points, which the printed digit shows, here).",
            published="99.3 % against 98.8 to 99.2 %",
            kind="best_value",
            options={
                "where": {"batch_size": 150},
                "best": {"lr": 0.001},
                "quantity": _BEST,
                "at": {"step": 5_000},
                "by": 0.0005,
            },
        ),
        Claim(
            name="3e-4-9e-4-or-10e-4-best-at-100",
            source="Valério, table 4.4",
            statement="At batches of 100, 3e-4, 9e-4 and 10e-4 are the best initial learning rates "
            "(their mean, by more than 0.05 points, which the printed digit shows, here).",
            published="99.2 % each, against 98.9 to 99.1 %",
            kind="best_value",
            options={
                "where": {"batch_size": 100},
                "best": {"lr": frozenset({3e-4, 9e-4, 0.001})},
                "quantity": _BEST,
                "at": {"step": 5_000},
                "by": 0.0005,
                "mean_of_best": True,
            },
        ),
    ),
    "4.5": tuple(
        Claim(
            name=f"no-dropout-beats-0.5-at-{batch_size}",
            source="Valério, table 4.5",
            statement=f"At batches of {batch_size}, no dropout improves on 0.5 (by 0.1 points or "
            "more, here).",
            published=published,
            kind="best_value",
            options={
                "where": {"batch_size": batch_size},
                "best": {"dropout": 0.5},
                "quantity": _BEST,
                "at": {"step": 5_000},
                "by": -0.001,
            },
        )
        for batch_size, published in (
            (150, "99.3 % against 99.0 to 99.2 %"),
            (100, "99.2 % against 99.0 to 99.2 %"),
        )
    ),
    "4.6": (
        Claim(
            name="99.3-is-reachable",
            source="Valério, table 4.6",
            statement="The best configuration reaches 99.3 % (rounded).",
            published="99.3 %",
            kind="within",
            options={
                "where": {},
                "quantity": _BEST,
                "above": 0.9925,
                "at": {"step": 5_000},
            },
        ),
    ),
}


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


def _as_printed(number: str, panel: str, by: str, where: Settings) -> Claim:
    return Claim(
        name=f"table-{number}-as-printed",
        source=f"Valério, table {number}",
        statement=f"The accuracies of table {number} are as printed (each within half a point, "
        "here).",
        published="all of the table",
        kind="as_printed",
        options={
            "where": where,
            "printed": tuple(
                ({panel: outer, by: inner}, accuracy / 100)
                for outer, row in PUBLISHED[number].items()
                for inner, accuracy in row.items()
            ),
            "quantity": _BEST,
            "at": {"step": 5_000},
            "within": 0.005,
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
        conditional_settings=((_DECAY, {"gamma": 0.95}),),
        claims=_CLAIMS[number] + (_as_printed(number, panel, by, where),) * (number in _AS_PRINTED),
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
                    "quantity": _BEST,
                    "also": {"at best validation %": _AT_BEST},
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
        grids=({"epochs": (1,)}, {"batch_size": _LONGER_THAN_A_PASS, "epochs": (None,)}),
        where=_ONE_PASS,
        orders={"wrapping around": _WRAPPED},
        quick=_SHORT_PASS,
        shuffle=False,
    ),
    _table(
        "4.2",
        "Which batch size reaches most with the training set shuffled every epoch?",
        "lr",
        "batch_size",
        grids=(
            {"shuffle": (True,)},
            {"batch_size": _LONGER_THAN_A_PASS, "shuffle": (False,), "epochs": (1, None)},
        ),
        where=_SHUFFLED,
        orders={"one pass": _ONE_PASS, "wrapping around": _WRAPPED},
        quick=_SHORT_PASS,
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
        where=_DECAY_BY_EPOCH,
        tables=(
            Table(
                name="decay-interval",
                kind="published",
                title="Table 4.3 at batch size 150, by steps between two decays",
                options={
                    "where": _DECAY | {"batch_size": 150},
                    "by": "decay_steps",
                    "panel": None,
                    "published": {None: 99.0, 100: None, 1_000: None},
                    "quantity": _BEST,
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
