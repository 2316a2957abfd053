"""Judge all claims of a study by the results of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import search_spaces
from lenet import registry
from lenet.config import TrainConfig
from lenet.run_length import RunLength
from search_spaces.declaration import BUDGETS
from search_spaces.length import training_samples
from search_spaces.reproduction import PUBLISHED, SEEDS_SEEN
from search_spaces.study import Claim, Study
from study.analysis.quantity import Moment
from study.analysis.results import Results
from study.claims.evidence import Evidence, PublishedPoint, Untestable
from study.claims.verdict import LEAST_SEEDS, NOT_TESTED, Verdict
from study.kinds import Kinds, OwnKindFailed

KINDS = Kinds("study.claims", "verdict", "claim", frozenset({"judge", "evidence", "verdict"}))


def judge_all(study: Study, results: Results) -> list[tuple[Claim, Verdict]]:
    """Return each claim of the study with its verdict.

    At the published budget, the seeds that had been seen when the rule of a claim was set prove
    nothing: later ones alone judge it (`SEEDS_SEEN`). A user's own study is judged by all seeds,
    even if it has the name of a shipped one.

    Raises: ConfigError if a kind does not exist or does not take the options of a claim.
    """
    shipped = search_spaces.studies().get(study.name)
    known = shipped.claims if shipped and results.run.budget == PUBLISHED else ()
    seen = {
        claim.name: SEEDS_SEEN.get((study.name, claim.name), 0)
        for claim in study.claims
        if claim in known
    }
    verdicts: dict[str, Verdict] = {}
    for first in sorted({0, *seen.values()}):
        claims = [claim for claim in study.claims if seen.get(claim.name, 0) == first]
        verdicts |= _by_later_seeds(study, claims, results, first)
    return [(claim, verdicts[claim.name]) for claim in study.claims]


def _by_later_seeds(
    study: Study, claims: Sequence[Claim], results: Results, first: int
) -> dict[str, Verdict]:
    """Return the verdicts on `claims` by the seeds from `first` on."""
    if not first:
        return _by_name(study, claims, results)
    trials = results.trials[results.trials["seed"] >= first]
    later = _by_name(study, claims, replace(results, trials=trials))
    untested = [claim for claim in claims if later[claim.name].verdict == NOT_TESTED]
    by_all = _by_name(study, untested, results)
    rule = f"its rule was set when seeds 0 to {first - 1} had been seen, so only later seeds count"

    def explained(name: str, verdict: Verdict) -> Verdict:
        if verdict.verdict != NOT_TESTED:
            return replace(verdict, evidence=f"{verdict.evidence} ({rule})")
        if by_all[name].verdict == NOT_TESTED:
            return by_all[name]
        if results.run.seeds > first:
            return Verdict(NOT_TESTED, f"{rule}: none of them is complete yet")
        return Verdict(NOT_TESTED, f"{rule}: a new run needs --seeds {first + LEAST_SEEDS} or more")

    return {name: explained(name, verdict) for name, verdict in later.items()}


def _by_name(study: Study, claims: Sequence[Claim], results: Results) -> dict[str, Verdict]:
    """Return the verdicts on these claims of the study, by all seeds of `results`.

    A claim is about all points of the study's grids, including the extra grids, that have the
    claim's settings. Other points of a run do not count, and a missing point leaves the claim
    untested. The study's largest budget sets the full length of the trials.
    """
    if not claims:
        return {}
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
    return {claim.name: judge(claim, evidence) for claim in claims}


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
