"""Train, then report: the one way from an engine with a plan to a finished run."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from study.cluster import announce, connection
from study.cluster.engine import Ending, Engine
from study.os_errors import StorageFailed, describe
from study.terminal import make_console
from study.tracking.log import log_trials, logged_while_training


def train_and_report(
    engine: Engine, console: Console, *, dry_run: bool, trackers: Sequence[str] = ()
) -> Ending:
    """Train what `engine` has planned, then report and publish the run. Return how it ended.

    Its trials are logged to `trackers`, too.

    If Ctrl-C or a failing disk or bucket ends the training or the report, print the command that
    resumes the run.

    Raises: StorageFailed if a disk or bucket failed.
    """
    try:
        if not engine.prepare(dry_run=dry_run):
            return Ending.COMPLETE
        engine.folder.make()
        with engine.folder.locked():
            engine.write_plan()
            return _train(engine, console, trackers)
    finally:
        engine.close()


def _train(engine: Engine, console: Console, trackers: Sequence[str]) -> Ending:
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
            return Ending.SOME_FAILED
        # Imported here, because they import pandas and matplotlib, which take seconds.
        from study.report.summary import summarize
        from study.report.unfinished import how_to_watch
        from study.runs.collect import refresh

        logged = log_trials(folder, trackers)
        refresh(folder)
        if not summarize(folder.path, console):
            how_to_watch(folder, console)
        for line in logged:
            console.print(f"  {line}")
        folder.publish()
        announce.published(folder, console)
    except KeyboardInterrupt:
        folder.check_held()
        ending = Ending.INTERRUPTED
    except OSError as error:
        problem = describe(error, str(folder.home))
        explain(problem, make_console(stderr=True))  # stdout may be what failed
        raise StorageFailed(problem) from error
    if ending is Ending.INTERRUPTED:
        explain("Interrupted")
    elif ending is Ending.SOME_FAILED:
        explain(f"Some {engine.unit} failed")
    return ending
