"""Schätzle, "Flux.jl on MNIST - What about ADAM?": three perceptrons, three variants of gradient
descent, two optimizers.

The article names its nets 4LS, 3LS and 2LR but prints no sizes, so this study uses a
reconstruction (see `lenet/models/mlp.py`). 4LS and 3LS have sigmoids and the mean squared error,
2LR has ReLU, softmax and cross-entropy. Weights are initialized as in Flux (Glorot uniform, biases
0).

*Batch* gradient descent uses all 60,000 training images in one step, *stochastic* uses one image,
and *mini-batch* 128; the article does not give that number. Nothing is held out. The test accuracy
is what the article reports and what its sentences are judged by, so it ranks the points here, too.
An iteration is one step. The test set is evaluated at the iterations that the article tabulates:
500 and then doubled, up to 4,000 for batch and 2,000,000 for the other two.

The article names no learning rates. Without an argument, Flux's Descent has 0.1 and its Adam 0.001.
Beside each stands a range of rates: to the end by batch gradient descent, for the first 8,000 steps
by the other two. The table `learning-rates` says which of them, if any, gives each printed
accuracy; no single rate of Adam gives them all. Two of Adam's rates train to the end everywhere:
Flux's own, and 0.01, the closest to what the article prints after 500 steps except for 4LS by batch
gradient descent (0.003). The sentences about Adam are judged at the closest rate, those about
Descent at 0.1.

The learning curves show the losses of single steps, since the article's text is about their
oscillation. Every step of batch gradient descent has a record. The other variants have one every
100 steps, with the lowest and the highest loss of a step in between.

Training times are those of this project's loop. With one sample a step, the fixed cost of a step
dominates, whatever the net.
"""

from typing import Any

from search_spaces.study import Claim, Figure, Grid, Settings, Study, Table

MODELS = ("4ls", "3ls", "2lr")
BATCH_SIZES = {"batch": 60_000, "stochastic": 1, "mini-batch": 128}
"""Batch size of each variant; one that exceeds the training set means all of it."""

BATCH_STEPS = (500, 1_000, 2_000, 4_000)
STEPS = (500, *(1_000 * 2**i for i in range(11)), 2_000_000)

_DESCENT = {"optimizer": "sgd", "lr": 0.1}
_DEFAULT_ADAM_RATE = 0.001
"""Flux's, without an argument."""
_ADAM_RATE = 0.01
"""The rate of Adam whose accuracies after 500 steps are closest to those that the article prints,
but for `_CLOSEST_RATES`. Measured before with one seed: mini-batches on MNIST, batch gradient
descent on 5,000 of its images. By stochastic gradient descent, where the article prints nothing
early, 2LR has 87.8 % after 64,000 steps at 0.01 and 95.6 % at 0.001; the article has 87 % at its
best."""
_CLOSEST_RATES = {("batch", "4ls"): 0.003}
_RATES = {"sgd": (0.005, 0.03, 0.1, 0.3, 1.0), "adam": (0.001, 0.003, 0.01, 0.02)}
"""Learning rates to try; none belongs to both optimizers."""
_TO_THE_END = frozenset({_DESCENT["lr"], _DEFAULT_ADAM_RATE, _ADAM_RATE})
_CONCLUDED = {"lr": frozenset({_DESCENT["lr"], _ADAM_RATE})}
"""The trials that the article's conclusions are compared with."""

_LABELS = {"4ls": "4LS", "3ls": "3LS", "2lr": "2LR"}
_AVERAGING_WINDOW = 100
_LOSS_LOW = 40_000
"""The step up to which the loss of 2LR with stochastic Adam falls; evaluated in addition."""


def _until(evaluate_at: tuple[int, ...], last: int) -> dict[str, object]:
    return {"evaluate_at": tuple(step for step in evaluate_at if step < last), "steps": last}


