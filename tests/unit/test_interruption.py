"""Ending as by Ctrl-C."""

import os
import signal
import threading
import time

import pytest

from study.interruption import end_as_by_ctrl_c, heeding_ctrl_c_again, interrupt


@pytest.fixture(params=["in front", "in the background of a script"])
def job(request, ctrl_c):
    """Whether Ctrl-C is heeded."""
    if request.param != "in front":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_as_by_ctrl_c()


@pytest.mark.parametrize(
    "end", [lambda: os.kill(os.getpid(), signal.SIGTERM), interrupt], ids=["SIGTERM", "interrupt"]
)
def test_a_command_ends_as_by_ctrl_c(job, end):
    other = threading.Thread(target=end)
    with pytest.raises(KeyboardInterrupt):
        start_and_wait(other)
    other.join()


def test_what_a_library_leaves_behind_is_undone(ctrl_c):
    with heeding_ctrl_c_again():
        signal.signal(signal.SIGINT, lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        start_and_wait(threading.Thread(target=interrupt))


def start_and_wait(thread):
    thread.start()
    time.sleep(5)
