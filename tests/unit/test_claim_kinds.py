"""Each kind of claim, on made-up results for each verdict."""

import math

import pandas as pd
import pytest

import search_spaces
from lenet.config import ConfigError
from study.analysis.results import Results
from study.claims import judge
from study.claims.evidence import PublishedPoint
from study.claims.verdict import NOT_REPRODUCED, NOT_TESTED, REPRODUCED, UNDECIDED
from study.runs.metadata import DatasetInfo, RunMetadata
from tests.unit.made_up_evidence import (
    ORDERED,
    evidence,
    losses,
    trials_of_seeds,
    two_rates,
    verdict,
)


def test_an_accuracy_within_bounds():
    of = evidence(
        *trials_of_seeds([[0.10], [0.11], [0.12]], lr=0.1),
        *trials_of_seeds([[0.94], [0.95], [0.97]], lr=0.01),
        *trials_of_seeds([[0.2], [0.5], [0.8]], lr=0.001),
    )
    options = {"quantity": "validation_accuracy", "below": 0.5}
    assert verdict("within", of, where={"lr": 0.1}, **options).verdict == REPRODUCED
    assert verdict("within", of, where={"lr": 0.01}, **options).verdict == NOT_REPRODUCED
    assert verdict("within", of, where={"lr": 0.001}, **options).verdict == UNDECIDED
    assert verdict("within", of, where={"lr": 7.0}, **options).verdict == NOT_TESTED
    # One point outside refutes the claim about all points.
    assert verdict("within", of, where={}, per=("lr",), **options).verdict == NOT_REPRODUCED
    assert "11.00 %" in verdict("within", of, where={"lr": 0.1}, **options).evidence


def test_one_seed_decides_nothing_unless_the_study_is_deterministic():
    options = {"where": {}, "quantity": "validation_accuracy", "below": 0.5}
    one = trials_of_seeds([[0.1]])
    assert verdict("within", evidence(*one), **options).verdict == UNDECIDED
    assert verdict("within", evidence(*one, stochastic=False), **options).verdict == REPRODUCED


def test_best_by_takes_the_settings_with_the_best_mean_of_another_quantity():
    def both(validation, test, **settings):
        curves = [
            [{"validation_accuracy": v, "test_accuracy": t}]
            for v, t in zip(validation, test, strict=True)
        ]
        return trials_of_seeds(curves, **settings)

    of = evidence(
        # Each rate is ahead with one seed.
        *both([0.95, 0.95], [0.90, 0.90], optimizer="sgd", lr=0.1),
        *both([0.96, 0.90], [0.70, 0.70], optimizer="sgd", lr=0.01),
        *both([0.90, 0.90], [0.95, 0.95], optimizer="adam", lr=0.1),
        *both([0.80, 0.80], [0.10, 0.10], optimizer="adam", lr=0.01),
    )
    options = {"where": {}, "quantity": "test_accuracy", "per": ("optimizer",), "above": 0.8}
    best = options | {"best_by": "validation_accuracy"}
    assert verdict("within", of, **best).verdict == REPRODUCED
    of_sgd = best | {"where": {"optimizer": "sgd"}, "per": ()}
    assert "90.00 %" in verdict("within", of, **of_sgd).evidence
    one = best | {"where": {"optimizer": "sgd", "lr": 0.01}}
    assert verdict("within", of, **one).verdict == NOT_REPRODUCED
    assert verdict("within", of, **options).verdict == NOT_TESTED


def test_values_as_printed():
    of = evidence(
        *trials_of_seeds([[0.910], [0.911]], lr=0.1), *trials_of_seeds([[0.850], [0.851]], lr=0.01)
    )
    options = {"where": {}, "quantity": "validation_accuracy", "within": 0.02}
    points = (({"lr": 0.1}, 0.91), ({"lr": 0.01}, 0.84))
    assert verdict("as_printed", of, printed=points, **options).verdict == REPRODUCED
    points = (({"lr": 0.1}, 0.91), ({"lr": 0.01}, 0.80))
    found = verdict("as_printed", of, printed=points, **options)
    assert found.verdict == NOT_REPRODUCED
    assert "against it: learning rate 0.01" in found.evidence
    assert "learning rate 0.01: +5.05 points" in found.evidence
    points = (({"lr": 0.1}, 0.91), ({"lr": 7.0}, 0.91))
    assert verdict("as_printed", of, printed=points, **options).verdict == NOT_TESTED