def _grids(
    name: str, *, paper: int, quick: int, smoke: int, every: int, early: int | None = None
) -> tuple[Grid, ...]:
    """Declare the grids of one variant: each optimizer with rates that train to the end.

    With `early`, rates that are not in `_TO_THE_END` have a grid of their own, of so many steps.
    """
    steps = BATCH_STEPS if name == "batch" else tuple(sorted({*STEPS, _LOSS_LOW}))

    def grid(optimizer: str, rates: tuple[float, ...], last: int) -> Grid:
        return Grid(
            name=name,
            space={
                "batch_size": (BATCH_SIZES[name],),
                "model": MODELS,
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

    grids = []
    for optimizer, rates in _RATES.items():
        shorter = tuple(rate for rate in rates if early and rate not in _TO_THE_END)
        grids.append(grid(optimizer, tuple(rate for rate in rates if rate not in shorter), paper))
        if early:
            grids.append(grid(optimizer, shorter, early))
    return tuple(grids)


_SOURCE = "Schätzle, Flux.jl on MNIST - What about ADAM?, "


def _source(variant: str, model: str) -> str:
    return f"{_SOURCE}{variant} gradient descent, {_LABELS[model]}"


def _of(variant: str, model: str) -> Settings:
    return {"batch_size": BATCH_SIZES[variant], "model": model}


def _descent(variant: str, model: str) -> Settings:
    return {**_of(variant, model), **_DESCENT}


def _adam(variant: str, model: str) -> Settings:
    lr = _CLOSEST_RATES.get((variant, model), _ADAM_RATE)
    return {**_of(variant, model), "optimizer": "adam", "lr": lr}


def _rate_of(variant: str, model: str) -> str:
    return f"Adam at {_adam(variant, model)['lr']:g}"


def _claim(
    name: str, source: str, statement: str, published: str, kind: str, **options: Any
) -> Claim:
    return Claim(
        name=name,
        source=source,
        statement=statement,
        published=published,
        kind=kind,
        options=options,
    )


def _accuracy(
    name: str,
    where: Settings,
    source: str,
    statement: str,
    published: str,
    *,
    step: int | None = None,
    **bounds: float,
) -> Claim:
    """Claim that the test accuracy lies within `bounds`, at a step or at its best."""
    moment: Settings = {} if step is None else {"at": {"step": step}}
    quantity = "best_test_accuracy" if step is None else "test_accuracy"
    options = {"where": where, "quantity": quantity, **moment, **bounds}
    return _claim(name, source, statement, published, "within", **options)


def _changes(
    name: str,
    where: Settings,
    source: str,
    statement: str,
    *,
    quantity: str,
    since: int,
    to: int,
    published: str = "none",
    **bounds: float,
) -> Claim:
    """Claim that a quantity changes within `bounds` from one step to another."""
    options = {"where": where, "quantity": quantity, "since": {"step": since}, "to": {"step": to}}
    return _claim(name, source, statement, published, "changed", **options, **bounds)


def _descent_claims() -> tuple[Claim, ...]:
    """Return the claims on Descent alone."""
    failures = (
        ("stuck-on-4ls", "batch", "4ls", "11.35 %"),
        ("fails-on-3ls", "batch", "3ls", "below 20 %"),
        ("fails-on-2lr", "stochastic", "2lr", "below 20 %"),
    )
    on_4ls, on_2lr = _descent("batch", "4ls"), _descent("batch", "2lr")
    return (
        *(
            _accuracy(
                f"descent-{name}-{variant}",
                _descent(variant, model),
                _source(variant, model),
                f"Descent fails on {_LABELS[model]} by {variant} gradient descent (below 20 % at "
                "each of its steps).",
                published,
                below=0.2,
            )
            for name, variant, model, published in failures
        ),
        _claim(
            "descent-loss-falls-without-accuracy",
            _source("batch", "4ls"),
            "The loss of 4LS falls with Descent, although its accuracy does not rise (the loss is "
            "below 0.1 at step 500; for the accuracy see descent-stuck-on-4ls-batch).",
            "below 0.1",
            "within",
            where=on_4ls,
            quantity="train_loss",
            at={"step": 500},
            below=0.1,
        ),
        _changes(
            "descent-loss-stagnates-on-4ls",
            on_4ls,
            _source("batch", "4ls"),
            "Below 0.1, the loss of 4LS with Descent stagnates (from step 250 to 500 it falls by "
            "less than 0.01, here).",
            quantity="train_loss",
            since=250,
            to=500,
            above=-0.01,
            below=0.01,
        ),
        _accuracy(
            "descent-in-the-end-on-2lr",
            on_2lr,
            _source("batch", "2lr"),
            "Descent on 2LR by batch gradient descent is above 96 % at step 4,000.",
            "over 96 %",
            step=4_000,
            above=0.96,
        ),
        _accuracy(
            "descent-needs-4000-on-2lr",
            on_2lr,
            _source("batch", "2lr"),
            "Descent on 2LR by batch gradient descent is not above 96 % before step 4,000 (at "
            "2,000, here).",
            "over 96 % at 4,000 only",
            step=2_000,
            below=0.96,
        ),
    )


def _adam_batch_claims() -> tuple[Claim, ...]:
    """Return the claims on batch gradient descent with Adam."""
    on_4ls, on_3ls, on_2lr = (_adam("batch", model) for model in MODELS)
    at_4ls, at_3ls, at_2lr = (_rate_of("batch", model) for model in MODELS)
    source_4ls, source_3ls, source_2lr = (_source("batch", model) for model in MODELS)
    return (
        _changes(
            "adam-stalls-on-4ls",
            on_4ls,
            source_4ls,
            "The loss of 4LS stagnates until about step 300 (from step 100 to 300 it falls by "
            f"less than 0.01, here; {at_4ls}).",
            quantity="train_loss",
            since=100,
            to=300,
            above=-0.01,
            below=0.01,
        ),
        _changes(
            "adam-falls-again-on-4ls",
            on_4ls,
            source_4ls,
            "After about step 300 the loss of 4LS falls again (from step 300 to 500 by more than "
            f"0.01, here; {at_4ls}).",
            quantity="train_loss",
            since=300,
            to=500,
            below=-0.01,
        ),
        *(
            _claim(
                f"adam-loss-soon-below-0.1-on-{model}",
                source,
                f"Adam soon brings the loss of {_LABELS[model]} below 0.1 (at step 100, here; "
                f"{_rate_of('batch', model)}).",
                "below 0.1",
                "within",
                where=where,
                quantity="train_loss",
                at={"step": 100},
                below=0.1,
            )
            for model, where, source in (
                ("4ls", on_4ls, source_4ls),
                ("3ls", on_3ls, source_3ls),
            )
        ),
        *(
            _accuracy(
                f"adam-at-500-{model}-batch",
                _adam("batch", model),
                _source("batch", model),
                f"Adam on {_LABELS[model]} by batch gradient descent is at {published:g} % after "
                "500 steps (within 3 points here, the nets are a reconstruction; "
                f"{_rate_of('batch', model)}).",
                f"{published:g} %",
                step=500,
                above=published / 100 - 0.03,
                below=published / 100 + 0.03,
            )
            for model, published in (("4ls", 74.16), ("3ls", 95.66))
        ),
        *(
            _accuracy(
                f"adam-{when}-on-{model}",
                where,
                source,
                f"Adam on {_LABELS[model]} by batch gradient descent is above {100 * above:g} % "
                f"at step {step:,} ({_rate_of('batch', model)}).",
                f"over {100 * above:g} %",
                step=step,
                above=above,
            )
            for when, model, where, source, step, above in (
                ("later", "4ls", on_4ls, source_4ls, 4_000, 0.91),
                ("later", "3ls", on_3ls, source_3ls, 1_000, 0.96),
                ("at-500", "2lr", on_2lr, source_2lr, 500, 0.96),
            )
        ),
        *(
            _claim(
                f"adam-faster-in-loss-on-{model}",
                _source("batch", model),
                f"The loss of {_LABELS[model]} falls faster with Adam than with Descent (it is "
                f"lower at step 50, here; {_rate_of('batch', model)}).",
                "none",
                "compared",
                ahead=_adam("batch", model),
                behind=_descent("batch", model),
                quantity="train_loss",
                at={"step": 50},
            )
            for model in ("3ls", "2lr")
        ),
        _claim(
            "adam-ends-lower-in-loss-on-3ls",
            source_3ls,
            "The loss of 3LS falls much further with Adam than with Descent (at step 500 it is "
            f"lower by more than 0.03, a third of 0.1, here; {at_3ls}).",
            "none",
            "compared",
            ahead=on_3ls,
            behind=_descent("batch", "3ls"),
            quantity="train_loss",
            at={"step": 500},
            by=0.03,
        ),
        _claim(
            "3ls-stagnates-sooner",
            source_3ls,
            "With Adam, 3LS stagnates much sooner than 4LS (at step 500 its accuracy is within "
            f"2 points of its best, here; for 4LS see 4ls-still-improves; {at_3ls}).",
            "95.66 %, later over 96 %",
            "settled_by",
            where=on_3ls,
            quantity="test_accuracy",
            by={"step": 500},
            within=0.02,
            beyond=0.2,
        ),
        _changes(
            "4ls-still-improves",
            on_4ls,
            source_4ls,
            "With Adam, 4LS improves after step 500 (by more than 2 points to 1,000, here; "
            f"{at_4ls}).",
            quantity="test_accuracy",
            since=500,
            to=1_000,
            published="74.16 %, later over 91 %",
            above=0.02,
        ),
        _claim(
            "3ls-stagnates-at-more",
            source_3ls,
            "Where it stagnates, 3LS is more accurate than 4LS (at step 500, here; "
            f"{at_3ls} and {at_4ls}).",
            "95.66 % and 74.16 %",
            "compared",
            ahead=on_3ls,
            behind=on_4ls,
            quantity="test_accuracy",
            at={"step": 500},
        ),
        _changes(
            "adam-declines-2lr-batch",
            on_2lr,
            source_2lr,
            "Adam on 2LR by batch gradient descent gets worse after step 500 (until 4,000, here; "
            f"{at_2lr}).",
            quantity="test_accuracy",
            since=500,
            to=4_000,
            published="over 96 % at 500, then slightly less",
            below=0.0,
        ),
        *(
            _rescue("batch", model, 500, published)
            for model, published in (
                ("4ls", "11.35 % and 74.16 %, later 91 %"),
                ("3ls", "below 20 % and 95.66 %"),
            )
        ),
    )


def _rescue(variant: str, model: str, step: int, published: str) -> Claim:
    return _claim(
        f"adam-rescues-{model}-{variant}",
        _source(variant, model),
        f"Descent fails on {_LABELS[model]} by {variant} gradient descent; Adam does not (at step "
        f"{step:,}, by more than 50 points here; {_rate_of(variant, model)}).",
        published,
        "compared",
        ahead=_adam(variant, model),
        behind=_descent(variant, model),
        quantity="test_accuracy",
        at={"step": step},
        by=0.5,
    )


def _overtaken(variant: str, model: str, winner: str, published: str) -> Claim:
    """Claim that Adam is ahead at the first of `STEPS`, or Descent at the last."""
    sides = {"adam": _adam(variant, model), "descent": _descent(variant, model)}
    loser, when, step = {
        "adam": ("descent", "early", STEPS[0]),
        "descent": ("adam", "in the end", STEPS[-1]),
    }[winner]
    return _claim(
        f"{winner}-ahead-{model}-{variant}-{step}",
        _source(variant, model),
        f"On {_LABELS[model]} by {variant} gradient descent {winner.capitalize()} is ahead {when} "
        f"(at step {step:,}; {_rate_of(variant, model)}).",
        published,
        "compared",
        ahead=sides[winner],
        behind=sides[loser],
        quantity="test_accuracy",
        at={"step": step},
    )


def _adam_other_claims() -> tuple[Claim, ...]:
    """Return the claims on stochastic and mini-batch gradient descent with Adam."""
    on_2lr, source_2lr = _adam("stochastic", "2lr"), _source("stochastic", "2lr")
    at_2lr = _rate_of("stochastic", "2lr")
    return (
        *(
            _overtaken(variant, model, "adam", "Adam faster at the beginning")
            for variant in ("stochastic", "mini-batch")
            for model in ("4ls", "3ls")
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
            _accuracy(
                f"adam-at-500-{model}-mini-batch",
                _adam("mini-batch", model),
                _source("mini-batch", model),
                f"Adam on {_LABELS[model]} by mini-batch gradient descent is at {published:g} % "
                "after 500 steps (within 3 points here, the nets are a reconstruction; "
                f"{_rate_of('mini-batch', model)}).",
                f"{published:g} %",
                step=500,
                above=published / 100 - 0.03,
                below=published / 100 + 0.03,
            )
            for model, published in (("4ls", 92.46), ("3ls", 94.47))
        ),
        _claim(
            "adam-not-faster-2lr-mini-batch",
            _source("mini-batch", "2lr"),
            "On 2LR by mini-batch gradient descent Adam is not ahead early (at step 500, by less "
            f"than half a point here; {_rate_of('mini-batch', '2lr')}).",
            "none",
            "compared",
            ahead=_adam("mini-batch", "2lr"),
            behind=_descent("mini-batch", "2lr"),
            quantity="test_accuracy",
            at={"step": 500},
            by=-1.0,
            less_than=0.005,
        ),
        *(
            _claim(
                f"adam-oscillates-more-{model}-{variant}",
                _source(variant, model),
                f"On {_LABELS[model]} by {variant} gradient descent the loss oscillates more with "
                "Adam than with Descent (the mean, over all records, of the highest loss of a "
                f"step, here; {_rate_of(variant, model)}).",
                "none",
                "compared",
                ahead=_descent(variant, model),
                behind=_adam(variant, model),
                quantity="mean_highest_train_loss",
            )
            for variant, models in (("stochastic", ("4ls", "3ls")), ("mini-batch", MODELS))
            for model in models
        ),
        _rescue("stochastic", "2lr", 512_000, "below 20 % and 87 %"),
        _accuracy(
            "adam-at-half-a-million-2lr-stochastic",
            on_2lr,
            source_2lr,
            "Adam on 2LR by stochastic gradient descent reaches 87 % at about 0.5 million steps "
            f"(at 512,000, within 3 points here; {at_2lr}).",
            "a bit more than 87 %",
            step=512_000,
            above=0.84,
            below=0.9,
        ),
        _accuracy(
            "adam-never-above-95-2lr-stochastic",
            on_2lr,
            source_2lr,
            f"Adam on 2LR by stochastic gradient descent never gets above 95 % ({at_2lr}).",
            "never above 95 %",
            below=0.95,
        ),
        _changes(
            "adam-declines-2lr-stochastic",
            on_2lr,
            source_2lr,
            "Adam on 2LR by stochastic gradient descent gets worse after 0.5 million steps (from "
            f"512,000 to 2,000,000, here; {at_2lr}).",
            quantity="test_accuracy",
            since=512_000,
            to=STEPS[-1],
            published="87 % at 0.5 million, then less",
            below=0.0,
        ),
        _changes(
            "adam-loss-falls-to-40000-2lr-stochastic",
            on_2lr,
            source_2lr,
            "The loss of 2LR by stochastic gradient descent falls over the first 40,000 steps "
            f"(from 1,000 to 40,000, means of 100 steps, here; {at_2lr}).",
            quantity="train_loss",
            since=1_000,
            to=_LOSS_LOW,
            below=0.0,
        ),
        _changes(
            "adam-loss-rises-after-40000-2lr-stochastic",
            on_2lr,
            source_2lr,
            "After 40,000 steps the loss of 2LR by stochastic gradient descent rises (until "
            f"1,024,000, means of 100 steps, here; {at_2lr}).",
            quantity="train_loss",
            since=_LOSS_LOW,
            to=1_024_000,
            above=0.0,
        ),
        _changes(
            "adam-improves-after-40000-2lr-stochastic",
            on_2lr,
            source_2lr,
            "After 40,000 steps the accuracy of 2LR by stochastic gradient descent still improves, "
            f"until about 0.5 million (512,000, here; {at_2lr}).",
            quantity="test_accuracy",
            since=_LOSS_LOW,
            to=512_000,
            above=0.0,
        ),
    )


def _conclusions() -> tuple[Claim, ...]:
    """Return the claims of the article's conclusions."""
    at = f"at each one's best record; Adam at {_ADAM_RATE:g}"
    source = _SOURCE + "conclusions"
    adam = {"optimizer": "adam", "lr": _ADAM_RATE}
    best_3ls, best_2lr = ({"model": model, "optimizer": "sgd"} for model in ("3ls", "2lr"))
    best = {"quantity": "best_test_accuracy"}
    return (
        _claim(
            "3ls-with-descent-best",
            source,
            f"3LS with Descent reaches the highest accuracy of all ({at}).",
            "97.68 %",
            "best_value",
            where=_CONCLUDED,
            best=best_3ls,
            **best,
        ),
        _claim(
            "2lr-with-descent-second",
            source,
            f"2LR with Descent is second (ahead of all but 3LS with Descent, {at}).",
            "97.0 %",
            "best_value",
            where=_CONCLUDED,
            best=best_2lr,
            besides=(best_3ls,),
            **best,
        ),
        *(
            _claim(
                f"4ls-behind-{model}",
                source,
                f"4LS is the weakest net ({_LABELS[model]} is ahead of it, {at}).",
                "94.49 %",
                "best_value",
                where={**_CONCLUDED, "model": frozenset({model, "4ls"})},
                best={"model": model},
                **best,
            )
            for model in ("3ls", "2lr")
        ),
        _claim(
            "adam-in-the-upper-left",
            source,
            "Adam does well on all nets by all variants: its results lie in the upper left "
            f"(accuracies above 85 %, {at}; for the time see the figure accuracy-time).",
            "87 % to 97 %",
            "within",
            where=adam,
            per=("batch_size", "model"),
            above=0.85,
            **best,
        ),
        _claim(
            "descent-has-the-broader-range",
            source,
            "The results of Descent have a broader range than those of Adam (the standard "
            f"deviation over the nets, mean of the three variants, {at}).",
            "none",
            "steadier",
            steadier=adam,
            other=_DESCENT,
            over="model",
            per=("batch_size",),
            averaged=True,
            **best,
        ),
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
        title=f"Training loss of {_LABELS[model]} by {variant} gradient descent",
        source="Schätzle's learning curves",
        options={
            "where": _of(variant, model),
            "panels": (
                (_DESCENT, first, last),
                ({"optimizer": "adam", "lr": _DEFAULT_ADAM_RATE}, 1, adams),
                ({"optimizer": "adam", "lr": _adam(variant, model)["lr"]}, 1, adams),
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
"""(variant, net, optimizer, step, lowest %, highest %): every accuracy that the text prints."""


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
            early=8_000,
            every=_AVERAGING_WINDOW,
        ),
        *_grids(
            "mini-batch",
            paper=2_000_000,
            quick=4_000,
            smoke=100,
            early=8_000,
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
            title="Training loss of 2LR by stochastic gradient descent, moving average",
            source="Schätzle's moving 100-average",
            options={
                "where": _of("stochastic", "2lr"),
                "panels": tuple(
                    ({"optimizer": "adam", "lr": lr}, 1, 128_000)
                    for lr in (_DEFAULT_ADAM_RATE, _ADAM_RATE)
                ),
                "average": _AVERAGING_WINDOW,
            },
        ),
        *(
            Figure(
                name=name,
                kind="accuracy_against_time",
                title=title,
                options={"colour": "model", "marker": "optimizer", "where": _CONCLUDED} | more,
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
            options={"colour": "optimizer", "where": _CONCLUDED},
        ),
    ),
    tables=(
        *(
            Table(
                name=f"accuracy-{variant}-{model}-{optimizer}",
                kind="checkpoints",
                title=f"{_LABELS[model]}, {variant} gradient descent, {name}: test accuracy (%)",
                options={
                    "where": {**_of(variant, model), "optimizer": optimizer},
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
                    ({**_of(variant, model), "optimizer": optimizer}, step, low, high)
                    for variant, model, optimizer, step, low, high in _PRINTED
                ),
            },
        ),
        Table(
            name="effort",
            kind="effort",
            title="Effort: training seconds per accuracy",
            options={"where": _CONCLUDED},
        ),
    ),
    claims=(
        *_descent_claims(),
        *_adam_batch_claims(),
        *_adam_other_claims(),
        *_conclusions(),
    ),
)
