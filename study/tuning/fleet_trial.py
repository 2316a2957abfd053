"""The Ray Tune trainable of a fleet: several trials trained as one in a worker process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lenet.config import TrainConfig
from lenet.fleet import Fleet
from lenet.records import Record
from lenet.training import Run
from search_spaces.objective import know_directions
from search_spaces.search_names import confirmed_number
from study.cluster.checkpoint import as_bytes, restore_fleet
from study.runs.fleet_checkpoint import FleetCheckpoint
from study.runs.trial_folder import TrialFolder
from study.tuning.kept_models import ModelRank, model_rank
from study.tuning.trial import Trial, comparable, log, log_progress

_WRITERS = 16
"""Threads that save members. A disk commits the files of many threads together, and a bucket serves
many requests at once. Saved one by one, the members would wait for every single file."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(eq=False)
class Member:
    """A trial of the fleet that this worker trains."""

    name: str
    folder: TrialFolder
    run: Run
    complete: bool
    """True if the member ended after the fleet's last checkpoint. The fleet trains it again from
    there, so that the other members get the same records as before. The worker leaves the files
    in the member's folder as they are."""
    records: list[Record] = field(default_factory=list)
    begun_at: int = 0
    stopped_at: int | None = None
    """the step at which a scheduler stopped it before this attempt; None if none did"""


