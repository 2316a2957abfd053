"""Valério (UPC), "High-Performance Computing Aspects of Deep Learning", exercise 3: batches.

One study per table, with the net that `upc_optimizers` describes. "Fixed order" is taken to mean
the same order of the training set in every epoch, and the decay of 0.95 to apply per epoch. The
report gives accuracies of the best epoch, on data it does not name. Here they are test accuracies
at the record with the best validation accuracy; there is a record every 100 steps.
"""

from dataclasses import replace

from search_spaces import upc_gpus
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


_AT_BEST = "test_accuracy_at_best"
_SHUFFLED = {"shuffle": True}
_DECAY = {"schedule": "exponential"}

_CLAIMS: dict[str, tuple[Claim, ...]] = {
    "4.1": (
        Claim(
            name="small-batches-best-unshuffled",
            source="Valério, table 4.1",
            statement="In fixed order, batches of 10 or 8 reach most.",
            published="97.3 % against 94.1 to 96.9 %",
            kind="best_value",
            options={
                "where": {},
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
                "where": {"batch_size": 50},
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
            statement="Shuffling every epoch beats a fixed order at batches of 10 and more (the "
            "table has it behind at 4).",
            published="0.4 to 4.8 points; at 8, 6 and 4: 0.1, 0.5 and -1.1",
            kind="compared",
            options={
                "ahead": {"shuffle": True, "batch_size": frozenset({150, 100, 50, 25, 10})},
                "behind": {"shuffle": False},
                "quantity": _AT_BEST,
                "at": {"step": 5_000},
                "per": ("batch_size",),
            },
        ),
        Claim(
            name="four-points-at-large-batches",
            source="Valério, tables 4.1 and 4.2",
            statement="At 150 and 100 it gains about 4 points (more than 2 here).",
            published="4.8 and 3.9 points",
            kind="compared",
            options={
                "ahead": {"shuffle": True, "batch_size": frozenset({150, 100})},
                "behind": {"shuffle": False},
                "quantity": _AT_BEST,
                "at": {"step": 5_000},
                "per": ("batch_size",),
                "by": 0.02,
            },
        ),
    ),
    "4.3": (
        Claim(
            name="decay-helps-a-little",
            source="Valério, tables 4.2 and 4.3",
            statement="A decaying learning rate helps, by less than half a point.",
            published="0.1 points",
            kind="compared",
            options={
                "ahead": _DECAY,
                "behind": {"schedule": "constant"},
                "quantity": _AT_BEST,
                "at": {"step": 5_000},
                "per": ("batch_size",),
                "less_than": 0.005,
            },
        ),
    ),
    "4.4": (
        Claim(
            name="10e-4-best-at-150",
            source="Valério, table 4.4",
            statement="At batches of 150, 10e-4 is the best initial learning rate.",
            published="99.3 % against 98.8 to 99.2 %",
            kind="best_value",
            options={
                "where": {"batch_size": 150},
                "best": {"lr": 0.001},
                "quantity": _AT_BEST,
                "at": {"step": 5_000},
            },
        ),
    ),
    "4.5": tuple(
        Claim(
            name=f"dropout-{dropout:g}-makes-no-difference",
            source="Valério, table 4.5",
            statement=f"Dropout {dropout:g} ends as 0.5 does (within 0.3 points, here).",
            published="99.0 to 99.3 %",
            kind="compared",
            options={
                "ahead": {"dropout": 0.5},
                "behind": {"dropout": dropout},
                "quantity": _AT_BEST,
                "at": {"step": 5_000},
                "per": ("batch_size",),
                "alike": 0.003,
            },
        )
        for dropout in _DROPOUTS
        if dropout != 0.5
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
                "quantity": _AT_BEST,
                "above": 0.9925,
                "at": {"step": 5_000},
            },
        ),
        replace(
            upc_gpus.SAME_TIME,
            kind="untested",
            options={"why": "it is the question of upc-gpus: python -m study.scaling upc-gpus"},
        ),
    ),
}


def _table(
    number: str,
    question: str,
    panel: str,
    by: str,
    *,
    claim_dimensions: dict[str, tuple[object, ...]] | None = None,
    where: Settings | None = None,
    **settings: object,
) -> Study:
    """Return the study of one table.

    `claim_dimensions`: dimensions that only the claims need. `where`: the trials in the table.
    `settings`: fixed settings, in addition to those of all tables.
    """
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
                    **(claim_dimensions or {}),
                }
            ),
        ),
        budgets={
            "smoke": {"steps": 4, "record_every": 2, "train_samples": 256},
            "quick": {"steps": 100, "record_every": 50},
            "paper": {"steps": 5_000, "record_every": 100},
        },
        conditional_settings=((_DECAY, {"gamma": 0.95}),),
        claims=_CLAIMS[number],
        figures=(
            Figure(
                name=f"figure-{number}-accuracy",
                kind="curves",
                title=f"Accuracy behind table {number} (UPC, exercise 3)",
                options={
                    "where": where or {},
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
                title=f"Table {number}: accuracy (%), published and measured",
                options={"where": where or {}, "by": by, "panel": panel, "published": published},
            ),
        ),
    )


STUDIES = (
    _table(
        "4.1",
        "Which batch size reaches the highest accuracy in 5,000 steps, in fixed order?",
        "lr",
        "batch_size",
        shuffle=False,
    ),
    _table(
        "4.2",
        "Which batch size reaches most with the training set shuffled every epoch?",
        "lr",
        "batch_size",
        claim_dimensions={"shuffle": (True, False)},
        where=_SHUFFLED,
    ),
    _table(
        "4.3",
        "Which batch size reaches most with a decaying learning rate?",
        "lr",
        "batch_size",
        claim_dimensions={"schedule": ("exponential", "constant")},
        where=_DECAY,
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
