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
from study.request import Options, Request, ResourceRequest
from study.runs.storage import Location
from study.terminal import make_console
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
    check_declared(search_spaces.find(request.study))
    if options.resume:
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
    return train_and_report(TuningEngine(plan, console), console, dry_run=options.dry_run)


def train_and_report(engine: Engine, console: Console, *, dry_run: bool) -> int:
    """Train what `engine` has planned, report it and publish it. Return the exit code.

    If Ctrl-C or a failing disk or bucket ends the training or the report, the command that resumes
    the run is printed.
    """
    try:
        if not engine.prepare(dry_run=dry_run):
            return 0
        engine.folder.make()
        with engine.folder.locked():
            engine.write_plan()
            return _train(engine, console)
    finally:
        engine.close()


def _train(engine: Engine, console: Console) -> int:
    folder = engine.folder

    def explain(problem: str, console: Console = console) -> None:
        announce.how_to_resume(problem, engine.tool, folder, engine.resume_options, console)

    try:
        with (
            connection.exit_if_ray_dies(explain, Ending.INTERRUPTED.value),
            connection.full_store_explained(),
        ):
            ending = engine.train()
        if not folder.plan:
            console.print("No trial began within the time limit: give --resume a longer one.")
            return Ending.SOME_FAILED.value
        # They import pandas and matplotlib, which take seconds.
        from study.report.summary import summarize
        from study.runs.collect import refresh

        refresh(folder)
        summarize(folder.path, console)
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
