"""Train, then report: the one way from a request to a finished run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.console import Console

import search_spaces
from study import commandline
from study.cluster import announce, connection
from study.cluster.engine import Ending, Engine
from study.report.declared import check_declared
from study.report.summary import summarize
from study.request import Options, Request, ResourceRequest
from study.runs.collect import refresh
from study.runs.storage import Location
from study.terminal import make_console
from study.tracking.log import log_trials, logged_while_training
from study.tuning.execution import TuningEngine
from study.tuning.plan import FollowUp, MakeSearch, new_plan, resumed_plan


def tune(
    options: argparse.Namespace,
    typed: Sequence[str],
    *,
    tool: str,
    request: Request,
    resources: ResourceRequest,
    command_options: Options,
    place: Location,
    follow_up: FollowUp | None = None,
    make_search: MakeSearch | None = None,
) -> int:
    """Plan a new or resumed run of Ray Tune, train it and report it. Return the exit code.

    `options` are the parsed arguments, `typed` the words to show as the command, and
    `command_options` what a resumed run of `tool` must know. `place` is where the run lives or
    goes.
    """
    command = commandline.command_text(tool, typed)
    if options.resume:  # its report says what it lacks of the user's own kinds
        plan = resumed_plan(
            place,
            resources,
            options.data_dir,
            command,
            tool=tool,
            options=command_options,
            follow_up=follow_up,
            make_search=make_search,
        )
    else:
        check_declared(search_spaces.find(request.study))
        plan = new_plan(
            request,
            resources,
            place,
            options.data_dir,
            command,
            tool=tool,
            options=command_options,
            follow_up=follow_up,
            make_search=make_search,
        )
    console = make_console()
    engine = TuningEngine(plan, console)
    return train_and_report(engine, console, dry_run=options.dry_run, trackers=options.log)


def train_and_report(
    engine: Engine, console: Console, *, dry_run: bool, trackers: Sequence[str] = ()
) -> int:
    """Train what `engine` has planned, report it, log it to `trackers`. Return the exit code.

    If Ctrl-C or a failing disk or bucket ends the training or the report, the command that resumes
    the run is printed.
    """
    try:
        if not engine.prepare(dry_run=dry_run):
            return 0
        engine.folder.make()
        with engine.folder.locked():
            engine.write_plan()
            return _train(engine, console, trackers)
    finally:
        engine.close()


def _train(engine: Engine, console: Console, trackers: Sequence[str]) -> int:
    folder = engine.folder
    resume_options = [*engine.resume_options, *(word for t in trackers for word in ("--log", t))]

    def explain(problem: str, console: Console = console) -> None:
        announce.how_to_resume(problem, engine.tool, folder, resume_options, console)

    try:
        with (
            connection.exit_if_ray_dies(explain, Ending.INTERRUPTED.value),
            connection.full_store_explained(),
            logged_while_training(folder, trackers),
        ):
            ending = engine.train()
        if not folder.plan:
            console.print("No trial began within the time limit: give --resume a longer one.")
            return Ending.SOME_FAILED.value
        logged = log_trials(folder, trackers)
        refresh(folder)
        summarize(folder.path, console)
        for line in logged:
            console.print(f"  {line}")
        folder.publish()
        announce.published(folder, console)
    except KeyboardInterrupt:
        folder.check_held()
        ending = Ending.INTERRUPTED
    except OSError as error:
        problem = commandline.describe(error, str(folder.home))
        explain(problem, make_console(stderr=True))  # stdout may be what failed
        return Ending.SOME_FAILED.value
    if ending is Ending.INTERRUPTED:
        explain("Interrupted")
    elif ending is Ending.SOME_FAILED:
        explain(f"Some {engine.unit} failed")
    return ending.value
