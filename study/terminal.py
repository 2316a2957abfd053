"""The terminal: one console whose lines fit it, and the forms of a note and an error."""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
import textwrap
from typing import Any

from rich.console import Console
from rich.text import Text

_LABEL = re.compile(r" {2,}\S+(?: \S+){0,2} {2,}(?=\S)")
_WHOLE = re.compile(r" ± |(?<=\d) %|\[[-+\d][-+\d.,% a-z]*\]")
_MAX_LABEL = 30


class WrappingConsole(Console):
    """A console that breaks lines between words only, so paths and numbers stay whole.

    A broken line continues under its text: after the label, as in `  device   cpu`, or indented by
    two more spaces. A command, which begins with `  python -m`, continues after a backslash, so it
    can be pasted.
    """

    def print(self, *objects: Any, **more: Any) -> None:
        """Print as Rich does, but wrap text and strings by these rules."""
        super().print(*map(self._wrap, objects), **more)

    def _wrap(self, printed: Any) -> Any:
        if isinstance(printed, Text):
            wrapped = wrap(printed.plain, self.width)
            # Only beginnings of lines are styled, so wrapping moves no style.
            return Text(wrapped, style=printed.style, spans=printed.spans, end=printed.end)
        return wrap(printed, self.width) if isinstance(printed, str) else printed


def print_any_text() -> None:
    """Escape characters that the encoding of stdout or stderr lacks, and allow closed streams."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed, as by `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush_stdout(text: str = "") -> OSError | None:
    """Write `text` and flush stdout. If that fails, discard further output and return the error.

    Python would otherwise try again on exit, and print "Exception ignored".
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None


def make_console(**options: Any) -> Console:
    """Create the console of a command; `options` are Rich's.

    Paths, worker errors and the user's own names may hold `[...]` or `:name:`. Rich would read
    these as markup or emoji, so neither is interpreted. Style text with `rich.text.Text`.
    """
    return WrappingConsole(highlight=False, soft_wrap=True, markup=False, emoji=False, **options)


def wrap(text: str, width: int) -> str:
    """Break the lines of `text` at `width` characters (see `WrappingConsole`).

    Some environments claim a width of 0 (`COLUMNS=0`), so a line has at least 20 characters.
    """
    width = max(width, 20)
    return "\n".join(_wrap_line(line, width) for line in text.split("\n"))


def _wrap_line(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = len(line) - len(line.lstrip(" "))
    if line.startswith("python -m ", indent) and "  " not in line[indent:]:
        return _wrap_command(line, indent, width)
    label = _LABEL.match(line)
    hang = label.end() if label and label.end() <= _MAX_LABEL else indent + 2 * (indent > 0)
    # A zero byte stands for a space at which a number would break.
    whole = _WHOLE.sub(lambda found: found[0].replace(" ", "\0"), line)
    lines = textwrap.wrap(
        whole,
        width,
        subsequent_indent=" " * hang,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace("\0", " ")


def _wrap_command(line: str, indent: int, width: int) -> str:
    try:
        words = _with_values([shlex.quote(word) for word in shlex.split(line)])
    except ValueError:  # not a whole command
        return line
    lines = [" " * indent + words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 3 > width:
            lines[-1] += " \\"
            lines.append(" " * (indent + 4) + word)
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)


def _with_values(words: list[str]) -> list[str]:
    """Join each option of a command with its value, so that they stay on one line."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].startswith("--") and " " not in joined[-1] and word[0] != "-":
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined


def print_note(console: Console, message: str) -> None:
    """Print something the user should know that is not an error."""
    console.print(Text.assemble(("Note:", "yellow"), f" {message}"))


def print_error(message: str) -> None:
    """Print an error to stderr, as `error: MESSAGE`."""
    print(f"error: {message}", file=sys.stderr)
