"""One `Tuner.fit` of Ray Tune over a list of trials, or over the proposals of a search."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler

from lenet.config import ConfigError
from lenet.dataset_files import AnyDataset
from lenet.records import Record
from search_spaces.search_names import trial_number
from search_spaces.study import PlannedTrial
from study.cluster.datasets import share
from study.cluster.resources import Resources
from study.interruption import restored_ctrl_c
from study.runs.run_folder import RunFolder
from study.runs.storage import OutOfReach
from study.runs.trial_folder import TrialFolder
from study.tuning.broken_fleets import BrokenFleet
from study.tuning.fleet_callback import UnpackFleets
from study.tuning.fleet_trial import FleetTrial
from study.tuning.kept_models import KeepBestModel
from study.tuning.member_scheduler import PerMember, make_scheduler, reports_of
from study.tuning.progress import ProgressCallback, describe_error, error_of
from study.tuning.reuse import Reuse
from study.tuning.search import Search
from study.tuning.suggester import InOrder, Suggester, TellOptuna

_RETRIES = 1
_MAX_PENDING = 200  # enough for any autoscaler to see how much room is missing

# A report costs the driver about a millisecond, and a checkpoint costs the worker a few. A trial
# therefore reports several quick records at once. A scheduler must see every record.
SECONDS_BETWEEN_REPORTS = 0.1


@dataclass(frozen=True)
class Outcome:
    """How a batch of trials ended."""

    interrupted: bool
    """Ctrl-C came before every trial had ended"""
    failed: frozenset[str]
    """names of the trials that failed again after their retry"""
    broken: Mapping[str, BrokenFleet] = field(default_factory=dict)
    """the fleets that failed again after their retry"""


class _StatusCallback(tune.Callback):
    """A Tune callback that collects how trials end, and marks those that a scheduler stopped.

    Tune does not tell a worker that its trial was stopped. Tune's own results have no config for a
    trial that failed before its first report.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.failed: dict[str, str] = {}
        """error by trial name"""
        self.unmarked: set[str] = set()
        """stopped trials that could not be marked because the storage was unreachable"""
        self.out_of_reach: OutOfReach | None = None
        """set once a worker cannot reach the run's folder"""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        if not trial.last_result["ended_by_itself"]:
            try:
                self._folder.trial(str(trial)).mark("stopped")
            except OSError:  # raising would make Tune train the trial again
                self.unmarked.add(str(trial))

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        cause = getattr(error_of(trial), "cause", None)
        if isinstance(cause, OutOfReach):
            self.out_of_reach = cause

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self.failed[str(trial)] = describe_error(error_of(trial))


class _StopWhenFolderUnreachable(tune.Stopper):
    """A Tune stopper that ends the run once a worker cannot reach the run's folder.

    No other worker could reach it either.
    """

    def __init__(self, statuses: _StatusCallback) -> None:
        self._statuses = statuses

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._statuses.out_of_reach is not None


