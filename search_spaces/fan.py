"""Fan, "A Deep Look into LeNet with MNIST": SGD against Adam, and the CPU against GPUs.

What the report prints of the grid: the optimizers, the rate 0.1 for SGD, the rates 0.1, 0.01 and
0.001 for Adam, and batches of 128 in its hardware experiment. The other three batch sizes are ours,
and so are SGD's two lower rates, which are Adam's. Ours are also: no momentum for SGD (the code of
the optimizers is not printed; the text describes the plain update), no weight decay, pixels in
[0, 1], ten epochs, and a validation set of 5,000 images split from the training set (the report
does not define its "validation"). The report's LeNet has no dropout.

Two grids go beyond the report; `python -m study.grid fan --grids NAME` trains them:

- `large-rates`: SGD above 0.1, because the report warns of rates that are too large and names none
- `dropout`: optimizer, learning rate, batch size and dropout, all crossed; a third of its points
  are the report's

The report contradicts itself on Adam at 0.1: poor and hardly improving in section 3.2, stable and
accurate at high rates in section 5. Both are claims here. No threshold is printed; a claim's
statement says "here" where it is ours.
"""

from typing import Any

from search_spaces import hardware
from search_spaces.study import Claim, Figure, Grid, Study, Table

_LRS = (0.1, 0.01, 0.001)
_LARGE_LRS = (0.3, 1.0, 3.0)
_BATCH_SIZES = (32, 64, 128, 256)
_DROPOUTS = (0.0, 0.25, 0.5)
_RATES = frozenset(_LRS)
_WORKS = frozenset({0.01, 0.001})
_SMALL = 32
_ALIKE = 0.01
"""One point of accuracy, the smallest difference that counts here."""

_SEVERAL = tuple(("gpu", n) for n in (2, 3, 4))

_HARDWARE_CLAIMS = (
    *(
        Claim(
            name=f"one-gpu-beats-the-cpu{suffix}",
            source=source,
            statement=statement,
            published="none",
            kind="time_ratio",
            options={"of": (("gpu", 1),), "to": ("cpu", 1), **options},
        )
        for suffix, source, statement, options in (
            (
                "",
                "Fan, section 4, figure 5",
                "One GPU takes less whole time T than the CPU.",
                {"quantity": "total_seconds", "below": 1.0},
            ),
            (
                "-in-training",
                "Fan, section 5",
                "One GPU takes less training time than the CPU.",
                {"below": 1.0},
            ),
            (
                "-in-speed",
                "Fan, section 4, figure 6",
                "One GPU makes more iterations per second v than the CPU.",
                {"quantity": "steps_per_second", "above": 1.0},
            ),
        )
    ),
    *(
        Claim(
            name=f"more-gpus-do-not-help{suffix}",
            source=source,
            statement=statement,
            published="none",
            kind="time_ratio",
            options={"of": _SEVERAL, "to": ("gpu", 1), **options},
        )
        for suffix, source, statement, options in (
            (
                "",
                "Fan, section 4, figure 5",
                "Two to four GPUs save no more than 5 % of the whole time T of one, here.",
                {"quantity": "total_seconds", "above": 0.95},
            ),
            (
                "-in-training",
                "Fan, section 4",
                "Two to four GPUs save no more than 5 % of the training time of one, here.",
                {"above": 0.95},
            ),
            (
                "-in-speed",
                "Fan, section 4, figure 6",
                "Two to four GPUs make fewer iterations per second v than one.",
                {"quantity": "steps_per_second", "below": 1.0},
            ),
        )
    ),
)


def _where(optimizer: str = "", **settings: Any) -> dict[str, Any]:
    """Return settings of the report's points, without those of the grids beyond it."""
    chosen = {"optimizer": optimizer} if optimizer else {}
    return {"dropout": 0.0, "lr": _RATES, **chosen, **settings}


_SGD, _ADAM = _where("sgd"), _where("adam")
_ADAM_WORKS = _where("adam", lr=_WORKS)

_MORE_GPUS = Claim(
    name="more-gpus-do-not-help",
    source="Fan, section 4, figures 5-6",
    statement="One GPU beats the CPU; two to four are no faster than one.",
    published="none",
    kind="untested",
    options={"why": "it is the question of fan-hardware: python -m study.scaling fan-hardware"},
)


