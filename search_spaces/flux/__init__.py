"""Schätzle, "Flux.jl on MNIST - What about ADAM?": three perceptrons, three variants of gradient
descent, two optimizers.

The article names its nets 4LS, 3LS and 2LR but prints no sizes, so this study uses a
reconstruction (see `lenet/models/mlp.py`). 4LS and 3LS have sigmoids and the mean squared error,
2LR has ReLU, softmax and cross-entropy. Weights are initialized as in Flux (Glorot uniform, biases
0).

*Batch* gradient descent uses all 60,000 training images in one step, *stochastic* uses one image,
and *mini-batch* 128; the article does not give that number. Nothing is held out. The test accuracy
is what the article reports and what its sentences are judged by, so it ranks the points here, too.
An iteration is one step. The article's tables are images. Its text names 500, 1,000 and 4,000
iterations of batch gradient descent, and 500, about 0.5 million and 2 million of the others. The
test set is evaluated at these and at doublings of 500 between them.

The article names no learning rates. By default, Flux's Descent has 0.1 and its Adam 0.001. The
study trains a range of rates beside each, for the first 8,000 steps, or 1,000 by batch gradient
descent. There, all rates of Descent on 2LR train to the end, since the article's Descent needs
4,000 steps. The table `learning-rates` says which rates, if any, give each printed
accuracy; no single rate of Adam gives them all. Two of Adam's rates train to the end everywhere:
Flux's own, and 0.01, the closest to what the article prints after 500 steps except for 4LS by batch
gradient descent (0.003). Sentences about Adam are judged at the closest rate, sentences about
Descent at 0.1.

The learning curves show the losses of single steps, since the article's text is about their
oscillation. Every step of batch gradient descent has a record. The other variants have one every
100 steps, with the lowest and the highest loss of a step in between.

Training times are those of this project's loop. With one sample a step, the fixed cost of a step
dominates, whatever the net.
"""

from search_spaces.flux.adam_full_batch_claims import ADAM_FULL_BATCH_CLAIMS
from search_spaces.flux.adam_small_batch_claims import ADAM_SMALL_BATCH_CLAIMS
from search_spaces.flux.conclusion_claims import CONCLUSION_CLAIMS
from search_spaces.flux.descent_claims import DESCENT_CLAIMS
from search_spaces.flux.values import (
    ADAM_RATE,
    BATCH_SIZES,
    BATCH_STEPS,
    CONCLUDED,
    DEFAULT_ADAM_RATE,
    DESCENT,
    LABELS,
    LOWEST_LOSS_STEP,
    MODELS,
    STEPS,
    adam_points,
    points,
)
from search_spaces.study import Figure, Grid, Study, Table

__all__ = ["MODELS", "STUDY"]

_RATES = {"sgd": (0.005, 0.03, 0.1, 0.3, 1.0), "adam": (0.001, 0.003, 0.01, 0.02)}
"""Learning rates to try; none belongs to both optimizers."""
_EARLY = {"batch": 1_000, "stochastic": 8_000, "mini-batch": 8_000}
"""The last step of rates that do not train to the end."""
_AVERAGING_WINDOW = 100


def _until(evaluate_at: tuple[int, ...], last: int) -> dict[str, object]:
    return {"evaluate_at": tuple(step for step in evaluate_at if step < last), "steps": last}


def _trains_to_the_end(variant: str, model: str, optimizer: str, lr: float) -> bool:
    if (variant, model, optimizer) == ("batch", "2lr", "sgd"):
        return True
    return lr in {DESCENT["lr"], DEFAULT_ADAM_RATE, ADAM_RATE, adam_points(variant, model)["lr"]}


