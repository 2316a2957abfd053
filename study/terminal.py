"""The terminal: one console without markup, and the forms of a note and an error."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text


def make_console() -> Console:
    """Create the console of a command.

    Paths, worker errors and names of the user's own may hold `[...]` or `:name:`, which Rich
    would read as markup or emoji, so neither is interpreted. Style text with `rich.text.Text`.
    """
    return Console(highlight=False, soft_wrap=True, markup=False, emoji=False)


def print_note(console: Console, message: str) -> None:
    """Print something the user should know that is not an error."""
    console.print(Text.assemble(("Note:", "yellow"), f" {message}"))


def print_error(message: str) -> None:
    """Print an error to stderr, as `error: MESSAGE`."""
    print(f"error: {message}", file=sys.stderr)
