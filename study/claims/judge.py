"""Judge all claims of a study by the results of one run."""

from __future__ import annotations

from dataclasses import replace

from lenet import registry
from lenet.config import TrainConfig
from lenet.run_length import RunLength
from search_spaces.declaration import BUDGETS
from search_spaces.length import training_samples
from search_spaces.reproduction import SEEDS_SEEN
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


def judge_by_fresh_seeds(study: Study, results: Results) -> list[tuple[Claim, Verdict]]:
    """Judge all claims as `judge_all` does, but by the seeds that may judge them.

    At the published budget, these are the seeds that had not been seen when the rule of a claim was
    set (`SEEDS_SEEN`). A run with other settings or another budget is new in any case.
    """
    judged = judge_all(study, results)
    if not results.run.is_as_published:
        return judged
    fresh: dict[int, dict[str, Verdict]] = {}

    def by_later_seeds(claim: Claim, verdict: Verdict) -> Verdict:
        seen = SEEDS_SEEN.get((study.name, claim.name), 0)
        if not seen or verdict.verdict == NOT_TESTED:
            return verdict
        if seen not in fresh:
            trials = results.trials[results.trials["seed"] >= seen]
            later = judge_all(study, replace(results, trials=trials))
            fresh[seen] = {other.name: found for other, found in later}
        return _with_rule(fresh[seen][claim.name], seen)

    return [(claim, by_later_seeds(claim, verdict)) for claim, verdict in judged]


def _with_rule(verdict: Verdict, seen: int) -> Verdict:
    """Return the verdict of later seeds, with the reason why they alone count."""
    rule = f"its rule was set when seeds 0 to {seen - 1} had been seen, so only later seeds count"
    if verdict.verdict == NOT_TESTED:
        return Verdict(NOT_TESTED, f"{rule}: train them with --seeds {seen + 3} or more")
    return replace(verdict, evidence=f"{verdict.evidence} ({rule})")


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
