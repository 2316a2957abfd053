"""Valério (UPC), "High-Performance Computing Aspects of Deep Learning", exercise 2: optimizers.

Exercises 2 to 4 use the net of TensorFlow 1's tutorial "Deep MNIST for Experts" (`deep-mnist`),
with dropout 0.5 and TensorFlow 1's optimizers (see `upc_line`). The report's epoch is one step.

The report prints about 0.91 for nearly every optimizer after 500 steps. A softmax regression
reaches that, and this net exceeds it, so the study trains both. The report does not print the batch
size; each net has that of its tutorial, 50 and 100. Which rate is best is judged on validation data
at the last step. An accuracy or loss at that rate is the test data's, which did not choose it.
"""

from search_spaces.study import Claim, Figure, Grid, Settings, Study, Table

_SOURCE = "João Valério, High-Performance Computing Aspects of Deep Learning (UPC), "
OPTIMIZERS = (
    "sgd",
    "momentum",
    "tf1-adam",
    "nesterov",
    "tf1-adagrad",
    "tf1-adadelta",
    "tf1-rmsprop",
    "ftrl",
    "proximal-adagrad",
)
PUBLISHED: dict[str, tuple[tuple[float, ...], str, str]] = {
    "sgd": ((0.5,), "0.91", "0.33"),
    "momentum": ((0.05, 0.1), "0.91", "0.32"),
    "tf1-adam": ((0.005, 0.01), "0.92", "0.30"),
    "nesterov": ((0.1,), "0.91", "0.31"),
    "tf1-adagrad": ((0.1, 0.5), "0.91", "0.32"),
    "tf1-adadelta": ((0.5,), "0.84", "0.80"),
    "tf1-rmsprop": ((0.005, 0.01), "0.91", "0.32"),
    "ftrl": ((0.1, 0.5), "0.91", "0.32"),
    "proximal-adagrad": ((0.1, 0.5), "0.91", "0.33"),
}
"""The report's best learning rates of each optimizer, with the accuracy and loss that it prints for
them. Two rates are alike at two digits."""

_ALL_BUT_ADADELTA = frozenset(OPTIMIZERS) - {"tf1-adadelta"}
_MODELS = ("deep-mnist", "softmax")
_AT_BEST_RATE = {"at": {"step": 500}, "best_by": "validation_accuracy"}
_SETTINGS: dict[str, Settings] = {
    # At every record, evaluation would take four times as long as the training.
    "deep-mnist": {"batch_size": 50, "evaluate_at": (25, 50, 100, 150, 200, 300, 400)},
    "softmax": {"batch_size": 100, "test_curve": True},
}
_LRS = (0.1, 0.5, 0.01, 0.05, 0.001, 0.005, 0.0001, 0.0005)

_NAMES = {
    "sgd": "Gradient descent",
    "tf1-rmsprop": "RMSProp",
    "ftrl": "FTRL",
    "proximal-adagrad": "Proximal Adagrad",
}


def _best_lrs(model: str, number: int, optimizer: str) -> Claim:
    lrs, accuracy, loss = PUBLISHED[optimizer]
    short = optimizer.removeprefix("tf1-")
    return Claim(
        name=f"{short}-best-at-{'-and-'.join(map(str, lrs))}-{model}",
        source=f"Valério, exercise 2, figure 3.{number}",
        statement=f"{_NAMES.get(optimizer, short.capitalize())} learns most at "
        f"{' and '.join(map(str, lrs))} ({'their mean, here; ' * (len(lrs) > 1)}{model}).",
        published=f"{accuracy}, loss {loss}",
        kind="best_value",
        options={
            "where": {"model": model, "optimizer": optimizer},
            "best": {"lr": frozenset(lrs)},
            "quantity": "validation_accuracy",
            "at": {"step": 500},
            "mean_of_best": True,
        },
    )