def _claim(name: str, source: str, statement: str, kind: str, **options: Any) -> Claim:
    return Claim(
        name=name,
        source=f"Fan, {source}",
        statement=statement,
        published="none",
        kind=kind,
        options=options,
    )


_SGD_CLAIMS = (
    _claim(
        "sgd-faster-with-larger-lr",
        "section 3.1, figure 1",
        "The larger the learning rate, the faster SGD's accuracy rises (after the first epoch, "
        "here).",
        "trend",
        where=_SGD,
        setting="lr",
        best_first=_LRS,
        quantity="validation_accuracy",
        per=("batch_size",),
        at={"epoch": 1},
    ),
    *(
        _claim(
            f"sgd-0.1-much-faster-than-{lr}-at-small-batches",
            "section 3.1, figure 1(a)",
            f"With small batches (32, here), SGD at 0.1 is much faster than at {lr} (more than 5 "
            "points ahead after the first epoch, here).",
            "compared",
            ahead=_where("sgd", lr=0.1, batch_size=_SMALL),
            behind=_where("sgd", lr=lr, batch_size=_SMALL),
            quantity="validation_accuracy",
            at={"epoch": 1},
            by=0.05,
        )
        for lr in (0.01, 0.001)
    ),
    _claim(
        "sgd-0.1-near-the-maximum-early-at-small-batches",
        "section 3.1, figure 1(a)",
        "With small batches (32, here), SGD at 0.1 is soon near its maximum (within 2 points by "
        "the second epoch, here).",
        "settled_by",
        where=_where("sgd", lr=0.1, batch_size=_SMALL),
        quantity="validation_accuracy",
        by={"epoch": 2},
        within=0.02,
        beyond=0.5,
    ),
    _claim(
        "larger-batches-slower",
        "section 3.1, figure 1",
        "The larger the batch, the slower SGD's accuracy rises (mean over learning rates after the "
        "first epoch, here).",
        "trend",
        where=_SGD,
        setting="batch_size",
        best_first=_BATCH_SIZES,
        quantity="validation_accuracy",
        per=("lr",),
        at={"epoch": 1},
        averaged=True,
    ),
    _claim(
        "batch-sizes-end-alike",
        "section 3.1, figure 1",
        "By the end, SGD's accuracy is comparable across batch sizes (32 and 256, within 2 points, "
        "here).",
        "compared",
        ahead=_where("sgd", batch_size=_SMALL),
        behind=_where("sgd", batch_size=256),
        quantity="validation_accuracy",
        per=("lr",),
        alike=0.02,
    ),
    _claim(
        "sgd-loss-falls-faster-with-larger-lr",
        "section 3.1, figure 2",
        "The larger the learning rate, the faster SGD's loss falls (validation, after the first "
        "epoch, here).",
        "trend",
        where=_SGD,
        setting="lr",
        best_first=_LRS,
        quantity="validation_loss",
        per=("batch_size",),
        at={"epoch": 1},
    ),
    *(
        _claim(
            f"sgd-0.1-{what}-mostly-in-the-first-epochs",
            source,
            f"At 0.1, SGD's {what} improves mostly in the first few epochs ({amount} after the "
            "third, validation, here).",
            "changed",
            where=_where("sgd", lr=0.1),
            quantity=f"validation_{what}",
            since={"epoch": 3},
            per=("batch_size",),
            **bounds,
        )
        for what, source, amount, bounds in (
            ("accuracy", "section 3.1, figure 1", "less than 5 points", {"below": 0.05}),
            ("loss", "section 3.1, figure 2", "less than 0.2 nats", {"above": -0.2}),
        )
    ),
    _claim(
        "smaller-batches-lower-the-loss-faster",
        "section 3.1, figure 2",
        "The smaller the batch, the faster SGD's loss falls at first (validation, mean over "
        "learning rates after the first epoch, here).",
        "trend",
        where=_SGD,
        setting="batch_size",
        best_first=_BATCH_SIZES,
        quantity="validation_loss",
        per=("lr",),
        at={"epoch": 1},
        averaged=True,
    ),
    _claim(
        "larger-batches-smoother",
        "section 3.1, figure 2",
        "The larger the batch, the smoother SGD's curves (the rises of the validation loss from "
        "epoch to epoch, summed; mean over learning rates, here).",
        "trend",
        where=_SGD,
        setting="batch_size",
        best_first=_BATCH_SIZES[::-1],
        quantity="rises_validation_loss",
        per=("lr",),
        averaged=True,
    ),
    _claim(
        "sgd-unstable-when-too-large",
        "section 3.2; the rate, of the grid large-rates, is ours",
        "SGD is unstable or diverges if the learning rate is too large (at 3: below 50 % in the "
        "end, diverged trials counted as 0, here).",
        "within",
        where=_where("sgd", lr=3.0),
        quantity="validation_accuracy",
        per=("batch_size",),
        below=0.5,
    ),
    _claim(
        "sgd-needs-tuning",
        "section 3.2",
        "SGD that is not tuned ends sub-optimal (at 0.001, more than 2 points behind 0.1, here).",
        "compared",
        ahead=_where("sgd", lr=0.1),
        behind=_where("sgd", lr=0.001),
        quantity="validation_accuracy",
        per=("batch_size",),
        by=0.02,
    ),
    _claim(
        "tuned-sgd-beats-adam",
        "section 3.2",
        "SGD can be more effective than Adam when tuned (each at its best learning rate and batch "
        "size; less than 1 point is no difference, here).",
        "best_value",
        where=_where(),
        best={"optimizer": "sgd"},
        quantity="validation_accuracy",
        band=_ALIKE,
    ),
)

