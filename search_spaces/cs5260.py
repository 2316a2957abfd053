"""CS5260 Assignment 6 report: LeNet-5 on MNIST, the learning-rate range test, and whether
training agrees with it.

The report names its code, which says what the text leaves out (GitHub, tanfiona/CS5260_Assignments,
folder 08, commit af69267): the net of Colossal-AI's notebook on images stretched to 32x32
(`lenet5-tanh`), batches of 128, SGD with momentum 0.9, AdamW with torch's betas, a weight decay of
5e-4 for both, and no validation data. An epoch has 469 steps, and the TEST loss is measured once an
epoch. The report watches and ranks by it throughout, as do this study's figures, tables and best
records, so their best values are no estimate of the generalization error.

The ramps take 10 epochs, 4,690 steps:

- *Lambda* rises exponentially from 1e-6 to 1. The printed minima, at steps 4.22K (0.248) and 3.283K
  (0.01642), are the ends of epochs 9 and 7; the ramp passes 0.251 and 0.0158 there.
- *MultiStep* rises by 1.5 every half epoch, as the text says. Here it starts at 0.1.
- *MultiStep per epoch* is what the code does. Half an epoch is 234.5 steps, which torch's scheduler
  never meets, and a milestone at step 0 makes 0.1 start at 0.15: `test_cs5260` compares it with
  torch's. This gives the printed 0.15 at step "0K" and 0.225 at "1K", the ends of epochs 1 and 2.
- In hindsight, the report would start AdamW's MultiStep lower. This study starts it at 0.001.

A minimum is known up to the distance of two measurements, a factor of four on Lambda. Claims read
the ramps once an epoch, as the report did; the table shows that beside seven records an epoch. The
report read its minima off TensorBoard, which smooths by 0.6 unless told otherwise and so delays
them. In one seed of Lambda at the paper's budget, the lowest losses came one epoch before the
printed ones (SGD 3,752, AdamW 2,814), and the smoothed ones at exactly the printed steps. So each
row of table 1 has two claims, with and without smoothing. That seed was seen before they were
written.

The final training runs 30 epochs, 14,070 steps, at a constant LR: the one that the report took from
Lambda (SGD 0.025, AdamW 0.001), a tenth of it, and ten times it.

The printed test loss of 3.9335e-4 is no mean over images, which would be a hundred times as large.
Two readings are claims. Colossal-AI's loss metric divides its sum by the number of batches in place
whenever it is read; the hook that prints reads it first, the one that writes TensorBoard's value
divides again. Then the mean is 79 times as large, 0.0311. If it is a sum over the 79 batches
divided by 10,000 images, the mean is 0.0498. Plain SGD is trained beside SGD with momentum, in case
the printed runs had none. One seed of the paper's budget gave 0.0312 with momentum and 0.0473
without: either reading fits one of them. The code decides for momentum and the first.

Beyond the report, the study trains this project's `lenet` as well. It departs from the report in
its implementation, PyTorch without Colossal-AI's engine, and in its random numbers. A trial ends
when its loss diverges.
"""

from dataclasses import replace

from search_spaces.study import Claim, Figure, Grid, Study, Table

FINAL_LRS = {
    "momentum": (0.0025, 0.025, 0.25),
    "sgd": (0.0025, 0.025, 0.25),
    "adamw": (0.0001, 0.001, 0.01),
}
"""LR / 10, LR and 10 LR of each optimizer, where LR is what the report took from Lambda."""

_LABELS = {"momentum": "SGD", "sgd": "plain SGD", "adamw": "AdamW"}
_REPORT_NET = "lenet5-tanh"
_OWN_NET = "lenet"
_MODELS = (_REPORT_NET, _OWN_NET)

_LAMBDA, _MULTISTEP, _BY_EPOCH = "ramp-exponential", "ramp-multistep", "ramp-multistep-epoch"
_RAMPS = {_LAMBDA: 1e-6, _MULTISTEP: 0.1, _BY_EPOCH: 0.15}
"""The first learning rate of each ramp."""
_RAMP_NAMES = {_LAMBDA: "Lambda", _MULTISTEP: "MultiStep", _BY_EPOCH: "MultiStep per epoch"}
_LOWER_LR = 0.001
_EPOCHS = 10
"""Epochs of a ramp, and measurements that the report has of it."""
_SMOOTHING = 0.6
"""TensorBoard's default."""

