"""Valério (UPC), "High-Performance Computing Aspects of Deep Learning", exercise 1.

A line is fitted to the four points of TensorFlow 1's first tutorial, starting at W = 0.3 and b =
-0.3: by gradient descent at five learning rates for 30,000 steps, then by ten optimizers at 0.01
for 2,500. The report's runs of 1,000 steps are the first steps of these. Its epoch is one step,
because all four points are one batch.

The report used TensorFlow 1, so this study sets TensorFlow's defaults where torch's differ: Adagrad
starts its accumulator at 0.1 and has no epsilon; Adadelta has rho 0.95 and epsilon 1e-8; RMSProp
has a decay of 0.9 and epsilon 1e-10. Two differences remain. Adam adds epsilon before the bias
correction in TensorFlow, after it in torch. RMSProp starts its average of squared gradients at 1
and adds epsilon under the root in TensorFlow; torch starts it at 0 and adds epsilon outside.
Momentum is 0.9, which the report does not give. With l1 = l2 = 0, ProximalGD is identical to
gradient descent and ProximalAdagrad to Adagrad, so their agreement is no finding.

There are no validation data: the loss is computed on the four training points.
"""

from search_spaces.study import Claim, Figure, Grid, Settings, Study, Table

TF1_DEFAULTS = (
    ({"optimizer": "adagrad"}, {"initial_accumulator": 0.1, "eps": 0.0}),
    ({"optimizer": "adadelta"}, {"rho": 0.95, "eps": 1e-8}),
    ({"optimizer": "rmsprop"}, {"rho": 0.9, "eps": 1e-10}),
    ({"optimizer": "momentum"}, {"momentum": 0.9}),
    ({"optimizer": "nesterov"}, {"momentum": 0.9}),
)
"""TensorFlow 1's defaults of its optimizers, for all studies of this report."""

_OTHER_OPTIMIZERS = (
    "momentum",
    "nesterov",
    "adagrad",
    "adadelta",
    "adam",
    "rmsprop",
    "ftrl",
    "proximal-adagrad",
    "proximal-gd",
)
_AT_LR_0_01 = {"lr": 0.01}
_POINTS = ((1.0, 0.0), (2.0, -1.0), (3.0, -2.0), (4.0, -3.0))
_QUANTITIES = (
    ("loss", "Loss", "loss", False),
    ("log-loss", "Loss (log)", "loss", True),
    ("W", "Slope W", "observed_W", False),
    ("b", "Intercept b", "observed_b", False),
)


def _curves(
    number: str, subject: str, steps: int, where: Settings, line: str
) -> tuple[Figure, ...]:
    return tuple(
        Figure(
            name=f"figure-{number}-{short}-{steps}",
            kind="curves",
            title=f"{title} {subject}, {steps:,} steps (UPC, figure {number})",
            options={
                "where": where,
                "quantity": quantity,
                "line": line,
                "parts": ("test",),
                "x": "step",
                "log": log,
                "until": steps,
            },
        )
        for short, title, quantity, log in _QUANTITIES
    )


