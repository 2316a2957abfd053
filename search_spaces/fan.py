"""Fan, "A Deep Look into LeNet with MNIST", sections 2 and 3.

SGD against Adam over three learning rates and four batch sizes. The report is silent on
several settings; chosen here: no momentum for SGD (its code is not printed, its text
describes the plain update), no weight decay, pixels scaled to [0, 1], ten epochs, and a
validation set of 5,000 images split from the training set (the report's "validation" is
not defined). Dropout is not in the report's LeNet; the dimension is there, at 0.
"""

from search_spaces.study import Figure, Grid, Study

FAN = Study(
    name="fan",
    question="How do learning rate and batch size change the training of LeNet "
    "under SGD and under Adam?",
    source="Jingqi Fan, A Deep Look into LeNet with MNIST, sections 2-3, figures 1-4",
    fixed={"dataset": "mnist", "model": "lenet"},
    grids=(
        Grid(
            space={
                "optimizer": ("sgd", "adam"),
                "lr": (0.1, 0.01, 0.001),
                "batch_size": (32, 64, 128, 256),
                "dropout": (0.0,),
            }
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
            title=f"{quantity.capitalize()} of {label} by learning rate and batch size "
            f"(Fan, figure {number})",
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
)

HARDWARE = Study(
    name="fan-hardware",
    question="How much faster does one GPU train than the CPU, and do more GPUs help?",
    source="Jingqi Fan, A Deep Look into LeNet with MNIST, section 4, figures 5-6",
    fixed={"dataset": "mnist", "model": "lenet", "optimizer": "adam", "lr": 0.01},
    grids=(Grid(space={"batch_size": (128,)}),),
    budgets={
        "smoke": {"epochs": 2, "train_samples": 256},
        "quick": {"epochs": 1},
        "paper": {"epochs": 10},
    },
    workers=(1, 2, 3, 4),
)

STUDIES = (FAN, HARDWARE)
