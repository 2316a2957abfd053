"""Train, then report: the one way from an engine with a plan to a finished run."""

from __future__ import annotations

from rich.console import Console

from study.cluster import announce, connection
from study.cluster.engine import Ending, Engine
from study.os_errors import describe
from study.report.summary import summarize
from study.runs.collect import refresh
from study.terminal import make_console


def train_and_report(engine: Engine, console: Console, *, dry_run: bool) -> Ending:
    """Train what `engine` has planned, report it and publish it. Return how it ended.

    If Ctrl-C or a failing disk or bucket ends the training or the report, the command that resumes
    the run is printed.
    """
    try:
        if not engine.prepare(dry_run=dry_run):
            return Ending.COMPLETE
        engine.folder.make()
        with engine.folder.locked():
            engine.write_plan()
            return _train(engine, console)
    finally:
        engine.close()


def _train(engine: Engine, console: Console) -> Ending:
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
            return Ending.SOME_FAILED
        refresh(folder)
        summarize(folder.path, console)
        folder.publish()
        announce.published(folder, console)
    except KeyboardInterrupt:
        folder.check_held()
        ending = Ending.INTERRUPTED
    except OSError as error:
        problem = describe(error, str(folder.home))
        explain(problem, make_console(stderr=True))  # stdout may be what failed
        return Ending.SOME_FAILED
    if ending is Ending.INTERRUPTED:
        explain("Interrupted")
    elif ending is Ending.SOME_FAILED:
        explain(f"Some {engine.unit} failed")
    return ending