STUDY = Study(
    name="upc-line",
    question="How do learning rate and optimizer change the path of a linear regression to its "
    "minimum?",
    source="João Valério, High-Performance Computing Aspects of Deep Learning (UPC), exercise 1",
    fixed={
        "dataset": "line",
        "model": "linear",
        "loss": "sum-of-squares",
        "validation_fraction": 0.0,
        "batch_size": 4,
        "shuffle": False,
        "test_curve": True,
    },
    grids=(
        Grid(
            space={"optimizer": ("sgd",), "lr": (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)},
            settings={"steps": 30_000, "record_every": 10},
            budgets={"smoke": {"steps": 1_000, "record_every": 50}},
        ),
        Grid(
            space={"optimizer": _OTHER_OPTIMIZERS, "lr": (0.01,)},
            settings={"steps": 2_500, "record_every": 1},
            budgets={"smoke": {"steps": 1_000, "record_every": 50}},
        ),
    ),
    budgets={"smoke": {}, "quick": {}, "paper": {}},
    conditional_settings=TF1_DEFAULTS,
    objective="test_loss",
    stochastic=False,
    figures=(
        *_curves("2.a.1", "of gradient descent", 1_000, {"optimizer": "sgd"}, "lr"),
        *_curves("2.a.1", "of gradient descent", 30_000, {"optimizer": "sgd"}, "lr"),
        *_curves("2.b.1", "by optimizer, lr 0.01", 1_000, _AT_LR_0_01, "optimizer"),
        *_curves("2.b.1", "by optimizer, lr 0.01", 2_500, _AT_LR_0_01, "optimizer"),
        Figure(
            name="paths-learning-rates",
            kind="path",
            title="Path of gradient descent on the loss surface, by learning rate",
            options={
                "where": {"optimizer": "sgd"},
                "line": "lr",
                "start": (0.3, -0.3),
                "points": _POINTS,
            },
        ),
        Figure(
            name="paths-optimizers",
            kind="path",
            title="Path on the loss surface at learning rate 0.01, by optimizer "
            "(proximal-gd is gradient descent)",
            options={
                "where": {"lr": 0.01, "optimizer": frozenset(_OTHER_OPTIMIZERS)},
                "line": "optimizer",
                "start": (0.3, -0.3),
                "points": _POINTS,
                "until": 2_500,
            },
        ),
    ),
    tables=tuple(
        Table(
            name=name,
            kind="final",
            title=title,
            options={
                "where": where,
                "settings": (setting,),
                "quantities": ("test_loss", "observed_W", "observed_b"),
                "where_step": step,
            },
        )
        for name, title, where, setting, step in (
            ("gd-1000", "Gradient descent after 1,000 steps", {"optimizer": "sgd"}, "lr", 1_000),
            ("gd-30000", "Gradient descent after 30,000 steps", {"optimizer": "sgd"}, "lr", 30_000),
            (
                "at-0.01-1000",
                "Learning rate 0.01, after 1,000 steps",
                _AT_LR_0_01,
                "optimizer",
                1_000,
            ),
            (
                "at-0.01-2500",
                "Learning rate 0.01, after 2,500 steps",
                _AT_LR_0_01,
                "optimizer",
                2_500,
            ),
        )
    ),
    claims=(
        Claim(
            name="0.01-is-best",
            source="Valério, exercise 1.a, figure 2.a.1",
            statement="Of five learning rates, gradient descent reaches the least loss at 0.01 "
            "(after 1,000 steps, here).",
            published="none",
            kind="best_value",
            options={
                "where": {"optimizer": "sgd"},
                "best": {"lr": 0.01},
                "quantity": "test_loss",
                "at": {"step": 1_000},
            },
        ),
        Claim(
            name="1000-steps-are-enough",
            source="Valério, exercise 1.a, figure 2.a.1",
            statement="At 0.01 and at 0.001, gradient descent has converged after 1,000 steps (the "
            "loss is below 0.01, here).",
            published="none",
            kind="within",
            options={
                "where": {"optimizer": "sgd", "lr": frozenset({0.01, 0.001})},
                "quantity": "test_loss",
                "per": ("lr",),
                "below": 0.01,
                "at": {"step": 1_000},
            },
        ),
        Claim(
            name="b-first-moves-away",
            source="Valério, exercise 1.a, figure 2.a.1",
            statement="b, which ends at 1, first moves the other way from -0.3 (at the three "
            "lowest learning rates it is below -0.3 at step 1,000, here).",
            published="none",
            kind="within",
            options={
                "where": {"optimizer": "sgd", "lr": frozenset({1e-4, 1e-5, 1e-6})},
                "quantity": "observed_b",
                "per": ("lr",),
                "below": -0.3,
                "at": {"step": 1_000},
            },
        ),
        Claim(
            name="1e-6-is-too-slow",
            source="Valério, exercise 1.a, figure 2.a.1",
            statement="At 1e-6 gradient descent has not converged after 30,000 steps (the loss is "
            "above 0.1, here).",
            published="none; the text has 3000, of runs of 1,000 and 30,000",
            kind="within",
            options={
                "where": {"optimizer": "sgd", "lr": 1e-6},
                "quantity": "test_loss",
                "above": 0.1,
                "at": {"step": 30_000},
            },
        ),
        Claim(
            name="momentum-nesterov-gd",
            source="Valério, exercise 1.b, figure 2.b.1",
            statement="Momentum is ahead of Nesterov, and Nesterov of gradient descent (the loss "
            "at step 200, before float32 ends the race, here).",
            published="none",
            kind="ordered",
            options={
                "where": _AT_LR_0_01,
                "setting": "optimizer",
                "best_first": ("momentum", "nesterov", "sgd"),
                "quantity": "test_loss",
                "at": {"step": 200},
            },
        ),
        Claim(
            name="momentum-oscillates-less",
            source="Valério, exercise 1.b, figure 2.b.1",
            statement="Momentum oscillates less than Nesterov (the rises of the loss from step to "
            "step, summed, here).",
            published="none",
            kind="ordered",
            options={
                "where": _AT_LR_0_01,
                "setting": "optimizer",
                "best_first": ("momentum", "nesterov"),
                "quantity": "rises_test_loss",
            },
        ),
    ),
)
