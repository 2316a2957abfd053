"""The forms of the article's claims: accuracies, changes from step to step, Adam's rescues."""

from typing import Any

from search_spaces.flux.values import LABELS, STEPS, adam_points, descent_points
from search_spaces.study import Claim, Settings

ARTICLE = "Schätzle, Flux.jl on MNIST - What about ADAM?, "


def source_of(variant: str, model: str) -> str:
    """Return the part of the article about a net that is trained by a variant."""
    return f"{ARTICLE}{variant} gradient descent, {LABELS[model]}"


def adam_label(variant: str, model: str) -> str:
    """Return Adam with the rate at which its claims are judged, such as "Adam at 0.01"."""
    return f"Adam at {adam_points(variant, model)['lr']:g}"


def claim(
    name: str, source: str, statement: str, published: str, kind: str, **options: Any
) -> Claim:
    """Return a claim whose `options` are its keywords."""
    return Claim(
        name=name,
        source=source,
        statement=statement,
        published=published,
        kind=kind,
        options=options,
    )


def accuracy_claim(
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
    return claim(name, source, statement, published, "within", **options)


def printed_claim(
    name: str,
    where: Settings,
    source: str,
    subject: str,
    published: float,
    *,
    step: int,
    within: float = 3,
    why: str = "the nets are a reconstruction",
) -> Claim:
    """Claim that the test accuracy at a step differs from the printed percentage by less than
    `within` points.

    `subject`: the net, its optimizer and variant. `why`: the reason for this many points.
    """
    return accuracy_claim(
        name,
        where,
        source,
        f"{subject} is at {published:g} % after {step:,} steps (within {within:g} points here, "
        f"{why}).",
        f"{published:g} %",
        step=step,
        above=(published - within) / 100,
        below=(published + within) / 100,
    )


def end_claim(optimizer: str, variant: str, model: str, published: float) -> Claim:
    """Claim that a net reaches its printed percentage at the last of `STEPS`."""
    is_adam = optimizer == "adam"
    label = adam_label(variant, model) if is_adam else optimizer.capitalize()
    return printed_claim(
        f"{optimizer}-in-the-end-{model}-{variant}",
        adam_points(variant, model) if is_adam else descent_points(variant, model),
        source_of(variant, model),
        f"{LABELS[model]} by {variant} gradient descent with {label}",
        published,
        step=STEPS[-1],
    )


def change_claim(
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
    return claim(name, source, statement, published, "changed", **options, **bounds)


def rescue_claim(variant: str, model: str, step: int, published: str) -> Claim:
    """Claim that Adam does not fail where Descent does."""
    return claim(
        f"adam-rescues-{model}-{variant}",
        source_of(variant, model),
        f"Descent fails on {LABELS[model]} by {variant} gradient descent; Adam does not (at step "
        f"{step:,}, by more than 50 points here; {adam_label(variant, model)}).",
        published,
        "compared",
        ahead=adam_points(variant, model),
        behind=descent_points(variant, model),
        quantity="test_accuracy",
        at={"step": step},
        by=0.5,
    )
