"""What the commands' parsers share: one line for an error, and kinds of numbers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` of a module's docstring: its first paragraph describes the command,
    the rest follows its options."""

    def __init__(self, prog: str, documentation: str | None, **more: Any) -> None:
        description, _, epilog = (documentation or "").partition("\n\n")
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **more,
        )

    def error(self, message: str) -> NoReturn:
        """One line, where argparse prints its usage first."""
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def folder(text: str) -> Path:
    """A path; the empty one would be the folder one happens to be in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty path names no folder")
    return Path(text)


def existing_folder(text: str) -> Path:
    """A path where a folder is."""
    path = folder(text).expanduser()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder: name one that is there")
    return path


def amount(text: str) -> float:
    """A number of at least a hundredth, which is as fine as shares of a machine need to be."""
    value = share(text)
    if value < 0.01:
        raise argparse.ArgumentTypeError(f"{text} must be 0.01 or more")
    return value


def share(text: str) -> float:
    """A number, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be a number, 0 or more")
    return value


def count(text: str) -> int:
    """A whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be a whole number, 1 or more")
    return int(text)