_ADAM_CLAIMS = (
    _claim(
        "adam-0.1-fails",
        "section 3.2, figures 3-4",
        "Adam at 0.1 hardly learns, whatever the batch size (below 50 % here).",
        "within",
        where=_where("adam", lr=0.1),
        quantity="validation_accuracy",
        per=("batch_size",),
        below=0.5,
    ),
    _claim(
        "adam-0.1-hardly-improves",
        "section 3.2, figure 3",
        "Adam at 0.1 hardly improves over the epochs (less than 5 points from the first to the "
        "last, here).",
        "changed",
        where=_where("adam", lr=0.1),
        quantity="validation_accuracy",
        since={"epoch": 1},
        per=("batch_size",),
        below=0.05,
    ),
    _claim(
        "adam-0.1-robust",
        "section 5, against section 3.2",
        "Even at a high learning rate (0.1, here), Adam is stable and accurate (above 90 % here).",
        "within",
        where=_where("adam", lr=0.1),
        quantity="validation_accuracy",
        per=("batch_size",),
        above=0.9,
    ),
    *(
        _claim(
            f"adam-{lr}-far-above-0.1",
            "section 3.2, figure 3",
            f"Adam at {lr} is much more accurate than at 0.1 (by more than 20 points, here).",
            "compared",
            ahead=_where("adam", lr=lr),
            behind=_where("adam", lr=0.1),
            quantity="validation_accuracy",
            per=("batch_size",),
            by=0.2,
        )
        for lr in (0.01, 0.001)
    ),
    _claim(
        "adam-0.01-and-0.001-alike",
        "section 3.2, figure 3",
        "Adam at 0.01 and at 0.001 end alike (within 1 point here).",
        "compared",
        ahead=_where("adam", lr=0.001),
        behind=_where("adam", lr=0.01),
        quantity="validation_accuracy",
        per=("batch_size",),
        alike=_ALIKE,
    ),
    _claim(
        "near-the-maximum-by-epoch-2",
        "section 3.2, figure 3",
        "Adam at 0.01 and 0.001 is near its maximum by the second epoch (within 2 points, here).",
        "settled_by",
        where=_ADAM_WORKS,
        quantity="validation_accuracy",
        by={"epoch": 2},
        within=0.02,
        beyond=0.5,
        per=("lr", "batch_size"),
    ),
    _claim(
        "adam-0.1-loss-stays-high",
        "section 3.2, figure 4",
        "Adam at 0.1 struggles to lower the loss, whatever the batch size (validation, above 1 nat "
        "in the end, here; chance is 2.3).",
        "within",
        where=_where("adam", lr=0.1),
        quantity="validation_loss",
        per=("batch_size",),
        above=1.0,
    ),
    *(
        _claim(
            f"adam-{lr}-loss-falls-faster-than-at-0.1",
            "section 3.2, figure 4",
            f"Adam's loss falls much faster at {lr} than at 0.1 (validation, more than 1 nat lower "
            "after the first epoch, here).",
            "compared",
            ahead=_where("adam", lr=lr),
            behind=_where("adam", lr=0.1),
            quantity="validation_loss",
            per=("batch_size",),
            at={"epoch": 1},
            by=1.0,
        )
        for lr in (0.01, 0.001)
    ),
    *(
        _claim(
            f"adam-{lr}-steadier-than-0.1",
            "section 3.2, figure 4",
            f"Adam's loss falls more steadily at {lr} than at 0.1 (smaller rises of the validation "
            "loss from epoch to epoch, summed; mean over batch sizes, here).",
            "compared",
            ahead=_where("adam", lr=lr),
            behind=_where("adam", lr=0.1),
            quantity="rises_validation_loss",
            per=("batch_size",),
            averaged=True,
        )
        for lr in (0.01, 0.001)
    ),
    _claim(
        "adam-0.01-and-0.001-low-loss-early",
        "section 3.2, figure 4",
        "Adam at 0.01 and 0.001 reaches a much smaller loss within the first few epochs "
        "(validation, below 0.2 nats by the third, here).",
        "within",
        where=_ADAM_WORKS,
        quantity="validation_loss",
        per=("lr", "batch_size"),
        at={"epoch": 3},
        below=0.2,
    ),
    _claim(
        "adam-0.01-and-0.001-stable",
        "section 3.2, figure 4",
        "Adam's curves at 0.01 and 0.001 stay relatively stable as training goes on (the "
        "validation loss ends within 0.1 nats of the third epoch's, here).",
        "changed",
        where=_ADAM_WORKS,
        quantity="validation_loss",
        since={"epoch": 3},
        per=("lr", "batch_size"),
        above=-0.1,
        below=0.1,
    ),
    _claim(
        "adam-accurate-at-0.01-and-0.001",
        "section 3.2",
        "Adam gives similarly strong results at 0.01 and 0.001 across batch sizes (above 95 % "
        "here).",
        "within",
        where=_ADAM_WORKS,
        quantity="validation_accuracy",
        per=("lr", "batch_size"),
        above=0.95,
    ),
    _claim(
        "adam-accurate-at-all-rates",
        "section 3.2, against itself",
        "Adam is accurate across learning rates and batch sizes (above 90 % at all three rates, "
        "here).",
        "within",
        where=_ADAM,
        quantity="validation_accuracy",
        per=("lr", "batch_size"),
        above=0.9,
    ),
    _claim(
        "adam-low-loss-at-all-rates",
        "section 3.2, against itself",
        "Adam's loss is low across learning rates and batch sizes (validation, below 0.3 nats at "
        "all three rates, here).",
        "within",
        where=_ADAM,
        quantity="validation_loss",
        per=("lr", "batch_size"),
        below=0.3,
    ),
)

