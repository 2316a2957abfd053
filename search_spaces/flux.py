"""Schätzle, "Flux.jl on MNIST - What about ADAM?": three perceptrons, three variants of gradient
descent, two optimizers.

The article names its nets 4LS, 3LS and 2LR but prints no sizes, so this study uses a
reconstruction (see `lenet/models/mlp.py`). 4LS and 3LS have sigmoids and the mean squared error,
2LR has ReLU, softmax and cross-entropy. Weights are initialized as in Flux (Glorot uniform, biases
0).

*Batch* gradient descent uses all training images in one step (55,000, because validation data are
held out), *stochastic* uses one image, and *mini-batch* 128; the article does not give that number.
It names no learning rates either: they are Flux's defaults, 0.1 for Descent and 0.001 for ADAM. An
iteration is one step. Held-out data are evaluated at the iterations that the article tabulates: 500
and then doubled, up to 4,000 for batch and 2,000,000 for the other two. The article reports the
test accuracy at each of them, and so do the tables here.

Training times are those of this project's loop. With one sample a step, the fixed cost of a step
dominates, whatever the net.
"""

from search_spaces.study import Claim, Figure, Grid, Settings, Study, Table

MODELS = ("4ls", "3ls", "2lr")
OPTIMIZERS = ("sgd", "adam")
BATCH_SIZES = {"batch": 60_000, "stochastic": 1, "mini-batch": 128}
"""Batch size of each variant; one that exceeds the training set means all of it."""

BATCH_STEPS = (500, 1_000, 2_000, 4_000)
STEPS = (500, *(1_000 * 2**i for i in range(11)), 2_000_000)

_OPTIMIZER_LABELS = {"adam": "Adam", "sgd": "Descent"}
_LABELS = {"4ls": "4LS", "3ls": "3LS", "2lr": "2LR"}
_AVERAGING_WINDOW = 100


def _until(steps: tuple[int, ...], last: int) -> dict[str, object]:
    return {"evaluate_at": tuple(step for step in steps if step < last), "steps": last}