def run_trials(
    folder: RunFolder,
    trials: Sequence[PlannedTrial] | Search,
    datasets: Mapping[str, AnyDataset],
    resources: Resources,
    *,
    study: str,
    objectives: Sequence[str],
    scheduler: str,
    keep_models: str,
    progress: ProgressCallback,
    reuse: Reuse | None = None,
) -> Outcome:
    """Train all `trials`, or as many as a search has left, at most `resources.concurrent` at once.

    If `concurrent` is None, Tune keeps more trials pending than fit (one for a search). Machines
    that join the cluster are then used, and an autoscaler sees how much room is missing. Workers
    are reused from trial to trial, and the object store holds each data set once. Tune retries a
    crashed trial or fleet once, from its last checkpoint. Proposals of a search that `reuse` holds
    are not trained. Ctrl-C ends the run, which can be resumed from `folder`.

    Raises: ConfigError if a worker cannot reach the folder, `OSError` if the search's database is
    unreachable.
    """
    statuses = _StatusCallback(folder)
    kept = [KeepBestModel(folder, objectives[0])] if keep_models == "best" else []
    proposals: InOrder | Suggester
    told: list[tune.Callback] = []
    if isinstance(trials, Search):
        # Fleets hold several trials, so this is a limit; the suggester ends the search.
        samples, proposals = trials.trials_left, Suggester(trials, folder, reuse)
        told = [TellOptuna(proposals)]
        max_pending = 1  # a later proposal can use more results
    else:
        proposals = InOrder(trials, folder.plan)
        samples = len(proposals)
        max_pending = _MAX_PENDING
    callbacks = UnpackFleets([statuses, *kept, progress, *told], proposals.names)
    with contextlib.ExitStack() as stack:
        tune_folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="study-tune-"))
        stack.enter_context(progress)
        if resources.concurrent is None:
            stack.enter_context(_pending_limit(max_pending))
        tuner = tune.Tuner(
            _trainable(
                folder,
                datasets,
                resources,
                study=study,
                objectives=objectives,
                scheduler=scheduler,
                keep_models=keep_models,
            ),
            tune_config=tune.TuneConfig(
                scheduler=_scheduler(
                    scheduler, objectives[0], folder, of_search=isinstance(trials, Search)
                ),
                search_alg=proposals,
                num_samples=samples,
                max_concurrent_trials=resources.concurrent,
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name=folder.path.name,
                # For Tune's own snapshots. The run's folder holds all that a resumed run needs.
                storage_path=tune_folder,
                verbose=0,
                stop=_StopWhenFolderUnreachable(statuses),
                failure_config=tune.FailureConfig(max_failures=_RETRIES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[callbacks],
            ),
        )
        with restored_ctrl_c(), _ctrl_c_acknowledged(progress):
            tuner.fit()  # returns early on Ctrl-C
    folder.check_held()  # before writing: another process may have taken the run over
    if statuses.out_of_reach is not None:
        raise ConfigError(str(statuses.out_of_reach))
    for name in statuses.unmarked:
        folder.trial(name).mark("stopped")
    for name, error in statuses.failed.items():
        folder.trial(name).mark("failed", error)
    return _outcome(folder, proposals, frozenset(statuses.failed), callbacks.broken)


@contextlib.contextmanager
def _ctrl_c_acknowledged(progress: ProgressCallback) -> Iterator[None]:
    """Acknowledge Ctrl-C at once: Tune takes up to half a minute to stop its trials.

    Tune 2.60 has its own handler of SIGINT, which logs a warning, and no other hook. Other records
    stay hidden, as `study.cluster.connection` sets for all of Tune.
    """

    def acknowledge(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith("Stop signal received"):
            # The signal may arrive while the same stream is written to, which Python refuses.
            with contextlib.suppress(RuntimeError):
                progress.print(
                    "Ctrl-C: stopping the trials, then reporting on them. Ctrl-C again skips that."
                )
        return False

    logger = logging.getLogger("ray.tune.tune")
    level = logger.level
    logger.setLevel(logging.WARNING)
    logger.addFilter(acknowledge)
    try:
        yield
    finally:
        logger.removeFilter(acknowledge)
        logger.setLevel(level)


def _trainable(
    folder: RunFolder,
    datasets: Mapping[str, AnyDataset],
    resources: Resources,
    *,
    study: str,
    objectives: Sequence[str],
    scheduler: str,
    keep_models: str,
) -> Any:
    trainable = tune.with_resources(
        tune.with_parameters(
            FleetTrial,
            datasets={name: share(dataset.load()) for name, dataset in datasets.items()},
            run_folder=str(folder.home),
            threads=resources.threads,
            use_gpu=resources.gpus_per_trial > 0,
            objectives=tuple(objectives),
            seconds_between_reports=SECONDS_BETWEEN_REPORTS if scheduler == "none" else 0.0,
            keep_models=keep_models,
        ),
        tune.PlacementGroupFactory([resources.bundle]),
    )
    # Ray's dashboard lists the workers under this name.
    trainable.__name__ = trainable.__qualname__ = f"{study}_trial"
    return trainable


def _outcome(
    folder: RunFolder,
    proposals: InOrder | Suggester,
    failed: frozenset[str],
    broken: Mapping[str, BrokenFleet],
) -> Outcome:
    broken_members = {name for fleet in broken.values() for name in fleet.members}
    cut_short = False
    if isinstance(proposals, Suggester):
        if proposals.error:
            raise proposals.error
        cut_short = proposals.has_more and not proposals.timed_out
    # Trials of an earlier batch may have failed, too.
    unfinished = {planned.name for planned in folder.unfinished()} & proposals.names
    unfinished -= failed | broken_members
    return Outcome(interrupted=cut_short or bool(unfinished), failed=failed, broken=broken)


def _scheduler(name: str, objective: str, folder: RunFolder, *, of_search: bool) -> FIFOScheduler:
    """Create the scheduler, and replay to it what the folder's trials have reported before.

    `of_search`: leave out the confirmations of a search.
    """
    if name == "none":
        return FIFOScheduler()
    scheduler = PerMember(make_scheduler(name, objective))

    def read(planned: PlannedTrial, trial: TrialFolder) -> tuple[str, list[Record], str]:
        return planned.name, trial.records(), trial.state().get("status", "")

    for trial, records, status in folder.map_trials(read):
        if records and (not of_search or trial_number(trial) is not None):
            scheduler.replay(trial, reports_of(records, objective), status)
    return scheduler


@contextlib.contextmanager
def _pending_limit(trials: int) -> Iterator[None]:
    """Let Tune keep up to `trials` trials pending, unless the user set a limit.

    Without `max_concurrent_trials`, Tune 2.60 keeps only one pending.
    """
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
