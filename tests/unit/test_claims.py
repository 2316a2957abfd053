"""Each kind of claim, on made-up results for each verdict."""

import json
import math
from collections.abc import Mapping

import pandas as pd
import pytest

import search_spaces
from lenet import registry
from lenet.config import ConfigError
from lenet.run_length import RunLength
from search_spaces.fan import FAN
from search_spaces.study import Claim
from study.analysis.results import Results
from study.analysis.statistics import UNBOUNDED
from study.claims import judge
from study.claims import verdict as rule
from study.claims.evidence import Evidence, PublishedPoint
from study.claims.verdict import EQUIVALENT, NOT_REPRODUCED, NOT_TESTED, REPRODUCED, UNDECIDED
from tests.unit.made_up_run import made_up_run

DEFAULTS = {
    "dataset": "mnist",
    "status": "finished",
    "optimizer": "sgd",
    "lr": 0.1,
    "batch_size": 32,
}


def evidence(*trials, stochastic=True, published=()):
    """Return evidence of trials, each a dict of settings with a `curve`.

    A curve has a validation accuracy per epoch, or a dict of the columns of a record.
    """
    rows, records = [], []
    for number, trial in enumerate(trials):
        settings = DEFAULTS | trial
        curve = settings.pop("curve")
        length = {"step": 10 * len(curve), "steps": None}
        length |= {"epoch": len(curve), "epochs": len(curve)}
        length |= {"samples": 320 * len(curve)}  # 10 batches of 32
        rows.append({"trial": str(number), **length, **settings})
        for epoch, point in enumerate(curve, 1):
            columns = point if isinstance(point, dict) else {"validation_accuracy": point}
            record = {"trial": str(number), "epoch": epoch, "step": 10 * epoch, "diverged": False}
            records.append(record | columns)
    tables = pd.DataFrame(rows), pd.DataFrame(records)
    results = Results({"study": "made up"}, *tables)
    return Evidence(results, stochastic=stochastic, published=published)


def seeds(curves, **settings):
    return [{**settings, "seed": seed, "curve": curve} for seed, curve in enumerate(curves)]


def claim_of(kind, **options):
    return Claim(
        name="odd", source="?", statement="?", published="none", kind=kind, options=options
    )


def verdict(kind, of, **options):
    return judge.judge(claim_of(kind, **options), of)


