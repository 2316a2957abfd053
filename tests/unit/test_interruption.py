"""Ending as by Ctrl-C."""

import os
import signal
import threading
import time

import pytest

from study.runtime.interruption import end_as_by_ctrl_c, interrupt


@pytest.fixture(params=["in front", "in the background of a script"])
def job(request):
    """Whether Ctrl-C is heeded."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if request.param != "in front":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_as_by_ctrl_c()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    "end", [lambda: os.kill(os.getpid(), signal.SIGTERM), interrupt], ids=["SIGTERM", "interrupt"]
)
def test_a_command_ends_as_by_ctrl_c(job, end):
    other = threading.Thread(target=end)
    with pytest.raises(KeyboardInterrupt):
        start_and_wait(other)
    other.join()


def start_and_wait(thread):
    thread.start()
    time.sleep(5)
