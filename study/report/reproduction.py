"""The reproduction: a verdict on every claim, from the run that tests it with the most seeds.

Reads finished runs. Writes `reproduction.md`, and `reproduction.csv` for programs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import search_spaces
from lenet.config import ConfigError
from search_spaces.reproduction import PARTS
from search_spaces.study import Claim, Study
from study.analysis.results import Results
from study.analysis.wording import pluralize, provenance
from study.claims.judge import judge_all
from study.claims.verdict import (
    EQUIVALENT,
    NOT_REPRODUCED,
    NOT_TESTED,
    REPRODUCED,
    UNDECIDED,
    Verdict,
)
from study.runs import layout

PAGE = "reproduction.md"
TABLE = "reproduction.csv"

_ORDER = (REPRODUCED, EQUIVALENT, NOT_REPRODUCED, UNDECIDED, NOT_TESTED)
DECIDED = frozenset({REPRODUCED, EQUIVALENT, NOT_REPRODUCED})
_README = "README.md"
_NO_RUN = "no run at the published budget yet"


@dataclass(frozen=True)
class PublishedRun:
    """A run of a report's study at the published budget, with none of its settings changed."""

    folder: Path
    study: Study
    results: Results
    seeds: int
    """complete seeds"""
    seed_seconds: float
    """median processor time of a seed; NaN if the run does not say"""

    @property
    def provenance(self) -> str:
        """Data set, budget, seeds and device."""
        return provenance(self.results.run, self.results.completed)


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its verdict and the run that gave it."""

    study: Study
    claim: Claim
    verdict: Verdict
    run: PublishedRun | None = None
    """None if no run is about the claim"""

    @property
    def certainty(self) -> str:
        """How sure the verdict is, and how long it would take to be sure; empty if not tested."""
        verdict = self.verdict
        seconds = self.run.seed_seconds if self.run else math.nan
        if verdict.verdict != UNDECIDED or verdict.more_seeds is None or math.isnan(seconds):
            return verdict.certainty
        duration = _rounded_time(verdict.more_seeds * seconds)
        return f"{verdict.certainty}, in about {duration} on one processor"


def run_folders(places: Iterable[Path]) -> list[Path]:
    """Return the folders of the finished runs in `places`, at any depth, sorted."""
    found = {
        path.parent
        for place in places
        for path in place.rglob(layout.METADATA)
        if (path.parent / layout.TRIALS_TABLE).is_file()
    }
    return sorted(found)


def read_runs(folders: Iterable[Path]) -> list[PublishedRun]:
    """Read the runs in `folders` that count for the reproduction, in their order.

    Raises: ConfigError if the tables of a run are damaged.
    """
    runs = []
    for folder in folders:
        results = Results.load(folder)
        study = search_spaces.studies().get(results.run.study)
        if study is not None and results.run.is_as_published and not results.completed.empty:
            seeds, seconds = _whole_seeds(results.completed)
            runs.append(PublishedRun(folder, study, results, seeds, seconds))
    return runs


def judge_runs(runs: Iterable[PublishedRun]) -> list[JudgedClaim]:
    """Judge every claim of every report by the run that tests it with the most seeds."""
    best: dict[tuple[str, str], JudgedClaim] = {}
    for run in runs:
        for claim, verdict in judge_all(run.study, run.results):
            key = run.study.name, claim.name
            judged = JudgedClaim(run.study, claim, verdict, run)
            if key not in best or _rank(judged) > _rank(best[key]):
                best[key] = judged
    return [
        best.get((study.name, claim.name))
        or JudgedClaim(study, claim, Verdict(NOT_TESTED, _NO_RUN))
        for study in search_spaces.studies().values()
        for claim in study.claims
    ]


def _whole_seeds(trials: pd.DataFrame) -> tuple[int, float]:
    """Return the number of complete seeds, and the median processor time of one in seconds.

    Of a fleet's time, each member has its share. For a trial that was resumed, its training seconds
    are taken if these are more. NaN if a trial does not say when it began.
    """
    counts = trials.groupby("seed").size()
    whole = counts[counts == counts.max()].index
    if "started" not in trials or trials["started"].isna().any():
        return len(whole), math.nan
    members = trials.get("fleet_size", 1)
    durations = pd.to_datetime(trials["ended"]) - pd.to_datetime(trials["started"])
    seconds = (durations.dt.total_seconds() / members).clip(lower=trials["train_seconds"])
    return len(whole), float(seconds.groupby(trials["seed"]).sum()[whole].median())


def _rounded_time(seconds: float) -> str:
    """Return a duration to about two digits: `4.6 h`, `28 min` or `9 s`; empty if it is NaN."""
    if math.isnan(seconds):
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def _rank(judged: JudgedClaim) -> tuple[bool, float]:
    """Rank runs for one claim: those that test it, then those with more seeds."""
    seeds = judged.verdict.seeds
    return judged.verdict.verdict != NOT_TESTED, math.inf if seeds is None else seeds


def as_table(judged: Sequence[JudgedClaim], base: Path) -> pd.DataFrame:
    """Return a row per claim, with the run's folder relative to `base`.

    Columns: `study`, `claim`, `verdict`, `seeds`, `published`, `measured`, `low`, `high` (in the
    claim's unit; the point nearest to contradicting it), `run`.
    """
    rows = []
    for row in judged:
        measured = row.verdict.measured
        rows.append(
            {
                "study": row.study.name,
                "claim": row.claim.name,
                "verdict": row.verdict.verdict,
                "seeds": row.verdict.seeds,
                "published": row.claim.published,
                "measured": _rounded(measured.value if measured else None),
                "low": _rounded(measured.low if measured else None),
                "high": _rounded(measured.high if measured else None),
                "run": _relative(row.run.folder, base) if row.run else "",
            }
        )
    return pd.DataFrame(rows).astype({"seeds": "Int64"})


def _rounded(number: float | None) -> float | None:
    """Round to four significant digits: more would differ between platforms."""
    return None if number is None or math.isnan(number) else float(f"{number:.4g}")


def _relative(folder: Path, base: Path) -> str:
    try:
        return folder.resolve().relative_to(base.resolve()).as_posix()
    except ValueError:
        return folder.as_posix()


def verdicts_in(path: Path) -> dict[str, str]:
    """Read the verdict of each claim from a `reproduction.csv`, by study and claim.

    Raises: ConfigError if the file is missing or damaged.
    """
    try:
        return _by_claim(pd.read_csv(path))
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"cannot read {path} as a table of verdicts ({error}): write it with python -m "
            f"study.reproduce --judge-only --out {path.parent}"
        ) from error


def verdicts_of(judged: Sequence[JudgedClaim]) -> dict[str, str]:
    """Return the verdict of each claim, by study and claim."""
    return {f"{row.study.name} {row.claim.name}": row.verdict.verdict for row in judged}


def _by_claim(table: pd.DataFrame) -> dict[str, str]:
    claims = table["study"] + " " + table["claim"]
    return dict(zip(claims, table["verdict"], strict=True))


def write(judged: Sequence[JudgedClaim], runs: Sequence[PublishedRun], out: Path) -> list[Path]:
    """Write the page and the table into the folder `out` and return their paths.

    `runs`: the runs by which the claims were judged.
    """
    out.mkdir(parents=True, exist_ok=True)
    table, page = out / TABLE, out / PAGE
    as_table(judged, out).to_csv(table, index=False)
    page.write_text("\n".join(_page(judged, runs, out)), encoding="utf-8")
    return [page, table]


def count_lines(judged: Sequence[JudgedClaim]) -> list[str]:
    """Return the counts of verdicts in words: of all claims, and of those that were tested."""
    counts = Counter(row.verdict.verdict for row in judged)
    tested = len(judged) - counts[NOT_TESTED]
    decided = sum(counts[verdict] for verdict in DECIDED)
    found = ", ".join(f"{counts[name]} {name}" for name in _ORDER if counts[name])
    return [
        f"{pluralize(len(judged), 'claim')}: {found}.",
        f"{tested} were tested at the published budget, and {decided} of them are decided.",
    ]


def _page(judged: Sequence[JudgedClaim], runs: Sequence[PublishedRun], out: Path) -> Iterable[str]:
    yield "# The reports' claims, tested at their published budgets"
    yield ""
    yield "Written by `python -m study.reproduce`; do not edit."
    yield ""
    yield from count_lines(judged)
    yield ""
    yield "How a verdict is found, and how often one is false: [verdicts.md](verdicts.md). Which"
    yield "sentence each claim paraphrases: [fidelity.md](fidelity.md). What surprised:"
    yield "[findings.md](findings.md). An interval is the 95% interval of the mean over seeds."
    yield ""
    yield from _counts(judged)
    yield from _plan(runs)
    by_study: dict[str, list[JudgedClaim]] = {}
    for row in judged:
        by_study.setdefault(row.study.name, []).append(row)
    for name, rows in by_study.items():
        yield f"## {name}"
        yield ""
        yield f"{rows[0].study.question} ({rows[0].study.source})"
        yield ""
        yield from _sources(rows, out)
        tested = [row for row in rows if row.verdict.verdict != NOT_TESTED]
        if tested:
            yield "| claim | published | here | verdict |"
            yield "| --- | --- | --- | --- |"
        for row in sorted(tested, key=lambda row: _ORDER.index(row.verdict.verdict)):
            sure = f" ({row.certainty})" if row.certainty else ""
            cells = (
                f"`{row.claim.name}`: {row.claim.statement} {row.claim.source}",
                _published(row.claim),
                row.verdict.evidence,
                f"**{row.verdict.verdict}**{sure}",
            )
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        if tested:
            yield ""
        yield from _not_tested(row for row in rows if row.verdict.verdict == NOT_TESTED)


def _not_tested(rows: Iterable[JudgedClaim]) -> Iterable[str]:
    """Yield the claims that were not tested: a line for each reason, the claims folded below."""
    by_reason: dict[str, list[JudgedClaim]] = {}
    for row in rows:
        by_reason.setdefault(row.verdict.evidence, []).append(row)
    for reason, group in by_reason.items():
        yield "<details>"
        yield f"<summary>{pluralize(len(group), 'claim')} <b>not tested</b>: {reason}</summary>"
        yield ""
        for row in group:
            published = f" Published: {text}." if (text := _published(row.claim)) else ""
            yield f"- `{row.claim.name}`: {row.claim.statement} {row.claim.source}.{published}"
        yield ""
        yield "</details>"
        yield ""


def _published(claim: Claim) -> str:
    return "" if claim.published == "none" else claim.published


def _counts(judged: Sequence[JudgedClaim]) -> Iterable[str]:
    yield f"| study | claims | {' | '.join(_ORDER)} |"
    yield f"| --- | --- |{' --- |' * len(_ORDER)}"
    for study in dict.fromkeys(row.study.name for row in judged):
        rows = [row for row in judged if row.study.name == study]
        counts = Counter(row.verdict.verdict for row in rows)
        cells = " | ".join(str(counts[name] or "") for name in _ORDER)
        yield f"| [{study}](#{study.replace('.', '')}) | {len(rows)} | {cells} |"
    yield ""


def _plan(runs: Sequence[PublishedRun]) -> Iterable[str]:
    trained = {run.folder.name: run for run in runs}
    yield "The plan, made before the runs, with the measured time of a seed on one processor. Seeds"
    yield "behind a plus were added later, for undecided claims or for revised rules"
    yield "([what that does to the error rate](verdicts.md#seeds-that-are-added-later)). Verdicts"
    yield "with fewer seeds than planned are interim:"
    yield ""
    yield "| run | seeds planned | seeds so far | a seed takes | reason |"
    yield "| --- | --- | --- | --- | --- |"
    for part in PARTS:
        run = trained.get(part.name)
        seeds = run.seeds if run else ""
        duration = _rounded_time(run.seed_seconds) if run else ""
        yield f"| {part.name} | {part.planned} | {seeds} | {duration} | {part.reason} |"
    yield ""


def _sources(rows: Sequence[JudgedClaim], out: Path) -> Iterable[str]:
    runs = {row.run.folder: row.run for row in rows if row.run}
    for folder in sorted(runs):
        place = _relative(folder, out)
        # The name of a table ends like a file name, so MkDocs refuses a link to its folder.
        page = f"{place}/{_README}" if (folder / _README).is_file() else place
        shown = f"[{place}]({page})" if not place.startswith("/") else place
        yield f"Run {shown}: {runs[folder].provenance}."
        yield ""