def test_an_accuracy_within_bounds():
    of = evidence(
        *seeds([[0.10], [0.11], [0.12]], lr=0.1),
        *seeds([[0.94], [0.95], [0.97]], lr=0.01),
        *seeds([[0.2], [0.5], [0.8]], lr=0.001),
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
    one = seeds([[0.1]])
    assert verdict("within", evidence(*one), **options).verdict == UNDECIDED
    assert verdict("within", evidence(*one, stochastic=False), **options).verdict == REPRODUCED


def test_a_claim_about_a_moment_without_a_record_is_not_tested():
    of = evidence(*seeds([[0.1, 0.9], [0.1, 0.9]]))
    options = {"where": {}, "quantity": "validation_accuracy", "above": 0.5}
    assert verdict("within", of, at={"epoch": 2}, **options).verdict == REPRODUCED
    assert verdict("within", of, at={"step": 10}, **options).verdict == NOT_REPRODUCED
    assert verdict("within", of, at={"step": 500}, **options).verdict == NOT_TESTED


def test_at_best_takes_the_best_of_each_seed():
    of = evidence(*seeds([[0.5], [0.5]], lr=0.1), *seeds([[0.9], [0.91]], lr=0.01))
    options = {"where": {}, "quantity": "validation_accuracy", "above": 0.8, "per": ("optimizer",)}
    assert verdict("within", of, at_best=True, **options).verdict == REPRODUCED


def compared(fast, slow, **options):
    of = evidence(*seeds([[a] for a in fast], lr=0.1), *seeds([[a] for a in slow], lr=0.01))
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


def test_two_equivalent_groups():
    assert compared([0.90, 0.91], [0.901, 0.911], alike=0.01) == REPRODUCED
    assert compared([0.90, 0.91], [0.80, 0.81], alike=0.01) == NOT_REPRODUCED
    assert compared([0.90, 0.91], [0.91, 0.90], alike=0.01) == UNDECIDED


def test_a_diverged_trial_is_behind():
    of = evidence(
        *seeds([[{"test_loss": 1.0}], [{"test_loss": 2.0}]], lr=0.1),
        *seeds([[{"test_loss": 0.1}]] * 2, lr=0.01, status="diverged"),
    )
    sides = {"ahead": {"lr": 0.1}, "behind": {"lr": 0.01}, "quantity": "test_loss"}
    assert verdict("compared", of, **sides).verdict == REPRODUCED


def test_values_in_order():
    of = evidence(
        *seeds([[0.9], [0.91]], lr=0.1),
        *seeds([[0.8], [0.81]], lr=0.01),
        *seeds([[0.5], [0.52]], lr=0.001),
    )
    options = {"where": {}, "setting": "lr", "quantity": "validation_accuracy"}
    assert verdict("ordered", of, best_first=(0.1, 0.01, 0.001), **options).verdict == REPRODUCED
    found = verdict("ordered", of, best_first=(0.1, 0.001, 0.01), **options)
    assert found.verdict == NOT_REPRODUCED
    assert "0.001 over 0.01" in found.evidence


def test_the_best_value_over_all_else():
    of = evidence(
        *seeds([[0.9], [0.91]], optimizer="adam", lr=0.01),
        *seeds([[0.1], [0.1]], optimizer="adam", lr=0.1),
        *seeds([[0.8], [0.81]], optimizer="sgd", lr=0.1),
        *seeds([[0.7], [0.71]], optimizer="ftrl", lr=0.1),
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
    third = second | {"best": {"optimizer": "ftrl"}}
    assert verdict("best_value", of, **third).verdict == NOT_REPRODUCED


def test_a_run_without_the_published_values_of_a_setting_lacks_a_point():
    """The column of the run has no value at all, the published one has numbers."""
    of = evidence(
        *seeds([[0.9], [0.92]], momentum=None),
        published=[PublishedPoint({"momentum": momentum}) for momentum in (None, 0.5)],
    )
    options = {"quantity": "validation_accuracy", "above": 0.5}
    found = verdict("within", of, where={"momentum": None}, **options)
    assert found.verdict == REPRODUCED
    found = verdict("within", of, where={}, **options)
    assert found.evidence == "this run has no whole trial of momentum 0.5, seed 0"


def test_a_seed_that_is_not_trained_yet_is_left_out_and_one_that_failed_is_not():
    rows = [
        *seeds([[0.9], [0.92], [0.91]], momentum=0.1),
        *seeds([[0.9], [0.92]], momentum=0.5),
    ]
    published = [PublishedPoint({"momentum": momentum}) for momentum in (0.1, 0.5)]
    options = {"where": {}, "quantity": "validation_accuracy", "above": 0.5, "per": ("momentum",)}
    found = verdict("within", evidence(*rows, published=published), **options)
    assert (found.verdict, found.seeds) == (REPRODUCED, 2)

    for status, tested in (("unfinished", True), ("failed", False), ("stopped", False)):
        last = {**seeds([[0.1]], momentum=0.5)[0], "seed": 2, "status": status}
        found = verdict("within", evidence(*rows, last, published=published), **options)
        assert (found.seeds == 2) is tested
        if not tested:
            assert found.evidence == "this run has no whole trial of momentum 0.5, seed 2"


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
    results = Results({"study": "made up"}, pd.DataFrame(trials), pd.DataFrame(curves))
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
    trials = *seeds(short, lr=0.1), *seeds(long, lr=0.01)
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
    diverging = seeds([falling(1.0)] * 2, lr=1.0, status="diverged")
    of = evidence(*seeds(steep, lr=0.1), *seeds(flat, lr=0.01), *diverging)
    options = {"where": {}, "quantity": "test_loss", "at": {"epoch": 3}, "since": {"epoch": 1}}
    assert verdict("best_value", of, best={"lr": 0.1}, **options).verdict == REPRODUCED
    assert verdict("best_value", of, best={"lr": 0.01}, **options).verdict == NOT_REPRODUCED
    assert verdict("best_value", of, best={"lr": 1.0}, **options).verdict == NOT_REPRODUCED
    # By its last value, the other one is the best.
    del options["since"]
    assert verdict("best_value", of, best={"lr": 0.01}, **options).verdict == REPRODUCED


def test_one_group_depends_less_on_a_setting():
    of = evidence(
        *seeds([[0.90], [0.91]], optimizer="adam", lr=0.1),
        *seeds([[0.91], [0.90]], optimizer="adam", lr=0.01),
        *seeds([[0.90], [0.91]], optimizer="sgd", lr=0.1),
        *seeds([[0.20], [0.21]], optimizer="sgd", lr=0.01),
    )
    sides = {"over": "lr", "quantity": "validation_accuracy"}
    adam, sgd = {"optimizer": "adam"}, {"optimizer": "sgd"}
    assert verdict("steadier", of, steadier=adam, other=sgd, **sides).verdict == REPRODUCED
    assert verdict("steadier", of, steadier=sgd, other=adam, **sides).verdict == NOT_REPRODUCED


def test_settled_by_an_early_moment():
    quick, late = [[0.5, 0.97, 0.98], [0.5, 0.98, 0.98]], [[0.1, 0.3, 0.9], [0.1, 0.301, 0.9]]
    of = evidence(*seeds(quick, lr=0.1), *seeds(late, lr=0.01))
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
    of = evidence(*seeds([ramp(4, 3, 2, 1, 9), ramp(4, 3, 2, 1, 8)]))
    assert verdict("range_test", of, where={}, lr=0.01).verdict == REPRODUCED
    assert verdict("range_test", of, where={}, lr=0.1).verdict == NOT_REPRODUCED
    assert verdict("range_test", of, where={}, lr=None).verdict == NOT_REPRODUCED
    never = evidence(*seeds([ramp(1, 2, 3, 4, 9), ramp(1, 2, 3, 4, 8)]))
    assert verdict("range_test", never, where={}, lr=None).verdict == REPRODUCED
    assert verdict("range_test", never, where={}, lr=0.01).verdict == NOT_REPRODUCED
    once = evidence(*seeds([ramp(1, 2, 3, 4, 9)]))
    assert verdict("range_test", once, where={}, lr=0.01).verdict == UNDECIDED
    mixed = evidence(*seeds([ramp(1, 2, 3, 4, 9), ramp(4, 3, 2, 1, 8)]))
    undecided = verdict("range_test", mixed, where={}, lr=0.01)
    assert undecided.verdict == UNDECIDED
    assert undecided.certainty.endswith("no number of seeds up to 1,000 is known to decide it")
    assert verdict("range_test", mixed, where={"lr": 9.0}, lr=0.01).verdict == NOT_TESTED


def test_rises_are_summed():
    smooth, rough = [[0.5, 0.4, 0.3]] * 2, [[0.5, 0.9, 0.3]] * 2
    curves = [
        seeds([[{"test_loss": x} for x in c] for c in curve], lr=lr)
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
    of = evidence(*seeds([curve, curve]))
    options = {"where": {}, "quantity": "test_accuracy_at_best"}
    assert verdict("within", of, above=0.79, below=0.81, **options).verdict == REPRODUCED


def test_an_invalid_claim_is_refused():
    of = evidence(*seeds([[0.1]]))
    with pytest.raises(ConfigError, match="did you mean 'within'"):
        verdict("withing", of)
    with pytest.raises(ConfigError, match="claim odd, of kind within"):
        verdict("within", of, beneath=1)
    with pytest.raises(ConfigError, match="no record has speed"):
        verdict("within", of, where={}, quantity="speed")


ORDERED = {"where": {}, "setting": "lr", "best_first": (0.1, 0.01)}
ORDERED |= {"quantity": "validation_accuracy"}


def two_rates(one, other, **settings):
    return evidence(*seeds(one, lr=0.1, **settings), *seeds(other, lr=0.01))


def test_a_trial_counts_with_its_measurements_until_it_diverges():
    # The trials at 0.1 are ahead at epoch 1 and diverge in epoch 2.
    of = two_rates([[0.9, 0.9], [0.91, 0.9]], [[0.5, 0.6], [0.51, 0.6]], status="diverged")
    assert verdict("ordered", of, **ORDERED, at={"epoch": 1}).verdict == REPRODUCED
    assert verdict("ordered", of, **ORDERED).verdict == NOT_REPRODUCED
    assert verdict("ordered", of, **ORDERED, at={"epoch": 2}).verdict == NOT_REPRODUCED


def test_a_trial_that_diverges_or_never_learns_never_settles():
    options = {"where": {"lr": 0.1}, "quantity": "validation_accuracy"}
    options |= {"by": {"epoch": 2}, "within": 0.1, "beyond": 0.5}
    diverged = two_rates([[0.3, 0.9], [0.3, 0.9]], [[0.1], [0.1]], status="diverged")
    assert verdict("settled_by", diverged, **options).verdict == NOT_REPRODUCED
    stuck = two_rates([[0.1, 0.1], [0.1, 0.1]], [[0.1], [0.1]])
    assert verdict("settled_by", stuck, **options).verdict == NOT_REPRODUCED
    unsure = two_rates([[0.5, 0.8, 0.98], [0.5, 0.97, 0.98]], [[0.1], [0.1]])
    assert verdict("settled_by", unsure, **options).verdict == UNDECIDED
    short = two_rates([[0.9], [0.9]], [[0.1], [0.1]])
    assert verdict("settled_by", short, **options).verdict == NOT_TESTED


def losses(*curves, **settings):
    return seeds([[{"test_loss": loss} for loss in curve] for curve in curves], **settings)


@pytest.mark.parametrize("options", [{}, {"alike": 0.1}])
@pytest.mark.parametrize("quantity", ["validation_accuracy", "validation_loss"])
def test_two_groups_that_both_diverge_are_neither_ahead_nor_alike(options, quantity):
    sides = {"ahead": {"lr": 0.1}, "behind": {"lr": 0.01}, "quantity": quantity}
    curve = [{quantity: 0.9}]
    of = evidence(
        *seeds([curve] * 3, lr=0.1, status="diverged"),
        *seeds([curve] * 3, lr=0.01, status="diverged"),
    )
    found = verdict("compared", of, **sides, **options)
    assert (found.verdict, found.evidence) == (NOT_REPRODUCED, "against it: it. both diverged")
    # With some of the seeds, it says nothing.
    of.results.trials.loc[0, "status"] = "finished"
    of.results.trials.loc[3, "status"] = "finished"
    found = verdict("compared", of, **sides, **options)
    assert (found.verdict, found.seeds_needed) == (UNDECIDED, None)
    assert "both diverged with 2 of 3 seeds" in found.evidence


def test_two_diverged_trials_count_as_no_difference_in_a_mean():
    of = evidence(
        *losses([1.0], [1.1], lr=0.1, batch_size=32),
        *losses([3.0], [3.1], lr=0.01, batch_size=32),
        *losses([9.0], [9.0], lr=0.1, batch_size=64, status="diverged"),
        *losses([9.0], [9.0], lr=0.01, batch_size=64, status="diverged"),
    )
    sides = {"ahead": {"lr": 0.1}, "behind": {"lr": 0.01}, "quantity": "test_loss"}
    found = verdict("compared", of, **sides, per=("batch_size",), averaged=True)
    assert (found.verdict, found.evidence) == (REPRODUCED, "mean over all: +1 [+1, +1]")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("best_value", {"where": {}, "best": {"lr": 0.1}}),
        ("ordered", {"where": {"batch_size": 32}, "setting": "lr", "best_first": (0.1, 0.01)}),
        (
            "steadier",
            {
                "steadier": {"batch_size": 32},
                "other": {"batch_size": 64},
                "over": "lr",
            },
        ),
    ],
)
def test_no_kind_calls_a_diverged_loss_missing(kind, options):
    of = evidence(
        *(
            trial
            for lr in (0.1, 0.01)
            for size in (32, 64)
            for trial in losses([9.0], [9.0], lr=lr, batch_size=size, status="diverged")
        )
    )
    found = verdict(kind, of, quantity="test_loss", **options)
    assert found.verdict == NOT_REPRODUCED
    assert "both diverged" in found.evidence


def test_a_loss_that_diverges_never_settles():
    of = evidence(*losses([1.0, 0.5], [1.0, 0.5], status="diverged"))
    options = {"where": {}, "quantity": "test_loss", "by": {"epoch": 1}}
    found = verdict("settled_by", of, **options, within=0.1, beyond=2.0)
    assert found.verdict == NOT_REPRODUCED


def test_trials_that_differ_in_another_setting_are_not_seeds():
    trials = [{"lr": 0.1, "seed": 0, "dropout": d, "curve": [0.9 + d / 100]} for d in (0, 1, 2)]
    found = verdict(
        "within", evidence(*trials), where={}, quantity="validation_accuracy", above=0.8
    )
    assert found.verdict == NOT_TESTED
    assert "dropout varies" in found.evidence


def test_a_claim_about_a_missing_value_is_not_tested():
    of = two_rates([[0.9], [0.91]], [[0.8], [0.81]])
    options = ORDERED | {"best_first": (0.1, 0.01, 0.001)}
    found = verdict("ordered", of, **options)
    assert found.verdict == NOT_TESTED
    assert "learning rate 0.001" in found.evidence


def published_run(status=None, choices=None, dataset="mnist", model="lenet"):
    results = made_up_run(seeds=3, choices=choices, status=status)
    results.trials["dataset"], results.trials["model"] = dataset, model
    return {claim.name: found for claim, found in judge.judge_all(FAN, results)}


def test_a_claim_is_about_all_published_points():
    complete = published_run()
    assert complete["sgd-faster-with-larger-lr"].verdict == REPRODUCED
    assert complete["adam-0.1-fails"].verdict == NOT_REPRODUCED
    assert complete["more-gpus-do-not-help"].verdict == NOT_TESTED
    partial = published_run(choices={"lr": [0.1, 0.01]})
    assert partial["sgd-faster-with-larger-lr"].verdict == NOT_TESTED
    assert "learning rate 0.001" in partial["sgd-faster-with-larger-lr"].evidence
    # This claim is only about 0.1.
    assert partial["adam-0.1-fails"].verdict == NOT_REPRODUCED
    # Points that were not published do not count.
    wider = published_run(choices={"dropout": [0.0, 0.5]})
    assert wider["sgd-faster-with-larger-lr"] == complete["sgd-faster-with-larger-lr"]


def test_a_claim_about_failed_or_stopped_trials_is_not_tested():
    for status in ("failed", "stopped"):
        found = published_run(status={"sgd_lr0.01_batch64": status})
        assert found["sgd-faster-with-larger-lr"].verdict == NOT_TESTED
        assert found["adam-0.1-fails"].verdict == NOT_REPRODUCED


def test_a_run_on_other_data_tests_no_claim():
    found = published_run(dataset="digits")
    assert {verdict.verdict for verdict in found.values()} == {NOT_TESTED}
    assert "this run on digits" in found["adam-0.1-fails"].evidence


def test_a_run_of_another_model_tests_no_claim():
    found = published_run(model="mine:Net")
    assert {verdict.verdict for verdict in found.values()} == {NOT_TESTED}
    reason = "the report is about model lenet, this run on mine:Net"
    assert found["adam-0.1-fails"].evidence == reason


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
        for trial in seeds(curve, lr=lr)
    ]
    sides = {"over": "lr", "quantity": "validation_accuracy"}
    sides |= {"steadier": {"optimizer": "adam"}, "other": {"optimizer": "sgd"}}
    assert verdict("steadier", evidence(*both), **sides).verdict == UNDECIDED


