"""Reproduce the reports: train their studies at the published budget and judge every claim.

    python -m study.reproduce                       all studies; days on two cores
    python -m study.reproduce fan upc-line          these studies
    python -m study.reproduce flux-stochastic       one part of a study
    python -m study.reproduce --dry-run             how long each would take
    python -m study.reproduce --judge-only          judge the runs that are there
    python -m study.reproduce --check --out docs    fail if a verdict has changed since

`search_spaces/reproduction.py` plans the parts and their seeds. Each part is a run of its own in
--results. Type the same command again to go on after Ctrl-C: complete runs are not trained again,
and equal trials of other runs there or in --runs are reused. Then every claim is judged by the run
that tests it with the most seeds, and reproduction.md and reproduction.csv are written into --out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import search_spaces
from lenet.config import ConfigError, TrainConfig, unknown_name
from search_spaces.reproduction import PARTS, PUBLISHED, Part
from study import commandline
from study.api.grid_job import grid, resumed_grid
from study.runs import layout
from study.runs.find import has_runs
from study.runs.metadata import GRID_TOOL
from study.runs.run_folder import RunFolder
from study.terminal import make_console

TOOL = "study.reproduce"

_INTERRUPTED = 130
"""the exit code of any command after Ctrl-C"""

_RESULTS = Path(layout.RESULTS, "reproduction")
_COMMITTED = Path("docs", "results")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    It is 0 (done), 1 (trials failed, or verdicts changed), 2 (bad input) or 130 (Ctrl-C).
    """
    return commandline.run_command(_parser(), _reproduce, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    parser.add_argument("study", nargs="*", help="studies or their parts (default: all)")
    parser.add_argument(
        "--results",
        type=commandline.output_folder,
        default=_RESULTS,
        metavar="DIR",
        help=f"parent folder of the runs (default: {_RESULTS})",
    )
    parser.add_argument(
        "--runs",
        type=commandline.existing_folder,
        action="append",
        metavar="DIR",
        help=f"reuse and judge the runs in this folder, too (default: {_COMMITTED} if it exists)",
    )
    parser.add_argument(
        "--out",
        type=commandline.output_folder,
        metavar="DIR",
        help="folder for reproduction.md and reproduction.csv (default: that of --results)",
    )
    parser.add_argument(
        "--data-dir", type=commandline.existing_folder, help="folder of the data sets"
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--dry-run", action="store_true", help="train nothing; print times")
    only.add_argument("--judge-only", action="store_true", help="train nothing; judge all runs")
    only.add_argument(
        "--check",
        action="store_true",
        help="train and write nothing; exit with 1 if a verdict differs from reproduction.csv",
    )
    return parser


def _reproduce(options: argparse.Namespace, _: Sequence[str]) -> int:
    parts = _chosen(options.study)
    code = 0
    if not (options.judge_only or options.check):
        for part in parts:
            code = max(code, ended := _train(part, options))
            if options.dry_run:
                _print_shared(part, parts)
            if ended == _INTERRUPTED or (ended and options.dry_run):
                return ended
    return code if options.dry_run else max(code, _judge(options))


def _chosen(names: Sequence[str]) -> list[Part]:
    known = {name for part in PARTS for name in (part.study, part.name)}
    for name in names:
        if name not in known:
            raise ConfigError(unknown_name(name, known, "study of the reproduction"))
    return [part for part in PARTS if not names or {part.study, part.name} & set(names)]


def _print_shared(part: Part, parts: Sequence[Part]) -> None:
    """Print how many trials a part shares with each part before it; these are trained once."""
    mine = _configs(part)
    earlier = parts[: parts.index(part)]
    shared = {other.name: len(mine & _configs(other)) for other in earlier}
    for name, trials in shared.items():
        if trials:
            make_console().print(f"{trials} of these trials are those of {name}, trained once.")


def _configs(part: Part) -> set[TrainConfig]:
    plan = search_spaces.find(part.study).with_grids(part.grids).plan(PUBLISHED, part.seeds)
    return {planned.config for planned in plan}


def _train(part: Part, options: argparse.Namespace) -> int:
    """Train what is left of one part as `study.grid` does. Return its exit code."""
    place = options.results / part.name
    if (place / layout.METADATA).is_file():
        run = RunFolder.open(place)
        if run.run.seeds != part.seeds:
            raise ConfigError(
                f"{place} has {run.run.seeds} seeds, and the reproduction wants {part.seeds}: "
                "rename the folder, and its trials are reused"
            )
        if not run.unfinished():
            make_console().print(f"{part.name} is complete in {place}.")
            return 0
        typed = ["--resume", str(place)]
        job = resumed_grid(place, data_dir=options.data_dir)
    else:
        typed = [part.study, "--budget", PUBLISHED, "--seeds", str(part.seeds)]
        typed += ["--grids", ",".join(part.grids)] if part.grids else []
        reuse = [folder for folder in _places(options) if has_runs(folder)]
        typed += [word for folder in reuse for word in ("--reuse", str(folder))]
        job = grid(
            part.study,
            grids=part.grids,
            budget=PUBLISHED,
            seeds=part.seeds,
            keep_models="none",
            reuse=reuse,
            results=place,
            data_dir=options.data_dir,
        )
    return commandline.train(job, GRID_TOOL, typed, dry_run=options.dry_run)


def _places(options: argparse.Namespace) -> list[Path]:
    """Return the folders whose runs are reused and judged."""
    default = [_COMMITTED] if _COMMITTED.is_dir() else []
    return [options.results, *(options.runs or default)]


def _judge(options: argparse.Namespace) -> int:
    """Judge all claims; write the verdicts, or compare them with those written before."""
    console = make_console()
    console.print("Judging the claims ...")
    # Imported here, because these imports take seconds.
    from study.analysis.wording import pluralize
    from study.report import reproduction
    from study.report.verdict_changes import verdict_changes

    places = _places(options)
    out = options.out or options.results
    earlier = reproduction.verdicts_in(out / reproduction.TABLE) if options.check else None
    folders = reproduction.run_folders(place for place in places if place.is_dir())
    runs = reproduction.read_runs(folders)
    judged = reproduction.judge_runs(runs)
    for line in reproduction.count_lines(judged):
        console.print(line)
    if earlier is None:
        written = reproduction.write(judged, runs, out)
        console.print(f"Written: {', '.join(map(str, written))}")
        return 0
    changed = verdict_changes(earlier, reproduction.verdicts_of(judged))
    for line in changed:
        console.print(f"  {line}")
    console.print(f"{pluralize(len(changed), 'verdict')} changed since {out / reproduction.TABLE}.")
    return int(bool(changed))


if __name__ == "__main__":
    sys.exit(main())
