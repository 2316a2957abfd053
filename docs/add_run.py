"""Copy a run into docs/results, to be committed: its tables, records and figures.

Of a run that was interrupted, only the seeds whose trials have all ended are copied, so that every
point has the same ones. Records that exceed the largest file allowed are thinned (see
`study.analysis.thinning`).

    python docs/add_run.py results/reproduction/upc-optimizers-softmax

What `python -m study.report docs/results/NAME` writes again (the page, LaTeX, PDF) is left out, and
so is what only this machine needs (trials' folders, models, locks). Paths of this machine are
replaced.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from rich.console import Console

import search_spaces
from lenet.config import ConfigError
from study.analysis.results import Results
from study.analysis.thinning import thin
from study.analysis.wording import pluralize
from study.claims.judge import judge_all
from study.report.summary import summarize
from study.runs import layout
from study.runs.collect import collect, refresh
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import TrialFolder

_RESULTS = Path(__file__).resolve().parent / "results"
_DOCUMENTED = "results/reproduction"
"""the folder of runs that the documentation names"""
_TEXTS = frozenset({".csv", ".md", ".json"})
_PICTURES = frozenset({".png", ".svg"})
_LEFT_OUT = frozenset({"records.csv", "trials.csv", "plan.json"})
"""`trials.parquet` and `records.parquet` hold the same in a tenth of the size."""
_MAX_BYTES = 2 * 1024**2


def main() -> int:
    """Copy the run; return 1 if a file is too large to be committed, 2 if the run is refused."""
    parser = argparse.ArgumentParser(prog="python docs/add_run.py", description=__doc__)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            ended = of_ended_seeds(run, Path(temporary))
            return _add(ended, local_folders=(Path(temporary), run.parent))
        except ConfigError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2


def of_ended_seeds(run: Path, temporary: Path) -> Path:
    """Return the run; if it was interrupted, a copy of it in `temporary` with some of its seeds.

    These are the seeds whose trials have all ended. One that failed has ended: to leave out its
    seed could change a verdict.

    Raises: ConfigError if no seed has ended, or the trials are not here.
    """
    folder = RunFolder(run)
    if not folder.is_copy:
        refresh(folder)
    if not (Results.load(run).trials["status"] == "unfinished").any():
        return run
    if folder.is_copy or not (run / layout.TRIALS).is_dir():
        raise ConfigError(f"{run} has unfinished trials, but not their folders: name the whole run")
    states = folder.map_trials(lambda planned, trial: (planned, _has_ended(trial)))
    interrupted = {planned.config.seed for planned, has_ended in states if not has_ended}
    trials = [planned for planned, _ in states if planned.config.seed not in interrupted]
    if not trials:
        raise ConfigError(f"no seed of {run} has ended: train it further")
    seeds = sorted({planned.config.seed for planned in trials})
    print(f"copying {pluralize(len(seeds), 'seed')} of {len({*seeds, *interrupted})}: {seeds}")
    copy = temporary / run.name
    (copy / layout.TRIALS).mkdir(parents=True)
    for name in (layout.METADATA, layout.PLAN):
        shutil.copyfile(run / name, copy / name)
    for planned in trials:
        (copy / layout.TRIALS / planned.name).symlink_to(run / layout.TRIALS / planned.name)
    collect(RunFolder.open(copy))
    summarize(copy, Console(quiet=True))
    return copy


def _has_ended(trial: TrialFolder) -> bool:
    return trial.complete or trial.state().get("status") == "failed"


def _add(run: Path, local_folders: Sequence[Path]) -> int:
    """Copy `run` into docs/results, and replace the paths of `local_folders` in its texts.

    Returns: 1 if a file is too large to be committed, otherwise 0.
    """
    results = Results.load(run)
    records = results.records
    # The settings of `results` are not as the file has them: lists are texts.
    trials = pd.read_parquet(run / "trials.parquet")
    if not _fits(records):
        records, unthinned = _thinned(results)
        trials = trials.drop(columns=unthinned.columns, errors="ignore").join(unthinned)
        print(f"thinned {len(results.records):,} records to {len(records):,}")
    target = _RESULTS / run.name
    for folder in ("figures", "tables"):
        shutil.rmtree(target / folder, ignore_errors=True)
    for path in sorted([*run.glob("*.*"), *run.glob("figures/*"), *run.glob("tables/*")]):
        copy = target / path.relative_to(run)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in _PICTURES:
            shutil.copyfile(path, copy)
        elif path.suffix in _TEXTS and path.name not in _LEFT_OUT:
            text = _with_portable_paths(path.read_text(encoding="utf-8"), local_folders)
            copy.write_text(text, encoding="utf-8")
    if "reused" in trials:
        trials["reused"] = trials["reused"].map(
            lambda source: _with_portable_paths(source, local_folders), na_action="ignore"
        )
    trials.to_parquet(target / "trials.parquet", index=False)
    records.to_parquet(target / "records.parquet", index=False)
    metadata = json.loads((target / "run.json").read_text(encoding="utf-8"))
    metadata["dataset"]["source"] = _relative_source(metadata["dataset"]["source"])
    (target / "run.json").write_text(json.dumps(metadata, indent=1), encoding="utf-8")
    too_large = [path for path in target.rglob("*") if path.stat().st_size > _MAX_BYTES]
    for path in too_large:
        print(f"{path} has more than {_MAX_BYTES:,} bytes")
    return int(bool(too_large))


def _thinned(results: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Thin the records of a run as `thin` does, and check that no verdict changes."""
    study = search_spaces.find(results.run.study)
    records, unthinned = thin(results, study, _fits)
    columns = [name for name in results.trials if name not in unthinned]
    thinned = replace(results, trials=results.trials[columns].join(unthinned), records=records)
    before, after = (
        {claim.name: verdict for claim, verdict in judge_all(study, each)}
        for each in (results, thinned)
    )
    if changed := [name for name in before if before[name] != after[name]]:
        raise ConfigError(f"thinned records would change the verdict on {', '.join(changed)}")
    return records, unthinned


def _fits(table: pd.DataFrame) -> bool:
    written = io.BytesIO()
    table.to_parquet(written, index=False)
    return written.tell() <= _MAX_BYTES


def _with_portable_paths(text: str, local_folders: Sequence[Path]) -> str:
    """Replace the folders of this machine that hold the run."""
    for folder in local_folders:
        text = text.replace(str(folder), _DOCUMENTED)
    return text


def _relative_source(source: str) -> str:
    """Return the source of a data set relative to the folder of all data sets."""
    folder = os.environ.get("STUDY_DATA_DIR")
    if not folder or not source.startswith(folder):
        return source
    return f"{os.path.relpath(source, folder)}, in $STUDY_DATA_DIR"


if __name__ == "__main__":
    sys.exit(main())
