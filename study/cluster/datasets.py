"""The data sets of a run: loaded by the driver, shared with workers through the object store."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lenet import dataset_files, registry
from lenet.config import TrainConfig
from lenet.dataset_files import AnyDataset, DataUnavailable

if TYPE_CHECKING:
    from lenet.datasets import Dataset
    from lenet.samples import AnySamples

_FALLBACK = "digits"

Plan = TypeVar("Plan")
Shared = dict[str, Any]
"""A data set as Ray's object store holds it: name, source, classes, and of each split the numpy
arrays, or the map-style data set and the indices."""


def load(configs: Sequence[TrainConfig], data_dir: Path | None) -> dict[str, AnyDataset]:
    """Return the data sets of `configs` by name. Read those that are not known to be sound.

    Raises: DataUnavailable if one is missing.
    """
    names = dict.fromkeys(config.dataset for config in configs)
    return {name: dataset_files.known(name, data_dir) or _read(name, data_dir) for name in names}


def _read(name: str, data_dir: Path | None) -> Dataset:
    from lenet import datasets  # imports torch, which takes seconds

    return datasets.load(name, data_dir)


def load_or_fall_back(
    make_plan: Callable[[str | None], Plan],
    configs_of: Callable[[Plan], Sequence[TrainConfig]],
    choices: Mapping[str, Sequence[str]],
    data_dir: Path | None,
) -> tuple[Plan, dict[str, AnyDataset], list[str]]:
    """Return the plan of a study, its data sets by name, and notes for the user.

    `make_plan` takes the name of a data set that replaces the study's own, or None. If the study's
    own data set is unavailable, the plan is made again for the embedded digits.

    Raises: DataUnavailable if the user named the data set (in `choices`) or its folder.
    """
    plan = make_plan(None)
    try:
        return plan, load(configs_of(plan), data_dir), []
    except DataUnavailable as error:
        if "dataset" in choices or data_dir is not None:
            raise
        plan = make_plan(_FALLBACK)
        note = f"{error.problem}. Training on {_FALLBACK}, {registry.DATASETS[_FALLBACK]}, instead."
        return plan, load(configs_of(plan), data_dir), [note]


def share(dataset: Dataset) -> Shared:
    """Convert a data set to numpy arrays, which all processes of a node map without a copy.

    Ray would copy torch tensors. A map-style data set is sent as is; each process reads from it.
    """
    return {
        "name": dataset.name,
        "source": dataset.source,
        "classes": dataset.classes,
        "splits": [_shared_samples(samples) for samples in (dataset.train, dataset.test)],
    }


def _shared_samples(samples: AnySamples) -> tuple[Any, ...]:
    from lenet.samples import MapSamples

    if isinstance(samples, MapSamples):
        return samples.dataset, samples.indices.numpy()
    return samples.inputs.numpy(), samples.targets.numpy()


def _samples(first: Any, second: Any) -> AnySamples:
    import numpy as np
    import torch

    from lenet.samples import MapSamples, Samples

    if isinstance(first, np.ndarray):
        return Samples(torch.from_numpy(first), torch.from_numpy(np.asarray(second)))
    return MapSamples(first, torch.from_numpy(np.asarray(second)), torch.device("cpu"))


def shared_dataset(shared: Shared) -> Dataset:
    """Rebuild the data set that `share` converted, on the same memory."""
    from lenet.datasets import Dataset

    with warnings.catch_warnings():
        # The arrays are read-only, which a torch tensor cannot express. Nothing writes to them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        train, test = (_samples(*split) for split in shared["splits"])
    return Dataset(shared["name"], shared["source"], train, test, shared["classes"])
