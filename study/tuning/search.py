"""A search: Optuna proposes, Ray Tune schedules, and what both know survives them.

Optuna's study lies in a database and the trials in the run's folder. Either may be ahead of the
other when a run is killed: `Search.reconcile` brings them together again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from lenet.config import TrainConfig
from lenet.records import Record
from search_spaces.space import Choice, Dimension
from search_spaces.study import Planned, Searched, maximized
from study.analysis.search import number_of, quiet
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import TrialFolder
from study.tuning import databases

SEED = 0
"""Of every trial of a search, so that trials differ in their settings alone."""

_WITHOUT_TEST = {"test_at_end": False, "test_curve": False}


def build_sampler(name: str, seed: int) -> BaseSampler:
    """A sampler of Optuna by its name here (`study.search.SAMPLERS`)."""
    samplers = optuna.samplers
    kinds: dict[str, Callable[[], BaseSampler]] = {
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
    with quiet():
        return kinds[name]()


def propose(space: Sequence[Dimension], trial: optuna.trial.BaseTrial) -> dict[str, Any]:
    """A point of the space, each dimension asked of `trial` where it is there."""
    values: dict[str, Any] = {}
    for dimension in space:
        name, over = dimension.setting, dimension.over
        if not dimension.present(values):
            continue
        if isinstance(over, Choice):
            values[name] = trial.suggest_categorical(name, over.values)
        else:
            values[name] = trial.suggest_float(name, over.low, over.high, log=over.log)
    return values


def _directions(objectives: Sequence[str]) -> list[StudyDirection]:
    return [
        StudyDirection.MAXIMIZE if maximized(name) else StudyDirection.MINIMIZE
        for name in objectives
    ]


def final_values(records: Sequence[Record], objectives: Sequence[str]) -> list[float] | None:
    """The objectives at the last record where they were measured; None for a run that diverged:
    it is fast, which must not look like a merit."""
    if not records or records[-1].diverged:
        return None
    found = []
    for name in objectives:
        measured = (getattr(record, name) for record in reversed(records))
        value = next((v for v in measured if math.isfinite(v)), None)
        if value is None:
            return None
        found.append(value)
    return found


@dataclass
class Search:
    """What is searched and how far it is."""

    searched: Searched
    objectives: tuple[str, ...]
    sampler: str
    seed: int
    trials: int
    """how many there are to be, those of before included"""
    seconds: float | None
    """after so many no new trial begins; None: no limit"""
    url: str
    """of the database that Optuna's study lies in"""
    study_name: str
    start_from: Sequence[Mapping[str, Any]] = ()
    """points to begin with"""
    study: optuna.Study | None = field(default=None, init=False)
    pending: list[tuple[int, Planned]] = field(default_factory=list, init=False)
    """trials that were proposed and not finished, by their numbers in Optuna's study"""
    done: int = field(default=0, init=False)

    @property
    def left(self) -> int:
        """How many are to be trained yet; what is under way is, however few were asked for."""
        return max(self.trials - self.done, len(self.pending), 0)

    def samples(self, count: int) -> list[TrainConfig]:
        """Points drawn at random, for an estimate."""
        with quiet():
            study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=self.seed))
            return [self.config(propose(self.space, study.ask())) for _ in range(count)]

    @property
    def space(self) -> Sequence[Dimension]:
        return self.searched.space

    def config(self, values: Mapping[str, Any]) -> TrainConfig:
        return self.searched.config({**values, "seed": SEED, **_WITHOUT_TEST})

    def look(self, folder: RunFolder) -> set[str]:
        """Count what a run has done, and name it; nothing is changed."""

        def ended(planned: Planned, trial: TrialFolder) -> str | None:
            searched = number_of(planned.name) is not None
            return planned.name if searched and trial.complete else None

        names = {name for name in folder.of_trials(ended) if name is not None}
        self.done = len(names)
        return names

    @databases.losses()
    def open(self, folder: RunFolder, *, resumed: bool) -> None:
        """Open Optuna's study, or make it, and settle what a killed run has left: a trial that
        ended is told, one that began or failed goes on, one that was only proposed is given up.
        The folder must be locked: the trials of another process would be taken for abandoned
        ones. Raises `OSError` if the database has gone away."""
        ended = self.look(folder)
        with quiet():
            self.study = optuna.create_study(
                storage=databases.connect(self.url),
                # A sampler that begins anew must not draw the same points once more.
                sampler=build_sampler(self.sampler, self.seed + len(folder.plan)),
                study_name=self.study_name,
                directions=_directions(self.objectives),
                load_if_exists=resumed,
            )
            for point in self.start_from:
                self.study.enqueue_trial(dict(point), skip_if_exists=True)
        planned = {number_of(one.name): one for one in folder.plan}
        for trial in self.study.get_trials(deepcopy=False):
            one = planned.get(trial.number)
            if trial.state == TrialState.RUNNING and one is None:
                self._give_up(trial)
            elif one is not None and one.name in ended:
                kept = folder.trial(one.name)
                stopped = kept.state()["status"] == "stopped"
                if trial.state == TrialState.RUNNING:
                    self.tell(trial.number, kept.records(), stopped=stopped)
            elif one is not None and trial.state == TrialState.RUNNING:
                self.pending.append((trial.number, one))
            elif one is not None and trial.state.is_finished():
                # Told, and killed before the folder knew, as it does of all that were not stopped.
                folder.trial(one.name).mark("stopped")
        self.look(folder)

    def _give_up(self, trial: optuna.trial.FrozenTrial) -> None:
        """End a trial that was proposed and never planned; a known point is proposed again."""
        assert self.study is not None
        self.study.tell(trial.number, state=TrialState.FAIL)
        known = trial.system_attrs.get("fixed_params")
        if known:
            with quiet():
                self.study.enqueue_trial(known)

    def tell(self, number: int, records: Sequence[Record], *, stopped: bool) -> None:
        """Tell Optuna how a trial ended: by its last values, as pruned if a scheduler stopped it,
        as failed if it diverged."""
        assert self.study is not None
        values = final_values(records, self.objectives)
        with quiet():
            if values is None or (stopped and len(self.objectives) > 1):
                self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
            elif stopped:
                self._report(number, records)
                # The last value that was reported stands for it.
                self.study.tell(number, state=TrialState.PRUNED, skip_if_finished=True)
            else:
                self.study.tell(number, values, skip_if_finished=True)

    def _report(self, number: int, records: Sequence[Record]) -> None:
        """Show Optuna the curve of a trial: its samplers compare trials that were stopped by how
        far they came."""
        assert self.study is not None
        frozen = self.study.get_trials(deepcopy=False)[number]
        trial = optuna.trial.Trial(self.study, frozen._trial_id)
        for record in records:
            value = getattr(record, self.objectives[0])
            if math.isfinite(value) and record.step not in frozen.intermediate_values:
                trial.report(value, record.step)