def test_every_claim_has_a_statement_and_a_source():
    for study in search_spaces.studies().values():
        names = [claim.name for claim in study.claims]
        assert len(set(names)) == len(names)
        for claim in study.claims:
            judge.KINDS.find(claim.kind)
            assert claim.statement.endswith(".")
            assert claim.source
            json.dumps(claim.published)


def _tested_by(claim, config):
    """Whether a config belongs to one of the sides of a claim."""
    sides = [
        claim.options[name]
        for name in ("where", "ahead", "behind", "steadier", "other", "wider", "than")
        if isinstance(claim.options.get(name), Mapping)
    ]

    def matches(side):
        for name, value in side.items():
            actual = getattr(config, name, None)
            if actual not in value if isinstance(value, frozenset) else actual != value:
                return False
        order = claim.options.get("best_first")
        return order is None or getattr(config, claim.options["setting"]) in order

    return any(matches(side) for side in sides)


@pytest.mark.parametrize("study", search_spaces.studies().values(), ids=lambda study: study.name)
def test_every_moment_of_a_claim_is_recorded_under_the_published_budget(study):
    """A claim about another moment could never be decided."""
    configs = [trial.config for trial in study.with_all_grids.plan("paper", seeds=1)]
    for claim in study.claims:
        for option in ("at", "by", "since", "to"):
            moment = claim.options.get(option)
            if not isinstance(moment, Mapping):  # a number, such as `best_value`'s margin
                continue
            tested = [config for config in configs if _tested_by(claim, config)]
            assert tested, claim.name
            for config in tested:
                total = registry.TRAINING_SAMPLES[config.dataset]
                held_out = round(total * config.validation_fraction)
                length = RunLength(config, min(total - held_out, config.train_samples or total))
                step = moment.get("step", moment.get("epoch", math.inf) * length.steps_per_epoch)
                # A shorter trial counts with its end.
                step = min(step, length.total_steps)
                assert length.next_record(step - 1) == step, (claim.name, config)
                if claim.options["quantity"].startswith(("test", "validation")):
                    assert length.evaluates_at(step), (claim.name, config)


