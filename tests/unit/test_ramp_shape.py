"""The shapes of ramps, on made-up noisy losses, and the learning rate recommended from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from study.analysis import ramp_shape
from study.analysis.range_rules import ONE_ORDER_BELOW, RULES
from study.analysis.range_test import Reading, Suggestion, read_curve
from study.analysis.recommendation import recommend
from study.analysis.verification import Ramp, RangeTestCase

CHANCE = 2.3
BY_NAME = {rule.name: rule for rule in RULES}
SLOPE_RULES = [BY_NAME[name] for name in ("fastai steep", "torch-lr-finder", "Lightning")]


def noisy_curve(shape: str, points: int, noise: float, seed: int) -> tuple[pd.DataFrame, bool]:
    """Return the curve of a ramp from 1e-7 to 10, and whether it diverged."""
    lrs = np.geomspace(1e-7, 10, points)
    decade = np.log10(lrs)
    fall = 2.0 / (1 + np.exp(-4 * (decade + 3)))
    blow_up = 6.0 * np.clip(decade + 0.5, 0, None) ** 2
    flat = np.zeros(points)
    losses = (
        CHANCE
        + {
            "good": blow_up - fall,
            "flat": flat,
            "flat, then rises": blow_up,
            "rises at once": np.linspace(0, 5, points),
            "falls at the end": -1.9 * np.clip(decade + 2, 0, None) / 3,
            "already falling": 6.0 * np.clip(decade - 0.5, 0, None) ** 2 - 2.2 * (decade + 7) / 8,
        }[shape]
    )
    losses = losses + noise * np.random.default_rng(seed).standard_normal(points)
    curve = pd.DataFrame({"step": np.arange(1, points + 1), "lr": lrs, "loss": losses})
    return curve, shape in {"flat, then rises", "good"}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("points", "noise"), [(22, 0.02), (160, 0.02), (160, 0.1), (2000, 0.2)])
@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ("good", None),
        ("flat", ramp_shape.FLAT),
        ("flat, then rises", ramp_shape.TOO_FAST),
        ("rises at once", ramp_shape.BEGINS_TOO_HIGH),
        ("falls at the end", ramp_shape.ENDS_TOO_LOW),
        ("already falling", None),
    ],
)
def test_shapes_are_told_apart_in_noise(
    shape: str, problem: ramp_shape.Problem | None, points: int, noise: float, seed: int
) -> None:
    curve, diverged = noisy_curve(shape, points, noise, seed)
    found = ramp_shape.shape_of(curve["loss"].to_numpy(), diverged=diverged)
    if problem is ramp_shape.ENDS_TOO_LOW:
        assert (found.problem, found.falls_at_end) == (None, True)
    else:
        assert found.problem == problem
    reading = read_curve(curve, ONE_ORDER_BELOW, planned=points, ended_early=diverged)
    assert (reading.problem, reading.lr is None) == (problem, problem is not None)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", ["flat", "flat, then rises", "rises at once"])
def test_tools_answer_with_a_flag_if_the_loss_never_falls(shape: str, seed: int) -> None:
    curve, diverged = noisy_curve(shape, 160, 0.05, seed)
    for rule in RULES:
        reading = read_curve(curve, rule, planned=160, ended_early=diverged)
        assert reading.problem is not None
        assert (reading.lr is None) == (rule is ONE_ORDER_BELOW)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.02, 0.1])
@pytest.mark.parametrize("shape", ["good", "already falling"])
def test_no_slope_rule_picks_noise_or_the_start_without_a_flag(
    shape: str, noise: float, seed: int
) -> None:
    curve, diverged = noisy_curve(shape, 160, noise, seed)
    for rule in SLOPE_RULES:
        reading = read_curve(curve, rule, planned=160, ended_early=diverged)
        assert reading.lr is not None
        # The loss of a good ramp has fallen by 5% at about 3e-4.
        first = curve["lr"].iloc[rule.skipped(160) + 3]
        is_early = reading.lr < 1e-5 if shape == "good" else reading.lr <= first
        assert (reading.problem is not None) >= is_early


def test_a_slope_by_the_learning_rate_itself_follows_noise_and_says_so() -> None:
    """As Lightning's does, in spite of the rise that it adds at the start."""
    curve, diverged = noisy_curve("good", 160, 0.1, 0)
    reading = read_curve(curve, BY_NAME["Lightning"], planned=160, ended_early=diverged)
    assert reading.lr is not None
    assert reading.lr < 1e-5
    assert reading.problem == ramp_shape.BEFORE_THE_FALL