_BATCHES = 79
"""of the test set: 78 of 128 images and one of 16"""
_PRINTED_LOSS = 3.9335e-4
_READINGS = {
    "divided-twice": (
        _BATCHES * _PRINTED_LOSS,
        "a mean over 79 batches that is divided by 79 again",
    ),
    "summed": (1e4 / _BATCHES * _PRINTED_LOSS, "a sum of 79 batch means divided by 10,000 images"),
}
_READING_BAND = 0.15
"""Relative. Two seeds differ by some percent; the two readings by 60."""


def _ramps(model: str, optimizers: tuple[str, ...], schedule: str, lr: float) -> Grid:
    return Grid(
        name=model,
        space={"model": (model,), "optimizer": optimizers, "schedule": (schedule,), "lr": (lr,)},
        settings={"epochs": _EPOCHS, "record_every": 67},  # seven records an epoch of 469 steps
        budgets={"quick": {"record_every": 5}, "smoke": {"epochs": 2, "record_every": 1}},
    )


def _final(model: str, optimizer: str) -> Grid:
    return Grid(
        name=model,
        space={
            "model": (model,),
            "optimizer": (optimizer,),
            "schedule": ("constant",),
            "lr": FINAL_LRS[optimizer],
        },
        settings={"epochs": 30},
        budgets={"quick": {"epochs": 10}, "smoke": {"epochs": 2}},
    )


_REPORT_MODEL = {"model": _REPORT_NET}
_CONSTANT = _REPORT_MODEL | {"schedule": "constant"}
_END = {"epoch": 30}
_FIRST = {"epoch": 1}


def _where(optimizer: str, schedule: str, lr: float | None = None) -> dict[str, object]:
    first_lr = _RAMPS[schedule] if lr is None else lr
    return _REPORT_MODEL | {"optimizer": optimizer, "schedule": schedule, "lr": first_lr}


def _suggested(
    optimizer: str, schedule: str, lr: float | None, published: str, minimum: str
) -> tuple[Claim, Claim]:
    """Return the claim on a row of table 1, by the losses as measured, and as TensorBoard draws."""
    ramp = _RAMP_NAMES[schedule]
    outcome = f"suggests {lr:g} (within a factor of 2 here)" if lr else "has no true minimum"
    options = {"where": _where(optimizer, schedule), "lr": lr, "points": _EPOCHS}
    claim = Claim(
        name=f"range-test-{optimizer}-{ramp.lower().replace(' ', '-')}",
        source="CS5260, table 1",
        statement=f"The {ramp} range test of {_LABELS[optimizer]} {outcome}.",
        published=f"{published}, from a minimum at {minimum}",
        kind="range_test",
        options=options,
    )
    return claim, replace(
        claim,
        name=f"{claim.name}-smoothed",
        statement=f"{claim.statement[:-1]}, read from losses smoothed by {_SMOOTHING:g}.",
        options=options | {"smoothing": _SMOOTHING},
    )


_MINIMA = {
    ("sgd", _LAMBDA): ("4.22K, 0.248", "0.025", 0.025),
    ("sgd", _MULTISTEP): ("1K, 0.225", "0.022", 0.022),
    ("adamw", _LAMBDA): ("3.283K, 0.01642", "0.001", 0.001),
    ("adamw", _MULTISTEP): ("0K, 0.15", "0.015, no true minimum", None),
}
"""The report's minimum (step, LR), what it prints in table 1, and the LR to claim; by its own names
of optimizer and scheduler."""


def _printed(optimizer: str, schedule: str) -> tuple[str, str, float | None]:
    """Return what the report says of this ramp, whichever reading of it this is."""
    own_optimizer = "adamw" if optimizer == "adamw" else "sgd"
    return _MINIMA[own_optimizer, _LAMBDA if schedule == _LAMBDA else _MULTISTEP]


_RANGE_TESTS = tuple(
    claim
    for optimizer in FINAL_LRS
    for schedule in _RAMPS
    for minimum, published, lr in [_printed(optimizer, schedule)]
    for claim in _suggested(optimizer, schedule, lr, published, minimum)
) + tuple(
    Claim(
        name=f"adamw-minimum-is-gradual-{optimizer}",
        source="CS5260, section 3.A.ii, figure 2",
        statement="AdamW's minimum on Lambda is gradual (the valley in which the test loss is at "
        f"most 5 % of the fall above it is wider than that of {_LABELS[optimizer]}, here).",
        published="none",
        kind="wider_minimum",
        options={
            "wider": _where("adamw", _LAMBDA),
            "than": _where(optimizer, _LAMBDA),
            "share": 0.05,
        },
    )
    for optimizer in ("momentum", "sgd")
)

