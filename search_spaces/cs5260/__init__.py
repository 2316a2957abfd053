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

A minimum is known only up to the spacing of the measurements, a factor of four on Lambda. Claims
read the ramps once an epoch, as the report did; the table shows this beside seven records an epoch.
The report read its minima off TensorBoard, which smooths by 0.6 unless told otherwise and so delays
them. In one seed of Lambda at the paper's budget, the lowest losses came one epoch before the
printed ones (SGD 3,752, AdamW 2,814), and the smoothed ones at exactly the printed steps. So each
row of table 1 has two claims, with and without smoothing. That seed was seen before the claims were
written.

The final training runs 30 epochs, 14,070 steps, at a constant LR: the one that the report took from
Lambda (SGD 0.025, AdamW 0.001), a tenth of it, and ten times it.

The printed test loss of 3.9335e-4 is no mean over images, which would be a hundred times as large.
Two readings are claims. Whenever Colossal-AI's loss metric is read, it divides its sum by the
number of batches in place. The hook that prints reads it first, and the hook that writes
TensorBoard's value divides again. Then the mean is 79 times as large, 0.0311. If the printed loss
is a sum over the 79 batches divided by 10,000 images, the mean is 0.0498. Plain SGD is trained
beside SGD with momentum, in case the printed runs had none. One seed of the paper's budget gave
0.0312 with momentum and 0.0473 without: either reading fits one of them. The code settles it:
momentum, and the first reading.

Beyond the report, the study trains this project's `lenet` as well. It departs from the report in
its implementation, PyTorch without Colossal-AI's engine, and in its random numbers. A trial ends
when its loss diverges.
"""

from search_spaces.cs5260.final_training_claims import FINAL_TRAINING_CLAIMS
from search_spaces.cs5260.range_test_claims import RANGE_TEST_CLAIMS
from search_spaces.cs5260.values import (
    FINAL_LRS,
    LABELS,
    LOWER_LR,
    MULTISTEP,
    MULTISTEP_BY_EPOCH,
    RAMP_EPOCHS,
    RAMPS,
    REPORT_NET,
    SMOOTHING,
    printed_minimum,
)
from search_spaces.study import Figure, Grid, Study, Table

_OWN_NET = "lenet"
_MODELS = (REPORT_NET, _OWN_NET)


def _ramps(model: str, optimizers: tuple[str, ...], schedule: str, lr: float) -> Grid:
    return Grid(
        name=model,
        space={"model": (model,), "optimizer": optimizers, "schedule": (schedule,), "lr": (lr,)},
        settings={"epochs": RAMP_EPOCHS, "record_every": 67},  # seven records an epoch of 469 steps
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


def _optimizers(model: str) -> tuple[str, ...]:
    """Return the optimizers that are trained with a net."""
    return tuple(FINAL_LRS) if model == REPORT_NET else ("momentum", "adamw")


def _ramp_figures(number: str, optimizer: str, model: str, suffix: str = "") -> tuple[Figure, ...]:
    """Declare figure 1 or 2: the learning rate and the test loss of all schedulers by step."""
    return tuple(
        Figure(
            name=f"figure-{number}-{part}{suffix}-{model}",
            kind="curves",
            title=f"Range tests, {LABELS[optimizer]}: {plot}, {model}",
            source=f"CS5260, figure {number}",
            options={
                "where": {
                    "optimizer": optimizer,
                    "model": model,
                    "schedule": frozenset(RAMPS),
                    "lr": frozenset(RAMPS.values()),
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
                f"Final test loss: {LABELS[sgd]}, AdamW, {model}",
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
                f"{LABELS[optimizer]}, test loss at three LRs, {model}",
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
            for schedule, lr in RAMPS.items()
        ),
        _ramps(REPORT_NET, ("adamw",), MULTISTEP, LOWER_LR),
        _ramps(REPORT_NET, ("adamw",), MULTISTEP_BY_EPOCH, LOWER_LR),
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
                    "model": REPORT_NET,
                    "optimizer": "adamw",
                    "schedule": frozenset({MULTISTEP, MULTISTEP_BY_EPOCH}),
                    "lr": LOWER_LR,
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
                "points": RAMP_EPOCHS,
                "smoothing": SMOOTHING,
                "published": {
                    (optimizer, schedule, lr): printed_minimum(optimizer, schedule)[:2]
                    for optimizer in FINAL_LRS
                    for schedule, lr in RAMPS.items()
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
    claims=(*RANGE_TEST_CLAIMS, *FINAL_TRAINING_CLAIMS),
)