@pytest.mark.parametrize("shape", ["good", "already falling"])
def test_a_suggestion_is_flagged_if_half_of_its_seeds_are(shape: str) -> None:
    flagged = Reading(1e-6, ramp_shape.BEFORE_THE_FALL)
    rule = RULES[0]
    assert Suggestion(rule, [flagged, Reading(0.01)]).problem == ramp_shape.BEFORE_THE_FALL
    assert Suggestion(rule, [flagged, Reading(0.01), Reading(0.01)]).problem is None


def test_a_tenth_of_the_minimum_is_trusted_even_if_the_fall_is_a_few_records_long() -> None:
    lrs = np.geomspace(1e-7, 10, 22)
    losses = np.where(lrs < 0.02, CHANCE, np.where(lrs < 0.2, 1.0, 5.0))
    curve = pd.DataFrame({"step": np.arange(1, 23), "lr": lrs, "loss": losses})
    reading = read_curve(curve, ONE_ORDER_BELOW, planned=22, ended_early=True)
    assert reading.problem is None
    assert reading.lr is not None
    assert 0.002 <= reading.lr <= 0.02


# The recommendation


def case(
    lrs: dict[str, float | None], accuracies: dict[float, float] | None = None
) -> RangeTestCase:
    """Return a case with suggestions by rule; 1e-6 is flagged, None is flat."""
    problems = {1e-6: ramp_shape.BEFORE_THE_FALL, None: ramp_shape.FLAT}
    suggestions = [
        Suggestion(BY_NAME[name], [Reading(lr, problems.get(lr))] * 2) for name, lr in lrs.items()
    ]
    trained = pd.DataFrame({0: accuracies or {}, 1: accuracies or {}}, dtype=float)
    return RangeTestCase({"optimizer": "sgd"}, "trial", [Ramp("exponential", suggestions)], trained)


GOOD: dict[str, float | None] = {
    "fastai minimum": 0.02,
    "torch-lr-finder": 0.011,
    "Lightning": 1e-6,
    "fastai valley": 0.009,
}


def test_the_median_of_the_trusted_rules_is_recommended_with_its_reason() -> None:
    found = recommend(case(GOOD))
    assert found.lr == 0.01
    assert found.reason == (
        "Rules agree: 0.01 is the median of fastai minimum, torch-lr-finder, fastai valley, which "
        "say 0.009 to 0.02. Not trusted: Lightning (see the notes below)."
    )
    assert "Rules disagree" in recommend(case(GOOD | {"fastai valley": 0.001})).reason


def test_the_best_trained_learning_rate_is_recommended() -> None:
    found = recommend(case(GOOD, {0.01: 0.95, 0.02: 0.97, 0.05: 0.96}))
    assert found.lr == 0.02
    assert found.reason.startswith("Best of 3 learning rates trained: 97.00 % over 2 seeds. Rules")
    edge = recommend(case(GOOD, {0.01: 0.95, 0.02: 0.97}))
    assert "It is the highest of them: a better one may lie beyond." in edge.reason


def test_without_a_suggestion_the_advice_is_given_once() -> None:
    found = recommend(case(dict.fromkeys(GOOD)))
    assert found.lr is None
    assert found.reason == f"The ramp shows no learning rate: {ramp_shape.FLAT.advice}."


def test_a_refusal_names_the_rules_that_answer() -> None:
    found = recommend(case({"Lightning": 1e-6, "fastai valley": 1e-6, "one order below": None}))
    assert found.lr is None
    assert found.reason == (
        f"The ramp shows no learning rate: {ramp_shape.BEFORE_THE_FALL.advice}. These rules answer "
        "anyway, with 1e-06 to 1e-06: Lightning, fastai valley."
    )


def test_one_rule_alone_is_said_to_be_alone() -> None:
    found = recommend(case({"fastai minimum": 0.013, "one order below": None}))
    assert found.lr == 0.01
    assert found.reason.startswith("Suggested by one rule, fastai minimum: 0.013. 1 of 2 sug")


def test_seeds_that_disagree_are_mentioned() -> None:
    base = case({"fastai minimum": 0.01})
    suggestion = Suggestion(RULES[0], [Reading(0.005), Reading(0.02)])
    changed = dataclasses.replace(base, ramps=[Ramp("exponential", [suggestion])])
    assert "seeds of a rule differ by up to 4 times" in recommend(changed).reason
