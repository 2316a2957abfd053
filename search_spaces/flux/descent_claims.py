"""The claims on Descent alone."""

from search_spaces.flux.claim_templates import accuracy_claim, change_claim, claim, source_of
from search_spaces.flux.values import LABELS, descent_points

_FAILURES = (
    ("stuck-on-4ls", "batch", "4ls", "11.35 %"),
    ("fails-on-3ls", "batch", "3ls", "below 20 %"),
    ("fails-on-2lr", "stochastic", "2lr", "below 20 %"),
)
_DESCENT_ON_4LS, _DESCENT_ON_2LR = descent_points("batch", "4ls"), descent_points("batch", "2lr")

DESCENT_CLAIMS = (
    *(
        accuracy_claim(
            f"descent-{name}-{variant}",
            descent_points(variant, model),
            source_of(variant, model),
            f"Descent fails on {LABELS[model]} by {variant} gradient descent (below 20 % at "
            "each of its steps).",
            published,
            below=0.2,
        )
        for name, variant, model, published in _FAILURES
    ),
    claim(
        "descent-loss-falls-without-accuracy",
        source_of("batch", "4ls"),
        "The loss of 4LS falls with Descent, although its accuracy does not rise (the loss is "
        "below 0.1 at step 500; for the accuracy see descent-stuck-on-4ls-batch).",
        "below 0.1",
        "within",
        where=_DESCENT_ON_4LS,
        quantity="train_loss",
        at={"step": 500},
        below=0.1,
    ),
    change_claim(
        "descent-loss-stagnates-on-4ls",
        _DESCENT_ON_4LS,
        source_of("batch", "4ls"),
        "Below 0.1, the loss of 4LS with Descent stagnates (from step 250 to 500 it falls by "
        "less than 0.01, here).",
        quantity="train_loss",
        since=250,
        to=500,
        above=-0.01,
        below=0.01,
    ),
    accuracy_claim(
        "descent-in-the-end-on-2lr",
        _DESCENT_ON_2LR,
        source_of("batch", "2lr"),
        "Descent on 2LR by batch gradient descent is above 96 % at step 4,000.",
        "over 96 %",
        step=4_000,
        above=0.96,
    ),
    accuracy_claim(
        "descent-needs-4000-on-2lr",
        _DESCENT_ON_2LR,
        source_of("batch", "2lr"),
        "Descent on 2LR by batch gradient descent is not above 96 % before step 4,000 (at "
        "2,000, here).",
        "over 96 % at 4,000 only",
        step=2_000,
        below=0.96,
    ),
)