def test_all_but_the_worst_of_each_seed():
    of = evidence(
        *trials_of_seeds([[0.9], [0.2], [0.9]], lr=0.1),
        *trials_of_seeds([[0.3], [0.9], [0.9]], lr=0.01),
        *trials_of_seeds([[0.9], [0.9], [0.1]], lr=0.001),
    )
    options = {"where": {}, "quantity": "validation_accuracy", "per": ("lr",), "above": 0.8}
    assert verdict("within", of, **options).verdict == UNDECIDED
    assert verdict("within", of, all_but=1, **options).verdict == REPRODUCED
    strict = options | {"above": 0.95}
    assert verdict("within", of, all_but=1, **strict).verdict == NOT_REPRODUCED
    losses_of = {"quantity": "test_loss", "where": {}, "per": ("lr",), "below": 0.5, "all_but": 1}
    of = evidence(*losses([0.29], [9.0], lr=0.1), *losses([9.0], [0.3], lr=0.01))
    assert verdict("within", of, **losses_of).verdict == REPRODUCED
    of = evidence(*losses([0.29], [9.0], lr=0.1), *losses([math.nan], [0.3], lr=0.01))
    assert verdict("within", of, **losses_of).verdict == NOT_TESTED
    of = evidence(*losses([0.29], [9.0], lr=0.1))
    assert verdict("within", of, **losses_of).verdict == NOT_TESTED
    with pytest.raises(ConfigError, match="all_but needs one bound"):
        verdict("within", of, **losses_of, above=0.1)


def test_a_level_passed_between_two_moments():
    of = evidence(
        *trials_of_seeds([[0.900, 0.970], [0.901, 0.971]], lr=0.1),
        *trials_of_seeds([[0.990, 0.995], [0.991, 0.996]], lr=0.01),
        *trials_of_seeds([[0.500, 0.940], [0.501, 0.941]], lr=0.001),
    )
    options = {"quantity": "validation_accuracy", "level": 0.96}
    options |= {"before": {"epoch": 1}, "after": {"epoch": 2}}
    found = verdict("crosses", of, where={"lr": 0.1}, **options)
    assert found.verdict == REPRODUCED
    assert "short of 96.00 % at epoch 1: +5.95 points" in found.evidence
    found = verdict("crosses", of, where={"lr": 0.01}, **options)
    assert found.verdict == NOT_REPRODUCED
    assert "against it: short of 96.00 % at epoch 1" in found.evidence
    assert verdict("crosses", of, where={"lr": 0.001}, **options).verdict == NOT_REPRODUCED
    of = evidence(*losses([0.50, 0.100], [0.51, 0.101]))
    options |= {"quantity": "test_loss", "level": 0.3}
    assert verdict("crosses", of, where={}, **options).verdict == REPRODUCED


def compared(fast, slow, **options):
    of = evidence(
        *trials_of_seeds([[a] for a in fast], lr=0.1),
        *trials_of_seeds([[a] for a in slow], lr=0.01),
    )
    sides = {"ahead": {"lr": 0.1}, "behind": {"lr": 0.01}, "quantity": "validation_accuracy"}
    return verdict("compared", of, **sides, **options).verdict


def test_one_group_ahead_of_another():
    assert compared([0.90, 0.92, 0.94], [0.80, 0.81, 0.85]) == REPRODUCED
    assert compared([0.80, 0.81, 0.85], [0.90, 0.92, 0.94]) == NOT_REPRODUCED
    assert compared([0.80, 0.95, 0.85], [0.90, 0.82, 0.84]) == UNDECIDED
    # Differences are paired by seed, so one that all seeds share is certain.
    assert compared([0.1, 0.5, 0.9], [0.09, 0.49, 0.89]) == REPRODUCED
    assert compared([0.1, 0.5, 0.9], [0.09, 0.49, 0.89], by=0.05) == NOT_REPRODUCED
    assert compared([0.1, 0.5, 0.9], [0.09, 0.49, 0.89], less_than=0.005) == NOT_REPRODUCED


