"""The data sets of a run, or the embedded one where they cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lenet import datasets as data
from lenet.config import TrainConfig

_FALLBACK = "digits"

Wanted = TypeVar("Wanted")


def load(configs: Sequence[TrainConfig], data_dir: Path | None) -> dict[str, data.Dataset]:
    """The data sets of `configs` by name. Raises `DataUnavailable` if one cannot be had."""
    return {
        name: data.load(name, data_dir)
        for name in dict.fromkeys(config.dataset for config in configs)
    }


def load_or_fall_back(
    wanted: Callable[[str | None], Wanted],
    configs_of: Callable[[Wanted], Sequence[TrainConfig]],
    choices: Mapping[str, Sequence[str]],
    data_dir: Path | None,
) -> tuple[Wanted, dict[str, data.Dataset], list[str]]:
    """What is wanted of a study, its data sets, and what to say of them.

    `wanted` is called with the data set that replaces the study's own, or None. Raises
    `DataUnavailable` where the data set or its folder was asked for, in `choices` or `data_dir`.
    """
    found = wanted(None)
    try:
        return found, load(configs_of(found), data_dir), []
    except data.DataUnavailable as error:
        if "dataset" in choices or data_dir is not None:
            raise
        found = wanted(_FALLBACK)
        notice = f"{error}\nUsing the data set {_FALLBACK} instead."
        return found, load(configs_of(found), data_dir), [notice]
