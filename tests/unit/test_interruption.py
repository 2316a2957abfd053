"""Signals that end a command like Ctrl-C."""

import os
import signal
import threading

import pytest

from study import commandline
from study.interruption import interrupt, restored_ctrl_c, treat_signals_as_ctrl_c


@pytest.fixture(params=["in the foreground", "in the background of a script"])
def job(request, ctrl_c):
    """A command; a script's background jobs ignore SIGINT."""
    if request.param != "in the foreground":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    treat_signals_as_ctrl_c()


@pytest.mark.parametrize(
    "end", [lambda: os.kill(os.getpid(), signal.SIGTERM), interrupt], ids=["SIGTERM", "interrupt"]
)
def test_a_command_ends_as_by_ctrl_c(job, end):
    other = threading.Thread(target=end)
    with pytest.raises(KeyboardInterrupt):
        start_and_wait(other)
    other.join()


def test_the_handler_of_a_library_is_replaced_by_the_original(ctrl_c):
    with restored_ctrl_c():
        signal.signal(signal.SIGINT, lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        start_and_wait(threading.Thread(target=interrupt))


def test_a_second_ctrl_c_while_a_command_ends_is_ignored(ctrl_c, capsys):
    def command(options, typed):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(60)
        finally:  # what was begun is cleaned up, slowly
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(60)

    parser = commandline.Parser("command", "Wait.")
    assert commandline.run_command(parser, command, []) == 130
    assert capsys.readouterr().err == "Interrupted; nothing is lost.\n"
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)


def start_and_wait(thread):
    """Start `thread` and wait for the signal that it sends."""
    thread.start()
    threading.Event().wait(60)