class FleetTrial(Trial):
    """A Tune trainable that trains fleets and single trials, one after another, in one process.

    Tune's config of a fleet is {"trial": {"name": ..., "members": [...]}}. Each member has the form
    of `trial` in the config of a single trial (see `Trial`). Members are in slot order, because
    their order decides the last digits of their records. A resumed fleet has the members that its
    checkpoint holds.
    """

    _fleet: Fleet | None
    _members: dict[Run, Member]

    def _begin(self, trial: dict[str, Any]) -> None:
        self._fleet, self._members = None, {}
        if "members" not in trial:
            super()._begin(trial)
            return
        self._check_access()
        self._name = trial["name"]
        self._is_fleet = True
        self._reports: list[dict[str, Any]] = []
        """of members that an earlier attempt finished, perhaps unknown to the driver"""
        self._checkpoint = FleetCheckpoint(self._home, self._name)
        configs = {m["name"]: TrainConfig.from_dict(m["settings"]) for m in trial["members"]}
        for config in configs.values():
            know_directions(config.metrics or ())
        folders = {name: TrialFolder.in_run(self._home, name) for name in configs}
        complete: set[str] = set()
        stopped_at: dict[str, int] = {}
        for name, ended in zip(
            folders, _map_in_threads(folders.values(), _read_if_complete), strict=True
        ):
            if ended is None:
                continue
            complete.add(name)
            records_so_far, is_stopped = ended
            self._reports.append({"name": name, **self._report(records_so_far, None, 0)})
            if is_stopped:
                stopped_at[name] = records_so_far[-1].step
        if len(complete) == len(configs):
            return
        unfinished = {name: folders[name] for name in configs if name not in complete}
        place = {"fleet": self._name, "fleet_size": len(configs)}
        _map_in_threads(
            unfinished.items(),
            lambda item: item[1].begin(self._details(item[0], configs[item[0]]) | place),
        )
        runs = {name: self._make_run(config) for name, config in configs.items()}
        records = restore_fleet(self._name, runs, unfinished, self._checkpoint.read(), log)
        for name, run in runs.items():
            if name in records:
                self._members[run] = Member(
                    name,
                    folders[name],
                    run,
                    name in complete,
                    records[name],
                    run.step,
                    stopped_at.get(name),
                )
        self._fleet = Fleet(list(self._members))
        log(f"{self._name} of {len(self._members)} trials begins at step {self._fleet.step}")

    def step(self) -> dict[str, Any]:
        if self._next_trial is not None:
            self._is_fleet = False
            self._begin(self._next_trial)
            self._next_trial = None
        return self._step_fleet() if self._is_fleet else super().step()

    def _step_fleet(self) -> dict[str, Any]:
        reports, self._reports = self._reports, []
        fleet = self._fleet
        if fleet is not None:
            self._remove_stopped_members(fleet)
            self._advance_fleet(fleet)
            reports += [
                {"name": member.name, **self._report(member.records, run, member.begun_at)}
                for run, member in self._members.items()
                if not member.complete
            ]
            self._members = {run: m for run, m in self._members.items() if not run.finished}
        return {"done": fleet is None or fleet.finished, "members": reports}

    def _remove_stopped_members(self, fleet: Fleet) -> None:
        """Remove the members that the driver has marked as stopped since their last report.

        A member that was stopped before this attempt leaves at the same step as then. The other
        members thus get the same records as before.
        """
        if self._seconds_between_reports:  # there is no scheduler
            return

        def leaves(member: Member) -> bool:
            if member.complete:
                return member.stopped_at is not None and fleet.step >= member.stopped_at
            return member.folder.stopped

        are_leaving = _map_in_threads(self._members.values(), leaves)
        leaving = {run for run, out in zip(self._members, are_leaving, strict=True) if out}
        if leaving:
            fleet.remove(leaving)
            self._members = {r: m for r, m in self._members.items() if r not in leaving}

    def _advance_fleet(self, fleet: Fleet) -> None:
        """Train until the next report is due and the fleet is resumable; then save what is new."""
        started = time.monotonic()
        while not fleet.finished:
            for run, record in fleet.advance():
                self._members[run].records.append(record)
            due = time.monotonic() - started > self._seconds_until_report()
            if due and fleet.resumable:
                break
        started = time.monotonic()
        unsaved = [member for member in self._members.values() if not member.complete]
        for member in unsaved:
            log_progress(member.name, member.records, self._objectives[0])
        kept = self._members_with_kept_models(unsaved)
        # Those with models first: if one cannot be saved, the next best must not be complete yet.
        _map_in_threads(kept, lambda member: self._save(member, keep_model=True))
        others = [member for member in unsaved if member not in kept]
        _map_in_threads(others, lambda member: self._save(member, keep_model=False))
        # Written after the records, so no record before the checkpoint can be missing. If the
        # worker dies before this, a resumed fleet continues from the previous checkpoint. That one
        # still holds the members that have ended since, so the fleet trains them again.
        if fleet.finished:
            self._checkpoint.delete()
        else:
            states = {
                m.name: fleet.state_dict(r) for r, m in self._members.items() if not r.finished
            }
            self._checkpoint.write(as_bytes(states))
        self._seconds_to_save = time.monotonic() - started

    def _members_with_kept_models(self, members: Iterable[Member]) -> list[Member]:
        """Return the members that have ended and whose models this worker saves.

        If the driver keeps only the best models, the worker saves only the best of its fleet that
        the driver may keep (see `KeepBestModel`). Saving the others for the driver to delete would
        take as long as all other files together.
        """
        finished = [m for m in members if m.run.finished and not m.records[-1].diverged]
        if self._keep_models != "best" or not finished:
            return finished if self._keep_models == "all" else []
        objective = self._objectives[0]

        def rank(member: Member) -> ModelRank:
            value = comparable(member.records, objective)
            return model_rank(objective, value, member.run.config.to_dict(), member.name)

        rivals: dict[int | None, list[Member]] = {}
        for member in finished:
            rivals.setdefault(confirmed_number(member.name), []).append(member)
        return [min(members, key=rank) for members in rivals.values()]

    def _save(self, member: Member, *, keep_model: bool) -> None:
        if member.run.finished:
            self._finish(member.folder, member.run, member.records, keep_model=keep_model)
        else:
            member.folder.save(member.records, None, member.run.length)


def _read_if_complete(folder: TrialFolder) -> tuple[list[Record], bool] | None:
    """Return the records of a complete trial and whether it was stopped; else None."""
    return (folder.records(), folder.stopped) if folder.complete else None


def _map_in_threads(items: Iterable[Item], action: Callable[[Item], Result]) -> list[Result]:
    """Call `action` with every item, in several threads, and return the results in order.

    After an error, no further item is begun, because each may wait for storage as long as
    `study.runs.retrying.patience` allows. Raises: the error of the first item that failed.
    """
    failed = threading.Event()

    def call(item: Item) -> Result:
        if failed.is_set():  # items begin in order, so the error of an earlier one is raised
            raise CancelledError
        try:
            return action(item)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(_WRITERS) as writers:
        return list(writers.map(call, items))
