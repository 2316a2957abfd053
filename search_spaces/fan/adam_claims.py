"""The claims of Fan's sections 3.2 and 5 about Adam."""

from search_spaces.fan.claim_template import claim
from search_spaces.fan.values import ADAM, LOWER_LRS, SMALLEST_DIFFERENCE, points

_ADAM_AT_LOWER_LRS = points("adam", lr=LOWER_LRS)

ADAM_CLAIMS = (
    claim(
        "adam-0.1-fails",
        "section 3.2, figures 3-4",
        "Adam at 0.1 hardly learns, whatever the batch size (below 50 % here).",
        "within",
        where=points("adam", lr=0.1),
        quantity="validation_accuracy",
        per=("batch_size",),
        below=0.5,
    ),
    claim(
        "adam-0.1-hardly-improves",
        "section 3.2, figure 3",
        "Adam at 0.1 hardly improves over the epochs (less than 5 points from the first to the "
        "last, here).",
        "changed",
        where=points("adam", lr=0.1),
        quantity="validation_accuracy",
        since={"epoch": 1},
        per=("batch_size",),
        below=0.05,
    ),
    claim(
        "adam-0.1-robust",
        "section 5, against section 3.2",
        "Even at a high learning rate (0.1, here), Adam is stable and accurate (above 90 % here).",
        "within",
        where=points("adam", lr=0.1),
        quantity="validation_accuracy",
        per=("batch_size",),
        above=0.9,
    ),
    *(
        claim(
            f"adam-{lr}-far-above-0.1",
            "section 3.2, figure 3",
            f"Adam at {lr} is much more accurate than at 0.1 (by more than 20 points, here).",
            "compared",
            ahead=points("adam", lr=lr),
            behind=points("adam", lr=0.1),
            quantity="validation_accuracy",
            per=("batch_size",),
            by=0.2,
        )
        for lr in (0.01, 0.001)
    ),
    claim(
        "adam-0.01-and-0.001-alike",
        "section 3.2, figure 3",
        "Adam at 0.01 and at 0.001 end alike (within 1 point here).",
        "compared",
        ahead=points("adam", lr=0.001),
        behind=points("adam", lr=0.01),
        quantity="validation_accuracy",
        per=("batch_size",),
        alike=SMALLEST_DIFFERENCE,
    ),
    claim(
        "near-the-maximum-by-epoch-2",
        "section 3.2, figure 3",
        "Adam at 0.01 and 0.001 is near its maximum by the second epoch (within 2 points, here).",
        "settled_by",
        where=_ADAM_AT_LOWER_LRS,
        quantity="validation_accuracy",
        by={"epoch": 2},
        within=0.02,
        beyond=0.5,
        per=("lr", "batch_size"),
    ),
    claim(
        "adam-0.1-loss-stays-high",
        "section 3.2, figure 4",
        "Adam at 0.1 struggles to lower the loss, whatever the batch size (validation, above 1 nat "
        "in the end, here; chance is 2.3).",
        "within",
        where=points("adam", lr=0.1),
        quantity="validation_loss",
        per=("batch_size",),
        above=1.0,
    ),
    *(
        claim(
            f"adam-{lr}-loss-falls-faster-than-at-0.1",
            "section 3.2, figure 4",
            f"Adam's loss falls much faster at {lr} than at 0.1 (validation, more than 1 nat lower "
            "after the first epoch, here).",
            "compared",
            ahead=points("adam", lr=lr),
            behind=points("adam", lr=0.1),
            quantity="validation_loss",
            per=("batch_size",),
            at={"epoch": 1},
            by=1.0,
        )
        for lr in (0.01, 0.001)
    ),
    *(
        claim(
            f"adam-{lr}-steadier-than-0.1",
            "section 3.2, figure 4",
            f"Adam's loss falls more steadily at {lr} than at 0.1 (smaller rises of the validation "
            "loss from epoch to epoch, summed; mean over batch sizes, here).",
            "compared",
            ahead=points("adam", lr=lr),
            behind=points("adam", lr=0.1),
            quantity="rises_validation_loss",
            per=("batch_size",),
            averaged=True,
        )
        for lr in (0.01, 0.001)
    ),
    claim(
        "adam-0.01-and-0.001-low-loss-early",
        "section 3.2, figure 4",
        "Adam at 0.01 and 0.001 reaches a much smaller loss within the first few epochs "
        "(validation, below 0.2 nats by the third, here).",
        "within",
        where=_ADAM_AT_LOWER_LRS,
        quantity="validation_loss",
        per=("lr", "batch_size"),
        at={"epoch": 3},
        below=0.2,
    ),
    claim(
        "adam-0.01-and-0.001-stable",
        "section 3.2, figure 4",
        "Adam's curves at 0.01 and 0.001 stay relatively stable as training goes on (the "
        "validation loss ends within 0.1 nats of the third epoch's, here).",
        "changed",
        where=_ADAM_AT_LOWER_LRS,
        quantity="validation_loss",
        since={"epoch": 3},
        per=("lr", "batch_size"),
        above=-0.1,
        below=0.1,
    ),
    claim(
        "adam-accurate-at-0.01-and-0.001",
        "section 3.2",
        "Adam gives similarly strong results at 0.01 and 0.001 across batch sizes (above 95 % "
        "here).",
        "within",
        where=_ADAM_AT_LOWER_LRS,
        quantity="validation_accuracy",
        per=("lr", "batch_size"),
        above=0.95,
    ),
    claim(
        "adam-accurate-at-all-rates",
        "section 3.2, against itself",
        "Adam is accurate across learning rates and batch sizes (above 90 % at all three rates, "
        "here).",
        "within",
        where=ADAM,
        quantity="validation_accuracy",
        per=("lr", "batch_size"),
        above=0.9,
    ),
    claim(
        "adam-low-loss-at-all-rates",
        "section 3.2, against itself",
        "Adam's loss is low across learning rates and batch sizes (validation, below 0.3 nats at "
        "all three rates, here).",
        "within",
        where=ADAM,
        quantity="validation_loss",
        per=("lr", "batch_size"),
        below=0.3,
    ),
)
