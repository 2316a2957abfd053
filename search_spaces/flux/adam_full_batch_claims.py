"""The claims on Adam by batch gradient descent, which uses all images in one step."""

from search_spaces.flux.claim_templates import (
    ARTICLE,
    accuracy_claim,
    adam_label,
    change_claim,
    claim,
    printed_claim,
    rescue_claim,
    source_of,
)
from search_spaces.flux.values import LABELS, MODELS, adam_points, descent_points

_ADAM_ON_4LS, _ADAM_ON_3LS, _ADAM_ON_2LR = (adam_points("batch", model) for model in MODELS)
_LABEL_4LS, _LABEL_3LS, _LABEL_2LR = (adam_label("batch", model) for model in MODELS)
_SOURCE_4LS, _SOURCE_3LS, _SOURCE_2LR = (source_of("batch", model) for model in MODELS)

ADAM_FULL_BATCH_CLAIMS = (
    change_claim(
        "adam-stalls-on-4ls",
        _ADAM_ON_4LS,
        _SOURCE_4LS,
        "The loss of 4LS stagnates until about step 300 (from step 100 to 300 it falls by "
        f"less than 0.01, here; {_LABEL_4LS}).",
        quantity="train_loss",
        since=100,
        to=300,
        above=-0.01,
        below=0.01,
    ),
    change_claim(
        "adam-falls-again-on-4ls",
        _ADAM_ON_4LS,
        _SOURCE_4LS,
        "After about step 300 the loss of 4LS falls again (from step 300 to 500 by more than "
        f"0.01, here; {_LABEL_4LS}).",
        quantity="train_loss",
        since=300,
        to=500,
        below=-0.01,
    ),
    *(
        claim(
            f"adam-loss-soon-below-0.1-on-{model}",
            source,
            f"Adam soon brings the loss of {LABELS[model]} below 0.1 (at step 100, here; "
            f"{adam_label('batch', model)}).",
            "below 0.1",
            "within",
            where=where,
            quantity="train_loss",
            at={"step": 100},
            below=0.1,
        )
        for model, where, source in (
            ("4ls", _ADAM_ON_4LS, _SOURCE_4LS),
            ("3ls", _ADAM_ON_3LS, _SOURCE_3LS),
        )
    ),
    printed_claim(
        "adam-at-500-4ls-batch",
        _ADAM_ON_4LS,
        _SOURCE_4LS,
        f"4LS by batch gradient descent with {_LABEL_4LS}, the rate closest to this number,",
        74.16,
        step=500,
        within=10,
        why="on the steep part of its curve",
    ),
    printed_claim(
        "adam-at-500-3ls-batch",
        _ADAM_ON_3LS,
        _SOURCE_3LS,
        f"3LS by batch gradient descent with {_LABEL_3LS}, the rate closest to this number,",
        95.66,
        step=500,
    ),
    accuracy_claim(
        "adam-later-on-4ls",
        _ADAM_ON_4LS,
        _SOURCE_4LS,
        f"Adam on 4LS by batch gradient descent gets above 91 % ({_LABEL_4LS}, by step 4,000, "
        "here).",
        "over 91 %",
        above=0.91,
    ),
    *(
        accuracy_claim(
            f"adam-{when}-on-{model}",
            where,
            source,
            f"Adam on {LABELS[model]} by batch gradient descent is above 96 % at step {step:,} "
            f"({adam_label('batch', model)}).",
            "over 96 %",
            step=step,
            above=0.96,
        )
        for when, model, where, source, step in (
            ("later", "3ls", _ADAM_ON_3LS, _SOURCE_3LS, 1_000),
            ("at-500", "2lr", _ADAM_ON_2LR, _SOURCE_2LR, 500),
        )
    ),
    *(
        claim(
            f"adam-faster-in-loss-on-{model}",
            source_of("batch", model),
            f"The loss of {LABELS[model]} falls faster with Adam than with Descent (it is "
            f"lower at step 50, here; {adam_label('batch', model)}).",
            "none",
            "compared",
            ahead=adam_points("batch", model),
            behind=descent_points("batch", model),
            quantity="train_loss",
            at={"step": 50},
        )
        for model in ("3ls", "2lr")
    ),
    claim(
        "adam-ends-lower-in-loss-on-3ls",
        _SOURCE_3LS,
        "The loss of 3LS falls much further with Adam than with Descent (at step 500 it is "
        f"lower by more than 0.03, a third of 0.1, here; {_LABEL_3LS}).",
        "none",
        "compared",
        ahead=_ADAM_ON_3LS,
        behind=descent_points("batch", "3ls"),
        quantity="train_loss",
        at={"step": 500},
        by=0.03,
    ),
    claim(
        "3ls-stagnates-sooner",
        _SOURCE_3LS,
        "With Adam, 3LS stagnates much sooner than 4LS (from step 500 to 1,000, its accuracy rises "
        f"by more than 2 points less, here; {_LABEL_3LS} and {_LABEL_4LS}).",
        "95.66 %, later over 96 %; 74.16 %, later over 91 %",
        "compared",
        ahead=_ADAM_ON_4LS,
        behind=_ADAM_ON_3LS,
        quantity="test_accuracy",
        since={"step": 500},
        at={"step": 1_000},
        by=0.02,
    ),
    claim(
        "3ls-stagnates-at-more",
        _SOURCE_3LS,
        "Where it stagnates, 3LS is more accurate than 4LS (at step 500, here; "
        f"{_LABEL_3LS} and {_LABEL_4LS}).",
        "95.66 % and 74.16 %",
        "compared",
        ahead=_ADAM_ON_3LS,
        behind=_ADAM_ON_4LS,
        quantity="test_accuracy",
        at={"step": 500},
    ),
    change_claim(
        "adam-declines-2lr-batch",
        _ADAM_ON_2LR,
        _SOURCE_2LR,
        "Adam on 2LR by batch gradient descent gets slightly worse after step 500 (until 4,000, by "
        f"less than 2 points, here; {_LABEL_2LR}).",
        quantity="test_accuracy",
        since=500,
        to=4_000,
        published="over 96 % at 500, then slightly less",
        above=-0.02,
        below=0.0,
    ),
    claim(
        "descent-ahead-2lr-batch",
        f"{ARTICLE}summary",
        "On 2LR by batch gradient descent, where Descent does not fail, it ends ahead of Adam "
        f"(each at its best record, here; {_LABEL_2LR}).",
        "above 96 % each",
        "compared",
        ahead=descent_points("batch", "2lr"),
        behind=_ADAM_ON_2LR,
        quantity="best_test_accuracy",
    ),
    *(
        rescue_claim("batch", model, 500, published)
        for model, published in (
            ("4ls", "11.35 % and 74.16 %, later 91 %"),
            ("3ls", "below 20 % and 95.66 %"),
        )
    ),
)
