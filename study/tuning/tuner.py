"""A plan, or a search, through Ray Tune: one config, one trial."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)

from lenet.config import ConfigError
from lenet.datasets import Dataset
from search_spaces.study import Planned, maximized
from study.cluster.connection import Resources
from study.interruption import heeding_ctrl_c_again
from study.runs.run_folder import RunFolder
from study.runs.storage import OutOfReach
from study.tuning.progress import ProgressCallback, error_of
from study.tuning.search import Search
from study.tuning.suggester import InOrder, Suggester
from study.tuning.trial import Trial, share

_RETRIES = 1
_MOST_WAITING = 200  # enough for any autoscaler to see how much room is wanted

# A report costs the driver about a millisecond and a checkpoint the worker a few, so a trial
# whose records come quicker reports several at once. A scheduler must see every one of them.
SECONDS_BETWEEN_REPORTS = 0.1


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    interrupted: bool
    """Ctrl-C came before every trial had ended"""
    failed: frozenset[str]
    """the trials that crashed once more after their retry"""


class _StatusCallback(tune.Callback):
    """Marks the trials that a scheduler stopped, which the worker is not told, and collects those
    that failed: Tune's results have no config of a trial without a report."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.failed: dict[str, str] = {}
        """why, by the trial's name"""
        self.not_marked: set[str] = set()
        """of those that were stopped, for the folder was away"""
        self.out_of_reach: OutOfReach | None = None
        """if a worker does not find the folder"""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        if not trial.last_result["ended_by_itself"]:
            try:
                self._folder.trial(str(trial)).mark("stopped")
            except OSError:  # Tune would train it once more
                self.not_marked.add(str(trial))

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        cause = getattr(error_of(trial), "cause", None)
        if isinstance(cause, OutOfReach):
            self.out_of_reach = cause

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self.failed[str(trial)] = str(error_of(trial))


class _NoneIsSpared(tune.Stopper):
    """Ends the run once a worker does not find its folder: none would."""

    def __init__(self, statuses: _StatusCallback) -> None:
        self._statuses = statuses

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._statuses.out_of_reach is not None


def run_trials(
    folder: RunFolder,
    trials: Sequence[Planned] | Search,
    datasets: Mapping[str, Dataset],
    resources: Resources,
    *,
    study: str,
    objectives: Sequence[str],
    scheduler: str,
    progress: ProgressCallback,
) -> Outcome:
    """Train every trial of a plan, or as many as a search has left, at most
    `resources.concurrent` at once. Where that is None, more trials wait than there is room for, a
    plan's many and a search's one: machines that join the cluster are used, and an autoscaler
    sees what to add.

    Workers are reused from trial to trial, and the data lie once in the object store. A
    trial that crashes is retried once, from its own last checkpoint. Ctrl-C ends the run;
    what is in `folder` can be resumed.
    """
    trainable = tune.with_resources(
        tune.with_parameters(
            Trial,
            datasets={name: share(dataset) for name, dataset in datasets.items()},
            run_folder=str(folder.home),
            threads=resources.threads,
            use_gpu=resources.gpus_per_trial > 0,
            objectives=tuple(objectives),
            seconds_between_reports=SECONDS_BETWEEN_REPORTS if scheduler == "none" else 0.0,
        ),
        tune.PlacementGroupFactory([resources.bundle]),
    )
    # The name that Ray's dashboard lists the workers under.
    trainable.__name__ = trainable.__qualname__ = f"{study}_trial"
    statuses = _StatusCallback(folder)
    proposals: InOrder | Suggester
    if isinstance(trials, Search):
        samples, proposals = trials.left, Suggester(trials, folder)
        most_waiting = 1  # what is proposed later knows more
    else:
        samples, proposals = len(trials), InOrder(trials)
        most_waiting = _MOST_WAITING
    with contextlib.ExitStack() as meanwhile:
        tune_folder = meanwhile.enter_context(tempfile.TemporaryDirectory(prefix="study-tune-"))
        meanwhile.enter_context(progress)
        if resources.concurrent is None:
            meanwhile.enter_context(_waiting(most_waiting))
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                scheduler=_scheduler(scheduler, objectives[0]),
                search_alg=proposals,
                num_samples=samples,
                max_concurrent_trials=resources.concurrent,
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name=folder.path.name,
                # Tune's own snapshots: our folder holds all that a resumed run needs.
                storage_path=tune_folder,
                verbose=0,
                stop=_NoneIsSpared(statuses),
                failure_config=tune.FailureConfig(max_failures=_RETRIES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[statuses, progress],
            ),
        )
        with heeding_ctrl_c_again():
            tuner.fit()  # Ctrl-C makes it return, with the rest of the plan undone
    folder.check_held()  # else what another run has made of these trials would be overwritten
    if statuses.out_of_reach is not None:
        raise ConfigError(str(statuses.out_of_reach))
    for name in statuses.not_marked:
        folder.trial(name).mark("stopped")
    for name, error in statuses.failed.items():
        folder.trial(name).mark("failed", error)
    failed = frozenset(statuses.failed)
    if isinstance(proposals, InOrder):
        undone = {planned.name for planned in folder.unfinished()} - failed
        return Outcome(interrupted=bool(undone), failed=failed)
    if proposals.broken:
        raise proposals.broken
    cut = len(proposals.begun) < samples and not proposals.timed_out
    undone = {name for name in proposals.begun if not folder.trial(name).complete} - failed
    return Outcome(interrupted=cut or bool(undone), failed=failed)


@contextlib.contextmanager
def _waiting(trials: int) -> Iterator[None]:
    """Let as many trials at the most wait for room: without a limit on those at once, Tune would
    let one. What the user has set stands."""
    name = "TUNE_MAX_PENDING_TRIALS_PG"
    before = os.environ.get(name)
    os.environ.setdefault(name, str(trials))
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


def _trial_name(trial: Any) -> str:
    return str(trial.config["trial"]["name"])


def _scheduler(name: str, objective: str) -> TrialScheduler:
    if name == "none":
        return FIFOScheduler()
    mode = "max" if maximized(objective) else "min"
    if name == "median":
        # From the second epoch on, what is worse than the median of the means so far.
        return MedianStoppingRule(
            time_attr="epoch", metric=objective, mode=mode, grace_period=1, min_samples_required=3
        )
    # A third of the trials goes on after 1, 3, 9, ... epochs; `max_t` only has to be more
    # epochs than any trial trains.
    return AsyncHyperBandScheduler(
        time_attr="epoch",
        metric=objective,
        mode=mode,
        max_t=1_000_000_000,
        grace_period=1,
        reduction_factor=3,
    )
