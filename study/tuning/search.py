"""The state of a search: Optuna's study in a database, the trials in the run's folder.

If a run is killed, either may be ahead of the other. `Search.open` reconciles them; the folder is
the source of truth.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lenet.config import TrainConfig
from lenet.records import Record, last_finite
from search_spaces.objective import maximized, worst_value
from search_spaces.search_names import trial_name, trial_number
from search_spaces.space import Choice, Dimension, SearchSpace
from search_spaces.study import PlannedTrial
from study.analysis.search import quiet_optuna
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import TrialFolder
from study.tuning import databases
from study.tuning.proposal_packing import ProposalPacking

_LEARNING_SAMPLERS = frozenset({"tpe", "gp", "cmaes"})

_WITHOUT_TEST = {"test_at_end": False, "test_curve": False}


def build_sampler(name: str, seed: int) -> BaseSampler:
    """Create one of Optuna's samplers by its name on the command line (`study.search.SAMPLERS`)."""
    samplers = optuna.samplers
    builders: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: samplers.TPESampler(seed=seed),
        "gp": lambda: samplers.GPSampler(seed=seed, warn_independent_sampling=False),
        "cmaes": lambda: samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
        "random": lambda: samplers.RandomSampler(seed=seed),
        "qmc": lambda: samplers.QMCSampler(
            seed=seed,
            scramble=True,
            warn_independent_sampling=False,
            warn_asynchronous_seeding=False,
        ),
    }
    with quiet_optuna():
        return builders[name]()


def propose(space: Sequence[Dimension], trial: optuna.trial.BaseTrial) -> dict[str, Any]:
    """Ask `trial` for a point of the space: the value of each dimension that is present."""
    values: dict[str, Any] = {}
    for dimension in space:
        name, over = dimension.setting, dimension.domain
        if not dimension.is_active(values):
            continue
        if isinstance(over, Choice):
            values[name] = trial.suggest_categorical(name, over.values)
        elif over.whole:
            values[name] = trial.suggest_int(name, int(over.low), int(over.high), log=over.log)
        else:
            values[name] = trial.suggest_float(name, over.low, over.high, log=over.log)
    return values


def _directions(objectives: Sequence[str]) -> list[StudyDirection]:
    return [
        StudyDirection.MAXIMIZE if maximized(name) else StudyDirection.MINIMIZE
        for name in objectives
    ]


def final_values(records: Sequence[Record], objectives: Sequence[str]) -> list[float] | None:
    """Return each objective where it was last evaluated; None if one never was.

    Also None for a diverged run, whose short training time must not count as a merit.
    """
    if not records or records[-1].diverged:
        return None
    values = [last_finite(records, name) for name in objectives]
    return None if any(map(math.isnan, values)) else values


def point_values(
    curves: Sequence[Sequence[Record]], objectives: Sequence[str]
) -> list[float] | None:
    """Return the mean of each objective over the seeds of a point; `curves` has their records.

    A seed that diverged has no value, so the worst one is taken: 0 for an accuracy, infinity for a
    loss. Returns None if no seed has a value.
    """
    by_seed = [final_values(records, objectives) for records in curves]
    if not any(by_seed):
        return None
    worst = [worst_value(name, is_maximized=maximized(name)) for name in objectives]
    return [statistics.fmean(values) for values in zip(*(v or worst for v in by_seed), strict=True)]


def values_by_epoch(records: Sequence[Record], objective: str) -> dict[int, float]:
    """Return the objective at the end of each epoch, by the number of complete epochs.

    Optuna's TPE ranks pruned trials by this number first and by the value second. Optimizer steps
    would rank by batch size: after the same epochs, a smaller batch has taken more steps. Where a
    record falls between two epochs, the first evaluation after the epoch counts.
    """
    values: dict[int, float] = {}
    for record in records:
        value = record.value(objective)
        if math.isfinite(value):
            values.setdefault(math.floor(record.epoch), value)
    return values


