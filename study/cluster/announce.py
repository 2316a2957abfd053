"""Messages that the training commands print before a run, and when a run is cut short."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

import search_spaces
from lenet.config import TrainConfig
from lenet.dataset_files import AnyDataset
from lenet.devices import describe_device, name_of_device, training_device
from lenet.registry import is_own
from lenet.run_length import RunLength
from search_spaces.length import LENGTH, samples_factor, training_samples
from study.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from lenet.datasets import Dataset

_SHOWN_CLASSES = 5
"""classes without a training sample that are listed"""


def datasets(datasets: Mapping[str, AnyDataset], console: Console) -> None:
    """Print the data sets of a run."""
    for dataset in datasets.values():
        train, test = dataset.sizes
        sizes = f"{train:,} + {test:,} samples"
        console.print(f"  data set     {dataset.name}, {sizes}, from {dataset.source}")
        if is_own(dataset.name):
            _classes(dataset.load(), console)


def _classes(own: Dataset, console: Console) -> None:
    """Print the number of classes, and those that no training sample has: labels may be mapped
    wrongly. The labels of a map-style data set are not read for that.
    """
    from lenet.samples import Samples  # imports torch, as the user's data has done

    if not own.classifies:
        return
    found = set(own.train.targets.unique().tolist()) if isinstance(own.train, Samples) else None
    absent = (c for c in range(own.classes) if found is not None and c not in found)
    missing = list(itertools.islice(absent, _SHOWN_CLASSES + 1))
    line = f"  classes      {own.classes}"
    if missing:
        shown = ", ".join(map(str, missing[:_SHOWN_CLASSES]))
        more = ", ..." if len(missing) > _SHOWN_CLASSES else ""
        line += (
            f"; no training sample has {'class' if len(missing) == 1 else 'classes'} {shown}{more}"
        )
    console.print(line)


def batch_sizes(
    configs: Sequence[TrainConfig], datasets: Mapping[str, AnyDataset], console: Console
) -> None:
    """Print the batch sizes that exceed the number of training samples of the user's own data."""
    for dataset in datasets.values():
        own = [c for c in configs if c.dataset == dataset.name and is_own(dataset.name)]
        samples = {c.batch_size: training_samples(c.to_dict(), dataset.sizes[0]) for c in own}
        for size in sorted(size for size, count in samples.items() if size > count):
            console.print(
                f"  batch size   {size} is more than the {samples[size]:,} training samples of "
                f"{dataset.name}: each step trains on all of them"
            )


def epochs(
    study: str,
    choices: Collection[str],
    configs: Sequence[TrainConfig],
    datasets: Mapping[str, AnyDataset],
    console: Console,
) -> None:
    """Print the numbers of epochs that a user may not expect.

    A data set smaller than the one the study was made for gets more epochs. Epochs may also end a
    trial before the `steps` that the user has chosen. `choices` holds the names of the settings
    that the user has chosen.
    """
    found = search_spaces.find(study)
    # A study that compares numbers of epochs uses the same ones on every data set.
    chosen = {*choices, *found.dimensions}
    for dataset in datasets.values():
        own = [c for c in configs if c.dataset == dataset.name and c.epochs is not None]
        counts = " or ".join(str(epochs) for epochs in sorted({c.epochs for c in own if c.epochs}))
        longer = any(samples_factor(config.to_dict(), found.made_for) > 1 for config in own)
        if longer and not LENGTH & chosen:
            like = f"about as many steps as on {found.made_for}"
            console.print(f"  epochs       {counts} on {dataset.name}: {like}")
        if "steps" in choices and "epochs" not in chosen and _any_ends_early(own, dataset):
            console.print(
                f"  steps        {counts} epochs on {dataset.name} end first: to train all steps, "
                "add\n               --set epochs=none"
            )


def _any_ends_early(configs: Sequence[TrainConfig], dataset: AnyDataset) -> bool:
    """Return True if the epochs of a config end before its steps."""
    for config in configs:
        samples = training_samples(config.to_dict(), dataset.sizes[0])
        if config.steps and RunLength(config, samples).total_steps < config.steps:
            return True
    return False


def processor(*, on_gpu: bool) -> str:
    """Name the driver's processor. If the driver has no GPU, the cluster's GPUs are unknown."""
    if not on_gpu:
        return name_of_device(use_gpu=False)
    found = training_device(use_gpu=True)
    return "GPUs of the cluster" if found.type == "cpu" else describe_device(found)


def dashboard(url: str | None, study: str, console: Console) -> None:
    """Print where to watch the run."""
    if url is None:
        console.print("  dashboard    none: Ray was installed or started without it")
        return
    needs_token = os.environ.get("RAY_AUTH_MODE") == "token"
    token = "; paste the token that `ray get-auth-token` prints" if needs_token else ""
    console.print(f"  dashboard    {url}{token}")
    console.print(f"               workers are the actors {study}_trial; their logs name trials")


def results(folder: RunFolder, console: Console) -> None:
    """Print where the results go."""
    copy = f", with a copy of figures and tables in {folder.path}" if folder.is_copy else ""
    console.print(f"  results      {folder.home}{copy}")


def published(folder: RunFolder, console: Console) -> None:
    """Print that everything has been uploaded to the bucket."""
    if folder.is_copy:
        console.print(f"  uploaded  {folder.home}")


def how_to_resume(
    problem: str, tool: str, folder: RunFolder, options: Sequence[str], console: Console
) -> None:
    """Print the command that finishes a run."""
    command = shlex.join(["python", "-m", tool, "--resume", str(folder.home), *options])
    console.print(f"{problem}. All results so far are in {folder.home}. To finish the run, type")
    console.print(f"  {command}")
