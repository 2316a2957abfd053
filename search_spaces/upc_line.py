"""Valério (UPC), "High-Performance Computing Aspects of Deep Learning", exercise 1.

A line is fitted to the four points of TensorFlow 1's first tutorial, starting at W = 0.3 and b =
-0.3, where the loss is 23.66. The report does so by gradient descent at five learning rates for
1,000 and 30,000 steps, then by ten optimizers at 0.01 for 2,500 steps. The report's epoch is one
step, because all four points are one batch.

The report used TensorFlow 1, so this study uses TensorFlow's rules and defaults: `tf1-adam`,
`tf1-rmsprop`, `tf1-adagrad` and `tf1-adadelta`. docs/tensorflow-optimizers.md compares them with
TensorFlow itself. With l1 = l2 = 0, ProximalGD is identical to gradient descent and ProximalAdagrad
to Adagrad, so their agreement is no finding.

The report does not give its momentum. The main comparison uses 0.9, the usual default. The order of
Momentum and Nesterov depends on the value, so a separate grid varies it, and each value has a
claim.

There are no validation data: the loss is computed on the four training points.
"""

from search_spaces.study import Claim, Figure, Grid, Settings, Study, Table

_OTHER_OPTIMIZERS = (
    "momentum",
    "nesterov",
    "tf1-adagrad",
    "tf1-adadelta",
    "tf1-adam",
    "tf1-rmsprop",
    "ftrl",
    "proximal-adagrad",
    "proximal-gd",
)
_LRS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_NOT_BEHIND = frozenset({"momentum", "nesterov", "proximal-gd"})
_FIGURE_A = "Valério, exercise 1.a, figure 2.a.1"
_FIGURE_B = "Valério, exercise 1.b, figure 2.b.1"
_MOMENTA = (0.5, 0.7, 0.8, 0.85, 0.95)
_INITIAL_LOSS = 23.66
_SHORT = {"optimizer": "sgd", "steps": 1_000}
_LONG = {"optimizer": "sgd", "steps": 30_000}
# `None` selects the trials that set no momentum, whose optimizers have 0.9.
_AT_LR_0_01 = {"lr": 0.01, "steps": 2_500, "momentum": None}
_SLOW_RATES = frozenset({1e-4, 1e-5, 1e-6})
_POINTS = ((1.0, 0.0), (2.0, -1.0), (3.0, -2.0), (4.0, -3.0))
_START = (0.3, -0.3)
_QUANTITIES = (
    ("loss", "Loss", "loss", False, _INITIAL_LOSS),
    ("log-loss", "Loss (log)", "loss", True, _INITIAL_LOSS),
    ("W", "Slope W", "observed_W", False, _START[0]),
    ("b", "Intercept b", "observed_b", False, _START[1]),
)
_FIRST_STEPS = 50


