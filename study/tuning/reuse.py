"""Trials that another run has trained: found by their configs, and taken over with their records.

A config gives the same records only under the same `Conditions`. Trials that name the user's own
code are never reused, because that code may have changed. In a fleet, the last digits of a trial
depend on the other members, so a reused trial keeps the columns that name its fleet.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd

from lenet.config import ConfigError, TrainConfig, parse_metric, settings_in
from lenet.records import Record
from study.analysis.results import Results
from study.analysis.wording import pluralize
from study.runs import layout
from study.runs.find import find_runs
from study.runs.metadata import RunMetadata
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import (
    UNTHINNED,
    UNTHINNED_EVALUATIONS,
    UNTHINNED_RECORDS,
    TrialFolder,
)

_BY_THEMSELVES = frozenset({"finished", "diverged"})
"""Statuses of trials that ended where their config says."""
_FACTS = ("device", "threads", "host", "started", "ended", "reused", "fleet", "fleet_size")
_OBSERVED = "observed_"


@dataclass(frozen=True)
class Conditions:
    """The conditions that, besides its config, determine the records of a trial."""

    device: str
    """`cpu`, or the name of the GPU"""
    threads: int
    torch: str
    """version"""
    records_version: int
    """`lenet.records.RECORDS_VERSION`"""

    @classmethod
    def of(cls, device: str, threads: float, torch: str, records_version: int) -> Conditions:
        """Return the conditions on a `device` as `lenet.devices.describe_device` names it."""
        return cls(device.partition(" (")[0], int(threads), torch, records_version)

    def difference(self, other: Conditions) -> str:
        """Say in a few words how `other` differs; empty if it does not."""
        if other.records_version != self.records_version:
            return f"by code with records version {other.records_version}"
        if other.torch != self.torch:
            return f"under torch {other.torch}"
        if other.device != self.device:
            return f"on {other.device}"
        if other.threads != self.threads:
            return f"with {pluralize(other.threads, 'thread')}"
        return ""


@dataclass(frozen=True)
class EarlierTrial:
    """A trial of another run that ended by itself."""

    run: str
    """the folder of that run"""
    config: TrainConfig
    status: str
    conditions: Conditions
    facts: dict[str, Any]
    """where and when it was trained"""
    read_records: Callable[[], list[Record]]
    read_model: Callable[[], bytes | None]

    def adopt_into(self, folder: TrialFolder, *, keep_model: bool = False) -> None:
        """Write the trial, marked as reused, into `folder`; with its model if `keep_model`."""
        details = {
            **self.facts,
            "attempts": 1,
            "name": folder.home.name,
            "settings": self.config.to_dict(),
            "reused": self.facts.get("reused") or self.run,
        }
        model = self.read_model() if keep_model else None
        folder.adopt(self.status, self.read_records(), details, model)


@dataclass(frozen=True)
class Reuse:
    """The trials of earlier runs, by their configs."""

    conditions: Conditions
    trials: dict[TrainConfig, list[EarlierTrial]]
    problems: Sequence[str] = ()
    """why runs could not be read"""

    @classmethod
    def load(cls, places: Iterable[str], conditions: Conditions) -> Reuse:
        """Read the runs in `places`. A place or run that cannot be read becomes a problem."""
        trials: dict[TrainConfig, list[EarlierTrial]] = defaultdict(list)
        problems = []
        for place in places:
            try:
                runs = find_runs(Path(place))
            except ConfigError as error:  # a resumed run may be on another machine
                problems.append(str(error))
                continue
            for run in runs:
                try:
                    for trial in earlier_trials(run):
                        trials[trial.config].append(trial)
                except (ConfigError, OSError) as error:
                    problems.append(str(error))
        return cls(conditions, dict(trials), problems)

    def find(self, config: TrainConfig) -> EarlierTrial | None:
        """Return an earlier trial whose records `config` would reproduce, or None.

        One whose records were thinned (see `study.analysis.thinning`) is the last choice. One whose
        evaluations were merged is none.
        """
        if config.names_own_code:
            return None
        equal = self.trials.get(config, ())
        alike = [t for t in equal if not self._obstacle(t)]
        alike.sort(key=lambda trial: UNTHINNED_RECORDS in trial.facts)
        return next((trial for trial in alike if trial.read_records()), None)

    def _obstacle(self, trial: EarlierTrial) -> str:
        """Say in a few words why the records of `trial` are not what training gives; else empty."""
        if UNTHINNED_EVALUATIONS in trial.facts:
            return "in runs whose evaluations were merged"
        return self.conditions.difference(trial.conditions)

    def near_misses(self, configs: Iterable[TrainConfig]) -> list[str]:
        """Say why trials of equal configs are not reused, the most frequent reason first."""
        reasons: Counter[str] = Counter()
        for config in configs:
            equal = self.trials.get(config)
            if not equal or self.find(config):
                continue
            if config.names_own_code:
                reasons["with code of your own, which may have changed since"] += 1
            else:
                obstacle = self._obstacle(equal[0])
                reasons[obstacle or "in runs whose records are damaged"] += 1
        return [
            f"{pluralize(count, 'equal config')} {'was' if count == 1 else 'were'} trained {reason}"
            for reason, count in reasons.most_common()
        ]


def sources(runs: Iterable[str]) -> str:
    """List the runs that trials come from, with the number of trials from each."""
    return ", ".join(f"{run} ({count})" for run, count in Counter(runs).most_common())


def earlier_trials(run: Path) -> Iterator[EarlierTrial]:
    """Yield the trials of a run that ended by themselves, from its trials' folders or its tables.

    Skip the trials of a data-parallel run. Also skip trials of an older version whose settings or
    records cannot be read.

    Raises: ConfigError or OSError if the run cannot be read.
    """
    folder = RunFolder(run)
    has_trials = (run / layout.TRIALS).is_dir() and (run / layout.PLAN).is_file()
    yield from _from_folders(folder, run) if has_trials else _from_tables(run)


def _from_folders(folder: RunFolder, run: Path) -> Iterator[EarlierTrial]:
    metadata = folder.run
    for planned in folder.plan:
        trial = folder.trial(planned.name)
        state = trial.state()
        if state.get("status") in _BY_THEMSELVES and "data_parallel" not in state:
            yield EarlierTrial(
                run=str(run),
                config=planned.config,
                status=state["status"],
                conditions=_conditions(metadata, state),
                facts=_facts(state),
                read_records=trial.records,
                read_model=trial.read_model,
            )


def _from_tables(run: Path) -> Iterator[EarlierTrial]:
    results = Results.load(run)
    records = {str(name): curve for name, curve in results.records.groupby("trial")}
    known = settings_in(results.trials)
    for row in results.trials.to_dict("records"):
        # An empty cell is None, and the tables of old runs have empty lists of milestones.
        values = {str(k): None if v != v or v == "" else v for k, v in row.items()}
        if values["status"] not in _BY_THEMSELVES or "workers" in values:
            continue
        try:
            config = TrainConfig.from_dict({name: values[name] for name in known})
        except (ConfigError, KeyError, TypeError):
            continue
        yield EarlierTrial(
            run=str(run),
            config=config,
            status=values["status"],
            conditions=_conditions(results.run, values),
            facts=_facts(values),
            # Read when needed, and once: the records of thousands of trials take most of the time.
            read_records=cache(partial(_records, config, records.get(str(values["trial"])))),
            read_model=lambda: None,
        )


def _facts(state: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in state.items()
        if (name in _FACTS or name.startswith(UNTHINNED)) and value is not None
    }


def _conditions(metadata: RunMetadata, state: dict[str, Any]) -> Conditions:
    return Conditions.of(
        state.get("device") or metadata.device,
        state.get("threads") or 1,
        metadata.versions.get("torch", "of an unknown version"),
        metadata.records_version,
    )


def _records(config: TrainConfig, table: pd.DataFrame | None) -> list[Record]:
    """Return the records in the rows of one trial; none if they cannot be read."""
    if table is None:
        return []
    measured = {parse_metric(metric)[0] for metric in config.metrics or ()}
    fields = [name for name in Record.__dataclass_fields__ if name in table]
    others = [str(name) for name in table if name not in fields and name != "trial"]
    try:
        return [_record(row, fields, others, measured) for row in table.to_dict("records")]
    except TypeError:  # of an older version
        return []


def _record(
    row: Mapping[Any, Any], fields: Sequence[str], others: Sequence[str], measured: set[str]
) -> Record:
    return Record(
        **{name: row[name] for name in fields},
        observed={
            name.removeprefix(_OBSERVED): row[name]
            for name in others
            if name.startswith(_OBSERVED) and row[name] == row[name]
        },
        metrics={
            name: row[name]
            for name in others
            if name.partition("_")[2] in measured and row[name] == row[name]
        },
    )