STUDY = Study(
    name="upc-optimizers",
    question="Which optimizer learns most in 500 steps, and at which learning rate?",
    source=_SOURCE + "exercise 2, figures 3.1-3.9",
    fixed={
        "dataset": "mnist",
        "epochs": None,
        "record_every": 25,
    },
    grids=tuple(
        Grid(
            name=model,
            space={"model": (model,), "optimizer": OPTIMIZERS, "lr": _LRS},
            settings=_SETTINGS[model],
            budgets={
                "smoke": {
                    "steps": 4,
                    "record_every": 2,
                    "evaluate_at": None,
                    "train_samples": 256,
                },
                # Held-out data are evaluated only at the last step: they would cost more than 20.
                "quick": {"steps": 20, "record_every": 4, "evaluate_at": ()},
            },
        )
        for model in _MODELS
    ),
    budgets={
        "smoke": {},
        "quick": {},
        "paper": {"steps": 500},
    },
    conditional_settings=(({"model": "deep-mnist"}, {"dropout": 0.5}),),
    figures=tuple(
        Figure(
            name=f"figure-3.{number}-{optimizer.removeprefix('tf1-')}-{quantity}",
            kind="curves",
            title=f"{quantity.capitalize()} of {optimizer} by learning rate",
            source=f"UPC, figure 3.{number}",
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
            options={
                "where": {},
                "per": ("model", "optimizer"),
                "published": {
                    optimizer: f"{' or '.join(map(str, lrs))}: {accuracy}, loss {loss}"
                    for optimizer, (lrs, accuracy, loss) in PUBLISHED.items()
                },
            },
        ),
    ),
    claims=tuple(
        claim
        for model in _MODELS
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
                    "best": {"optimizer": "tf1-adam"},
                    "quantity": "validation_accuracy",
                    "at": {"step": 500},
                },
            ),
            Claim(
                name=f"adam-lowest-loss-{model}",
                source="Valério, exercise 2",
                statement="Adam at its best learning rate has a lower loss than every other "
                f"optimizer at its own ({model}).",
                published="0.30 against 0.31 to 0.80",
                kind="best_value",
                options={
                    "where": {"model": model},
                    "best": {"optimizer": "tf1-adam"},
                    "quantity": "validation_loss",
                    "at": {"step": 500},
                },
            ),
            *(
                _best_lrs(model, number, optimizer)
                for number, optimizer in enumerate(OPTIMIZERS, 1)
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
                    "quantity": "test_accuracy",
                    "per": ("optimizer",),
                    "above": 0.90,
                    **_AT_BEST_RATE,
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
                    "quantity": "test_loss",
                    "per": ("optimizer",),
                    "below": 0.34,
                    **_AT_BEST_RATE,
                },
            ),
            Claim(
                name=f"adadelta-behind-{model}",
                source="Valério, exercise 2, figure 3.6",
                statement=f"Adadelta stays below 0.90 at its best learning rate ({model}).",
                published="0.84, loss 0.80",
                kind="within",
                options={
                    "where": {"model": model, "optimizer": "tf1-adadelta"},
                    "quantity": "test_accuracy",
                    "below": 0.90,
                    **_AT_BEST_RATE,
                },
            ),
            Claim(
                name=f"accuracies-as-printed-{model}",
                source="Valério, exercise 2",
                statement="Every optimizer has its printed accuracy at its printed rates (within "
                f"1 point on test data, here; {model}).",
                published="0.91; Adam 0.92, Adadelta 0.84",
                kind="as_printed",
                options={
                    "where": {"model": model},
                    "printed": tuple(
                        ({"optimizer": optimizer, "lr": lr}, float(accuracy))
                        for optimizer, (lrs, accuracy, _) in PUBLISHED.items()
                        for lr in lrs
                    ),
                    "quantity": "test_accuracy",
                    "at": {"step": 500},
                    "within": 0.01,
                },
            ),
        )
    ),
)