def _curves(
    number: str, subject: str, steps: int, where: Settings, line: str
) -> tuple[Figure, ...]:
    return tuple(
        Figure(
            name=f"figure-{number}-{short}-{steps}",
            kind="curves",
            title=f"{title} {subject}, {steps:,} steps",
            source=f"UPC, figure {number}",
            options={
                "where": where,
                "quantity": quantity,
                "line": line,
                "parts": ("test",),
                "x": "step",
                "log": log,
                "until": steps,
                "start": start,
            },
        )
        for short, title, quantity, log, start in _QUANTITIES
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
        "epochs": None,
        "test_curve": True,
    },
    grids=(
        Grid(
            space={"optimizer": ("sgd",), "lr": _LRS, "steps": (1_000,)},
            settings={"record_every": 1},
            budgets={"smoke": {"record_every": 50}},
        ),
        Grid(
            space={"optimizer": ("sgd",), "lr": _LRS, "steps": (30_000,)},
            settings={"record_every": 10},
            budgets={"smoke": {"record_every": 1_000}},
        ),
        Grid(
            space={"optimizer": ("sgd", *_OTHER_OPTIMIZERS), "lr": (0.01,), "steps": (2_500,)},
            settings={"record_every": 1},
            budgets={"smoke": {"record_every": 50}},
        ),
        Grid(
            space={
                "optimizer": ("momentum", "nesterov"),
                "lr": (0.01,),
                "steps": (2_500,),
                "momentum": _MOMENTA,
            },
            settings={"record_every": 10},
            budgets={"smoke": {"record_every": 50}},
        ),
    ),
    budgets={"smoke": {}, "quick": {}, "paper": {}},
    objective="test_loss",
    stochastic=False,
    figures=(
        *_curves("2.a.1", "of gradient descent", 1_000, _SHORT, "lr"),
        *_curves("2.a.1", "of gradient descent", 30_000, _LONG, "lr"),
        *_curves("2.a.1", "of gradient descent", _FIRST_STEPS, _SHORT, "lr"),
        *_curves("2.b.1", "by optimizer, lr 0.01", 1_000, _AT_LR_0_01, "optimizer"),
        *_curves("2.b.1", "by optimizer, lr 0.01", 2_500, _AT_LR_0_01, "optimizer"),
        Figure(
            name="paths-learning-rates",
            kind="path",
            title="Path of gradient descent on the loss surface, by learning rate",
            options={
                "where": _LONG,
                "line": "lr",
                "start": _START,
                "points": _POINTS,
            },
        ),
        Figure(
            name="paths-optimizers",
            kind="path",
            title="Path on the loss surface at learning rate 0.01, by optimizer "
            "(proximal-gd is gradient descent)",
            options={
                "where": _AT_LR_0_01 | {"optimizer": frozenset(_OTHER_OPTIMIZERS)},
                "line": "optimizer",
                "start": _START,
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
            ("gd-1000", "Gradient descent after 1,000 steps", _SHORT, "lr", 1_000),
            ("gd-30000", "Gradient descent after 30,000 steps", _LONG, "lr", 30_000),
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
            source=_FIGURE_A,
            statement="Of five learning rates, gradient descent reaches the least loss at 0.01 "
            "(after 1,000 steps, here).",
            published="none",
            kind="best_value",
            options={"where": _SHORT, "best": {"lr": 0.01}, "quantity": "test_loss"},
        ),
        Claim(
            name="lower-rates-are-slower",
            source=_FIGURE_A,
            statement="The lower the learning rate, the slower gradient descent (the loss after "
            "1,000 steps, here).",
            published="none",
            kind="ordered",
            options={
                "where": _SHORT,
                "setting": "lr",
                "best_first": _LRS,
                "quantity": "test_loss",
            },
        ),
        Claim(
            name="1000-steps-are-enough",
            source=_FIGURE_A,
            statement="At 0.01 and at 0.001, gradient descent has converged after 1,000 steps (the "
            "loss is below 1 % of its initial value, the resolution of the figure, here).",
            published="none",
            kind="within",
            options={
                "where": _SHORT | {"lr": frozenset({0.01, 0.001})},
                "quantity": "test_loss",
                "per": ("lr",),
                "below": 0.01 * _INITIAL_LOSS,
            },
        ),
        Claim(
            name="1e-6-is-too-slow",
            source=_FIGURE_A,
            statement="At 1e-6 gradient descent has not converged after 30,000 steps (the loss is "
            "above 1 % of its initial value, here).",
            published="none; the text has 3000, of runs of 1,000 and 30,000",
            kind="within",
            options={
                "where": _LONG | {"lr": 1e-6},
                "quantity": "test_loss",
                "above": 0.01 * _INITIAL_LOSS,
            },
        ),
        Claim(
            name="W-moves-in-one-direction",
            source=_FIGURE_A,
            statement="W moves toward its minimum in one direction (it never rises on its way from "
            "0.3 to -1, here).",
            published="none",
            kind="within",
            options={
                "where": _LONG,
                "quantity": "rises_observed_W",
                "per": ("lr",),
                # A rounding error of float32 at 1.
                "below": 1e-6,
            },
        ),
        Claim(
            name="b-first-moves-away",
            source=_FIGURE_A,
            statement="b, which ends at 1, first moves the other way from -0.3 (after the first "
            "step it is lower by more than float32 rounds, here).",
            published="none",
            kind="within",
            options={
                "where": _SHORT,
                "quantity": "observed_b",
                "per": ("lr",),
                # The start, -0.3, is a little lower in float32.
                "below": -0.300005,
                "at": {"step": 1},
            },
        ),
        Claim(
            name="b-away-longer-at-lower-rates",
            source=_FIGURE_A,
            statement="The lower the learning rate, the more pronounced this is (at the three "
            "lowest rates b is still below -0.3 after 1,000 steps, here).",
            published="none",
            kind="within",
            options={
                "where": _SHORT | {"lr": _SLOW_RATES},
                "quantity": "observed_b",
                "per": ("lr",),
                "below": -0.3,
            },
        ),
        Claim(
            name="every-optimizer-converges",
            source=_FIGURE_B,
            statement="At 0.01 every optimizer shows signs of convergence (after 2,500 steps the "
            "loss is below half of its initial value, here).",
            published="none",
            kind="within",
            options={
                "where": _AT_LR_0_01,
                "quantity": "test_loss",
                "per": ("optimizer",),
                "below": 0.5 * _INITIAL_LOSS,
            },
        ),
        Claim(
            name="some-are-behind-gradient-descent",
            source=_FIGURE_B,
            statement="Not every optimizer surpasses gradient descent (Adagrad, Adadelta, Adam, "
            "RMSProp, FTRL and Proximal Adagrad stay behind it after 1,000 steps, here).",
            published="none",
            kind="best_value",
            options={
                "where": _AT_LR_0_01
                | {"optimizer": frozenset(_OTHER_OPTIMIZERS) - _NOT_BEHIND | {"sgd"}},
                "best": {"optimizer": "sgd"},
                "quantity": "test_loss",
                "at": {"step": 1_000},
            },
        ),
        Claim(
            name="proximal-gd-is-gradient-descent",
            source="Valério, exercise 1.b",
            statement="Proximal gradient descent and gradient descent give the same results "
            "(identical by construction without penalties; the loss after 2,500 steps).",
            published="none",
            kind="compared",
            options={
                "ahead": _AT_LR_0_01 | {"optimizer": "proximal-gd"},
                "behind": _AT_LR_0_01 | {"optimizer": "sgd"},
                "quantity": "test_loss",
                "alike": 1e-9,
            },
        ),
        Claim(
            name="momentum-nesterov-gd",
            source=_FIGURE_B,
            statement="Momentum is ahead of Nesterov, and Nesterov of gradient descent (momentum "
            "0.9; the loss at step 100, before rounding errors of float32 decide, here).",
            published="none",
            kind="ordered",
            options={
                "where": _AT_LR_0_01,
                "setting": "optimizer",
                "best_first": ("momentum", "nesterov", "sgd"),
                "quantity": "test_loss",
                "at": {"step": 100},
            },
        ),
        *(
            Claim(
                name=f"momentum-ahead-of-nesterov-at-{momentum}",
                source=_FIGURE_B,
                statement=f"Momentum is ahead of Nesterov (momentum {momentum}; the loss at step "
                "100, here).",
                published="none",
                kind="ordered",
                options={
                    "where": {"momentum": momentum},
                    "setting": "optimizer",
                    "best_first": ("momentum", "nesterov"),
                    "quantity": "test_loss",
                    "at": {"step": 100},
                },
            )
            for momentum in _MOMENTA
        ),
        Claim(
            name="momentum-oscillates-less",
            source=_FIGURE_B,
            statement="Momentum oscillates less than Nesterov (momentum 0.9; the rises of the loss "
            "from step to step, summed, here).",
            published="none",
            kind="ordered",
            options={
                "where": _AT_LR_0_01,
                "setting": "optimizer",
                "best_first": ("momentum", "nesterov"),
                "quantity": "rises_test_loss",
            },
        ),
        Claim(
            name="both-oscillate-more-than-gradient-descent",
            source=_FIGURE_B,
            statement="Momentum and Nesterov are less smooth than gradient descent (momentum 0.9; "
            "the rises of the loss, summed, here).",
            published="none",
            kind="best_value",
            options={
                "where": _AT_LR_0_01 | {"optimizer": frozenset({"momentum", "nesterov", "sgd"})},
                "best": {"optimizer": "sgd"},
                "quantity": "rises_test_loss",
            },
        ),
    ),
)
