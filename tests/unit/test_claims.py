"""Each kind of claim on made-up results that must give each verdict."""

import json

import pandas as pd
import pytest

import search_spaces
from search_spaces.study import Claim, Grid, Study
from study.analysis.results import Results
from study.claims import ClaimError, judge
from study.claims.evidence import NOT_REPRODUCED, NOT_TESTED, REPRODUCED, UNDECIDED, Evidence

DEFAULTS = {"status": "finished", "optimizer": "sgd", "lr": 0.1, "batch_size": 32}


def evidence(*trials, drawn=True):
    """Evidence of trials given as settings with a `curve`: validation accuracies, one per
    epoch, or dicts of record columns."""
    rows, records = [], []
    for number, given in enumerate(trials):
        settings = DEFAULTS | given
        curve = settings.pop("curve")
        rows.append({"trial": str(number), **settings})
        for epoch, point in enumerate(curve, 1):
            columns = point if isinstance(point, dict) else {"validation_accuracy": point}
            records.append({"trial": str(number), "epoch": epoch, "step": 10 * epoch, **columns})
    tables = pd.DataFrame(rows), pd.DataFrame(records)
    return Evidence(Results({"study": "made up"}, *tables), drawn)


def seeds(curves, **settings):
    return [{**settings, "seed": seed, "curve": curve} for seed, curve in enumerate(curves)]


def verdict(kind, of, **options):
    return judge.KINDS.find(kind)(of, **options)


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
    # Every point counts: one that is outside refutes the claim about all.
    assert verdict("within", of, where={}, per=("lr",), **options).verdict == NOT_REPRODUCED
    assert "11.00 %" in verdict("within", of, where={"lr": 0.1}, **options).evidence


def test_one_seed_decides_nothing_unless_nothing_is_drawn():
    options = {"where": {}, "quantity": "validation_accuracy", "below": 0.5}
    one = seeds([[0.1]])
    assert verdict("within", evidence(*one), **options).verdict == UNDECIDED
    assert verdict("within", evidence(*one, drawn=False), **options).verdict == REPRODUCED


def test_a_moment_that_no_record_has_is_not_tested():
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
    # Paired by seed: a difference that is the same in all of them is sure.
    assert compared([0.1, 0.5, 0.9], [0.09, 0.49, 0.89]) == REPRODUCED
    assert compared([0.1, 0.5, 0.9], [0.09, 0.49, 0.89], by=0.05) == NOT_REPRODUCED
    assert compared([0.1, 0.5, 0.9], [0.09, 0.49, 0.89], less_than=0.005) == NOT_REPRODUCED


def test_two_groups_alike():
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


def test_a_group_that_depends_less_on_a_setting():
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
    options = {"quantity": "validation_accuracy", "by": {"epoch": 2}, "within": 0.1}
    assert verdict("settled_by", of, where={"lr": 0.1}, **options).verdict == REPRODUCED
    assert verdict("settled_by", of, where={"lr": 0.01}, **options).verdict == NOT_REPRODUCED


def ramp(*losses):
    return [
        {"lr": 10.0**-i, "test_loss": loss} for i, loss in zip((3, 2, 1, 0), losses, strict=True)
    ]


def test_a_range_test():
    # The minimum is at 0.1, so 0.01 is suggested.
    of = evidence(*seeds([ramp(3, 2, 1, 9), ramp(3, 2, 1, 8)]))
    assert verdict("range_test", of, where={}, lr=0.01).verdict == REPRODUCED
    assert verdict("range_test", of, where={}, lr=0.1).verdict == NOT_REPRODUCED
    assert verdict("range_test", of, where={}, lr=None).verdict == NOT_REPRODUCED
    never = evidence(*seeds([ramp(1, 2, 3, 9), ramp(1, 2, 3, 8)]))
    assert verdict("range_test", never, where={}, lr=None).verdict == REPRODUCED
    mixed = evidence(*seeds([ramp(1, 2, 3, 9), ramp(3, 2, 1, 8)]))
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


def test_the_test_accuracy_at_the_best_validation():
    curve = [
        {"validation_accuracy": 0.9, "test_accuracy": 0.8},
        {"validation_accuracy": 0.7, "test_accuracy": 0.95},
    ]
    of = evidence(*seeds([curve, curve]))
    options = {"where": {}, "quantity": "test_accuracy_at_best"}
    assert verdict("within", of, above=0.79, below=0.81, **options).verdict == REPRODUCED


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ({"kind": "withing", "options": {}}, "did you mean 'within'"),
        ({"kind": "within", "options": {"beneath": 1}}, "claim odd, of kind within"),
        (
            {"kind": "within", "options": {"where": {}, "quantity": "speed"}},
            "no record has speed",
        ),
    ],
)
def test_a_claim_declared_wrongly_says_so(claim, said):
    odd = Claim(name="odd", source="?", says="?", published="none", **claim)
    study = Study(
        name="s", question="?", source="?", fixed={}, grids=(Grid(space={}),), budgets={},
        claims=(odd,),
    )  # fmt: skip
    with pytest.raises(ClaimError, match=said):
        judge.judge_all(study, evidence(*seeds([[0.1]])).results)


def test_every_claim_of_every_study_says_what_and_where():
    for study in search_spaces.studies().values():
        names = [claim.name for claim in study.claims]
        assert len(set(names)) == len(names)
        for claim in study.claims:
            judge.KINDS.find(claim.kind)
            assert claim.says.endswith(".")
            assert claim.source
            json.dumps(claim.published)