def _grids(name: str, *, paper: int, quick: int, smoke: int, every: int) -> tuple[Grid, ...]:
    """Declare the grids of one variant: those that train to the end, and those of `_EARLY` steps.

    Nets with the same rates share a grid.
    """
    steps = BATCH_STEPS if name == "batch" else tuple(sorted({*STEPS, LOWEST_LOSS_STEP}))

    def grid(optimizer: str, rates: tuple[float, ...], models: list[str], last: int) -> Grid:
        return Grid(
            name=name,
            space={
                "batch_size": (BATCH_SIZES[name],),
                "model": models,
                "optimizer": (optimizer,),
                "lr": rates,
            },
            settings={"record_every": every, **_until(steps, last)},
            budgets={
                "quick": _until(steps, min(last, quick)),
                "smoke": {
                    "steps": smoke,
                    "evaluate_at": (smoke // 2,),
                    "record_every": max(1, smoke // 5),
                },
            },
        )

    models_of: dict[tuple[str, tuple[float, ...], int], list[str]] = {}
    for optimizer, rates in _RATES.items():
        for model in MODELS:
            whole = [lr for lr in rates if _trains_to_the_end(name, model, optimizer, lr)]
            early = [lr for lr in rates if lr not in whole]
            for chosen, last in ((whole, paper), (early, _EARLY[name])):
                if chosen:
                    models_of.setdefault((optimizer, tuple(chosen), last), []).append(model)
    return tuple(
        grid(optimizer, rates, models, last)
        for (optimizer, rates, last), models in models_of.items()
    )


def _curves(variant: str, model: str) -> Figure:
    """Declare the learning curves of one net, over the steps that the article draws."""
    first, last, adams = {
        "batch": (1, 1_000 if model == "2lr" else 500, 1_000),
        "stochastic": (1, 1_024_000, 1_024_000),
        "mini-batch": (4_001, 512_000, 512_000),
    }[variant]
    return Figure(
        name=f"loss-{variant}-{model}",
        kind="learning_curves",
        title=f"Training loss of {LABELS[model]} by {variant} gradient descent",
        source="Schätzle's learning curves",
        options={
            "where": points(variant, model),
            "panels": (
                (DESCENT, first, last),
                ({"optimizer": "adam", "lr": DEFAULT_ADAM_RATE}, 1, adams),
                ({"optimizer": "adam", "lr": adam_points(variant, model)["lr"]}, 1, adams),
            ),
        },
    )


_PRINTED = (
    *(("batch", "4ls", "sgd", step, 11.35, 11.35) for step in BATCH_STEPS),
    ("batch", "4ls", "adam", 500, 74.16, 74.16),
    ("batch", "4ls", "adam", 4_000, 91, 100),
    *(("batch", "3ls", "sgd", step, 0, 20) for step in BATCH_STEPS),
    ("batch", "3ls", "adam", 500, 95.66, 95.66),
    ("batch", "3ls", "adam", 1_000, 96, 100),
    ("batch", "2lr", "sgd", 4_000, 96, 100),
    ("batch", "2lr", "adam", 500, 96, 100),
    ("stochastic", "4ls", "sgd", 2_000_000, 94.16, 94.16),
    ("stochastic", "4ls", "adam", 2_000_000, 92.12, 92.12),
    ("stochastic", "3ls", "sgd", 2_000_000, 97.64, 97.64),
    ("stochastic", "3ls", "adam", 2_000_000, 93.73, 93.73),
    *(("stochastic", "2lr", "sgd", step, 0, 20) for step in (500, 8_000, 2_000_000)),
    ("stochastic", "2lr", "adam", 512_000, 87, 88),
    ("mini-batch", "4ls", "sgd", 2_000_000, 94.49, 94.49),
    ("mini-batch", "4ls", "adam", 500, 92.46, 92.46),
    ("mini-batch", "4ls", "adam", 2_000_000, 93.28, 93.28),
    ("mini-batch", "3ls", "sgd", 2_000_000, 97.68, 97.68),
    ("mini-batch", "3ls", "adam", 500, 94.47, 94.47),
    ("mini-batch", "3ls", "adam", 2_000_000, 96.17, 96.17),
    ("mini-batch", "2lr", "sgd", 2_000_000, 97.0, 97.0),
    ("mini-batch", "2lr", "adam", 2_000_000, 91.33, 91.33),
)
"""(variant, net, optimizer, step, lowest %, highest %): the accuracies that the text prints. Where
it names no step, the steps are ours: 4,000 for "up to over 91%", all of them for "below 20%"."""

STUDY = Study(
    name="flux",
    question="Does Adam reach more than plain gradient descent, by batches, single samples and "
    "mini-batches?",
    source="Roland Schätzle, Flux.jl on MNIST - What about ADAM? (2022)",
    fixed={
        "dataset": "mnist",
        "validation_fraction": 0.0,
        "epochs": None,
        "test_curve": True,
    },
    grids=(
        *_grids("batch", paper=4_000, quick=500, smoke=10, every=1),
        *_grids(
            "stochastic",
            paper=2_000_000,
            quick=8_000,
            smoke=200,
            every=_AVERAGING_WINDOW,
        ),
        *_grids(
            "mini-batch",
            paper=2_000_000,
            quick=4_000,
            smoke=100,
            every=_AVERAGING_WINDOW,
        ),
    ),
    budgets={"smoke": {"train_samples": 256}, "quick": {"train_samples": 10_000}, "paper": {}},
    conditional_settings=(
        ({"model": "4ls"}, {"loss": "mse"}),
        ({"model": "3ls"}, {"loss": "mse"}),
    ),
    objective="test_accuracy",
    figures=(
        *(_curves(variant, model) for variant in BATCH_SIZES for model in MODELS),
        Figure(
            name="moving-average-stochastic-2lr",
            kind="learning_curves",
            title="Training loss of 2LR by stochastic gradient descent",
            source="Schätzle's moving 100-average",
            options={
                "where": points("stochastic", "2lr"),
                "panels": tuple(
                    ({"optimizer": "adam", "lr": lr}, 1, 128_000)
                    for lr in (DEFAULT_ADAM_RATE, ADAM_RATE)
                ),
                "average": _AVERAGING_WINDOW,
            },
        ),
        *(
            Figure(
                name=name,
                kind="accuracy_against_time",
                title=title,
                options={"color": "model", "marker": "optimizer", "where": CONCLUDED} | more,
            )
            for name, title, more in (
                ("accuracy-time", "Test accuracy against training time", {}),
                ("top-performers", "Top performers: test accuracy above 90%", {"above": 0.9}),
            )
        ),
        Figure(
            name="effort",
            kind="effort",
            title="Ranking by effort",
            options={"color": "optimizer", "where": CONCLUDED},
        ),
    ),
    tables=(
        *(
            Table(
                name=f"accuracy-{variant}-{model}-{optimizer}",
                kind="checkpoints",
                title=f"{LABELS[model]}, {variant} gradient descent, {name}: test accuracy (%)",
                options={
                    "where": {**points(variant, model), "optimizer": optimizer},
                    "steps": BATCH_STEPS if variant == "batch" else STEPS,
                    "columns": "lr",
                },
            )
            for variant in BATCH_SIZES
            for model in MODELS
            for optimizer, name in (("sgd", "Descent"), ("adam", "Adam"))
        ),
        Table(
            name="learning-rates",
            kind="matching_values",
            title="Which learning rates give the printed accuracies (within 1 point)",
            options={
                "setting": "lr",
                "points": tuple(
                    ({**points(variant, model), "optimizer": optimizer}, step, low, high)
                    for variant, model, optimizer, step, low, high in _PRINTED
                ),
            },
        ),
        Table(
            name="effort",
            kind="effort",
            title="Effort: training seconds per accuracy",
            options={"where": CONCLUDED},
        ),
    ),
    claims=(
        *DESCENT_CLAIMS,
        *ADAM_FULL_BATCH_CLAIMS,
        *ADAM_SMALL_BATCH_CLAIMS,
        *CONCLUSION_CLAIMS,
    ),
)
