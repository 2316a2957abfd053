"""Each kind of claim, on made-up results for each verdict."""

import json

import pandas as pd
import pytest

import search_spaces
from lenet.config import ConfigError
from search_spaces.fan import FAN
from search_spaces.study import Claim
from study.analysis.results import Results
from study.claims import judge
from study.claims.evidence import Evidence
from study.claims.verdict import NOT_REPRODUCED, NOT_TESTED, REPRODUCED, UNDECIDED
from tests.unit.made_up_run import made_up_run

DEFAULTS = {
    "dataset": "mnist",
    "status": "finished",
    "optimizer": "sgd",
    "lr": 0.1,
    "batch_size": 32,
}


def evidence(*trials, stochastic=True):
    """Return evidence of trials, each a dict of settings with a `curve`.

    A curve has a validation accuracy per epoch, or a dict of the columns of a record.
    """
    rows, records = [], []
    for number, trial in enumerate(trials):
        settings = DEFAULTS | trial
        curve = settings.pop("curve")
        length = {"step": 10 * len(curve), "steps": None}
        length |= {"epoch": len(curve), "epochs": len(curve)}
        rows.append({"trial": str(number), **length, **settings})
        for epoch, point in enumerate(curve, 1):
            columns = point if isinstance(point, dict) else {"validation_accuracy": point}
            records.append({"trial": str(number), "epoch": epoch, "step": 10 * epoch, **columns})
    tables = pd.DataFrame(rows), pd.DataFrame(records)
    return Evidence(Results({"study": "made up"}, *tables), stochastic=stochastic)


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
        *seeds([[0.90], [0.95], [0.97]], lr=0.01),
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
        {"lr": 10.0**-i, "test_loss": loss} for i, loss in zip((4, 3, 2, 1, 0), losses, strict=True)
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
    assert verdict("range_test", mixed, where={}, lr=0.01).verdict == UNDECIDED
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


def test_a_fall_from_the_best():
    falling = [{"test_accuracy": x} for x in (0.5, 0.9, 0.8)]
    steady = [{"test_accuracy": x} for x in (0.5, 0.9, 0.9)]
    options = {"where": {}, "quantity": "lost_test_accuracy", "at": {"step": 30}, "above": 0.05}
    of = evidence(*seeds([falling, falling]))
    found = verdict("within", of, **options)
    assert found.verdict == REPRODUCED
    assert "10.00 points below its best" in found.evidence
    of = evidence(*seeds([steady, steady]))
    assert verdict("within", of, **options).verdict == NOT_REPRODUCED
    diverged = evidence(*seeds([falling, falling], status="diverged"))
    assert verdict("within", diverged, **options).verdict == REPRODUCED


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


def test_two_diverged_groups_are_not_equivalent():
    of = two_rates([[0.9], [0.9]], [[0.9], [0.9]], status="diverged")
    of.results.trials["status"] = "diverged"
    sides = {"ahead": {"lr": 0.1}, "behind": {"lr": 0.01}, "quantity": "validation_accuracy"}
    assert verdict("compared", of, **sides, alike=0.1).verdict == NOT_TESTED


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
    results = made_up_run(seeds=2, choices=choices, status=status)
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
