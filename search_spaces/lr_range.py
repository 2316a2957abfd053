"""The learning-rate range test: which learning rate does a rising ramp suggest, and is it good?

Run by `python -m study.lr_range`. There is one study for each loss that the rules can read. The
ramps:

- *exponential*, from 1e-7 to 10, and *linear*, from 1e-5 to 1, over two epochs (`paper`: one
  epoch of all of MNIST, 430 steps). fastai, Lightning and torch-lr-finder take a hundred steps.
- *lambda* and *multistep* are the ramps of the CS5260 report, over ten epochs: see `cs5260`.

A ramp goes on to its last learning rate unless the loss becomes infinite. Each tool stops at
another rise: fastai and Lightning at four times the lowest smoothed loss, torch-lr-finder at five.
So the rule that reads the ramp decides where its tool would have stopped.

The test is from Leslie N. Smith, Cyclical Learning Rates for Training Neural Networks, 2017. All
other settings are as in the other studies of LeNet: batches of 128, no dropout.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

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
"""Each ramp, by the name of its grid."""

_PUBLISHED = frozenset({"lambda", "multistep"})

VERIFICATION_BUDGETS: Mapping[str, Settings] = MappingProxyType(
    {"smoke": {"epochs": 1}, "quick": {"epochs": 3}, "paper": {"epochs": 10}}
)
"""Training length for verifying the suggested learning rates, by budget."""

LOSSES = ("train", "validation", "test")

_QUESTION = {
    "train": "Which learning rate does a ramp suggest, judged by its training loss?",
    "validation": "Which learning rate does a ramp suggest, judged by its validation loss?",
    "test": "Which learning rate does a ramp suggest, judged by its test loss as in CS5260?",
}


_OWN_STEPS: Mapping[str, int] = MappingProxyType({"smoke": 100, "quick": 200, "paper": 1_000})
"""Steps of a ramp over the data of a user's own study, by budget; fastai and Lightning take 100."""

_OF_RAMPS = frozenset(
    {
        *("lr", "schedule", "gamma", "decay_steps", "milestones", "final_lr", "warmup"),
        *("epochs", "steps", "record_every", "evaluate_at", "test_curve"),
    }
)
"""Settings that the ramps have in place of a study's own."""


def study_name(loss: str, own: str = "") -> str:
    """Return the name of the study whose rules read this loss.

    `own`: path of the user's study whose trials the ramps train, if not LeNet on MNIST.
    """
    name = "lr-range" if loss == "train" else f"lr-range-{loss}"
    return f"{name}@{own}" if own else name


def split_name(name: str) -> tuple[str, str]:
    """Return what `study_name` has joined: the loss, and the path of the user's study.

    Both are empty for the name of any other study.
    """
    beginning, _, own = name.partition("@")
    losses = {study_name(loss): loss for loss in LOSSES}
    return (losses[beginning], own) if own and beginning in losses else ("", "")


def ramps_of(study: Study, loss: str) -> Study:
    """Return the range test of a study: its points, with each ramp in place of learning rates."""
    test = _study(loss)
    return Study(
        name=f"{study.name}-{test.name}",
        question=test.question,
        source=study.source,
        fixed=_without_ramps(study.fixed),
        grids=tuple(_own_grid(grid, ramp, loss) for ramp in RAMPS for grid in study.grids),
        budgets={name: _without_ramps(settings) for name, settings in study.budgets.items()},
        conditional_settings=tuple(
            (where, _without_ramps(settings)) for where, settings in study.conditional_settings
        ),
        objective=study.objective,
        stochastic=study.stochastic,
        made_for=study.made_for,
        figures=test.figures,
        tables=test.tables,
        metrics=study.metrics,
    )


def _own_grid(grid: Grid, name: str, loss: str) -> Grid:
    ramp = _grid(name, loss)
    budgets = {
        budget: {
            **_without_ramps(grid.budgets.get(budget, {})),
            **settings,
            **({} if name == "multistep" else {"epochs": None, "steps": _OWN_STEPS[budget]}),
        }
        for budget, settings in ramp.budgets.items()
    }
    rates = {setting: ramp.space[setting] for setting in ("schedule", "lr")}
    return Grid(
        name=name,
        space={**_without_ramps(grid.space), **rates},
        settings={**_without_ramps(grid.settings), **ramp.settings},
        budgets=budgets,
    )


def _without_ramps(settings: Settings) -> dict[str, Any]:
    return {
        name: value
        for name, value in settings.items()
        if name not in _OF_RAMPS and not name.startswith("schedule.")
    }


def _grid(ramp: str, loss: str) -> Grid:
    settings = dict(RAMPS[ramp])
    slow = ramp in _PUBLISHED
    if loss == "train":
        # Held-out data are evaluated only at the end: otherwise they would cost more than the ramp.
        records = {name: {"record_every": 1, "evaluate_at": ()} for name in VERIFICATION_BUDGETS}
    else:
        # About a hundred records along the ramp.
        every = {"smoke": 1, "quick": 7 if slow else 2, "paper": 43 if slow else 4}
        records = {name: {"record_every": every[name]} for name in VERIFICATION_BUDGETS}
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
        budgets={name: {**records[name], "epochs": epochs[name]} for name in VERIFICATION_BUDGETS},
    )


def _study(loss: str) -> Study:
    quantity = f"{loss}_loss"
    loss_name = "training loss" if loss == "train" else f"{loss} loss"
    return Study(
        name=study_name(loss),
        question=_QUESTION[loss],
        source="this project; the ramps lambda and multistep are from CS5260",
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
                title=f"Range test: {loss_name} by learning rate, with each rule's suggestion",
                options={"quantity": quantity},
            ),
            Figure(
                name="verification",
                kind="verification",
                title="Accuracy at constant learning rates, with each rule's suggestion",
                options={"quantity": quantity},
            ),
            Figure(
                name="verification-curves",
                kind="curves",
                title="Training at 0.1, 1 and 10 times each suggested learning rate",
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
                name="recommendation",
                kind="range_recommendation",
                title="Recommended learning rates",
                options={"quantity": quantity},
            ),
            Table(
                name="suggestions",
                kind="range_suggestions",
                title="Suggested learning rates",
                options={"quantity": quantity},
            ),
            Table(
                name="regret",
                kind="range_regret",
                title="Regret: validation accuracy below the best learning rate found, in points",
                options={"quantity": quantity},
            ),
        ),
    )


STUDIES = tuple(map(_study, LOSSES))
