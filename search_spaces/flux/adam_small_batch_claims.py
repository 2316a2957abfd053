"""The claims on Adam by stochastic and by mini-batch gradient descent: batches of 1 and 128."""

from search_spaces.flux.claim_templates import (
    accuracy_claim,
    adam_label,
    change_claim,
    claim,
    end_claim,
    printed_claim,
    rescue_claim,
    source_of,
)
from search_spaces.flux.values import (
    LABELS,
    LOWEST_LOSS_STEP,
    STEPS,
    adam_points,
    descent_points,
)
from search_spaces.study import Claim


def _overtaken(variant: str, model: str, winner: str, published: str) -> Claim:
    """Claim that Adam is ahead at the first of `STEPS`, or Descent at the last."""
    sides = {"adam": adam_points(variant, model), "descent": descent_points(variant, model)}
    loser, when, step = {
        "adam": ("descent", "early", STEPS[0]),
        "descent": ("adam", "in the end", STEPS[-1]),
    }[winner]
    return claim(
        f"{winner}-ahead-{model}-{variant}-{step}",
        source_of(variant, model),
        f"On {LABELS[model]} by {variant} gradient descent {winner.capitalize()} is ahead {when} "
        f"(at step {step:,}; {adam_label(variant, model)}).",
        published,
        "compared",
        ahead=sides[winner],
        behind=sides[loser],
        quantity="test_accuracy",
        at={"step": step},
    )


_ADAM_ON_2LR, _SOURCE_2LR = adam_points("stochastic", "2lr"), source_of("stochastic", "2lr")
_LABEL_2LR = adam_label("stochastic", "2lr")

ADAM_SMALL_BATCH_CLAIMS = (
    *(
        _overtaken(variant, model, "adam", published)
        for variant, model, published in (
            ("stochastic", "4ls", "none"),
            ("stochastic", "3ls", "none"),
            ("mini-batch", "4ls", "92.46 % with Adam"),
            ("mini-batch", "3ls", "94.47 % with Adam"),
        )
    ),
    *(
        _overtaken(variant, model, "descent", published)
        for variant, model, published in (
            ("stochastic", "4ls", "94.16 % and 92.12 %"),
            ("stochastic", "3ls", "97.64 % and 93.73 %"),
            ("mini-batch", "4ls", "94.49 % and 93.28 %"),
            ("mini-batch", "3ls", "97.68 % and 96.17 %"),
            ("mini-batch", "2lr", "97.0 % and 91.33 %"),
        )
    ),
    *(
        printed_claim(
            f"adam-at-500-{model}-mini-batch",
            adam_points("mini-batch", model),
            source_of("mini-batch", model),
            f"{LABELS[model]} by mini-batch gradient descent with "
            f"{adam_label('mini-batch', model)}, the rate closest to this number,",
            published,
            step=500,
        )
        for model, published in (("4ls", 92.46), ("3ls", 94.47))
    ),
    *(
        end_claim("adam", variant, model, published)
        for variant, model, published in (
            ("stochastic", "4ls", 92.12),
            ("stochastic", "3ls", 93.73),
            ("mini-batch", "4ls", 93.28),
            ("mini-batch", "3ls", 96.17),
            ("mini-batch", "2lr", 91.33),
        )
    ),
    claim(
        "adam-loss-lower-early-3ls-stochastic",
        source_of("stochastic", "3ls"),
        "On 3LS by stochastic gradient descent, Adam reaches lower losses at the beginning (at "
        f"step 500, a mean of 100 steps, here; {adam_label('stochastic', '3ls')}).",
        "none",
        "compared",
        ahead=adam_points("stochastic", "3ls"),
        behind=descent_points("stochastic", "3ls"),
        quantity="train_loss",
        at={"step": STEPS[0]},
    ),
    claim(
        "adam-not-faster-2lr-mini-batch",
        source_of("mini-batch", "2lr"),
        "On 2LR by mini-batch gradient descent Adam is not ahead early (at step 500, by less "
        f"than half a point here; {adam_label('mini-batch', '2lr')}).",
        "none",
        "compared",
        ahead=adam_points("mini-batch", "2lr"),
        behind=descent_points("mini-batch", "2lr"),
        quantity="test_accuracy",
        at={"step": 500},
        by=-1.0,
        less_than=0.005,
    ),
    *(
        claim(
            f"adam-oscillates-more-{model}-{variant}",
            source_of(variant, model),
            f"On {LABELS[model]} by {variant} gradient descent the loss oscillates more with "
            "Adam than with Descent (highest minus lowest loss of 100 steps, mean over the "
            f"training, here; {adam_label(variant, model)}).",
            "none",
            "compared",
            ahead=descent_points(variant, model),
            behind=adam_points(variant, model),
            quantity="oscillation_train_loss",
        )
        for variant in ("stochastic", "mini-batch")
        for model in ("4ls", "3ls")
    ),
    rescue_claim("stochastic", "2lr", 512_000, "below 20 % and 87 %"),
    accuracy_claim(
        "adam-at-half-a-million-2lr-stochastic",
        _ADAM_ON_2LR,
        _SOURCE_2LR,
        "Adam on 2LR by stochastic gradient descent reaches 87 % at about 0.5 million steps "
        f"(at 512,000, within 3 points here; {_LABEL_2LR}).",
        "a bit more than 87 %",
        step=512_000,
        above=0.84,
        below=0.9,
    ),
    accuracy_claim(
        "adam-never-above-95-2lr-stochastic",
        _ADAM_ON_2LR,
        _SOURCE_2LR,
        f"Adam on 2LR by stochastic gradient descent never gets above 95 % ({_LABEL_2LR}).",
        "never above 95 %",
        below=0.95,
    ),
    change_claim(
        "adam-declines-2lr-stochastic",
        _ADAM_ON_2LR,
        _SOURCE_2LR,
        "Adam on 2LR by stochastic gradient descent gets worse after 0.5 million steps (from "
        f"512,000 to 2,000,000, here; {_LABEL_2LR}).",
        quantity="test_accuracy",
        since=512_000,
        to=STEPS[-1],
        published="87 % at 0.5 million, then less",
        below=0.0,
    ),
    change_claim(
        "adam-loss-falls-to-40000-2lr-stochastic",
        _ADAM_ON_2LR,
        _SOURCE_2LR,
        "The loss of 2LR by stochastic gradient descent falls over the first 40,000 steps "
        f"(from 1,000 to 40,000, means of 100 steps, here; {_LABEL_2LR}).",
        quantity="train_loss",
        since=1_000,
        to=LOWEST_LOSS_STEP,
        below=0.0,
    ),
    change_claim(
        "adam-loss-rises-after-40000-2lr-stochastic",
        _ADAM_ON_2LR,
        _SOURCE_2LR,
        "After 40,000 steps the loss of 2LR by stochastic gradient descent rises (until "
        f"1,024,000, means of 100 steps, here; {_LABEL_2LR}).",
        quantity="train_loss",
        since=LOWEST_LOSS_STEP,
        to=1_024_000,
        above=0.0,
    ),
    change_claim(
        "adam-improves-after-40000-2lr-stochastic",
        _ADAM_ON_2LR,
        _SOURCE_2LR,
        "After 40,000 steps the accuracy of 2LR by stochastic gradient descent still improves, "
        f"until about 0.5 million (512,000, here; {_LABEL_2LR}).",
        quantity="test_accuracy",
        since=LOWEST_LOSS_STEP,
        to=512_000,
        above=0.0,
    ),
)