def _variant(name: str, paper: int, quick: int, smoke: int, every: int) -> Grid:
    steps = BATCH_STEPS if name == "batch" else STEPS
    return Grid(
        space={"batch_size": (BATCH_SIZES[name],), "model": MODELS, "optimizer": OPTIMIZERS},
        settings={"record_every": every, **_until(steps, paper)},
        budgets={
            "quick": _until(steps, quick),
            "smoke": {"steps": smoke, "evaluate_at": (smoke // 2,), "record_every": smoke // 5},
        },
    )


_SOURCE = "Schätzle, Flux.jl on MNIST - What about ADAM?, "


def _where(variant: str, model: str, optimizer: str) -> Settings:
    return {"batch_size": BATCH_SIZES[variant], "model": model, "optimizer": optimizer}


def _rescue(variant: str, model: str, step: int, published: str) -> Claim:
    return Claim(
        name=f"adam-rescues-{model}-{variant}",
        source=f"{_SOURCE}{variant} gradient descent, {_LABELS[model]}",
        statement=f"Descent fails on {_LABELS[model]} by {variant} gradient descent; Adam does not "
        f"(at step {step:,}, by more than 50 points here).",
        published=published,
        kind="compared",
        options={
            "ahead": _where(variant, model, "adam"),
            "behind": _where(variant, model, "sgd"),
            "quantity": "test_accuracy",
            "at": {"step": step},
            "by": 0.5,
        },
    )


def _reaches(
    variant: str, model: str, optimizer: str, step: int, *, above: float, name: str
) -> Claim:
    return Claim(
        name=name,
        source=f"{_SOURCE}{variant} gradient descent, {_LABELS[model]}",
        statement=f"{_OPTIMIZER_LABELS[optimizer]} on {_LABELS[model]} by {variant} gradient "
        f"descent is above {100 * above:g} % at step {step:,}.",
        published=f"over {100 * above:g} %",
        kind="within",
        options={
            "where": _where(variant, model, optimizer),
            "quantity": "test_accuracy",
            "at": {"step": step},
            "above": above,
        },
    )


def _declines(variant: str, step: int, published: str) -> Claim:
    return Claim(
        name=f"adam-declines-2lr-{variant}",
        source=f"{_SOURCE}{variant} gradient descent, 2LR",
        statement=f"Adam on 2LR by {variant} gradient descent gets worse again (at step {step:,} "
        "it is below its best, here).",
        published=published,
        kind="within",
        options={
            "where": _where(variant, "2lr", "adam"),
            "quantity": "lost_test_accuracy",
            "at": {"step": step},
            "above": 0.0,
        },
    )


def _overtaken(variant: str, model: str, step: int, winner: str, published: str) -> Claim:
    loser = "sgd" if winner == "adam" else "adam"
    when = "early" if step == STEPS[0] else "in the end"
    return Claim(
        name=f"{winner}-ahead-{model}-{variant}-{step}",
        source=f"{_SOURCE}{variant} gradient descent, {_LABELS[model]}",
        statement=f"On {_LABELS[model]} by {variant} gradient descent {_OPTIMIZER_LABELS[winner]} "
        f"is ahead {when} (at step {step:,}).",
        published=published,
        kind="compared",
        options={
            "ahead": _where(variant, model, winner),
            "behind": _where(variant, model, loser),
            "quantity": "test_accuracy",
            "at": {"step": step},
        },
    )


def _early(variant: str, model: str, published: float) -> Claim:
    return Claim(
        name=f"adam-at-500-{model}-{variant}",
        source=f"{_SOURCE}{variant} gradient descent, {_LABELS[model]}",
        statement=f"Adam on {_LABELS[model]} by {variant} gradient descent is at {published:g} % "
        "after 500 steps (within 3 points here; the nets are a reconstruction).",
        published=f"{published:g} %",
        kind="within",
        options={
            "where": _where(variant, model, "adam"),
            "quantity": "test_accuracy",
            "at": {"step": 500},
            "above": published / 100 - 0.03,
            "below": published / 100 + 0.03,
        },
    )


_CLAIMS = (
    Claim(
        name="descent-stuck-on-4ls",
        source=_SOURCE + "batch gradient descent, 4LS",
        statement="Batch gradient descent with Descent is stuck on 4LS (below 20 % at all its "
        "steps, here).",
        published="11.35 %",
        kind="within",
        options={
            "where": _where("batch", "4ls", "sgd"),
            "quantity": "best_test_accuracy",
            "below": 0.2,
        },
    ),
    _rescue("batch", "4ls", 500, "11.35 % and 74.16 %, later 91 %"),
    _rescue("batch", "3ls", 500, "below 20 % and 95.66 %"),
    _rescue("stochastic", "2lr", 512_000, "below 20 % and 87 %"),
    _reaches("batch", "4ls", "adam", 4_000, above=0.91, name="adam-later-on-4ls"),
    _reaches("batch", "3ls", "adam", 1_000, above=0.96, name="adam-later-on-3ls"),
    _reaches("batch", "2lr", "sgd", 4_000, above=0.96, name="descent-in-the-end-on-2lr"),
    Claim(
        name="descent-needs-4000-on-2lr",
        source=_SOURCE + "batch gradient descent, 2LR",
        statement="Descent on 2LR by batch gradient descent is not above 96 % before step 4,000 "
        "(at 2,000 here).",
        published="over 96 % at 4,000 only",
        kind="within",
        options={
            "where": _where("batch", "2lr", "sgd"),
            "quantity": "test_accuracy",
            "at": {"step": 2_000},
            "below": 0.96,
        },
    ),
    _declines("batch", 4_000, "over 96 % at 500, then slightly less"),
    _declines("stochastic", 2_000_000, "87 % at 0.5 million, then less"),
    *(
        _overtaken(variant, model, 500, "adam", "Adam faster at the beginning")
        for variant in ("stochastic", "mini-batch")
        for model in ("4ls", "3ls")
    ),
    _overtaken("stochastic", "4ls", 2_000_000, "sgd", "94.16 % and 92.12 %"),
    _overtaken("stochastic", "3ls", 2_000_000, "sgd", "97.64 % and 93.73 %"),
    _overtaken("mini-batch", "4ls", 2_000_000, "sgd", "94.49 % and 93.28 %"),
    _overtaken("mini-batch", "3ls", 2_000_000, "sgd", "97.68 % and 96.17 %"),
    _overtaken("mini-batch", "2lr", 2_000_000, "sgd", "97.0 % and 91.33 %"),
    Claim(
        name="adam-not-faster-2lr-mini-batch",
        source=_SOURCE + "mini-batch gradient descent, 2LR",
        statement="On 2LR by mini-batch gradient descent Adam is not ahead early (at step 500, by "
        "less than half a point here).",
        published="none",
        kind="compared",
        options={
            "ahead": _where("mini-batch", "2lr", "adam"),
            "behind": _where("mini-batch", "2lr", "sgd"),
            "quantity": "test_accuracy",
            "at": {"step": 500},
            "by": -1.0,
            "less_than": 0.005,
        },
    ),
    Claim(
        name="3ls-with-descent-best",
        source=_SOURCE + "top performers",
        statement="3LS with Descent reaches the highest accuracy of all (at step 2,000,000).",
        published="97.68 %",
        kind="best_value",
        options={
            "where": {},
            "best": {"model": "3ls", "optimizer": "sgd"},
            "quantity": "test_accuracy",
            "at": {"step": 2_000_000},
        },
    ),
    _early("batch", "4ls", 74.16),
    _early("batch", "3ls", 95.66),
    _early("batch", "2lr", 96.0),
    _early("mini-batch", "4ls", 92.46),
    _early("mini-batch", "3ls", 94.47),
)

STUDY = Study(
    name="flux",
    question="Does Adam reach more than plain gradient descent, by batches, single samples and "
    "mini-batches?",
    source="Roland Schätzle, Flux.jl on MNIST - What about ADAM? (2022)",
    fixed={"dataset": "mnist", "test_curve": True},
    grids=(
        _variant("batch", paper=4_000, quick=500, smoke=10, every=10),
        _variant("stochastic", paper=2_000_000, quick=32_000, smoke=200, every=_AVERAGING_WINDOW),
        _variant("mini-batch", paper=2_000_000, quick=8_000, smoke=100, every=_AVERAGING_WINDOW),
    ),
    budgets={"smoke": {"train_samples": 256}, "quick": {"train_samples": 10_000}, "paper": {}},
    conditional_settings=(
        ({"model": "4ls"}, {"loss": "mse"}),
        ({"model": "3ls"}, {"loss": "mse"}),
        ({"optimizer": "sgd"}, {"lr": 0.1}),
        ({"optimizer": "adam"}, {"lr": 0.001}),
    ),
    figures=(
        *(
            Figure(
                name=f"loss-{variant}-{model}",
                kind="curves",
                title=f"Training loss of {_LABELS[model]} by {variant} gradient descent "
                "(Schätzle's learning curves)",
                options={
                    "where": {"batch_size": size, "model": model},
                    "quantity": "loss",
                    "line": "optimizer",
                    "parts": ("train",),
                    "x": "step",
                    "log": False,
                    "average": _AVERAGING_WINDOW,
                },
            )
            for variant, size in BATCH_SIZES.items()
            for model in MODELS
        ),
        *(
            Figure(
                name=name,
                kind="accuracy_against_time",
                title=title,
                options={"colour": "model", "marker": "optimizer"} | more,
            )
            for name, title, more in (
                ("accuracy-time", "Test accuracy against training time", {}),
                ("top-performers", "Top performers: test accuracy above 90%", {"above": 0.9}),
            )
        ),
    ),
    tables=(
        *(
            Table(
                name=f"accuracy-{variant}-{model}",
                kind="checkpoints",
                title=f"{_LABELS[model]}, {variant} gradient descent: test accuracy (%)",
                options={
                    "where": {"batch_size": size, "model": model},
                    "steps": BATCH_STEPS if variant == "batch" else STEPS,
                    "columns": "optimizer",
                },
            )
            for variant, size in BATCH_SIZES.items()
            for model in MODELS
        ),
        Table(name="effort", kind="effort", title="Effort: training seconds per accuracy"),
    ),
    claims=_CLAIMS,
)
