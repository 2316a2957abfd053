"""CS5260 Assignment 6 report: LeNet-5 on MNIST, the learning-rate range test, and whether
training agrees with it.

The report uses the net of Colossal-AI's notebook (`lenet5-tanh`); the study also trains this
project's (`lenet`). The report only says "SGD"; the notebook uses momentum 0.9, and so does this
study. AdamW has torch's defaults. The batch size is 128.

The report does not print the bounds of its two ramps over 10 epochs, but it prints four pairs of a
step and an LR. *Lambda* at steps 4,220 (0.248) and 3,283 (0.01642) is within 4 % of an exponential
rise from 1e-6 to 1 over the 4,690 steps of 10 epochs, which this study uses. *MultiStep* has 0.15
at step "0K" and 0.225 at "1K", which are 0.1 times 1.5 and 1.5 squared. Its text says that the LR
rises every half epoch, which gives these LRs from steps 234 and 469 on, so they fit only if the
steps are rounded to thousands. This study starts at 0.1 and multiplies by 1.5 every half epoch.

Validation data are held out as in every study, so an epoch has 430 steps instead of 469.

The final training runs 30 epochs at a constant LR: the one that the report took from *Lambda*
(SGD 0.025, AdamW 0.001), a tenth of it, and ten times it. The report watches and ranks by the TEST
loss throughout. The figures and tables here do the same, so their best values are no estimate of
the generalization error. A trial ends when its loss diverges.
"""

from search_spaces.study import Claim, Figure, Grid, Study, Table

FINAL_LRS = {"momentum": (0.0025, 0.025, 0.25), "adamw": (0.0001, 0.001, 0.01)}
"""LR / 10, LR and 10 LR of each optimizer, where LR is what the report took from Lambda."""

_LABELS = {"momentum": "SGD", "adamw": "AdamW"}
_MODELS = ("lenet5-tanh", "lenet")
_RAMPS = frozenset({"ramp-exponential", "ramp-multistep"})


def _ramp(schedule: str, lr: float) -> Grid:
    return Grid(
        space={
            "model": _MODELS,
            "optimizer": tuple(FINAL_LRS),
            "schedule": (schedule,),
            "lr": (lr,),
        },
        settings={"epochs": 10, "record_every": 43},  # ten records an epoch of all of MNIST
        budgets={"quick": {"record_every": 4}, "smoke": {"epochs": 2, "record_every": 1}},
    )


def _final(optimizer: str) -> Grid:
    return Grid(
        space={
            "model": _MODELS,
            "optimizer": (optimizer,),
            "schedule": ("constant",),
            "lr": FINAL_LRS[optimizer],
        },
        settings={"epochs": 30},
        budgets={"quick": {"epochs": 10}, "smoke": {"epochs": 2}},
    )


_REPORT_MODEL = {"model": "lenet5-tanh"}
_CONSTANT = _REPORT_MODEL | {"schedule": "constant"}


def _suggested(optimizer: str, schedule: str, lr: float | None, published: str) -> Claim:
    ramp = {"ramp-exponential": "Lambda", "ramp-multistep": "MultiStep"}[schedule]
    outcome = f"suggests {lr:g} (within a factor of 2 here)" if lr else "has no true minimum"
    return Claim(
        name=f"range-test-{optimizer}-{ramp.lower()}",
        source="CS5260, table 1",
        statement=f"The {ramp} range test of {_LABELS[optimizer]} {outcome}.",
        published=published,
        kind="range_test",
        options={
            "where": _REPORT_MODEL | {"optimizer": optimizer, "schedule": schedule},
            "lr": lr,
        },
    )


