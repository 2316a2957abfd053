"""What the commands that train say on the terminal before, and when they are cut short."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

import search_spaces
from lenet.datasets import Dataset
from lenet.devices import describe_device, training_device
from search_spaces.study import Planned, maximized
from study.analysis.wording import counted, label
from study.cluster import connection as cluster
from study.cluster.estimate import Estimate, clock
from study.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from study.tuning.plan import Launch
    from study.tuning.search import Search

INTERRUPTED = 130
"""the exit code of a command that Ctrl-C ended, as a shell has it"""


def question(study: str, datasets: Mapping[str, Dataset], console: Console) -> None:
    """What is asked, and of which data."""
    found = search_spaces.find(study)
    console.print(f"[bold]{found.name}[/bold]: {found.question}")
    for dataset in datasets.values():
        sizes = f"{len(dataset.train):,} + {len(dataset.test):,} samples"
        console.print(f"  data set     {dataset.name}, {sizes}, from {dataset.source}")


def launch(
    launched: Launch, resources: cluster.Resources, expected: Estimate, console: Console
) -> None:
    """What will be trained, on what, for how long, and where it goes."""
    asked = launched.question
    question(asked.study, launched.datasets, console)
    done = f", {launched.complete} more are complete" if launched.complete else ""
    if launched.search is not None:
        console.print(f"  trials       {launched.search.left} (budget {asked.budget}){done}")
        _search(launched.search, console)
    else:
        console.print(
            f"  trials       {len(launched.plan)} (budget {asked.budget}, "
            f"{counted(asked.seeds, 'seed')}){done}"
        )
    if asked.scheduler != "none":
        console.print(f"  scheduler    {asked.scheduler}, which stops weak trials early")
    console.print(f"  device       {device(resources)}")
    console.print(f"  concurrency  {_at_once(resources, launched)}, {cluster.describe(resources)}")
    more = "; what follows from them comes on top" if launched.then is not None else ""
    console.print(
        f"  time         about {clock(expected.total_seconds)}, "
        f"from training steps measured on this machine{more}"
    )
    results(launched.folder, console)


def _at_once(resources: cluster.Resources, launched: Launch) -> str:
    """How many trials run at the same time, in words."""
    said = f"{resources.at_first} at once"
    left = launched.search.left if launched.search else len(launched.plan)
    most = min(resources.concurrent or left, left)
    return said if most <= resources.at_first else f"{said}, {most} if machines join"


def _search(search: Search, console: Console) -> None:
    aims = " and ".join(
        f"{'most' if maximized(name) else 'least'} {label(name)}" for name in search.objectives
    )
    console.print(f"  search       by {search.sampler} (seed {search.seed}) for {aims}")
    for dimension in search.space:
        conditions = " and ".join(
            f"{name} {' or '.join(sorted(map(str, values)))}"
            for name, values in dimension.where.items()
        )
        said = f"    {dimension.setting:14} {dimension.over}"
        console.print(f"{said}, with {conditions}" if conditions else said, markup=False)


def device(resources: cluster.Resources) -> str:
    """What trials are trained on, as far as the driver can tell; numbers carry what it was."""
    used = processor(on_gpu=resources.gpus_per_trial > 0)
    return f"{used}, {counted(resources.threads, 'thread')} a trial"


def processor(*, on_gpu: bool) -> str:
    """This machine's, by its name; the GPUs of a cluster whose head has none are not known yet."""
    found = training_device(on_gpu)
    return "GPUs of the cluster" if on_gpu and found.type == "cpu" else describe_device(found)


def dashboard(url: str | None, study: str, console: Console) -> None:
    """Where to watch."""
    if url is None:
        console.print("  dashboard    none: this Ray was installed or started without it")
        return
    token = "; asks for the token that `ray get-auth-token` prints"
    needs_token = os.environ.get("RAY_AUTH_MODE") == "token"
    console.print(f"  dashboard    {url}{token if needs_token else ''}")
    console.print(
        f"               its actors {study}_trial are the workers; their logs name trials"
    )


def results(folder: RunFolder, console: Console) -> None:
    """Where everything goes."""
    copied = f", figures and tables also in {folder.path}" if folder.is_copy else ""
    console.print(f"  results      {folder.home}{copied}")


def published(folder: RunFolder, console: Console) -> None:
    """That a run in a bucket is whole there, too."""
    if folder.is_copy:
        console.print(f"  all of it {folder.home}")


def trials(plan: Sequence[Planned], expected: Estimate, console: Console) -> None:
    """Each trial with its time, instead of training it; of a search none is known yet."""
    if not plan:
        return
    console.print("Trials, not started (--dry-run), with their expected time:")
    for planned in plan:
        console.print(f"  {planned.name}  {clock(expected.trial_seconds[planned.config.id])}")


def how_to_resume(
    happened: str, tool: str, folder: RunFolder, options: Sequence[str], console: Console
) -> None:
    """What to type to finish a run that `tool` was cut short in."""
    command = shlex.join(["python", "-m", tool, "--resume", str(folder.home), *options])
    console.print(
        f"{happened}; all that was trained is kept in {folder.home}. Finish it with\n  {command}"
    )
