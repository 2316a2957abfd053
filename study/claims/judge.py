"""Judge all claims of a study by the results of one run."""

from __future__ import annotations

from lenet import registry
from lenet.config import TrainConfig
from lenet.run_length import RunLength
from search_spaces.declaration import BUDGETS
from search_spaces.length import training_samples
from search_spaces.study import Claim, Study
from study.analysis.quantity import Moment
from study.analysis.results import Results
from study.claims.evidence import Evidence, PublishedPoint, Untestable
from study.claims.verdict import NOT_TESTED, Verdict
from study.kinds import Kinds, OwnKindFailed

KINDS = Kinds("study.claims", "verdict", "claim", frozenset({"judge", "evidence", "verdict"}))


def judge_all(study: Study, results: Results) -> list[tuple[Claim, Verdict]]:
    """Return each claim of the study with its verdict.

    A claim is about all points of the study's grids, including the extra grids, that have the
    claim's settings. Other points of a run do not count, and a missing point leaves the claim
    untested. The study's largest budget sets the full length of the trials.

    Raises: ConfigError if a kind does not exist or does not take the options of a claim.
    """
    if not study.claims:
        return []
    study = study.with_all_grids
    largest = max(study.budgets, key=BUDGETS.index)
    dimensions = list(study.dimensions)
    by_budget = {name for settings in study.budgets.values() for name in settings}
    evidence = Evidence(
        results,
        stochastic=study.stochastic,
        published=[
            PublishedPoint(
                {name: trial.config.get(name) for name in dimensions}, _end(trial.config)
            )
            for trial in study.plan(largest, seeds=1)
        ],
        # A smaller budget leaves no claim untested: the report names it beside the verdicts.
        fixed={
            name: value
            for name, value in study.fixed.items()
            if name not in dimensions and name not in by_budget
        },
    )
    return [(claim, judge(claim, evidence)) for claim in study.claims]


def _end(config: TrainConfig) -> Moment:
    if config.dataset not in registry.TRAINING_SAMPLES:
        return {}
    samples = training_samples(config.to_dict(), registry.TRAINING_SAMPLES[config.dataset])
    length = RunLength(config, samples)
    last = length.total_steps
    return {"step": last, "epoch": length.samples_after(last) / samples}


def judge(claim: Claim, evidence: Evidence) -> Verdict:
    """Return the verdict on one claim; not tested if its kind is the user's own and fails."""
    try:
        verdict: Verdict = KINDS.call(claim, evidence)
    except (Untestable, OwnKindFailed) as reason:
        return Verdict(NOT_TESTED, str(reason))
    return verdict