def test_an_undecided_claim_says_how_many_seeds_would_decide_it():
    """Mean 1, deviation 2: t(0.975, n-1) * 2 / sqrt(n) is below 1 from 18 seeds on."""
    points = [rule.SeedValues("", [-1.0, 1.0, 3.0])]
    found = rule.judge(points, rule.Rule(rule.Bounds(low=0.0), UNBOUNDED), str)
    assert (found.verdict, found.seeds, found.seeds_needed) == (UNDECIDED, 3, 18)


# Trends


def four_rates(*rankings, **options):
    """Judge the trend over four learning rates; each ranking has a seed's accuracies."""
    rates = (0.1, 0.01, 0.001, 0.0001)
    of = evidence(
        *(
            {"lr": lr, "seed": seed, "curve": [accuracy]}
            for seed, ranking in enumerate(rankings)
            for lr, accuracy in zip(rates, ranking, strict=True)
        )
    )
    options = {"where": {}, "setting": "lr", "best_first": rates} | options
    return verdict("trend", of, quantity="validation_accuracy", **options)


def test_a_trend_allows_swapped_neighbours():
    found = four_rates([0.9, 0.8, 0.7, 0.1], [0.9, 0.7, 0.8, 0.1], [0.9, 0.8, 0.7, 0.2])
    assert found.verdict == REPRODUCED
    # Page's L is 30, 29, 30: 1 + 3 * 3 of the 24 ** 3 orders are as good.
    assert found.confidence == pytest.approx(1 - 2 * 10 / 24**3)
    correlation, p = (1 + 0.8 + 1) / 3, 10 / 24**3
    assert found.evidence == (
        f"90.00 %, 76.67 %, 73.33 %, 13.33 % (rank correlation {correlation:+.2f}, p {p:.2g})"
    )


