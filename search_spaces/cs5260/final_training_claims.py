"""The claims on the final training at a constant learning rate, sections 3.B and 5."""

from search_spaces.cs5260.values import FINAL_LRS, LABELS, REPORT_NET
from search_spaces.study import Claim

_BATCHES = 79
"""batches of the test set: 78 of 128 images and one of 16"""
_PRINTED_LOSS = 3.9335e-4
_READINGS = {
    "divided-twice": (
        _BATCHES * _PRINTED_LOSS,
        "a mean over 79 batches that is divided by 79 again",
    ),
    "summed": (1e4 / _BATCHES * _PRINTED_LOSS, "a sum of 79 batch means divided by 10,000 images"),
}
_READING_BAND = 0.15
"""Relative difference. Two seeds differ by a few percent, the two readings by 60."""

_CONSTANT_LR = {"model": REPORT_NET, "schedule": "constant"}
_END = {"epoch": 30}
_FIRST = {"epoch": 1}


def _final_claims(optimizer: str) -> tuple[Claim, ...]:
    """Return the sentences on the final training that name each optimizer alike."""
    label, (low, middle, high) = LABELS[optimizer], FINAL_LRS[optimizer]
    subject = label[0].upper() + label[1:]
    where = _CONSTANT_LR | {"optimizer": optimizer}
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
    label = LABELS[optimizer]
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
                "where": _CONSTANT_LR | {"optimizer": optimizer},
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
                "where": _CONSTANT_LR | {"optimizer": frozenset({optimizer, "adamw"})},
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
                    "where": _CONSTANT_LR | at_lr,
                    "quantity": "test_loss",
                    "above": (1 - _READING_BAND) * loss,
                    "below": (1 + _READING_BAND) * loss,
                    "at": _END,
                },
            )
            for name, (loss, reading) in _READINGS.items()
        ),
    )


FINAL_TRAINING_CLAIMS = (
    *_sgd_claims("momentum"),
    *_sgd_claims("sgd"),
    Claim(
        name="printed-loss-as-it-is",
        source="CS5260, section 5",
        statement="After 30 epochs SGD at 0.025 has a test loss near 3.9e-4 (below 1e-3 here).",
        published="3.9335e-4",
        kind="within",
        options={
            "where": _CONSTANT_LR | {"optimizer": "momentum", "lr": 0.025},
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
            "where": _CONSTANT_LR | {"optimizer": "adamw"},
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
            "where": _CONSTANT_LR | {"optimizer": "adamw"},
            "setting": "lr",
            "best_first": FINAL_LRS["adamw"],
            "quantity": "test_loss",
            "at": _END,
        },
    ),
    *(claim for optimizer in FINAL_LRS for claim in _final_claims(optimizer)),
)
