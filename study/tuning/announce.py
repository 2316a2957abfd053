"""Messages that the Ray Tune commands print before a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from search_spaces.objective import maximized
from search_spaces.study import PlannedTrial
from study.analysis.hardware import Hardware
from study.analysis.wording import format_duration, label, pluralize
from study.cluster import announce
from study.cluster.estimate import Estimate
from study.cluster.resources import Resources
from study.tuning.plan import TuningPlan

if TYPE_CHECKING:
    from study.tuning.search import Search


def plan(
    plan: TuningPlan,
    resources: Resources,
    expected: Estimate,
    packing: Sequence[str],
    console: Console,
) -> None:
    """Print what will be trained, on what, for how long, and where the results go.

    `packing`: a line for each kind of trial that says what `--pack` chose.
    """
    request = plan.request
    announce.datasets(plan.datasets, console)
    announce.batch_sizes(plan.configs, plan.datasets, console)
    announce.epochs(request.study, request.choices, plan.configs, plan.datasets, console)
    complete = f", {plan.complete} more are complete" if plan.complete else ""
    if plan.search is not None:
        console.print(f"  trials       {_search_trials(plan.search)} (budget {request.budget})")
        if plan.follow_up is not None:
            console.print(
                f"  then         up to {plan.follow_up.at_most} more to confirm "
                f"{plan.follow_up.description}"
            )
        _search(plan.search, console)
    else:
        seeds = pluralize(request.seeds, "seed")
        console.print(
            f"  trials       {len(plan.trials)} (budget {request.budget}, {seeds}){complete}"
        )
    if request.scheduler != "none":
        console.print(f"  scheduler    {request.scheduler}, which stops unpromising trials early")
    for heading, line in zip(("fleets", *[""] * len(packing)), packing, strict=False):
        console.print(f"  {heading:12} {line}")
    console.print(f"  device       {device(resources)}")
    console.print(f"  concurrency  {_concurrency(resources, plan)}")
    follow_up = ""
    if plan.follow_up is not None:
        known = plan.search is not None and plan.search.left
        follow_up = ", confirmation included" if known else "; follow-up trials not included"
    console.print(
        f"  time         about {format_duration(expected.total_seconds)}, from training steps "
        f"timed on this machine{follow_up}"
    )
    announce.results(plan.folder, console)


def _search_trials(search: Search) -> str:
    text = str(search.left)
    if search.done:
        text += f" of {search.done + search.left}; {search.done} are complete"
    if search.seeds > 1:
        text += f"; each with {search.seeds} seeds, and judged by their mean"
    return text


def _concurrency(resources: Resources, plan: TuningPlan) -> str:
    fleets = {planned.fleet for planned in plan.trials if planned.fleet}
    alone = [planned for planned in plan.trials if not planned.fleet]
    trials = plan.search.left if plan.search else len(fleets) + len(alone)
    limit = min(resources.concurrent or trials, trials)
    at_once = f"{resources.at_first} at once"
    if limit > resources.at_first:
        at_once += f", {limit} if machines join"
    gpus = f" and {resources.gpus_per_trial:g} GPU" if resources.gpus_per_trial else ""
    return f"{at_once}, {resources.cpus_per_trial:g} CPU{gpus} each"


def _search(search: Search, console: Console) -> None:
    goals = " and ".join(
        f"{'maximize' if maximized(name) else 'minimize'} {label(name)}"
        for name in search.objectives
    )
    console.print(f"  search       {search.sampler} (seed {search.seed}): {goals}")
    if search.start_from:
        points = pluralize(len(search.start_from), "point")
        console.print(f"    begins with {points} of --start-from")
    for dimension in search.space.dimensions:
        conditions = " and ".join(
            f"{name} {' or '.join(sorted(map(str, values)))}"
            for name, values in dimension.condition.items()
        )
        only_with = f", only with {conditions}" if conditions else ""
        console.print(f"    {dimension.setting:14} {dimension.domain}{only_with}")


def hardware(found: Hardware, console: Console) -> None:
    """Print the predicted time of each way to use the hardware."""
    trials = pluralize(found.trials, "trial")
    console.print(f"Where to put the hardware: {found.machine}, {trials}")
    for choice in found.choices:
        chosen = " (this run)" if choice.is_chosen else ""
        if choice.seconds is None:
            console.print(f"  {choice.name:12}  {choice.how}")
            console.print(f"                {choice.missing}")
            continue
        console.print(f"  {choice.name:12}  {choice.format_seconds()} predicted{chosen}")
        console.print(f"                {choice.how}")
    if found.fastest:
        console.print(f"  fastest       {found.fastest}")
    console.print(f"  {found.basis}")


def device(resources: Resources) -> str:
    """Name what trials train on, as far as the driver knows. Each trial records its own device."""
    name = announce.processor(on_gpu=resources.gpus_per_trial > 0)
    return f"{name}, {pluralize(resources.threads, 'thread')} a trial"


def trials(trials: Sequence[PlannedTrial], expected: Estimate, console: Console) -> None:
    """List the trials of a dry run with their expected durations."""
    if not trials:  # a search has none yet
        return
    console.print("Trials, not started (--dry-run), with their expected durations:")
    for planned in trials:
        seconds = expected.trial_seconds[planned.config.id]
        fleet = f"  {planned.fleet}" if planned.fleet else ""
        console.print(f"  {planned.name}  {format_duration(seconds)}{fleet}")