def test_a_trend_in_reverse_is_not_reproduced():
    found = four_rates([0.1, 0.2, 0.3, 0.4], [0.1, 0.3, 0.2, 0.4], [0.1, 0.2, 0.3, 0.4])
    assert found.verdict == NOT_REPRODUCED


def test_a_trend_that_chance_may_give_is_undecided():
    found = four_rates([0.9, 0.8, 0.7, 0.1], [0.1, 0.7, 0.8, 0.9], [0.9, 0.7, 0.8, 0.1])
    assert found.verdict == UNDECIDED
    # The mean correlation is (1 - 1 + 0.8) / 3, in random order 0 +- sqrt(1 / 3).
    assert found.seeds_needed == math.ceil((1.96 * math.sqrt(1 / 3) / (0.8 / 3)) ** 2)
    assert found.confidence < 0.95
    assert four_rates([0.9, 0.8, 0.7, 0.1]).verdict == UNDECIDED


def test_equal_values_have_no_trend():
    assert four_rates([0.5] * 4, [0.6] * 4).verdict == NOT_REPRODUCED


@pytest.mark.parametrize(
    ("quantity", "sign", "shown"),
    [
        ("validation_accuracy", 1, "+4.00 points, +2.00 points, -1.00 points"),
        ("validation_loss", -1, "+0.04, +0.02, -0.01"),
    ],
)
def test_a_trend_of_gains(quantity, sign, shown):
    """The gains fall along the rates, though the accuracies rise."""
    gains, without = {0.1: 0.04, 0.01: 0.02, 0.001: -0.01}, {0.1: 0.5, 0.01: 0.6, 0.001: 0.7}
    of = evidence(
        *(
            {"lr": lr, "shuffle": shuffle, "seed": seed, "curve": [{quantity: value}]}
            for seed in range(4)
            for lr, base in without.items()
            for shuffle, value in ((False, base), (True, base + sign * gains[lr]))
        )
    )
    options = {"setting": "lr", "quantity": quantity, "where": {"shuffle": True}}
    options |= {"gain_over": {"shuffle": False}}
    found = verdict("trend", of, best_first=(0.1, 0.01, 0.001), **options)
    assert found.verdict == REPRODUCED
    assert found.evidence.startswith(shown)
    reverse = verdict("trend", of, best_first=(0.001, 0.01, 0.1), **options)
    assert reverse.verdict == NOT_REPRODUCED