def test_one_group_that_gains_more_than_another():
    of = evidence(
        *trials_of_seeds([[0.700, 0.900], [0.701, 0.902]], lr=0.1),
        *trials_of_seeds([[0.950, 0.960], [0.951, 0.961]], lr=0.01),
    )
    options = {"ahead": {"lr": 0.1}, "behind": {"lr": 0.01}, "quantity": "validation_accuracy"}
    assert verdict("compared", of, **options).verdict == NOT_REPRODUCED
    found = verdict("compared", of, since={"epoch": 1}, at={"epoch": 2}, by=0.02, **options)
    assert found.verdict == REPRODUCED
    assert "+19.05 points" in found.evidence
    # A trial that diverged after the first moment lost all that it had.
    diverged = trials_of_seeds([[0.950], [0.951]], lr=0.01, status="diverged")
    of = evidence(*trials_of_seeds([[0.700, 0.600], [0.702, 0.601]], lr=0.1), *diverged)
    lost = options | {"since": {"epoch": 1}, "at": {"epoch": 2}}
    assert verdict("compared", of, **lost).verdict == REPRODUCED
    turned = lost | {"ahead": lost["behind"], "behind": lost["ahead"]}
    assert verdict("compared", of, **turned).verdict == NOT_REPRODUCED


def test_two_equivalent_groups():
    assert compared([0.90, 0.91], [0.901, 0.911], alike=0.01) == REPRODUCED
    assert compared([0.90, 0.91], [0.80, 0.81], alike=0.01) == NOT_REPRODUCED
    assert compared([0.90, 0.91], [0.91, 0.90], alike=0.01) == UNDECIDED


def test_values_in_order():
    of = evidence(
        *trials_of_seeds([[0.9], [0.91]], lr=0.1),
        *trials_of_seeds([[0.8], [0.81]], lr=0.01),
        *trials_of_seeds([[0.5], [0.52]], lr=0.001),
    )
    options = {"where": {}, "setting": "lr", "quantity": "validation_accuracy"}
    assert verdict("ordered", of, best_first=(0.1, 0.01, 0.001), **options).verdict == REPRODUCED
    found = verdict("ordered", of, best_first=(0.1, 0.001, 0.01), **options)
    assert found.verdict == NOT_REPRODUCED
    assert "0.001 over 0.01" in found.evidence


def test_the_best_value_over_all_else():
    of = evidence(
        *trials_of_seeds([[0.9], [0.91]], optimizer="adam", lr=0.01),
        *trials_of_seeds([[0.1], [0.1]], optimizer="adam", lr=0.1),
        *trials_of_seeds([[0.8], [0.81]], optimizer="sgd", lr=0.1),
        *trials_of_seeds([[0.7], [0.71]], optimizer="ftrl", lr=0.1),
    )
    options = {"where": {}, "quantity": "validation_accuracy"}
    assert verdict("best_value", of, best={"optimizer": "adam"}, **options).verdict == REPRODUCED
    found = verdict("best_value", of, best={"optimizer": "sgd"}, **options)
    assert found.verdict == NOT_REPRODUCED
    assert "against it: over optimizer adam" in found.evidence
    either = {"optimizer": frozenset({"adam", "sgd"})}
    assert verdict("best_value", of, best=either, **options).verdict == REPRODUCED
    second = {"best": {"optimizer": "sgd"}, "besides": ({"optimizer": "adam"},), **options}
    assert verdict("best_value", of, **second).verdict == REPRODUCED
    # Of two claimed values, the better one of each seed is ahead by noise alone; their mean is not.
    noisy = evidence(
        *trials_of_seeds([[0.8], [0.6], [0.8], [0.6]], optimizer="adam"),
        *trials_of_seeds([[0.6], [0.8], [0.6], [0.8]], optimizer="sgd"),
        *trials_of_seeds([[0.71], [0.71], [0.71], [0.71]], optimizer="ftrl"),
    )
    assert verdict("best_value", noisy, best=either, **options).verdict == REPRODUCED
    mean = verdict("best_value", noisy, best=either, mean_of_best=True, **options)
    assert mean.verdict == NOT_REPRODUCED
    third = second | {"best": {"optimizer": "ftrl"}}
    assert verdict("best_value", of, **third).verdict == NOT_REPRODUCED


