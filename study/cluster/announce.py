"""What the training commands print before a run, and when a run is cut short."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

import search_spaces
from lenet.datasets import Dataset
from lenet.devices import describe_device, training_device
from study.runs.run_folder import RunFolder


def question(study: str, datasets: Mapping[str, Dataset], console: Console) -> None:
    """Print the question of the study and its data sets."""
    found = search_spaces.find(study)
    console.print(Text.assemble((found.name, "bold"), f": {found.question}"))
    for dataset in datasets.values():
        sizes = f"{len(dataset.train):,} + {len(dataset.test):,} samples"
        console.print(f"  data set     {dataset.name}, {sizes}, from {dataset.source}")


def processor(*, on_gpu: bool) -> str:
    """Name the driver's processor. If the driver has no GPU, those of the cluster are unknown."""
    found = training_device(on_gpu)
    return "GPUs of the cluster" if on_gpu and found.type == "cpu" else describe_device(found)


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