def test_one_diverged_trial_decides_no_trend():
    """By slopes, the infinite loss at the end would reproduce both."""
    rates = (0.1, 0.01, 0.001)
    options = {"where": {}, "setting": "lr", "best_first": rates, "quantity": "test_loss"}
    reverse = evidence(
        *losses([3.0], [3.1], [3.0], lr=0.1),
        *losses([2.0], [2.0], [2.0], lr=0.01),
        *losses([1.0], [1.0], lr=0.001),
        {"lr": 0.001, "seed": 2, "status": "diverged", "curve": [{"test_loss": 1.0}]},
    )
    assert verdict("trend", reverse, **options).verdict == UNDECIDED
    # Trials that diverge always are last.
    last = evidence(
        *losses([1.0], [1.1], [1.0], lr=0.1),
        *losses([2.0], [2.0], [2.0], lr=0.01),
        *losses([9.0], [9.0], [9.0], lr=0.001, status="diverged"),
    )
    assert verdict("trend", last, **options).verdict == REPRODUCED


def test_trends_share_the_error_of_refutation():
    """The reverse order at one of two batch sizes: p is 1 / 36 with two seeds, 1 / 216 with 3."""
    rates = (0.1, 0.01, 0.001)

    def at_two_sizes(count):
        return evidence(
            *(
                {"lr": lr, "batch_size": size, "seed": seed, "curve": [accuracy]}
                for size, order in ((32, (0.9, 0.8, 0.7)), (64, (0.7, 0.8, 0.9)))
                for seed in range(count)
                for lr, accuracy in zip(rates, order, strict=True)
            )
        )

    options = {"where": {}, "setting": "lr", "best_first": rates, "per": ("batch_size",)}
    options |= {"quantity": "validation_accuracy"}
    assert verdict("trend", at_two_sizes(2), **options).verdict == UNDECIDED
    found = verdict("trend", at_two_sizes(3), **options)
    assert found.verdict == NOT_REPRODUCED
    assert found.evidence.startswith("against it: batch size 64. batch size 32: 90.00 %")
    averaged = verdict("trend", at_two_sizes(3), **options, averaged=True)
    assert averaged.evidence.startswith("against it: mean over all. mean over all: 80.00 %")