def test_the_worst_value_over_all_else():
    of = evidence(
        *trials_of_seeds([[0.9], [0.91]], optimizer="adam", lr=0.01),
        *trials_of_seeds([[0.1], [0.1]], optimizer="adam", lr=0.1),
        *trials_of_seeds([[0.8], [0.81]], optimizer="sgd", lr=0.1),
        *trials_of_seeds([[0.7], [0.71]], optimizer="ftrl", lr=0.1),
    )
    options = {"where": {}, "quantity": "validation_accuracy"}
    assert verdict("worst_value", of, worst={"optimizer": "ftrl"}, **options).verdict == REPRODUCED
    found = verdict("worst_value", of, worst={"optimizer": "sgd"}, **options)
    assert found.verdict == NOT_REPRODUCED
    assert "against it: over optimizer ftrl" in found.evidence


OTHER = "oscillation_validation_accuracy"


def test_the_oscillation_within_records():
    def of_ranges(ranges, **settings):
        curves = [
            [{"train_loss": 1.0, "lowest_train_loss": 0.5, "highest_train_loss": 0.5 + width}] * 2
            for width in ranges
        ]
        return trials_of_seeds(curves, **settings)

    of = evidence(*of_ranges([2.00, 2.01], lr=0.1), *of_ranges([1.00, 1.03], lr=0.01))
    options = {"ahead": {"lr": 0.01}, "behind": {"lr": 0.1}, "quantity": "oscillation_train_loss"}
    found = verdict("compared", of, **options)
    assert found.verdict == REPRODUCED
    assert "+0.99" in found.evidence
    with pytest.raises(ConfigError, match="no record has highest_validation_accuracy"):
        verdict("compared", two_rates([[0.9]], [[0.8]]), **options | {"quantity": OTHER})


def test_one_pass_ends_before_the_steps_of_its_study():
    """At batches of 150 a pass has 367 steps; the claim's moment is step 5,000."""
    study = search_spaces.find("upc-batches-4.1")
    records = {150: 367, 100: 550, 50: 1_100, 25: 2_200}
    trials, curves = [], []
    for planned in study.plan("paper", seeds=2):
        config = planned.config
        last = records.get(config.batch_size, 5_000) if config.epochs else 5_000
        accuracy = 0.97 - 0.001 * abs(config.batch_size - 9) + 0.0001 * config.seed
        row = {"trial": planned.name, "status": "finished", "step": last, "epoch": 1.0}
        trials.append(config.to_dict() | row)
        curve = {"trial": planned.name, "step": last, "epoch": 1.0}
        curves.append(curve | {"validation_accuracy": accuracy, "test_accuracy": accuracy})
    info = DatasetInfo("mnist")
    run = RunMetadata(study=study.name, budget="paper", seeds=2, dataset=info, device="cpu")
    results = Results(run, pd.DataFrame(trials), pd.DataFrame(curves))
    verdicts = {claim.name: found for claim, found in judge.judge_all(study, results)}
    found = verdicts["small-batches-best-unshuffled"]
    assert found.verdict == REPRODUCED
    assert found.evidence.count("over batch size") == 6


def test_a_shorter_published_trial_counts_with_its_end():
    """The short trials at 0.1 end after epoch 1, the moment of the claim is epoch 3."""
    short, long = [[0.9], [0.92]], [[0.1, 0.3, 0.5], [0.1, 0.3, 0.52]]
    published = [PublishedPoint({"lr": 0.1}, {"epoch": 1}), PublishedPoint({"lr": 0.01})]
    options = {"where": {}, "best": {"lr": 0.1}, "quantity": "validation_accuracy"}
    options |= {"at": {"epoch": 3}}
    trials = *trials_of_seeds(short, lr=0.1), *trials_of_seeds(long, lr=0.01)
    of = evidence(*trials, published=published)
    assert verdict("best_value", of, **options).verdict == REPRODUCED
    # A trial of another budget did not reach that end, or went on from it.
    later = [PublishedPoint({"lr": 0.1}, {"epoch": 2}), published[1]]
    assert (
        verdict("best_value", evidence(*trials, published=later), **options).verdict == NOT_TESTED
    )
    assert verdict("best_value", evidence(*trials), **options).verdict == NOT_TESTED