_HINDSIGHT = tuple(
    claim
    for schedule, name in ((_MULTISTEP, "multistep"), (_BY_EPOCH, "multistep-per-epoch"))
    for claim in (
        Claim(
            name=f"lower-start-has-a-minimum-{name}",
            source="CS5260, section 3.A.ii",
            statement=f"AdamW's {_RAMP_NAMES[schedule]} has no true minimum because it starts too "
            "high (from 0.001 it has one, here).",
            published="none",
            kind="range_test",
            options={
                "where": _where("adamw", schedule, _LOWER_LR),
                "lr": _LOWER_LR,
                "factor": float("inf"),
                "points": _EPOCHS,
            },
        ),
        Claim(
            name=f"lower-start-finds-the-best-{name}",
            source="CS5260, section 3.B.ii",
            statement="The range test fails for AdamW because it starts too high: from 0.001, "
            f"{_RAMP_NAMES[schedule]} suggests 0.0001, the best rate (within a factor of 3 here).",
            published="0.0001",
            kind="range_test",
            options={
                "where": _where("adamw", schedule, _LOWER_LR),
                "lr": 0.0001,
                "factor": 3.0,
                "points": _EPOCHS,
            },
        ),
    )
)


def _final_claims(optimizer: str) -> tuple[Claim, ...]:
    """Return the sentences on the final training that name each optimizer alike."""
    label, (low, middle, high) = _LABELS[optimizer], FINAL_LRS[optimizer]
    subject = label[0].upper() + label[1:]
    where = _CONSTANT | {"optimizer": optimizer}
    section = "CS5260, section 3.B.ii, figure 5"
    return (
        Claim(
            name=f"a-tenth-is-smoothest-{optimizer}",
            source=section,
            statement=f"LR/10 gives {label} the smoothest decline of the three rates (the rises of "
            "the test loss from epoch to epoch, summed, here).",
            published="none",
            kind="best_value",
            options={
                "where": where,
                "best": {"lr": low},
                "quantity": "rises_test_loss",
                "at": _END,
            },
        ),
        Claim(
            name=f"a-tenth-is-steepest-{optimizer}",
            source=section,
            statement=f"LR/10 gives {label} the steepest decline of the three rates (the fall of "
            "the test loss from the first epoch to the last, here).",
            published="none",
            kind="best_value",
            options={
                "where": where,
                "best": {"lr": low},
                "quantity": "test_loss",
                "at": _END,
                "since": _FIRST,
            },
        ),
        Claim(
            name=f"a-tenth-is-slow-at-first-{optimizer}",
            source=section,
            statement=f"At LR/10 {label} learns slowly in its earlier steps (its test loss is "
            "above that at LR after the first epoch, here).",
            published="none",
            kind="compared",
            options={
                "ahead": where | {"lr": middle},
                "behind": where | {"lr": low},
                "quantity": "test_loss",
                "at": _FIRST,
            },
        ),
        Claim(
            name=f"ten-times-low-at-first-{optimizer}",
            source=section,
            statement=f"{subject}'s test loss at 10 LR starts low (below that at LR/10 after the "
            "first epoch, here).",
            published="none",
            kind="compared",
            options={
                "ahead": where | {"lr": high},
                "behind": where | {"lr": low},
                "quantity": "test_loss",
                "at": _FIRST,
            },
        ),
        Claim(
            name=f"ten-times-gains-little-late-{optimizer}",
            source=section,
            statement=f"{subject}'s test loss at 10 LR hardly falls any more by the end (by less "
            "than 0.005 after epoch 20, here).",
            published="none",
            kind="changed",
            options={
                "where": where | {"lr": high},
                "quantity": "test_loss",
                "since": {"epoch": 20},
                "to": _END,
                "above": -0.005,
            },
        ),
    )


