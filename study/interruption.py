"""Ctrl-C and the signals that mean the same: keep what was trained, and say how to resume."""

from __future__ import annotations

import os
import signal
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager


def treat_signals_as_ctrl_c() -> None:
    """Handle SIGTERM and SIGHUP like Ctrl-C from now on.

    Batch systems end a job with SIGTERM, and a closed terminal or connection sends SIGHUP. A
    SIGHUP that `nohup` set to be ignored stays ignored. Does nothing outside the main thread.

    A Ctrl-C that arrives while an earlier one ends the command prints no traceback.
    """
    sys.excepthook = _print_uncaught
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # no SIGHUP on Windows
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _raise_ctrl_c)


def ignore_further_signals() -> None:
    """Ignore Ctrl-C, SIGTERM and SIGHUP from now on, in a command that one of them is ending.

    A second signal would otherwise print a traceback. Does nothing outside the main thread.
    """
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if (number := getattr(signal, name, None)) is not None:
                signal.signal(number, signal.SIG_IGN)


@contextmanager
def restored_ctrl_c() -> Iterator[None]:
    """Restore the SIGINT handler on exit.

    When Ray Tune and Ray Train 2.60 return, they leave handlers behind that do nothing.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


@contextmanager
def restored_signals() -> Iterator[None]:
    """Restore the handlers of SIGINT, SIGTERM and SIGHUP on exit, as a notebook's kernel needs."""
    numbers = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {number: signal.getsignal(number) for number in numbers if number is not None}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def interrupt() -> None:
    """Interrupt the command as Ctrl-C does. Can be called from any thread."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    os.kill(os.getpid(), signal.SIGTERM if ignored else signal.SIGINT)


def _print_uncaught(
    kind: type[BaseException], error: BaseException, traceback: types.TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)


def _raise_ctrl_c(*_: object) -> None:
    # A script's background jobs ignore SIGINT, which is meant for the foreground job. SIGTERM was
    # sent to this very process.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        raise KeyboardInterrupt
    os.kill(os.getpid(), signal.SIGINT)
