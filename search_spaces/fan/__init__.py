"""Fan, "A Deep Look into LeNet with MNIST": SGD against Adam, and the CPU against GPUs.

The report prints this part of the grid: the optimizers, the rate 0.1 for SGD, the rates 0.1, 0.01
and 0.001 for Adam, and batches of 128 in its hardware experiment. This project chose the other
three batch sizes, and gave SGD two lower rates, which are Adam's. SGD has no momentum: the report
does not print the code of the optimizers, and its text describes the plain update. This project
also chose no weight decay, pixels in [0, 1] and ten epochs. It splits a validation set of 5,000
images from the training set, as the report does not define its "validation". The report's LeNet has
no dropout.

Two grids go beyond the report; `python -m study.grid fan --grids NAME` trains them:

- `large-rates`: SGD above 0.1, because the report warns of rates that are too large and names none
- `dropout`: optimizer, learning rate, batch size and dropout, all crossed; a third of its points
  are the report's

The report contradicts itself on Adam at 0.1: poor and hardly improving in section 3.2, stable and
accurate at high rates in section 5. Both are claims here. The report prints no threshold; a claim's
statement says "here" where the threshold is ours.
"""

from search_spaces import hardware
from search_spaces.fan.adam_claims import ADAM_CLAIMS
from search_spaces.fan.hardware_claims import HARDWARE_CLAIMS
from search_spaces.fan.sensitivity_claims import SENSITIVITY_CLAIMS
from search_spaces.fan.sgd_claims import SGD_CLAIMS
from search_spaces.fan.table_1_claims import TABLE_1_CLAIMS
from search_spaces.fan.values import BATCH_SIZES, LRS
from search_spaces.study import Figure, Grid, Study, Table

_LARGE_LRS = (0.3, 1.0, 3.0)

_DROPOUTS = (0.0, 0.25, 0.5)

FAN = Study(
    name="fan",
    question="How do learning rate and batch size change the training of LeNet "
    "under SGD and under Adam?",
    source="Jingqi Fan, A Deep Look into LeNet with MNIST, sections 2-3, figures 1-4",
    fixed={"dataset": "mnist", "model": "lenet"},
    grids=(
        Grid(
            name="published",
            space={
                "optimizer": ("sgd", "adam"),
                "lr": LRS,
                "batch_size": BATCH_SIZES,
                "dropout": (0.0,),
            },
        ),
    ),
    extra_grids=(
        Grid(
            name="large-rates",
            space={
                "optimizer": ("sgd",),
                "lr": (0.1, *_LARGE_LRS),
                "batch_size": BATCH_SIZES,
                "dropout": (0.0,),
            },
        ),
        Grid(
            name="dropout",
            space={
                "optimizer": ("sgd", "adam"),
                "lr": LRS,
                "batch_size": BATCH_SIZES,
                "dropout": _DROPOUTS,
            },
        ),
    ),
    budgets={
        "smoke": {"epochs": 2, "train_samples": 256},
        "quick": {"epochs": 5, "train_samples": 10_000},
        "paper": {"epochs": 10},
    },
    figures=tuple(
        Figure(
            name=f"figure-{number}-{optimizer}-{quantity}",
            kind="curves",
            title=f"{quantity.capitalize()} of {label} by learning rate and batch size",
            source=f"Fan, figure {number}",
            options={
                "where": {"optimizer": optimizer},
                "quantity": quantity,
                "panel": "batch_size",
                "line": "lr",
            },
        )
        for number, optimizer, label, quantity in (
            (1, "sgd", "SGD", "accuracy"),
            (2, "sgd", "SGD", "loss"),
            (3, "adam", "Adam", "accuracy"),
            (4, "adam", "Adam", "loss"),
        )
    ),
    tables=(
        Table(
            name="table-1",
            kind="optimizers_compared",
            title="SGD against Adam, measured (Fan, table 1)",
        ),
        *(
            Table(
                name=f"test-accuracy-{optimizer}",
                kind="settings_by_value",
                title=f"Test accuracy (%) of {label} by batch size and learning rate",
                options={
                    "where": {"optimizer": optimizer},
                    "rows": "batch_size",
                    "columns": "lr",
                },
            )
            for optimizer, label in (("sgd", "SGD"), ("adam", "Adam"))
        ),
        Table(
            name="best-learning-rates",
            kind="best_settings",
            title="Best learning rate by optimizer, batch size and dropout",
            options={"where": {}, "per": ("optimizer", "batch_size", "dropout")},
        ),
    ),
    claims=(
        *SGD_CLAIMS,
        *ADAM_CLAIMS,
        *SENSITIVITY_CLAIMS,
        *TABLE_1_CLAIMS,
    ),
)

HARDWARE = Study(
    name="fan-hardware",
    question="How much faster does one GPU train than the CPU, and do more GPUs help?",
    source="Jingqi Fan, A Deep Look into LeNet with MNIST, section 4, figures 5-6",
    fixed={"dataset": "mnist", "model": "lenet", "optimizer": "adam", "lr": 0.01},
    grids=(Grid(space={"batch_size": (128,)}),),
    budgets={
        "smoke": {"epochs": 8, "train_samples": 256},
        "quick": {"epochs": 1, "record_every": 43},
        "paper": {"epochs": 10, "record_every": 43},
    },
    workers=(1, 2, 3, 4),
    figures=hardware.figures(source="Fan, figures 5-6"),
    tables=hardware.TABLES,
    claims=HARDWARE_CLAIMS,
)

STUDIES = (FAN, HARDWARE)