_SENSITIVITY_CLAIMS = tuple(
    _claim(
        f"adam-less-sensitive{loss}{below}",
        source,
        f"{rates} Adam's {what} depends less on the learning rate than SGD's (standard deviation "
        "of the final value over the rates, validation, here).",
        "steadier",
        steadier=_where("adam", lr=values),
        other=_where("sgd", lr=values),
        over="lr",
        quantity=quantity,
        per=("batch_size",),
    )
    for loss, what, quantity in (
        ("", "accuracy", "validation_accuracy"),
        ("-in-loss", "loss", "validation_loss"),
    )
    for below, source, rates, values in (
        ("", "section 3.2 and table 1", "Over all three rates,", _RATES),
        ("-below-0.1", "section 3.2", "Between 0.01 and 0.001 alone,", _WORKS),
    )
)

_TABLE_1_CLAIMS = (
    _claim(
        "table-1-sensitivity",
        "table 1, row 1",
        "Adam is less sensitive than SGD (standard deviation of the final accuracy over all three "
        "learning rates, mean over batch sizes, here).",
        "steadier",
        steadier=_ADAM,
        other=_SGD,
        over="lr",
        quantity="validation_accuracy",
        per=("batch_size",),
        averaged=True,
    ),
    _claim(
        "table-1-convergence-faster",
        "table 1, row 2; section 5",
        "Adam converges faster than SGD (accuracy after the first epoch, each at its best learning "
        "rate and batch size; less than 1 point is no difference, here).",
        "best_value",
        where=_where(),
        best={"optimizer": "adam"},
        quantity="validation_accuracy",
        at={"epoch": 1},
        band=_ALIKE,
    ),
    _claim(
        "table-1-convergence-stable-across-rates",
        "table 1, row 2",
        "Adam's speed depends less on the learning rate than SGD's (standard deviation of the "
        "accuracy after the first epoch over all three rates, mean over batch sizes, here).",
        "steadier",
        steadier=_ADAM,
        other=_SGD,
        over="lr",
        quantity="validation_accuracy",
        per=("batch_size",),
        at={"epoch": 1},
        averaged=True,
    ),
    _claim(
        "table-1-stability",
        "table 1, row 3; section 5",
        "Adam is more stable than SGD (smaller rises of the validation loss from epoch to epoch, "
        "summed; mean over learning rates and batch sizes, here).",
        "compared",
        ahead=_ADAM,
        behind=_SGD,
        quantity="rises_validation_loss",
        per=("lr", "batch_size"),
        averaged=True,
    ),
    _claim(
        "table-1-performance",
        "table 1, row 4",
        "SGD risks instability, Adam is relatively stable (at 0.1, the highest rate of the report, "
        "Adam's loss rises less from epoch to epoch, mean over batch sizes, here).",
        "compared",
        ahead=_where("adam", lr=0.1),
        behind=_where("sgd", lr=0.1),
        quantity="rises_validation_loss",
        per=("batch_size",),
        averaged=True,
    ),
    _claim(
        "table-1-tuning-effort",
        "table 1, row 5",
        "Adam needs less tuning than SGD (a learning rate drawn from the three ends with a higher "
        "accuracy, mean over rates and batch sizes, here).",
        "compared",
        ahead=_ADAM,
        behind=_SGD,
        quantity="validation_accuracy",
        per=("lr", "batch_size"),
        averaged=True,
    ),
    _claim(
        "table-1-preferred-for-default-settings",
        "table 1, row 6",
        "Adam is preferable with default settings (torch's default rate for both, 0.001, here); "
        "simpler and more complex models than LeNet are not tested.",
        "compared",
        ahead=_where("adam", lr=0.001),
        behind=_where("sgd", lr=0.001),
        quantity="validation_accuracy",
        per=("batch_size",),
    ),
)

