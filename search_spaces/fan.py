"""Fan, "A Deep Look into LeNet with MNIST", sections 2 and 3.

SGD against Adam over three learning rates and four batch sizes. The report leaves several settings
open. This study uses no momentum for SGD (the report prints no code; its text describes the plain
update), no weight decay, pixels scaled to [0, 1], ten epochs, and a validation set of 5,000 images
split from the training set (the report does not define its "validation"). The report's LeNet has no
dropout; the dimension exists so that `--set` can vary it, and its value is 0.
"""

from search_spaces import hardware
from search_spaces.study import Claim, Figure, Grid, Study, Table

_LRS = (0.1, 0.01, 0.001)
_BATCH_SIZES = (32, 64, 128, 256)
_WORKS = frozenset({0.01, 0.001})

_MORE_GPUS = Claim(
    name="more-gpus-do-not-help",
    source="Fan, section 4, figures 5-6",
    statement="One GPU beats the CPU; two to four are no faster than one.",
    published="none",
    kind="untested",
    options={"why": "it is the question of fan-hardware: python -m study.scaling fan-hardware"},
)

_HARDWARE_CLAIMS = (
    Claim(
        name="one-gpu-beats-the-cpu",
        source="Fan, section 4, figure 5",
        statement="One GPU takes less time than the CPU.",
        published="none",
        kind="time_ratio",
        options={"of": (("gpu", 1),), "to": ("cpu", 1), "below": 1.0},
    ),
    Claim(
        name="more-gpus-do-not-help",
        source="Fan, section 4, figures 5-6",
        statement="Two to four GPUs are no faster than one (save no more than 5 % of its time, "
        "here).",
        published="none",
        kind="time_ratio",
        options={"of": tuple(("gpu", n) for n in (2, 3, 4)), "to": ("gpu", 1), "above": 0.95},
    ),
)

_CLAIMS = (
    Claim(
        name="adam-0.1-fails",
        source="Fan, section 3.2, figures 3-4",
        statement="Adam at 0.1 hardly learns, whatever the batch size (below 50 % here).",
        published="none",
        kind="within",
        options={
            "where": {"optimizer": "adam", "lr": 0.1},
            "quantity": "validation_accuracy",
            "per": ("batch_size",),
            "below": 0.5,
        },
    ),
    Claim(
        name="adam-0.01-and-0.001-alike",
        source="Fan, section 3.2, figure 3",
        statement="Adam at 0.01 and at 0.001 end alike (within 1 point here).",
        published="none",
        kind="compared",
        options={
            "ahead": {"optimizer": "adam", "lr": 0.001},
            "behind": {"optimizer": "adam", "lr": 0.01},
            "quantity": "validation_accuracy",
            "per": ("batch_size",),
            "alike": 0.01,
        },
    ),
    Claim(
        name="near-the-maximum-by-epoch-2",
        source="Fan, section 3.2, figure 3",
        statement="Adam at 0.01 and 0.001 is near its maximum by the second epoch (within 2 "
        "points).",
        published="none",
        kind="settled_by",
        options={
            "where": {"optimizer": "adam", "lr": _WORKS},
            "quantity": "validation_accuracy",
            "by": {"epoch": 2},
            "within": 0.02,
            "beyond": 0.5,
            "per": ("lr", "batch_size"),
        },
    ),
    Claim(
        name="sgd-faster-with-larger-lr",
        source="Fan, section 3.1, figures 1-2",
        statement="The larger the learning rate, the faster SGD learns (after the first epoch "
        "here).",
        published="none",
        kind="ordered",
        options={
            "where": {"optimizer": "sgd"},
            "setting": "lr",
            "best_first": _LRS,
            "quantity": "validation_accuracy",
            "per": ("batch_size",),
            "at": {"epoch": 1},
        },
    ),
    Claim(
        name="larger-batches-slower",
        source="Fan, section 3.1, figure 1",
        statement="The larger the batch, the slower SGD converges (mean over learning rates after "
        "the first epoch here).",
        published="none",
        kind="ordered",
        options={
            "where": {"optimizer": "sgd"},
            "setting": "batch_size",
            "best_first": _BATCH_SIZES,
            "quantity": "validation_accuracy",
            "per": ("lr",),
            "at": {"epoch": 1},
            "averaged": True,
        },
    ),
    Claim(
        name="batch-sizes-end-alike",
        source="Fan, section 3.1, figure 1",
        statement="By the end, SGD's accuracy is comparable across batch sizes (32 and 256, within "
        "2 points here).",
        published="none",
        kind="compared",
        options={
            "ahead": {"optimizer": "sgd", "batch_size": 32},
            "behind": {"optimizer": "sgd", "batch_size": 256},
            "quantity": "validation_accuracy",
            "per": ("lr",),
            "alike": 0.02,
        },
    ),
    Claim(
        name="larger-batches-smoother",
        source="Fan, section 3.1, figure 2",
        statement="The larger the batch, the smoother SGD's curves (the rises of the validation "
        "loss from epoch to epoch, summed; mean over learning rates, here).",
        published="none",
        kind="ordered",
        options={
            "where": {"optimizer": "sgd"},
            "setting": "batch_size",
            "best_first": _BATCH_SIZES[::-1],
            "quantity": "rises_validation_loss",
            "per": ("lr",),
            "averaged": True,
        },
    ),
    Claim(
        name="adam-less-sensitive",
        source="Fan, section 3.2 and table 1",
        statement="Adam depends less on the learning rate than SGD (standard deviation of the "
        "final accuracy over the three rates, here).",
        published="none",
        kind="steadier",
        options={
            "steadier": {"optimizer": "adam"},
            "other": {"optimizer": "sgd"},
            "over": "lr",
            "quantity": "validation_accuracy",
            "per": ("batch_size",),
        },
    ),
    Claim(
        name="adam-less-sensitive-below-0.1",
        source="Fan, section 3.2",
        statement="Between 0.01 and 0.001 alone, Adam depends less on the learning rate than SGD.",
        published="none",
        kind="steadier",
        options={
            "steadier": {"optimizer": "adam", "lr": _WORKS},
            "other": {"optimizer": "sgd", "lr": _WORKS},
            "over": "lr",
            "quantity": "validation_accuracy",
            "per": ("batch_size",),
        },
    ),
    _MORE_GPUS,
)

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
                "lr": _LRS,
                "batch_size": _BATCH_SIZES,
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
    ),
    claims=_CLAIMS,
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
    figures=hardware.figures(source=" (Fan, figures 5-6)"),
    tables=hardware.TABLES,
    claims=_HARDWARE_CLAIMS,
)

STUDIES = (FAN, HARDWARE)