def test_a_trend_needs_three_values_and_all_of_them():
    with pytest.raises(ConfigError, match="3 values or more, not 2"):
        four_rates([0.9, 0.8, 0.7, 0.1], best_first=(0.1, 0.01))
    found = four_rates([0.9, 0.8, 0.7, 0.1], best_first=(0.1, 0.01, 7.0))
    assert (found.verdict, found.evidence) == (
        NOT_TESTED,
        "no trial of this run has learning rate 7",
    )
    found = four_rates([0.9, 0.8, 0.7, 0.1], at={"epoch": 9})
    assert (found.verdict, found.evidence) == (
        NOT_TESTED,
        "this run has no record of it at that moment",
    )


# Changes


def test_a_change_between_two_moments():
    of = evidence(*seeds([[0.5, 0.9, 0.8], [0.5, 0.9, 0.79], [0.5, 0.91, 0.8]]))
    options = {"where": {}, "quantity": "validation_accuracy"}
    decline = options | {"since": {"epoch": 2}, "below": 0.0}
    found = verdict("changed", of, **decline)
    assert found.verdict == REPRODUCED
    assert found.evidence.startswith("-10.67 points [")
    assert verdict("changed", of, **decline, to={"epoch": 3}) == found
    rise = options | {"since": {"step": 10}, "to": {"step": 20}}
    assert verdict("changed", of, **rise, below=0.0).verdict == NOT_REPRODUCED
    assert verdict("changed", of, **rise, above=0.3).verdict == REPRODUCED
    assert verdict("changed", of, **decline, to={"step": 500}).verdict == NOT_TESTED


