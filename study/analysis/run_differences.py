"""What differs between two runs, besides their results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from lenet.config import settings_in
from study.analysis import packing
from study.analysis.results import Results
from study.analysis.run_points import (
    WORKERS,
    Key,
    point_key,
    ranked_trials,
    setting_column,
    values_as_text,
)
from study.analysis.wording import format_value


def differing_facts(first: Results, second: Results, names: Sequence[str]) -> pd.DataFrame:
    """Return what differs besides the settings `names`: a row with `what`, `first` and `second`."""
    rows = [
        (what, one or "none", other or "none")
        for what, one, other in [
            *_facts(first, second),
            *_packing(first, second, names),
            *_workers(first, second, names),
            *_settings(first, second, names),
        ]
        if one != other
    ]
    return pd.DataFrame(rows, columns=["what", "first", "second"])


def _facts(first: Results, second: Results) -> Iterator[tuple[str, str, str]]:
    """Yield (what, first, second) of the metadata of both runs."""
    one, other = first.run, second.run
    yield "study", one.study, other.study
    yield "command", one.tool, other.tool
    yield "budget", one.budget, other.budget
    yield "scheduler", one.scheduler, other.scheduler
    yield "data source", one.dataset.source, other.dataset.source
    seeds = [values_as_text("seed", results.completed["seed"]) for results in (first, second)]
    yield "seeds", seeds[0], seeds[1]
    yield "reused trials", _reused(first), _reused(second)
    yield "device", _devices(first), _devices(second)
    for name in sorted({*one.versions, *other.versions}):
        yield f"version of {name}", one.versions.get(name, ""), other.versions.get(name, "")
    yield "records version", str(one.records_version), str(other.records_version)
    yield "code", _commit(one.commit), _commit(other.commit)


def _packing(
    first: Results, second: Results, names: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield how both runs packed their trials: the last digits of a trial depend on its fleet."""
    tables = [ranked_trials(first), ranked_trials(second)]
    one, other = map(packing.describe, tables)
    fleets = [set(packing.fleets(table, _members(table, names))) for table in tables]
    if one == other and fleets[0] != fleets[1]:
        other = f"{other}, with other members"
    yield "packing", one, other


def _members(trials: pd.DataFrame, names: Sequence[str]) -> list[Key]:
    """Return what identifies each trial in both runs: its point and its seed."""
    return [point_key(row, [*names, "seed"]) for row in trials.to_dict("records")]


def _workers(
    first: Results, second: Results, names: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield the workers of each trial of scaling runs, if they do not distinguish points."""
    tables = [ranked_trials(first), ranked_trials(second)]
    for name in WORKERS:
        if name not in names and any(name in table for table in tables):
            one, other = (
                values_as_text(name, table[name]) if name in table else "" for table in tables
            )
            yield name, one, other


def _settings(
    first: Results, second: Results, names: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield (what, first, second) of the settings that do not distinguish points."""
    tables = [ranked_trials(first), ranked_trials(second)]
    known = dict.fromkeys(name for table in tables for name in settings_in(table))
    for name in known:
        if name != "seed" and name not in names:
            one, other = (values_as_text(name, setting_column(table, name)) for table in tables)
            yield name, one, other


def _reused(results: Results) -> str:
    """Return how many trials come from other runs; empty if none do."""
    trials = results.completed
    count = int(trials["reused"].notna().sum()) if "reused" in trials else 0
    return str(count) if count else ""


def _devices(results: Results) -> str:
    begun = results.completed.dropna(subset="device")
    pairs = begun[["device", "threads"]].drop_duplicates().sort_values(["device", "threads"])
    return " / ".join(
        f"{device}, {format_value(threads)} threads" for device, threads in pairs.to_numpy()
    )


def _commit(commit: str | None) -> str:
    if not commit:
        return ""
    return commit[:10] + ("+changes" if commit.endswith("+changes") else "")
