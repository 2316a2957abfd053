"""The claims of Fan's sections 3.1 and 3.2 about SGD."""

from search_spaces.fan.claim_template import claim
from search_spaces.fan.values import BATCH_SIZES, LRS, SGD, SMALLEST_DIFFERENCE, points

_SMALL_BATCH = 32

SGD_CLAIMS = (
    claim(
        "sgd-faster-with-larger-lr",
        "section 3.1, figure 1",
        "The larger the learning rate, the faster SGD's accuracy rises (after the first epoch, "
        "here).",
        "trend",
        where=SGD,
        setting="lr",
        best_first=LRS,
        quantity="validation_accuracy",
        per=("batch_size",),
        at={"epoch": 1},
    ),
    *(
        claim(
            f"sgd-0.1-much-faster-than-{lr}-at-small-batches",
            "section 3.1, figure 1(a)",
            f"With small batches (32, here), SGD at 0.1 is much faster than at {lr} (more than 5 "
            "points ahead after the first epoch, here).",
            "compared",
            ahead=points("sgd", lr=0.1, batch_size=_SMALL_BATCH),
            behind=points("sgd", lr=lr, batch_size=_SMALL_BATCH),
            quantity="validation_accuracy",
            at={"epoch": 1},
            by=0.05,
        )
        for lr in (0.01, 0.001)
    ),
    claim(
        "sgd-0.1-near-the-maximum-early-at-small-batches",
        "section 3.1, figure 1(a)",
        "With small batches (32, here), SGD at 0.1 is soon near its maximum (within 2 points by "
        "the second epoch, here).",
        "settled_by",
        where=points("sgd", lr=0.1, batch_size=_SMALL_BATCH),
        quantity="validation_accuracy",
        by={"epoch": 2},
        within=0.02,
        beyond=0.5,
    ),
    claim(
        "larger-batches-slower",
        "section 3.1, figure 1",
        "The larger the batch, the slower SGD's accuracy rises (mean over learning rates after the "
        "first epoch, here).",
        "trend",
        where=SGD,
        setting="batch_size",
        best_first=BATCH_SIZES,
        quantity="validation_accuracy",
        per=("lr",),
        at={"epoch": 1},
        averaged=True,
    ),
    claim(
        "batch-sizes-end-alike",
        "section 3.1, figure 1",
        "By the end, SGD's accuracy is comparable across batch sizes (32 and 256, within 2 points, "
        "here).",
        "compared",
        ahead=points("sgd", batch_size=_SMALL_BATCH),
        behind=points("sgd", batch_size=256),
        quantity="validation_accuracy",
        per=("lr",),
        alike=0.02,
    ),
    claim(
        "sgd-loss-falls-faster-with-larger-lr",
        "section 3.1, figure 2",
        "The larger the learning rate, the faster SGD's loss falls (validation, after the first "
        "epoch, here).",
        "trend",
        where=SGD,
        setting="lr",
        best_first=LRS,
        quantity="validation_loss",
        per=("batch_size",),
        at={"epoch": 1},
    ),
    *(
        claim(
            f"sgd-0.1-{what}-mostly-in-the-first-epochs",
            source,
            f"At 0.1, SGD's {what} improves mostly in the first few epochs ({amount} after the "
            "third, validation, here).",
            "changed",
            where=points("sgd", lr=0.1),
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
    claim(
        "smaller-batches-lower-the-loss-faster",
        "section 3.1, figure 2",
        "The smaller the batch, the faster SGD's loss falls at first (validation, mean over "
        "learning rates after the first epoch, here).",
        "trend",
        where=SGD,
        setting="batch_size",
        best_first=BATCH_SIZES,
        quantity="validation_loss",
        per=("lr",),
        at={"epoch": 1},
        averaged=True,
    ),
    claim(
        "larger-batches-smoother",
        "section 3.1, figure 2",
        "The larger the batch, the smoother SGD's curves (the rises of the validation loss from "
        "epoch to epoch, summed; mean over learning rates, here).",
        "trend",
        where=SGD,
        setting="batch_size",
        best_first=BATCH_SIZES[::-1],
        quantity="rises_validation_loss",
        per=("lr",),
        averaged=True,
    ),
    claim(
        "sgd-unstable-when-too-large",
        "section 3.2; the rate, of the grid large-rates, is ours",
        "SGD is unstable or diverges if the learning rate is too large (at 3: below 50 % in the "
        "end, diverged trials counted as 0, here).",
        "within",
        where=points("sgd", lr=3.0),
        quantity="validation_accuracy",
        per=("batch_size",),
        below=0.5,
    ),
    claim(
        "sgd-needs-tuning",
        "section 3.2",
        "SGD that is not tuned ends sub-optimal (at 0.001, more than 2 points behind 0.1, here).",
        "compared",
        ahead=points("sgd", lr=0.1),
        behind=points("sgd", lr=0.001),
        quantity="validation_accuracy",
        per=("batch_size",),
        by=0.02,
    ),
    claim(
        "tuned-sgd-beats-adam",
        "section 3.2",
        "SGD can be more effective than Adam when tuned (each at its best learning rate and batch "
        "size; less than 1 point is no difference, here).",
        "best_value",
        where=points(),
        best={"optimizer": "sgd"},
        quantity="validation_accuracy",
        band=SMALLEST_DIFFERENCE,
    ),
)
