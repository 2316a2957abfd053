"""Messages for an `OSError` of a file or of the standard output."""

from __future__ import annotations

from study.runs.storage import reason
from study.terminal import flush_stdout


class StorageFailed(OSError):
    """A disk or bucket failed while a run was trained or reported.

    The command that resumes the run has been printed.
    """


def describe(error: OSError, place: str) -> str:
    """Return the message for `error`, which arose at `place` unless it names its file.

    An error of the standard output names no file, so another write shows whether it still works.
    """
    if not error.filename and (of_stdout := flush_stdout("\n")):
        return cannot_print(of_stdout)
    file = error.filename or place
    return f"cannot read or write {file} ({reason(error)})" if file else reason(error)


def cannot_print(error: OSError) -> str:
    """Return the message for a standard output that cannot be written to."""
    return f"cannot write to standard output ({reason(error)}): send it elsewhere"
