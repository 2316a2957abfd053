"""The figures of a study: one kind of figure per module, in one shared style.

A study names a kind by its module (`search_spaces.study.Figure.kind`). The module's function
`draw(results, title, **options)` returns its figures by the suffix of their file names: usually
one, whose suffix is empty. Imports neither Ray nor torch.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def _default_settings() -> Iterator[None]:
    """Keep matplotlib from reading the user's settings while it is imported.

    matplotlib 3.11 reads MPLBACKEND, and raises an error if a notebook has set it to a backend that
    is not installed here. It also reads the first `matplotlibrc` that it finds, beginning in the
    working directory; the file inside matplotlib has the defaults. Its warning about a home folder
    that it cannot write to is no help to a program that only draws into files.
    """
    backend = os.environ.pop("MPLBACKEND", None)
    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with _inside_matplotlib():
            yield
    finally:
        log.setLevel(level)
        if backend is not None:
            os.environ["MPLBACKEND"] = backend


@contextlib.contextmanager
def _inside_matplotlib() -> Iterator[None]:
    """Make the folder of matplotlib's own `matplotlibrc` the working directory."""
    spec = importlib.util.find_spec("matplotlib")
    folders = spec.submodule_search_locations if spec else None
    try:
        here = os.open(".", os.O_RDONLY)
    except OSError:  # a deleted or unreadable folder: no matplotlibrc can be read there either
        yield
        return
    try:
        if folders:
            os.chdir(Path(folders[0]).absolute() / "mpl-data")
        yield
    finally:
        os.fchdir(here)
        os.close(here)


with _default_settings():
    importlib.import_module("matplotlib.figure")