def test_a_change_of_trials_that_diverge():
    of = evidence(*losses([1.0, 0.5, 0.4], [1.0, 0.6, 0.4], status="diverged"))
    options = {"where": {}, "quantity": "test_loss", "above": 0.0}
    assert verdict("changed", of, **options, since={"epoch": 1}).verdict == REPRODUCED
    # They had diverged before, so nothing changed.
    found = verdict("changed", of, **options, since={"epoch": 3})
    assert (found.verdict, found.evidence) == (NOT_REPRODUCED, "against it: it. both diverged")


def test_a_moment_in_seconds_is_the_last_record_by_then():
    curve = [
        {"test_accuracy": accuracy, "train_seconds": seconds}
        for accuracy, seconds in ((0.5, 1.9), (0.9, 4.2), (None, 4.5), (0.8, 9.0))
    ]
    of = evidence(*seeds([curve, curve]))
    options = {"where": {}, "quantity": "test_accuracy", "above": 0.85}
    assert verdict("within", of, **options, at={"train_seconds": 5}).verdict == REPRODUCED
    assert verdict("within", of, **options, at={"train_seconds": 60}).verdict == NOT_REPRODUCED
    assert verdict("within", of, **options, at={"train_seconds": 1}).verdict == NOT_TESTED


# How sure a verdict is


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
        "3 seeds; decided only up to the 92.5% level; 4 would decide at this spread"
    )
    assert judged([-2.0, -3.0, -4.0]).certainty == "3 seeds; holds up to the 96.4% level"
    # Two points share the error, so one against the claim is less sure.
    shared = judged([-2.0, -3.0, -4.0], [2.0, 3.0, 4.0])
    assert shared.verdict == UNDECIDED
    assert shared.confidence == pytest.approx(2 * level(3 * math.sqrt(3)) - 1, abs=0.001)


def test_certainty_without_an_interval():
    assert judged([1.0]).certainty == "1 seed; 2 are the least that can decide"
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
            for trial in seeds(
                [[0.900, 0.901 - step * rank], [0.910, 0.911 - step * rank]],
                lr=lr,
                optimizer=optimizer,
            )
        )
    )
    options = options | {"quantity": "validation_accuracy"}
    assert verdict(kind, of, **options).verdict == REPRODUCED
    assert verdict(kind, of, **options, band=0.01).verdict == EQUIVALENT