def test_the_most_improved_since_a_moment():
    def falling(*losses):
        return [{"test_loss": loss} for loss in losses]

    steep, flat = [falling(2, 1, 0.5), falling(2.1, 1, 0.5)], [falling(0.6, 0.5, 0.4)] * 2
    diverging = trials_of_seeds([falling(1.0)] * 2, lr=1.0, status="diverged")
    of = evidence(*trials_of_seeds(steep, lr=0.1), *trials_of_seeds(flat, lr=0.01), *diverging)
    options = {"where": {}, "quantity": "test_loss", "at": {"epoch": 3}, "since": {"epoch": 1}}
    assert verdict("best_value", of, best={"lr": 0.1}, **options).verdict == REPRODUCED
    assert verdict("best_value", of, best={"lr": 0.01}, **options).verdict == NOT_REPRODUCED
    assert verdict("best_value", of, best={"lr": 1.0}, **options).verdict == NOT_REPRODUCED
    # By its last value, the other one is the best.
    del options["since"]
    assert verdict("best_value", of, best={"lr": 0.01}, **options).verdict == REPRODUCED


def test_one_group_depends_less_on_a_setting():
    of = evidence(
        *trials_of_seeds([[0.90], [0.91]], optimizer="adam", lr=0.1),
        *trials_of_seeds([[0.91], [0.90]], optimizer="adam", lr=0.01),
        *trials_of_seeds([[0.90], [0.91]], optimizer="sgd", lr=0.1),
        *trials_of_seeds([[0.20], [0.21]], optimizer="sgd", lr=0.01),
    )
    sides = {"over": "lr", "quantity": "validation_accuracy"}
    adam, sgd = {"optimizer": "adam"}, {"optimizer": "sgd"}
    assert verdict("steadier", of, steadier=adam, other=sgd, **sides).verdict == REPRODUCED
    assert verdict("steadier", of, steadier=sgd, other=adam, **sides).verdict == NOT_REPRODUCED


def test_less_spread_over_all_combinations_of_two_settings():
    def grid(optimizer, values):
        points = [(lr, size) for lr in (0.1, 0.01) for size in (32, 64)]
        return [
            trial
            for (lr, batch_size), value in zip(points, values, strict=True)
            for trial in trials_of_seeds(
                [[value], [value + 0.001]], optimizer=optimizer, lr=lr, batch_size=batch_size
            )
        ]

    # Sgd varies less over rates at each batch size, but more over both.
    of = evidence(*grid("sgd", [0.9, 0.1, 0.9, 0.1]), *grid("adam", [0.8, 0.8, 0.6, 0.6]))
    sides = {"steadier": {"optimizer": "adam"}, "other": {"optimizer": "sgd"}}
    options = sides | {"quantity": "validation_accuracy"}
    both = verdict("steadier", of, over=("lr", "batch_size"), **options)
    assert both.verdict == REPRODUCED
    one = verdict("steadier", of, over="lr", per=("batch_size",), **options)
    assert one.verdict == NOT_REPRODUCED


def test_settled_by_an_early_moment():
    quick, late = [[0.5, 0.97, 0.98], [0.5, 0.98, 0.98]], [[0.1, 0.3, 0.9], [0.1, 0.301, 0.9]]
    of = evidence(*trials_of_seeds(quick, lr=0.1), *trials_of_seeds(late, lr=0.01))
    options = {"quantity": "validation_accuracy", "by": {"epoch": 2}, "within": 0.1, "beyond": 0.5}
    assert verdict("settled_by", of, where={"lr": 0.1}, **options).verdict == REPRODUCED
    assert verdict("settled_by", of, where={"lr": 0.01}, **options).verdict == NOT_REPRODUCED


def ramp(*losses):
    return [
        {"lr": 10.0**-i, "test_loss": loss, "diverged": False}
        for i, loss in zip((4, 3, 2, 1, 0), losses, strict=True)
    ]


