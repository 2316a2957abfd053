"""The job that trains every point of a study's grid on Ray Tune."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lenet.config import ConfigError, unknown_name
from lenet.own_part_checks import check_own_parts
from search_spaces.study import Study
from study.api.job import TuningJob, open_for_tool, shell_command
from study.api.places import Place, data_folder, location, new_place, on_cluster, reused_places
from study.api.studies import Settings, as_typed, choices, study_name, unique_names
from study.request import (
    DEFAULT_HARDWARE,
    DEFAULT_RESOURCES,
    HardwareRequest,
    Options,
    Request,
    ResourceRequest,
    TuningSession,
)
from study.runs.metadata import GRID_TOOL

SCHEDULERS = ("none", "asha")


def grid(
    study: str | Path | Study = "fan",
    *,
    grids: str | Sequence[str] = (),
    budget: str = "quick",
    seeds: int = 1,
    settings: Settings | None = None,
    scheduler: str = "none",
    keep_models: str = "best",
    pack: str | int = "auto",
    reuse: str | Path | Sequence[str | Path] = (),
    results: Place | None = None,
    storage: Place | None = None,
    data_dir: str | Path | None = None,
    resources: ResourceRequest = DEFAULT_RESOURCES,
    hardware: HardwareRequest = DEFAULT_HARDWARE,
) -> TuningJob:
    """Make the job that trains every point of a study's grid, `seeds` times.

    Args:
        study: a listed study, `FILE.py`, `package.module:STUDY`, or a `Study`.
        grids: names of the study's grids to train; empty: all but its extra ones.
        budget: how long each trial trains: `smoke`, `quick` or `paper`.
        seeds: how often every point is trained, each time with another seed.
        settings: values in place of the study's own, such as `{"lr": [0.1, 0.01]}`.
        scheduler: `asha` stops unpromising trials early; `none` trains all to the end.
        keep_models: the trials whose trained models are kept: `best`, `all` or `none`.
        pack: `auto`, `off`, or the maximum number of trials that are trained as one fleet.
        reuse: folders of earlier runs whose trials of equal config are taken over.
        results: the place of this run; None: a new name in `storage`.
        storage: the parent of all runs, a folder or a bucket; None: `results`.
        data_dir: folder of the data sets.
        resources: what the trials run on.
        hardware: the machine or the scaling run with which `plan` compares the ways to use the
            hardware. The plan of another machine cannot be run.

    Raises: ConfigError if the request is not valid, or the place is taken.
    """
    arguments = dict(locals())
    name, chosen = study_name(study), choices(settings)
    if scheduler not in SCHEDULERS:
        raise ConfigError(unknown_name(scheduler, SCHEDULERS, "scheduler"))
    request = Request(
        study=name,
        budget=budget,
        seeds=seeds,
        choices=chosen,
        scheduler=scheduler,
        grids=unique_names(grids),
    )
    options = Options(keep_models=keep_models, pack=str(pack), reuse=reused_places(reuse))
    resources = on_cluster(resources)
    if hardware.is_elsewhere and resources.address:
        raise ConfigError(
            f"{hardware.option} predicts for one machine, not for the cluster: omit "
            f"{hardware.option} or --address"
        )
    # Reports a wrong name or value before torch, which takes seconds to import.
    check_own_parts(planned.config for planned in request.plan())
    return TuningJob(
        session=TuningSession(
            tool=GRID_TOOL,
            request=request,
            options=options,
            resources=resources,
            hardware=hardware,
            place=new_place(results, storage, name, budget),
            data_dir=data_folder(data_dir),
            command=shell_command(grid, arguments, study=name, settings=as_typed(chosen)),
        )
    )


def resumed_grid(
    place: Place,
    *,
    data_dir: str | Path | None = None,
    resources: ResourceRequest = DEFAULT_RESOURCES,
) -> TuningJob:
    """Make the job that finishes the grid in `place`.

    Trials get the resources that the run began with, unless `resources` says otherwise.

    Raises: ConfigError if there is no such run.
    """
    where = location(place)
    run = open_for_tool(where, GRID_TOOL).run
    return TuningJob(
        session=TuningSession(
            tool=GRID_TOOL,
            request=Request.of_run(run),
            options=Options.from_json(run.options),
            resources=on_cluster(resources),
            place=where,
            resumed=True,
            data_dir=data_folder(data_dir),
        )
    )
