"""The claims on Descent alone."""

from search_spaces.flux.claim_templates import (
    accuracy_claim,
    change_claim,
    claim,
    end_claim,
    source_of,
)
from search_spaces.flux.values import LABELS, MODELS, descent_points

_DESCENT_ON_4LS, _DESCENT_ON_3LS, _DESCENT_ON_2LR = (
    descent_points("batch", model) for model in MODELS
)

DESCENT_CLAIMS = (
    *(
        accuracy_claim(
            f"descent-{name}-batch",
            descent_points("batch", model),
            source_of("batch", model),
            f"Descent fails on {LABELS[model]} by batch gradient descent (below 20 % at step "
            "500, the last that the article draws).",
            published,
            step=500,
            below=0.2,
        )
        for name, model, published in (
            ("stuck-on-4ls", "4ls", "11.35 %"),
            ("fails-on-3ls", "3ls", "below 20 %"),
        )
    ),
    accuracy_claim(
        "descent-fails-on-2lr-stochastic",
        descent_points("stochastic", "2lr"),
        source_of("stochastic", "2lr"),
        "Descent fails on 2LR by stochastic gradient descent (below 20 % at each evaluated step, "
        "here).",
        "below 20 %",
        below=0.2,
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
        "Below 0.1, the loss of 4LS with Descent stagnates (from step 400 to 500 it falls by "
        "less than 0.005, here).",
        quantity="train_loss",
        since=400,
        to=500,
        above=-0.005,
        below=0.005,
    ),
    claim(
        "descent-loss-below-0.1-on-3ls",
        source_of("batch", "3ls"),
        "Descent brings the loss of 3LS below 0.1 (at step 500, here).",
        "below 0.1",
        "within",
        where=_DESCENT_ON_3LS,
        quantity="train_loss",
        at={"step": 500},
        below=0.1,
    ),
    claim(
        "descent-needs-4000-on-2lr",
        source_of("batch", "2lr"),
        "Descent on 2LR by batch gradient descent needs 4,000 steps to get above 96 % (it is below "
        "at 2,000, here).",
        "over 96 % at 4,000",
        "crosses",
        where=_DESCENT_ON_2LR,
        quantity="test_accuracy",
        level=0.96,
        before={"step": 2_000},
        after={"step": 4_000},
    ),
    *(
        end_claim("descent", variant, model, published)
        for variant, model, published in (
            ("stochastic", "4ls", 94.16),
            ("stochastic", "3ls", 97.64),
            ("mini-batch", "4ls", 94.49),
            ("mini-batch", "3ls", 97.68),
            ("mini-batch", "2lr", 97.0),
        )
    ),
)