@dataclass
class Search:
    """A search: its space, the settings of the sampler, and its progress."""

    space: SearchSpace
    objectives: tuple[str, ...]
    sampler: str
    seed: int
    trials: int
    """in total, including those of earlier sessions"""
    seconds: float | None
    """after which no new trial begins; None: no limit"""
    url: str
    """of the database that holds Optuna's study"""
    study_name: str
    seeds: int = 1
    """number of seeds of each point (0, 1, ...); its objectives are means over them"""
    start_from: Sequence[Mapping[str, Any]] = ()
    """points to try first"""
    packing: ProposalPacking = field(default_factory=ProposalPacking)
    study: optuna.Study | None = field(default=None, init=False)
    pending: list[PlannedTrial] = field(default_factory=list, init=False)
    """unfinished trials"""
    done: int = field(default=0, init=False)
    """points whose trials are all complete"""
    complete_trials: int = field(default=0, init=False)
    may_propose: bool = field(default=True, init=False)
    """False: only the pending trials are trained"""

    @property
    def learns(self) -> bool:
        """Whether proposals depend on the results of earlier points."""
        return self.sampler in _LEARNING_SAMPLERS

    @property
    def left(self) -> int:
        """Number of points to train. Pending ones are finished even if `trials` is lower."""
        return max(self.trials - self.done, self._pending_points)

    @property
    def to_propose(self) -> int:
        """Number of points that are not proposed yet."""
        return self.left - self._pending_points if self.may_propose else 0

    @property
    def trials_left(self) -> int:
        """Number of trials to train."""
        return len(self.pending) + self.to_propose * self.seeds

    @property
    def _pending_points(self) -> int:
        return len({trial_number(planned.name) for planned in self.pending})

    def samples(self, count: int) -> list[TrainConfig]:
        """Draw random points of the space."""
        with quiet_optuna():
            study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=self.seed))
            return [self.config(propose(self.space.dimensions, study.ask())) for _ in range(count)]

    def config(self, values: Mapping[str, Any], seed: int = 0) -> TrainConfig:
        """Return the config of a point of the space with a seed.

        All points have the same seeds, so that they differ in their settings only.
        """
        return self.space.config({**values, "seed": seed, **_WITHOUT_TEST})

    def point(self, number: int, values: Mapping[str, Any]) -> list[PlannedTrial]:
        """Return the trials of a point: one for each seed."""
        configs = [self.config(values, seed) for seed in range(self.seeds)]
        return [
            PlannedTrial(name=trial_name(number, config, self.seeds), config=config)
            for config in configs
        ]

    def look(self, folder: RunFolder) -> set[str]:
        """Count the complete trials of a run and return their names. Changes nothing on disk."""

        def is_complete(planned: PlannedTrial, trial: TrialFolder) -> tuple[PlannedTrial, bool]:
            return planned, trial_number(planned.name) is not None and trial.complete

        of_search = [
            (planned, complete)
            for planned, complete in folder.map_trials(is_complete)
            if trial_number(planned.name) is not None
        ]
        names = {planned.name for planned, complete in of_search if complete}
        points = {trial_number(planned.name) for planned, _ in of_search}
        unfinished = {trial_number(planned.name) for planned, complete in of_search if not complete}
        self.done = len(points - unfinished)
        self.complete_trials = len(names)
        return names

    @databases.translated_errors()
    def open(self, folder: RunFolder, *, resumed: bool) -> None:
        """Open or create Optuna's study and reconcile it with the folder.

        Optuna is told the result of each point whose trials have all ended. Trials that began or
        failed become pending. A point that was proposed but never planned is abandoned. The caller
        must hold the folder's lock, or the trials of another process would look abandoned.

        Raises: OSError if the database becomes unreachable.
        """
        complete = self.look(folder)
        with quiet_optuna():
            self.study = optuna.create_study(
                storage=databases.connect(self.url),
                # A restarted sampler must not draw the same points again.
                sampler=build_sampler(self.sampler, self.seed + len(folder.plan)),
                study_name=self.study_name,
                directions=_directions(self.objectives),
                load_if_exists=resumed,
            )
            for point in self.start_from:
                self.study.enqueue_trial(dict(point), skip_if_exists=True)
        by_number: dict[int | None, list[PlannedTrial]] = {}
        for planned in folder.plan:
            by_number.setdefault(trial_number(planned.name), []).append(planned)
        for trial in self.study.get_trials(deepcopy=False):
            self._reconcile(trial, by_number.get(trial.number, []), folder, complete)
        self.look(folder)

    def _reconcile(
        self,
        trial: FrozenTrial,
        planned: Sequence[PlannedTrial],
        folder: RunFolder,
        complete: set[str],
    ) -> None:
        running = trial.state == TrialState.RUNNING
        unfinished = [one for one in planned if one.name not in complete]
        if not planned:
            if running:
                self._abandon(trial)
        elif not unfinished:
            if running:
                trained = [folder.trial(one.name) for one in planned]
                stopped = any(one.state()["status"] == "stopped" for one in trained)
                self.tell(trial.number, *(one.records() for one in trained), stopped=stopped)
        elif running:
            self.pending += unfinished
        elif trial.state.is_finished():
            # Optuna was told, and the run was killed before the folder was marked.
            for one in unfinished:
                folder.trial(one.name).mark("stopped")

    def _abandon(self, trial: FrozenTrial) -> None:
        """End a trial that was proposed but never planned. An enqueued point is enqueued again."""
        assert self.study is not None
        self.study.tell(trial.number, state=TrialState.FAIL)
        point = trial.system_attrs.get("fixed_params")
        if point:
            with quiet_optuna():
                self.study.enqueue_trial(point)

    def tell(self, number: int, *curves: Sequence[Record], stopped: bool) -> None:
        """Tell Optuna how a point ended: complete, pruned by a scheduler, or failed (diverged).

        `curves`: the records of its seeds.
        """
        assert self.study is not None
        values = point_values(curves, self.objectives)
        with quiet_optuna():
            if values is None or (stopped and len(self.objectives) > 1):
                self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
            elif stopped:
                self._report(number, curves[0])
                # Optuna takes the last reported value as the trial's value.
                self.study.tell(number, state=TrialState.PRUNED, skip_if_finished=True)
            else:
                self.study.tell(number, values, skip_if_finished=True)

    def _report(self, number: int, records: Sequence[Record]) -> None:
        """Report a trial's curve: samplers rank pruned trials by how far they came."""
        assert self.study is not None
        frozen = self.study.get_trials(deepcopy=False)[number]
        trial = optuna.trial.Trial(self.study, frozen._trial_id)
        for epoch, value in values_by_epoch(records, self.objectives[0]).items():
            if epoch not in frozen.intermediate_values:
                trial.report(value, epoch)
