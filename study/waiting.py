"""Progress display for a step that takes long: a live clock, or a line now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_LOOKS = 1.0


@contextmanager
def waiting(console: Console, what: str, *, now: Callable[[], str] | None = None) -> Iterator[None]:
    """Show that `what` is under way, and for how long, until the block ends.

    A terminal gets a clock that disappears at the end. Elsewhere, `what` is printed at the start,
    and every ten seconds a line with the time. `now` describes what is awaited at that moment; it
    is called from another thread.
    """
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        # The description may hold the user's text, which is not markup.
        columns[1].markup = False
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(what)

            def show(_: float) -> None:
                progress.update(task, description=f"{what}: {now()}" if now else what)

            with _repeated(show, _SECONDS_BETWEEN_LOOKS):
                yield
        return
    console.print(f"{what} ...")

    def tell(seconds: float) -> None:
        console.print(f"  {now() if now else what}, {seconds:.0f} s so far")

    with _repeated(tell, _SECONDS_BETWEEN_LINES):
        yield


@contextmanager
def _repeated(action: Callable[[float], None], seconds: float) -> Iterator[None]:
    """Call `action` with the seconds since the start every `seconds`, from a thread."""
    over, started = threading.Event(), time.monotonic()

    def run() -> None:
        while not over.wait(seconds):
            action(time.monotonic() - started)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
