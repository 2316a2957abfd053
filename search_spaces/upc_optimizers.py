"""Valério (UPC), "High-Performance Computing Aspects of Deep Learning", exercise 2: optimizers.

Exercises 2 to 4 use the net of TensorFlow 1's tutorial "Deep MNIST for Experts" (`deep-mnist`),
with dropout 0.5 and TensorFlow 1's defaults (see `upc_line`). The report's epoch is one step.

The report prints about 0.91 for nearly every optimizer after 500 steps of 100 samples. A softmax
regression reaches that, and this net exceeds it, so the study trains both. Claims are judged on
validation data at the last step.
"""

from search_spaces.study import Claim, Figure, Grid, Study, Table
from search_spaces.upc_line import TF1_DEFAULTS

_SOURCE = "João Valério, High-Performance Computing Aspects of Deep Learning (UPC), "
OPTIMIZERS = (
    "sgd",
    "momentum",
    "adam",
    "nesterov",
    "adagrad",
    "adadelta",
    "rmsprop",
    "ftrl",
    "proximal-adagrad",
)
_ALL_BUT_ADADELTA = frozenset(OPTIMIZERS) - {"adadelta"}
_LRS = (0.1, 0.5, 0.01, 0.05, 0.001, 0.005, 0.0001, 0.0005)

STUDY = Study(
    name="upc-optimizers",
    question="Which optimizer learns most in 500 steps, and at which learning rate?",
    source=_SOURCE + "exercise 2, figures 3.1-3.9",
    fixed={"dataset": "mnist", "batch_size": 100, "record_every": 25, "test_curve": True},
    grids=(
        Grid(
            space={"model": ("deep-mnist", "softmax"), "optimizer": OPTIMIZERS, "lr": _LRS},
            budgets={
                "smoke": {"steps": 4, "record_every": 2, "train_samples": 256},
            },
        ),
    ),
    budgets={
        "smoke": {},
        # Held-out data are evaluated only at the last step: otherwise they would cost more than 20.
        "quick": {"steps": 20, "record_every": 4, "evaluate_at": ()},
        "paper": {"steps": 500},
    },
    conditional_settings=(*TF1_DEFAULTS, ({"model": "deep-mnist"}, {"dropout": 0.5})),
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
    claims=tuple(
        claim
        for model in ("deep-mnist", "softmax")
        for claim in (
            Claim(
                name=f"adam-best-{model}",
                source="Valério, exercise 2",
                statement="Adam at its best learning rate is ahead of every other optimizer at its "
                f"own ({model}).",
                published="0.92, loss 0.30",
                kind="best_value",
                options={
                    "where": {"model": model},
                    "best": {"optimizer": "adam"},
                    "quantity": "validation_accuracy",
                    "at": {"step": 500},
                },
            ),
            Claim(
                name=f"adam-best-at-0.005-and-0.01-{model}",
                source="Valério, exercise 2, figure 3.3",
                statement=f"Adam learns most at 0.005 or 0.01 ({model}).",
                published="0.92, loss 0.30",
                kind="best_value",
                options={
                    "where": {"model": model, "optimizer": "adam"},
                    "best": {"lr": frozenset({0.005, 0.01})},
                    "quantity": "validation_accuracy",
                    "at": {"step": 500},
                },
            ),
            Claim(
                name=f"all-but-adadelta-above-0.90-{model}",
                source="Valério, exercise 2",
                statement="Every optimizer but Adadelta passes 0.90 at its best learning rate "
                f"({model}).",
                published="0.91 to 0.92",
                kind="within",
                options={
                    "where": {"model": model, "optimizer": _ALL_BUT_ADADELTA},
                    "quantity": "validation_accuracy",
                    "at": {"step": 500},
                    "per": ("optimizer",),
                    "above": 0.90,
                    "at_best": True,
                },
            ),
            Claim(
                name=f"all-but-adadelta-under-0.34-{model}",
                source="Valério, exercise 2",
                statement="Every optimizer but Adadelta gets under a loss of 0.34 at its best "
                f"learning rate ({model}).",
                published="0.30 to 0.33",
                kind="within",
                options={
                    "where": {"model": model, "optimizer": _ALL_BUT_ADADELTA},
                    "quantity": "validation_loss",
                    "at": {"step": 500},
                    "per": ("optimizer",),
                    "below": 0.34,
                    "at_best": True,
                },
            ),
            Claim(
                name=f"adadelta-behind-{model}",
                source="Valério, exercise 2, figure 3.6",
                statement=f"Adadelta stays below 0.90 at its best learning rate ({model}).",
                published="0.84, loss 0.80",
                kind="within",
                options={
                    "where": {"model": model, "optimizer": "adadelta"},
                    "quantity": "validation_accuracy",
                    "at": {"step": 500},
                    "below": 0.90,
                    "at_best": True,
                },
            ),
        )
    ),
)
