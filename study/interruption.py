"""Ending as by Ctrl-C, whatever it is that asks for it: what was trained is kept, and how to resume
is said."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def end_as_by_ctrl_c() -> None:
    """From now on SIGTERM, with which batch systems end a job, and SIGHUP, which is a terminal or a
    connection that is gone, are as Ctrl-C; not SIGHUP where `nohup` has it ignored."""
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # no SIGHUP on Windows
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _as_by_ctrl_c)


@contextmanager
def heeding_ctrl_c_again() -> Iterator[None]:
    """Have Ctrl-C do afterwards what it did before: Ray's libraries leave handlers of their own
    behind, which do nothing any more."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    """As if Ctrl-C had been typed, from any thread of a command."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    os.kill(os.getpid(), signal.SIGTERM if ignored else signal.SIGINT)


def _as_by_ctrl_c(*_: object) -> None:
    # The background jobs of a script ignore Ctrl-C, which is meant for the one in front. What was
    # sent to this process is meant for it.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        raise KeyboardInterrupt
    os.kill(os.getpid(), signal.SIGINT)
