"""How sure a verdict is: levels, seeds that would decide, and bands of equivalence."""

import math

import pytest

from study.analysis.statistics import UNBOUNDED
from study.claims import verdict as rule
from study.claims.verdict import EQUIVALENT, REPRODUCED, UNDECIDED
from tests.unit.made_up_evidence import evidence, trials_of_seeds, verdict


def test_an_undecided_claim_says_how_many_seeds_would_decide_it():
    """Mean 1, deviation 2: t(0.975, n-1) * 2 / sqrt(n) is below 1 from 18 seeds on."""
    points = [rule.SeedValues("", [-1.0, 1.0, 3.0])]
    found = rule.judge(points, rule.Rule(rule.Bounds(low=0.0), UNBOUNDED), str)
    assert (found.verdict, found.seeds, found.seeds_needed) == (UNDECIDED, 3, 18)


def judged(*points, band=None, stochastic=True):
    """Judge the claim that the means of these points are positive."""
    found = [rule.SeedValues(str(number), values) for number, values in enumerate(points)]
    return rule.judge(
        found, rule.Rule(rule.Bounds(low=0.0), UNBOUNDED, stochastic, band), "{:+.2f}".format
    )


def level(t):
    """Return the two-sided level of Student's t with 2 degrees of freedom, which is closed."""
    return t / math.sqrt(2 + t**2)


def test_a_verdict_says_up_to_which_level_it_holds():
    # Three seeds with a deviation of 1: t is the mean times the root of 3.
    sure = judged([2.0, 3.0, 4.0])
    assert sure.verdict == REPRODUCED
    assert sure.confidence == pytest.approx(level(3 * math.sqrt(3)), abs=0.001)
    assert sure.certainty == "3 seeds; holds up to the 96.4% level"
    unsure = judged([1.0, 2.0, 3.0])
    assert (unsure.verdict, unsure.seeds_needed) == (UNDECIDED, 4)
    assert unsure.confidence == pytest.approx(level(2 * math.sqrt(3)), abs=0.001)
    assert unsure.certainty == (
        "3 seeds; decided only up to the 92.5% level; 1 more would decide at this spread"
    )
    assert judged([-2.0, -3.0, -4.0]).certainty == "3 seeds; holds up to the 96.4% level"
    # Two points share the error, so one against the claim is less sure.
    shared = judged([-2.0, -3.0, -4.0], [2.0, 3.0, 4.0])
    assert shared.verdict == UNDECIDED
    assert shared.confidence == pytest.approx(2 * level(3 * math.sqrt(3)) - 1, abs=0.001)


def test_certainty_without_an_interval():
    assert judged([1.0]).certainty == "1 seed; it takes 2 to decide"
    assert judged([1.0], stochastic=False).certainty == "nothing is random, so one trial decides"
    assert judged([1.0, 1.0]).certainty == "2 seeds; holds up to the 99.9% level"
    lost = judged([1.0, math.inf])
    assert lost.certainty == "2 seeds; no number of seeds up to 1,000 is known to decide it"
    assert judged().certainty == ""


def test_a_difference_inside_the_band_is_equivalent():
    small = [0.10, 0.11, 0.12]
    assert judged(small).verdict == REPRODUCED
    assert judged(small, band=0.2).verdict == EQUIVALENT
    assert judged([-value for value in small], band=0.2).verdict == EQUIVALENT
    # The interval reaches 0.135; a band must hold all of it, at each point.
    assert judged(small, band=0.13).verdict == REPRODUCED
    assert judged(small, [2.0, 3.0, 4.0], band=0.2).verdict == REPRODUCED
    assert judged([-0.1, 0.1, 0.1], band=0.2).verdict == UNDECIDED
    assert judged([-0.1, 0.1, 0.1], band=0.4).verdict == EQUIVALENT


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("compared", {"ahead": {"lr": 0.1}, "behind": {"lr": 0.01}}),
        ("ordered", {"where": {}, "setting": "lr", "best_first": (0.1, 0.01)}),
        ("best_value", {"where": {}, "best": {"lr": 0.1}}),
        ("changed", {"where": {"lr": 0.1}, "since": {"epoch": 1}, "above": 0.0}),
        (
            "steadier",
            {"steadier": {"optimizer": "sgd"}, "other": {"optimizer": "adam"}, "over": "lr"},
        ),
    ],
)
def test_claims_of_a_difference_take_a_band(kind, options):
    of = evidence(
        *(
            trial
            for optimizer, step in (("sgd", 0.001), ("adam", 0.003))
            if kind == "steadier" or optimizer == "sgd"
            for lr, rank in ((0.1, 0), (0.01, 1))
            for trial in trials_of_seeds(
                [[0.900, 0.901 - step * rank], [0.910, 0.911 - step * rank]],
                lr=lr,
                optimizer=optimizer,
            )
        )
    )
    options = options | {"quantity": "validation_accuracy"}
    assert verdict(kind, of, **options).verdict == REPRODUCED
    assert verdict(kind, of, **options, band=0.01).verdict == EQUIVALENT
