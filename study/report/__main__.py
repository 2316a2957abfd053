"""Report a run: one page, report.html, with its figures, tables, rankings and verdicts.

    python -m study.report results/NAME
    python -m study.report results/A results/B              one page about both
    python -m study.report --watch results/NAME             the page of a run that still trains
    python -m study.report results/NAME --out elsewhere     if NAME is read-only
    python -m study.report results/NAME --xlsx              also curves, verdicts as a spreadsheet
    python -m study.report results/NAME --log mlflow        also log its trials to MLflow
    python -m study.report results/NAME --no-footer         figures for a paper or a talk
    python -m study.report results/NAME --check claims.csv  exit 1 if a verdict has changed
    python -m study.report s3://BUCKET/NAME                 a run in a bucket, copied to results/
    python -m study.report --from-tensorboard LOGDIR --out DIR2    anybody's event files

Needs neither Ray nor torch. Reads only the run's two tables, `records` and `trials`. If they are
missing, they are collected from the trials first. Of several runs, the page alone is written: into
the folder of the first, or into DIR2.

With --from-tensorboard, it draws learning curves from TensorBoard's event files instead, whoever
wrote them: a trial per folder, its settings from the HParams tab or from the folder's name, such as
`sgd_lr0.1_batch32` or `optimizer=sgd,lr=0.1`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from lenet.config import ConfigError
from study import commandline
from study.api.run import open_run
from study.runs import layout
from study.runs.run_folder import RunFolder
from study.runs.storage import Location, reason
from study.terminal import make_console, print_note
from study.tracking.log import log_trials


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 (done), 1 (a verdict changed), 2 (bad input) or 130 (Ctrl-C)."""
    return commandline.run_command(_parser(), _report, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser("python -m study.report", __doc__)
    parser.add_argument(
        "runs",
        nargs="*",
        type=commandline.place,
        metavar="RUN",
        help="a run: a folder, s3://... or gs://...; several have one page",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="write the page of a run that still trains, again and again: progress, curves, the "
        "best so far",
    )
    parser.add_argument(
        "--from-tensorboard",
        type=commandline.existing_folder,
        metavar="LOGDIR",
        help="draw the trials whose event files are in this folder, instead of a run",
    )
    parser.add_argument(
        "--tags",
        metavar="TAGS",
        help="tags of those files: own (default), fan (train-accu, train-loss, val_accu, "
        "val_loss), or QUANTITY=TAG,... such as train_loss=loss,validation_accuracy=val_acc",
    )
    parser.add_argument(
        "--out",
        type=commandline.output_folder,
        metavar="DIR2",
        help="folder for the page, figures, tables and rankings (default: RUN)",
    )
    parser.add_argument(
        "--xlsx",
        action="store_true",
        help=f"also write all curves and verdicts as a spreadsheet, {layout.SPREADSHEET}",
    )
    commandline.add_log(parser)
    parser.add_argument(
        "--check",
        type=commandline.existing_file,
        metavar="FILE",
        help=f"compare the verdicts with those of another {layout.CLAIMS}, and exit with 1 if one "
        "has changed",
    )
    parser.add_argument(
        "--no-footer",
        dest="footer",
        action="store_false",
        help="draw the figures without the lines below them (data set, seeds, device, notes)",
    )
    return parser


def _report(options: argparse.Namespace, _: Sequence[str]) -> int:
    if options.from_tensorboard:
        if options.check is not None:
            raise ConfigError("--check compares the verdicts of a run: omit --from-tensorboard")
        if options.log:
            raise ConfigError("--log logs the trials of a run: omit it, or --from-tensorboard")
        return _report_event_files(options)
    if not options.runs:
        raise ConfigError(
            "no run is given: type python -m study.report results/NAME, or --from-tensorboard "
            "LOGDIR --out DIR2"
        )
    if options.tags is not None:
        raise ConfigError("--tags reads event files: add --from-tensorboard LOGDIR, or omit it")
    if options.watch or len(options.runs) > 1:
        _refuse_what_writes_no_page(options)
    console = make_console()
    console.print(f"Reading {', '.join(map(str, options.runs))} ...")
    try:
        if options.watch:
            _watch(options, console)
        elif len(options.runs) > 1:
            _report_together(options, console)
        else:
            return _report_one(options, console)
    except OSError as error:
        file = error.filename or options.runs[0]
        raise ConfigError(
            f"cannot read or write {file} ({reason(error)}): if it is read-only, name another "
            "folder with --out"
        ) from error
    return 0


def _refuse_what_writes_no_page(options: argparse.Namespace) -> None:
    what = "--watch writes" if options.watch else "several runs have"
    for option, is_given in (
        ("--xlsx", options.xlsx),
        ("--no-footer", not options.footer),
        ("--check", options.check is not None),
    ):
        if is_given:
            raise ConfigError(f"{what} a page and no other file: omit {option}, or report one run")
    if options.watch and options.log:
        raise ConfigError("--watch writes a page alone: omit --log, or type it without --watch")
    if options.watch and len(options.runs) > 1:
        raise ConfigError("--watch takes one run: name one, or omit --watch")


def _report_one(options: argparse.Namespace, console: Console) -> int:
    # Seconds of imports.
    import pandas as pd

    from study.analysis.results import Results
    from study.report.spreadsheet import write_spreadsheet
    from study.report.summary import summarize
    from study.report.unfinished import how_to_finish, how_to_watch
    from study.report.verdict_changes import read_verdicts, verdict_changes

    # Before the report is written, which may replace that very file.
    expected = None if options.check is None else read_verdicts(options.check)
    run = _refreshed(options.runs[0], console)
    logged = log_trials(run, options.log)
    if not summarize(run.path, console, options.out, footer=options.footer):
        how_to_watch(run, console)
        how_to_finish(run, console)
    _print_logged(logged, console)
    if options.xlsx:
        folder = options.out or run.path
        path, verdicts = folder / layout.SPREADSHEET, folder / layout.CLAIMS
        claims = pd.read_csv(verdicts) if verdicts.is_file() else None
        sheets = write_spreadsheet(Results.load(run.path), path, claims)
        console.print(f"  curves    {path} ({', '.join(sheets)})")
    if options.out is None:
        _publish(run, console)
    if expected is None:
        return 0
    changes = verdict_changes(expected, read_verdicts((options.out or run.path) / layout.CLAIMS))
    for line in changes or [f"No verdict differs from {options.check}."]:
        console.print(line)
    return 1 if changes else 0


def _report_together(options: argparse.Namespace, console: Console) -> None:
    from study.report.summary import summarize_together

    folders = [_refreshed(place, console) for place in options.runs]
    logged = [line for folder in folders for line in log_trials(folder, options.log)]
    out = options.out or folders[0].path
    summarize_together([folder.path for folder in folders], console, out)
    _print_logged(logged, console)
    if options.out is None:
        _publish(folders[0], console)


def _watch(options: argparse.Namespace, console: Console) -> None:
    from study.report.watch import watch

    folder = RunFolder.open(options.runs[0])
    out = options.out or folder.path
    out.mkdir(parents=True, exist_ok=True)
    watch(folder, out / layout.PAGE, console)


def _print_logged(lines: Sequence[str], console: Console) -> None:
    for line in lines:
        console.print(f"  {line}")


def _report_event_files(options: argparse.Namespace) -> int:
    logdir = options.from_tensorboard
    if options.runs:
        raise ConfigError(
            f"--from-tensorboard {logdir} and {options.runs[0]} are two sources: omit one"
        )
    if options.watch:
        raise ConfigError("--watch reads a run of this project: omit it, or --from-tensorboard")
    if options.out is None:
        raise ConfigError("--from-tensorboard needs a folder for the figures: add --out DIR2")
    console = make_console()
    console.print(f"Reading {logdir} ...")
    # Seconds of imports.
    from study.report.event_files import report_event_files
    from study.runs.event_reader import parse_tags

    report_event_files(
        logdir,
        parse_tags("own" if options.tags is None else options.tags),
        options.out,
        console,
        footer=options.footer,
        xlsx=options.xlsx,
    )
    return 0


def _refreshed(place: Location, console: Console) -> RunFolder:
    return open_run(place, lambda text: print_note(console, text))


def _publish(run: RunFolder, console: Console) -> None:
    try:
        run.publish()
    except OSError as error:
        print_note(console, f"Not uploaded to {run.home} ({reason(error)}).")


if __name__ == "__main__":
    sys.exit(main())
