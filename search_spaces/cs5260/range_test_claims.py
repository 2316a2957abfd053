"""The claims on the range tests: table 1, and the report's hindsight about AdamW."""

from dataclasses import replace

from search_spaces.cs5260.values import (
    FINAL_LRS,
    LABELS,
    LAMBDA,
    LOWER_LR,
    MULTISTEP,
    MULTISTEP_BY_EPOCH,
    RAMP_EPOCHS,
    RAMPS,
    REPORT_NET,
    SMOOTHING,
    printed_minimum,
)
from search_spaces.study import Claim

_RAMP_NAMES = {LAMBDA: "Lambda", MULTISTEP: "MultiStep", MULTISTEP_BY_EPOCH: "MultiStep per epoch"}


def _points(optimizer: str, schedule: str, lr: float | None = None) -> dict[str, object]:
    """Return the settings of a ramp; `lr` is its first learning rate if not that of `RAMPS`."""
    first_lr = RAMPS[schedule] if lr is None else lr
    return {"model": REPORT_NET, "optimizer": optimizer, "schedule": schedule, "lr": first_lr}


def _suggested(
    optimizer: str, schedule: str, lr: float | None, published: str, minimum: str
) -> tuple[Claim, Claim]:
    """Return the claim on a row of table 1, by the losses as measured, and as TensorBoard draws."""
    ramp = _RAMP_NAMES[schedule]
    outcome = f"suggests {lr:g} (within a factor of 2 here)" if lr else "has no true minimum"
    options = {"where": _points(optimizer, schedule), "lr": lr, "points": RAMP_EPOCHS}
    claim = Claim(
        name=f"range-test-{optimizer}-{ramp.lower().replace(' ', '-')}",
        source="CS5260, table 1",
        statement=f"The {ramp} range test of {LABELS[optimizer]} {outcome}.",
        published=f"{published}, from a minimum at {minimum}",
        kind="range_test",
        options=options,
    )
    return claim, replace(
        claim,
        name=f"{claim.name}-smoothed",
        statement=f"{claim.statement[:-1]}, read from losses smoothed by {SMOOTHING:g}.",
        options=options | {"smoothing": SMOOTHING},
    )


_RANGE_TESTS = tuple(
    claim
    for optimizer in FINAL_LRS
    for schedule in RAMPS
    for minimum, published, lr in [printed_minimum(optimizer, schedule)]
    for claim in _suggested(optimizer, schedule, lr, published, minimum)
) + tuple(
    Claim(
        name=f"adamw-minimum-is-gradual-{optimizer}",
        source="CS5260, section 3.A.ii, figure 2",
        statement="AdamW's minimum on Lambda is gradual (the valley in which the test loss is at "
        f"most 5 % of the fall above it is wider than that of {LABELS[optimizer]}, here).",
        published="none",
        kind="wider_minimum",
        options={
            "wider": _points("adamw", LAMBDA),
            "than": _points(optimizer, LAMBDA),
            "share": 0.05,
        },
    )
    for optimizer in ("momentum", "sgd")
)

_HINDSIGHT = tuple(
    claim
    for schedule, name in ((MULTISTEP, "multistep"), (MULTISTEP_BY_EPOCH, "multistep-per-epoch"))
    for claim in (
        Claim(
            name=f"lower-start-has-a-minimum-{name}",
            source="CS5260, section 3.A.ii",
            statement=f"AdamW's {_RAMP_NAMES[schedule]} has no true minimum because it starts too "
            "high (from 0.001 it has one, here).",
            published="none",
            kind="range_test",
            options={
                "where": _points("adamw", schedule, LOWER_LR),
                "lr": LOWER_LR,
                "factor": float("inf"),
                "points": RAMP_EPOCHS,
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
                "where": _points("adamw", schedule, LOWER_LR),
                "lr": 0.0001,
                "factor": 3.0,
                "points": RAMP_EPOCHS,
            },
        ),
    )
)

RANGE_TEST_CLAIMS = (*_RANGE_TESTS, *_HINDSIGHT)