def _sgd_claims(optimizer: str) -> tuple[Claim, ...]:
    """Return the sentences on SGD, with or without momentum."""
    label = _LABELS[optimizer]
    subject = label[0].upper() + label[1:]
    at_lr = {"optimizer": optimizer, "lr": 0.025}
    return (
        Claim(
            name=f"range-test-right-for-{optimizer}",
            source="CS5260, section 3.B.ii, figure 4",
            statement="Of LR/10, LR and 10 LR, the suggested one ends with the lowest test loss of "
            f"{label}.",
            published="LR = 0.025",
            kind="best_value",
            options={
                "where": _CONSTANT | {"optimizer": optimizer},
                "best": {"lr": 0.025},
                "quantity": "test_loss",
                "at": _END,
            },
        ),
        Claim(
            name=f"best-is-{optimizer}-at-0.025",
            source="CS5260, section 3.B.i, figure 3",
            statement=f"{subject} at 0.025 ends with the lowest test loss of all.",
            published="3.9335e-4",
            kind="best_value",
            options={
                "where": _CONSTANT | {"optimizer": frozenset({optimizer, "adamw"})},
                "best": at_lr,
                "quantity": "test_loss",
                "at": _END,
            },
        ),
        *(
            Claim(
                name=f"printed-loss-{name}-{optimizer}",
                source="CS5260, sections 3.B.i and 5",
                statement=f"The printed loss is {reading}: {label} at 0.025 has a test loss of "
                f"{loss:.4f} (within 15 % here).",
                published=f"3.9335e-4, {loss:.4f} as a mean",
                kind="within",
                options={
                    "where": _CONSTANT | at_lr,
                    "quantity": "test_loss",
                    "above": (1 - _READING_BAND) * loss,
                    "below": (1 + _READING_BAND) * loss,
                    "at": _END,
                },
            )
            for name, (loss, reading) in _READINGS.items()
        ),
    )


_CLAIMS = (
    *_RANGE_TESTS,
    *_HINDSIGHT,
    *_sgd_claims("momentum"),
    *_sgd_claims("sgd"),
    Claim(
        name="printed-loss-as-it-is",
        source="CS5260, section 5",
        statement="After 30 epochs SGD at 0.025 has a test loss near 3.9e-4 (below 1e-3 here).",
        published="3.9335e-4",
        kind="within",
        options={
            "where": _CONSTANT | {"optimizer": "momentum", "lr": 0.025},
            "quantity": "test_loss",
            "below": 1e-3,
            "at": _END,
        },
    ),
    Claim(
        name="range-test-wrong-for-adamw",
        source="CS5260, section 3.B.ii, figure 4",
        statement="Of LR/10, LR and 10 LR, not the suggested one but LR/10 ends with AdamW's "
        "lowest test loss.",
        published="LR/10 = 0.0001",
        kind="best_value",
        options={
            "where": _CONSTANT | {"optimizer": "adamw"},
            "best": {"lr": 0.0001},
            "quantity": "test_loss",
            "at": _END,
        },
    ),
    Claim(
        name="adamw-the-lower-the-better",
        source="CS5260, section 3.B.ii, figure 4",
        statement="For AdamW the lower the learning rate, the lower the test loss.",
        published="0.0001, 0.001, 0.01, best first",
        kind="trend",
        options={
            "where": _CONSTANT | {"optimizer": "adamw"},
            "setting": "lr",
            "best_first": FINAL_LRS["adamw"],
            "quantity": "test_loss",
            "at": _END,
        },
    ),
    *(claim for optimizer in FINAL_LRS for claim in _final_claims(optimizer)),
)


def _optimizers(model: str) -> tuple[str, ...]:
    """Return the optimizers that are trained with a net."""
    return tuple(FINAL_LRS) if model == _REPORT_NET else ("momentum", "adamw")


def _ramp_figures(number: str, optimizer: str, model: str, suffix: str = "") -> tuple[Figure, ...]:
    """Declare figure 1 or 2: the learning rate and the test loss of all schedulers by step."""
    return tuple(
        Figure(
            name=f"figure-{number}-{part}{suffix}-{model}",
            kind="curves",
            title=f"Range tests, {_LABELS[optimizer]}: {plot}, {model}",
            source=f"CS5260, figure {number}",
            options={
                "where": {
                    "optimizer": optimizer,
                    "model": model,
                    "schedule": frozenset(_RAMPS),
                    "lr": frozenset(_RAMPS.values()),
                },
                "quantity": quantity,
                "line": "schedule",
                "parts": ("test",),
                "x": "step",
                "log": True,
            },
        )
        for part, quantity, plot in (("i", "lr", "LR"), ("ii", "loss", "test loss"))
    )