def test_a_range_test():
    # The minimum is at 0.1, so the rule suggests 0.01.
    of = evidence(*trials_of_seeds([ramp(4, 3, 2, 1, 9), ramp(4, 3, 2, 1, 8)]))
    assert verdict("range_test", of, where={}, lr=0.01).verdict == REPRODUCED
    assert verdict("range_test", of, where={}, lr=0.1).verdict == NOT_REPRODUCED
    assert verdict("range_test", of, where={}, lr=None).verdict == NOT_REPRODUCED
    never = evidence(*trials_of_seeds([ramp(1, 2, 3, 4, 9), ramp(1, 2, 3, 4, 8)]))
    assert verdict("range_test", never, where={}, lr=None).verdict == REPRODUCED
    assert verdict("range_test", never, where={}, lr=0.01).verdict == NOT_REPRODUCED
    once = evidence(*trials_of_seeds([ramp(1, 2, 3, 4, 9)]))
    assert verdict("range_test", once, where={}, lr=0.01).verdict == UNDECIDED
    mixed = evidence(*trials_of_seeds([ramp(1, 2, 3, 4, 9), ramp(4, 3, 2, 1, 8)]))
    undecided = verdict("range_test", mixed, where={}, lr=0.01)
    assert undecided.verdict == UNDECIDED
    assert undecided.certainty.endswith("no number of seeds up to 1,000 is known to decide it")
    assert verdict("range_test", mixed, where={"lr": 9.0}, lr=0.01).verdict == NOT_TESTED


def test_rises_are_summed():
    smooth, rough = [[0.5, 0.4, 0.3]] * 2, [[0.5, 0.9, 0.3]] * 2
    curves = [
        trials_of_seeds([[{"test_loss": x} for x in c] for c in curve], lr=lr)
        for curve, lr in ((smooth, 0.1), (rough, 0.01))
    ]
    of = evidence(*curves[0], *curves[1])
    options = {"where": {}, "setting": "lr", "quantity": "rises_test_loss"}
    found = verdict("ordered", of, best_first=(0.1, 0.01), **options)
    assert found.verdict == REPRODUCED
    assert "0.4" in found.evidence


def test_the_test_accuracy_at_the_best_validation():
    curve = [
        {"validation_accuracy": 0.9, "test_accuracy": 0.8},
        {"validation_accuracy": 0.7, "test_accuracy": 0.95},
    ]
    of = evidence(*trials_of_seeds([curve, curve]))
    options = {"where": {}, "quantity": "test_accuracy_at_best"}
    assert verdict("within", of, above=0.79, below=0.81, **options).verdict == REPRODUCED


def test_an_invalid_claim_is_refused():
    of = evidence(*trials_of_seeds([[0.1]]))
    with pytest.raises(ConfigError, match="did you mean 'within'"):
        verdict("withing", of)
    with pytest.raises(ConfigError, match="claim odd, of kind within"):
        verdict("within", of, beneath=1)
    with pytest.raises(ConfigError, match="no record has speed"):
        verdict("within", of, where={}, quantity="speed")


def test_other_kinds_are_undecided_where_seeds_disagree():
    of = two_rates([[0.9], [0.5]], [[0.6], [0.7]])
    assert verdict("ordered", of, **ORDERED).verdict == UNDECIDED
    best = {"where": {}, "best": {"lr": 0.1}, "quantity": "validation_accuracy"}
    assert verdict("best_value", of, **best).verdict == UNDECIDED
    assert verdict("best_value", of, **(best | {"where": {"lr": 5.0}})).verdict == NOT_TESTED
    both = [
        trial | {"optimizer": optimizer, "batch_size": 32}
        for optimizer, curves in (
            ("adam", [[[0.9], [0.5]], [[0.6], [0.7]]]),
            ("sgd", [[[0.8], [0.9]], [[0.5], [0.9]]]),
        )
        for lr, curve in zip((0.1, 0.01), curves, strict=True)
        for trial in trials_of_seeds(curve, lr=lr)
    ]
    sides = {"over": "lr", "quantity": "validation_accuracy"}
    sides |= {"steadier": {"optimizer": "adam"}, "other": {"optimizer": "sgd"}}
    assert verdict("steadier", evidence(*both), **sides).verdict == UNDECIDED


def test_a_moment_in_seconds_is_the_last_record_by_then():
    curve = [
        {"test_accuracy": accuracy, "train_seconds": seconds}
        for accuracy, seconds in ((0.5, 1.9), (0.9, 4.2), (None, 4.5), (0.8, 9.0))
    ]
    of = evidence(*trials_of_seeds([curve, curve]))
    options = {"where": {}, "quantity": "test_accuracy", "above": 0.85}
    assert verdict("within", of, **options, at={"train_seconds": 5}).verdict == REPRODUCED
    assert verdict("within", of, **options, at={"train_seconds": 60}).verdict == NOT_REPRODUCED
    assert verdict("within", of, **options, at={"train_seconds": 1}).verdict == NOT_TESTED