_CLAIMS = (
    _suggested("momentum", "ramp-exponential", 0.025, "0.025"),
    _suggested("momentum", "ramp-multistep", 0.022, "0.022"),
    _suggested("adamw", "ramp-exponential", 0.001, "0.001, from a minimum at 0.01642"),
    _suggested("adamw", "ramp-multistep", None, "0.015, with an asterisk"),
    Claim(
        name="range-test-right-for-sgd",
        source="CS5260, section 3.B.ii, figure 4",
        statement="Of LR/10, LR and 10 LR, the suggested one ends with SGD's lowest test loss.",
        published="LR = 0.025",
        kind="best_value",
        options={
            "where": _CONSTANT | {"optimizer": "momentum"},
            "best": {"lr": 0.025},
            "quantity": "test_loss",
            "at": {"epoch": 30},
        },
    ),
    Claim(
        name="range-test-wrong-for-adamw",
        source="CS5260, section 3.B.ii, figure 4",
        statement="For AdamW the lower the learning rate, the lower the test loss.",
        published="0.0001, 0.001, 0.01, best first",
        kind="ordered",
        options={
            "where": _CONSTANT | {"optimizer": "adamw"},
            "setting": "lr",
            "best_first": FINAL_LRS["adamw"],
            "quantity": "test_loss",
            "at": {"epoch": 30},
        },
    ),
    Claim(
        name="a-tenth-is-smoother",
        source="CS5260, section 3.B.ii, figure 5",
        statement="LR/10 gives a smoother decline than LR (the rises of the test loss from epoch "
        "to epoch, summed, here).",
        published="none",
        kind="ordered",
        options={
            "where": _CONSTANT | {"optimizer": "momentum"},
            "setting": "lr",
            "best_first": FINAL_LRS["momentum"][:2],
            "quantity": "rises_test_loss",
            "at": {"epoch": 30},
        },
    ),
    Claim(
        name="a-tenth-is-smoother-adamw",
        source="CS5260, section 3.B.ii, figure 5",
        statement="So it does with AdamW.",
        published="none",
        kind="ordered",
        options={
            "where": _CONSTANT | {"optimizer": "adamw"},
            "setting": "lr",
            "best_first": FINAL_LRS["adamw"][:2],
            "quantity": "rises_test_loss",
            "at": {"epoch": 30},
        },
    ),
    *(
        Claim(
            name=f"ten-times-low-at-first-{optimizer}",
            source="CS5260, section 3.B.ii, figure 5",
            statement=f"{_LABELS[optimizer]}'s test loss at 10 LR starts low (below that at LR/10 "
            "after the first epoch here).",
            published="none",
            kind="compared",
            options={
                "ahead": _CONSTANT | {"optimizer": optimizer, "lr": lrs[2]},
                "behind": _CONSTANT | {"optimizer": optimizer, "lr": lrs[0]},
                "quantity": "test_loss",
                "at": {"epoch": 1},
            },
        )
        for optimizer, lrs in FINAL_LRS.items()
    ),
    *(
        Claim(
            name=f"ten-times-gains-little-late-{optimizer}",
            source="CS5260, section 3.B.ii, figure 5",
            statement=f"{_LABELS[optimizer]}'s test loss at 10 LR hardly falls any more by the end "
            "(by less than 0.005 after epoch 20 here).",
            published="none",
            kind="settled_by",
            options={
                "where": _CONSTANT | {"optimizer": optimizer, "lr": lrs[2]},
                "quantity": "test_loss",
                "by": {"epoch": 20},
                "within": 0.005,
                "beyond": 2.0,
            },
        )
        for optimizer, lrs in FINAL_LRS.items()
    ),
    Claim(
        name="best-is-sgd-at-0.025",
        source="CS5260, section 3.B.i, figure 3",
        statement="SGD at 0.025 ends with the lowest test loss of all.",
        published="3.9335e-4",
        kind="best_value",
        options={
            "where": _CONSTANT,
            "best": {"optimizer": "momentum", "lr": 0.025},
            "quantity": "test_loss",
            "at": {"epoch": 30},
        },
    ),
    Claim(
        name="a-loss-of-4e-4",
        source="CS5260, section 5",
        statement="After 30 epochs SGD at 0.025 has a test loss near 3.9e-4 (below 1e-3 here).",
        published="3.9335e-4",
        kind="within",
        options={
            "where": _CONSTANT | {"optimizer": "momentum", "lr": 0.025},
            "quantity": "test_loss",
            "below": 1e-3,
            "at": {"epoch": 30},
        },
    ),
)

STUDY = Study(
    name="cs5260",
    question="Does the learning-rate range test find the learning rate that trains best?",
    source="CS5260 Assignment 6 report, table 1 and figures 1-5",
    fixed={"dataset": "mnist", "batch_size": 128, "test_curve": True},
    grids=(
        _ramp("ramp-exponential", 1e-6),
        _ramp("ramp-multistep", 0.1),
        *map(_final, FINAL_LRS),
    ),
    budgets={
        "smoke": {"train_samples": 256},
        "quick": {"train_samples": 2_560},
        "paper": {},
    },
    figures=(
        *(
            Figure(
                name=f"figure-{number}-{part}-{model}",
                kind="curves",
                title=f"Range test of {_LABELS[optimizer]}: {plot}, {model} "
                f"(CS5260, figure {number})",
                options={
                    "where": {"optimizer": optimizer, "model": model, "schedule": _RAMPS},
                    "quantity": quantity,
                    "panel": "schedule",
                    "line": "optimizer",
                    "parts": ("test",),
                    "x": "step",
                    "log": True,
                },
            )
            for number, optimizer in ((1, "momentum"), (2, "adamw"))
            for part, quantity, plot in (
                ("i", "lr", "learning rate by step"),
                ("ii", "loss", "test loss by step"),
            )
            for model in _MODELS
        ),
        *(
            Figure(
                name=f"figure-5-{optimizer}-{model}",
                kind="curves",
                title=f"Test loss of {_LABELS[optimizer]} at LR/10, LR and 10 LR, {model} "
                "(CS5260, figure 5)",
                options={
                    "where": {"optimizer": optimizer, "model": model, "schedule": "constant"},
                    "quantity": "loss",
                    "line": "lr",
                    "parts": ("test",),
                    "x": "step",
                    "log": True,
                },
            )
            for optimizer in FINAL_LRS
            for model in _MODELS
        ),
        *(
            Figure(
                name=f"figure-3-4-{model}",
                kind="curves",
                title=f"Test loss at LR/10, LR and 10 LR, {model} (CS5260, figures 3-4)",
                options={
                    "where": {"model": model, "schedule": "constant"},
                    "quantity": "loss",
                    "panel": "optimizer",
                    "line": "lr",
                    "parts": ("test",),
                    "x": "step",
                    "log": True,
                },
            )
            for model in _MODELS
        ),
    ),
    tables=(
        Table(
            name="table-1",
            kind="range_suggestions",
            title="Learning rates that the range tests suggest (CS5260, table 1)",
            options={
                "quantity": "test_loss",
                "rules": ("one order below",),
                "published": {
                    ("momentum", "ramp-exponential"): "0.025",
                    ("momentum", "ramp-multistep"): "0.022",
                    ("adamw", "ramp-exponential"): "0.001",
                    ("adamw", "ramp-multistep"): "0.015, no true minimum",
                },
            },
        ),
        Table(
            name="final-test-loss",
            kind="final",
            title="Final test loss at a constant learning rate",
            options={
                "where": {"schedule": "constant"},
                "settings": ("model", "optimizer", "lr"),
                "quantities": ("test_loss", "test_accuracy"),
            },
        ),
    ),
    claims=_CLAIMS,
)