def _final_figure(name: str, title: str, source: str, **options: object) -> Figure:
    return Figure(
        name=name,
        kind="curves",
        title=title,
        source=source,
        options={"quantity": "loss", "parts": ("test",), "x": "step", "log": True, **options},
    )


def _figures(model: str) -> tuple[Figure, ...]:
    constant = {"model": model, "schedule": "constant"}
    with_plain_sgd = "sgd" in _optimizers(model)
    return (
        *_ramp_figures("1", "momentum", model),
        *(_ramp_figures("1", "sgd", model, "-plain-sgd") if with_plain_sgd else ()),
        *_ramp_figures("2", "adamw", model),
        *(
            _final_figure(
                f"figure-3{suffix}-{model}",
                f"Final test loss: {_LABELS[sgd]}, AdamW, {model}",
                "CS5260, figure 3",
                where=constant | {"optimizer": frozenset({sgd, "adamw"})},
                line=("optimizer", "lr"),
            )
            for sgd, suffix in (("momentum", ""), ("sgd", "-plain-sgd"))
            if sgd in _optimizers(model)
        ),
        _final_figure(
            f"figure-4-{model}",
            f"Test loss at LR/10, LR and 10 LR, {model}",
            "CS5260, figure 4",
            where=constant,
            panel="optimizer",
            line="lr",
        ),
        *(
            _final_figure(
                f"figure-5-{optimizer}-{model}",
                f"{_LABELS[optimizer]}, test loss at three LRs, {model}",
                "CS5260, figure 5",
                where=constant | {"optimizer": optimizer},
                line="lr",
            )
            for optimizer in _optimizers(model)
        ),
    )


STUDY = Study(
    name="cs5260",
    question="Does the learning-rate range test find the learning rate that trains best?",
    source="CS5260 Assignment 6 report, table 1 and figures 1-5",
    fixed={
        "dataset": "mnist",
        "batch_size": 128,
        "validation_fraction": 0.0,
        "weight_decay": 5e-4,
        "test_curve": True,
    },
    grids=(
        *(
            _ramps(model, _optimizers(model), schedule, lr)
            for model in _MODELS
            for schedule, lr in _RAMPS.items()
        ),
        _ramps(_REPORT_NET, ("adamw",), _MULTISTEP, _LOWER_LR),
        _ramps(_REPORT_NET, ("adamw",), _BY_EPOCH, _LOWER_LR),
        *(_final(model, optimizer) for model in _MODELS for optimizer in _optimizers(model)),
    ),
    budgets={
        "smoke": {"train_samples": 256},
        "quick": {"train_samples": 2_560},
        "paper": {},
    },
    objective="test_loss",
    figures=(
        *(figure for model in _MODELS for figure in _figures(model)),
        Figure(
            name="hindsight",
            kind="curves",
            title="Range tests of AdamW that start at 0.001: test loss by step",
            options={
                "where": {
                    "model": _REPORT_NET,
                    "optimizer": "adamw",
                    "schedule": frozenset({_MULTISTEP, _BY_EPOCH}),
                    "lr": _LOWER_LR,
                },
                "quantity": "loss",
                "line": "schedule",
                "parts": ("test",),
                "x": "step",
                "log": True,
            },
        ),
    ),
    tables=(
        Table(
            name="table-1",
            kind="range_minima",
            title="Minima of the range tests, and the learning rates that they suggest (CS5260, "
            "table 1 and section 3.A)",
            options={
                "quantity": "test_loss",
                "points": _EPOCHS,
                "smoothing": _SMOOTHING,
                "published": {
                    (optimizer, schedule, lr): _printed(optimizer, schedule)[:2]
                    for optimizer in FINAL_LRS
                    for schedule, lr in _RAMPS.items()
                },
            },
        ),
        Table(
            name="final-test-loss",
            kind="final",
            title="Final test loss at a constant learning rate (printed for SGD at 0.025: "
            "3.9335e-4, which is 0.0311 or 0.0498 as a mean)",
            options={
                "where": {"schedule": "constant"},
                "settings": ("model", "optimizer", "lr"),
                "quantities": ("test_loss", "test_accuracy"),
            },
        ),
    ),
    claims=_CLAIMS,
)
