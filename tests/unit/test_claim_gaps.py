"""Claims about trials that diverge, fail or are missing, and about runs of other points."""

import pytest

from search_spaces.fan import FAN
from study.claims import judge
from study.claims.evidence import PublishedPoint
from study.claims.verdict import NOT_REPRODUCED, NOT_TESTED, REPRODUCED, UNDECIDED
from tests.unit.made_up_evidence import (
    ORDERED,
    evidence,
    losses,
    trials_of_seeds,
    two_rates,
    verdict,
)
from tests.unit.made_up_run import made_up_run


def test_a_claim_about_a_moment_without_a_record_is_not_tested():
    of = evidence(*trials_of_seeds([[0.1, 0.9], [0.1, 0.9]]))
    options = {"where": {}, "quantity": "validation_accuracy", "above": 0.5}
    assert verdict("within", of, at={"epoch": 2}, **options).verdict == REPRODUCED
    assert verdict("within", of, at={"step": 10}, **options).verdict == NOT_REPRODUCED
    assert verdict("within", of, at={"step": 500}, **options).verdict == NOT_TESTED


def test_a_diverged_trial_is_behind():
    of = evidence(
        *trials_of_seeds([[{"test_loss": 1.0}], [{"test_loss": 2.0}]], lr=0.1),
        *trials_of_seeds([[{"test_loss": 0.1}]] * 2, lr=0.01, status="diverged"),
    )
    sides = {"ahead": {"lr": 0.1}, "behind": {"lr": 0.01}, "quantity": "test_loss"}
    assert verdict("compared", of, **sides).verdict == REPRODUCED


def test_a_run_without_the_published_values_of_a_setting_lacks_a_point():
    """The column of the run has no value at all, the published one has numbers."""
    of = evidence(
        *trials_of_seeds([[0.9], [0.92]], momentum=None),
        published=[PublishedPoint({"momentum": momentum}) for momentum in (None, 0.5)],
    )
    options = {"quantity": "validation_accuracy", "above": 0.5}
    found = verdict("within", of, where={"momentum": None}, **options)
    assert found.verdict == REPRODUCED
    found = verdict("within", of, where={}, **options)
    assert found.evidence == "this run has no whole trial of momentum 0.5, seed 0"


def test_a_seed_that_is_not_trained_yet_is_left_out_and_one_that_failed_is_not():
    rows = [
        *trials_of_seeds([[0.9], [0.92], [0.91]], momentum=0.1),
        *trials_of_seeds([[0.9], [0.92]], momentum=0.5),
    ]
    published = [PublishedPoint({"momentum": momentum}) for momentum in (0.1, 0.5)]
    options = {"where": {}, "quantity": "validation_accuracy", "above": 0.5, "per": ("momentum",)}
    found = verdict("within", evidence(*rows, published=published), **options)
    assert (found.verdict, found.seeds) == (REPRODUCED, 2)

    for status, tested in (("unfinished", True), ("failed", False), ("stopped", False)):
        last = {**trials_of_seeds([[0.1]], momentum=0.5)[0], "seed": 2, "status": status}
        found = verdict("within", evidence(*rows, last, published=published), **options)
        assert (found.seeds == 2) is tested
        if not tested:
            assert found.evidence == "this run has no whole trial of momentum 0.5, seed 2"


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


@pytest.mark.parametrize("options", [{}, {"alike": 0.1}])
@pytest.mark.parametrize("quantity", ["validation_accuracy", "validation_loss"])
def test_two_groups_that_both_diverge_are_neither_ahead_nor_alike(options, quantity):
    sides = {"ahead": {"lr": 0.1}, "behind": {"lr": 0.01}, "quantity": quantity}
    curve = [{quantity: 0.9}]
    of = evidence(
        *trials_of_seeds([curve] * 3, lr=0.1, status="diverged"),
        *trials_of_seeds([curve] * 3, lr=0.01, status="diverged"),
    )
    found = verdict("compared", of, **sides, **options)
    assert (found.verdict, found.evidence) == (NOT_REPRODUCED, "both diverged")
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