FAN = Study(
    name="fan",
    question="How do learning rate and batch size change the training of LeNet "
    "under SGD and under Adam?",
    source="Jingqi Fan, A Deep Look into LeNet with MNIST, sections 2-3, figures 1-4",
    fixed={"dataset": "mnist", "model": "lenet"},
    grids=(
        Grid(
            name="published",
            space={
                "optimizer": ("sgd", "adam"),
                "lr": _LRS,
                "batch_size": _BATCH_SIZES,
                "dropout": (0.0,),
            },
        ),
    ),
    extra_grids=(
        Grid(
            name="large-rates",
            space={
                "optimizer": ("sgd",),
                "lr": (0.1, *_LARGE_LRS),
                "batch_size": _BATCH_SIZES,
                "dropout": (0.0,),
            },
        ),
        Grid(
            name="dropout",
            space={
                "optimizer": ("sgd", "adam"),
                "lr": _LRS,
                "batch_size": _BATCH_SIZES,
                "dropout": _DROPOUTS,
            },
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
            title=f"{quantity.capitalize()} of {label} by learning rate and batch size",
            source=f"Fan, figure {number}",
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
        Table(
            name="best-learning-rates",
            kind="best_settings",
            title="Best learning rate by optimizer, batch size and dropout",
            options={"where": {}, "per": ("optimizer", "batch_size", "dropout")},
        ),
    ),
    claims=(
        *_SGD_CLAIMS,
        *_ADAM_CLAIMS,
        *_SENSITIVITY_CLAIMS,
        *_TABLE_1_CLAIMS,
        _MORE_GPUS,
    ),
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
    figures=hardware.figures(source="Fan, figures 5-6"),
    tables=hardware.TABLES,
    claims=_HARDWARE_CLAIMS,
)

STUDIES = (FAN, HARDWARE)
