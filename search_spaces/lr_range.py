"""The learning-rate range test: which learning rate does a rising ramp suggest, and is it any good?

A study of our own, run by `python -m study.lr_range`; one for each loss that can be looked at. The
four ramps:

- *exponential*, from 1e-7 to 10, and *linear*, from 1e-5 to 1, over two epochs (`paper`: one
  epoch of all of MNIST, 430 steps). fastai, Lightning and pytorch-lr-finder take a hundred steps.
- *lambda* and *multistep*, the two of the CS5260 report, over ten epochs: see `cs5260`.

A ramp ends once its training loss, smoothed, is four times the lowest it was: fastai and Lightning
stop at four times, pytorch-lr-finder at five.

The test is Leslie N. Smith's (Cyclical Learning Rates for Training Neural Networks, 2017). The
settings around the ramp are LeNet's of the other studies: batches of 128, no dropout.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from search_spaces.study import Figure, Grid, Settings, Study, Table

OPTIMIZERS = ("sgd", "adamw", "adam")

RAMPS: Mapping[str, Settings] = MappingProxyType(
    {
        "exponential": {"schedule": "ramp-exponential", "lr": 1e-7, "final_lr": 10.0},
        "linear": {"schedule": "ramp-linear", "lr": 1e-5, "final_lr": 1.0},
        "lambda": {"schedule": "ramp-exponential", "lr": 1e-6, "final_lr": 1.0},
        "multistep": {"schedule": "ramp-multistep", "lr": 0.1},
    }
)
"""Each ramp by name, which is that of its grid."""

_PUBLISHED = frozenset({"lambda", "multistep"})

VERIFIED: Mapping[str, Settings] = MappingProxyType(
    {"smoke": {"epochs": 1}, "quick": {"epochs": 3}, "paper": {"epochs": 10}}
)
"""How long the learning rates that the ramps suggest are trained to see what they are worth."""

LOSSES = ("train", "validation", "test")

_QUESTION = {
    "train": "Which learning rate does a ramp suggest, by the loss of its training batches?",
    "validation": "Which does it suggest by the loss on validation data?",
    "test": "Which does it suggest by the test loss, as CS5260 looked at it?",
}


def study_of(loss: str) -> str:
    """The name of the study that looks at this loss."""
    return "lr-range" if loss == "train" else f"lr-range-{loss}"


def _grid(ramp: str, loss: str) -> Grid:
    settings = dict(RAMPS[ramp]) | {"blow_up": 4.0}
    slow = ramp in _PUBLISHED
    if loss == "train":
        # Held-out data would cost more than the ramp: they are evaluated at its end alone.
        shown = {budget: {"record_every": 1, "evaluate_at": ()} for budget in VERIFIED}
    else:
        # About a hundred records along the ramp.
        every = {"smoke": 1, "quick": 7 if slow else 2, "paper": 43 if slow else 4}
        shown = {budget: {"record_every": every[budget]} for budget in VERIFIED}
        settings["test_curve"] = loss == "test"
    epochs = {"smoke": 2, "quick": 10 if slow else 2, "paper": 10 if slow else 1}
    return Grid(
        name=ramp,
        space={
            "optimizer": OPTIMIZERS,
            "schedule": (settings.pop("schedule"),),
            "lr": (settings.pop("lr"),),
        },
        settings=settings,
        budgets={budget: {**shown[budget], "epochs": epochs[budget]} for budget in VERIFIED},
    )


def _study(loss: str) -> Study:
    quantity = f"{loss}_loss"
    said = {"train": "training loss"}.get(loss, f"{loss} loss")
    return Study(
        name=study_of(loss),
        question=_QUESTION[loss],
        source="our own; the ramps lambda and multistep are those of CS5260",
        fixed={"dataset": "mnist", "model": "lenet", "batch_size": 128},
        grids=tuple(_grid(ramp, loss) for ramp in RAMPS),
        budgets={
            "smoke": {"train_samples": 256, "batch_size": 8},
            "quick": {"train_samples": 10_000},
            "paper": {},
        },
        figures=(
            Figure(
                name="range-test",
                kind="range_test",
                title=f"Range test: {said} by learning rate, and what each rule suggests",
                options={"quantity": quantity},
            ),
            Figure(name="ramps", kind="ramps", title="Learning rate by step", options={}),
            Figure(
                name="verification",
                kind="verification",
                title="Trained at a constant learning rate: where the rules' suggestions lie",
                options={"quantity": quantity},
            ),
            Figure(
                name="verification-curves",
                kind="curves",
                title="Training at a tenth, at and at ten times each suggestion",
                options={
                    "where": {"schedule": "constant"},
                    "quantity": "accuracy",
                    "panel": "optimizer",
                    "line": "lr",
                    "parts": ("validation",),
                },
            ),
        ),
        tables=(
            Table(
                name="suggestions",
                kind="range_suggestions",
                title="Suggested learning rates",
                options={"quantity": quantity},
            ),
            Table(
                name="regret",
                kind="range_regret",
                title="Regret: points of validation accuracy below the best learning rate found",
                options={"quantity": quantity},
            ),
        ),
    )


STUDIES = tuple(map(_study, LOSSES))
