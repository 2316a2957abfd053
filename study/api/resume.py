"""The job that finishes a run that was cut short, whichever function began it."""

from __future__ import annotations

from pathlib import Path

from lenet.config import ConfigError
from study.api import grid_job, range_test_job, scaling_job, search_job
from study.api.job import Job
from study.api.places import Place, location
from study.request import DEFAULT_RESOURCES, ResourceRequest
from study.runs.metadata import SEARCH_TOOL
from study.runs.run_folder import RunFolder
from study.scaling.plan import TOOL as SCALING_TOOL


def resume(
    place: Place,
    *,
    data_dir: str | Path | None = None,
    resources: ResourceRequest = DEFAULT_RESOURCES,
    trials: int | None = None,
    time_limit: float | None = None,
    optuna_storage: str | None = None,
    oversubscribe: bool = False,
) -> Job:
    """Make the job that finishes the run in `place`: a grid, a search, a range test, a scaling run.

    Args:
        place: the folder of the run, or its URL in a bucket.
        data_dir: folder of the data sets.
        resources: what the trials run on; whatever it leaves open stays as the run began. A scaling
            run takes only its `address` and `autoscale`.
        trials: of a search, the number of settings to try in total.
        time_limit: of a search, seconds after which no new trial begins.
        optuna_storage: of a search, the full URL of its database, if the URL has a password.
        oversubscribe: of a scaling run, let CPU workers share CPUs.

    Raises: ConfigError if there is no run, or it does not take one of the arguments.
    """
    tool = RunFolder.open(location(place)).run.tool
    of_search = {"trials": trials, "time_limit": time_limit, "optuna_storage": optuna_storage}
    of_trials = {
        name: getattr(resources, name)
        for name in ("cpus_per_trial", "gpus_per_trial", "max_concurrent")
    }
    refused = {
        **({} if tool == SEARCH_TOOL else of_search),
        **(of_trials if tool == SCALING_TOOL else {"oversubscribe": oversubscribe or None}),
    }
    for name, value in refused.items():
        if value is not None:
            raise ConfigError(f"{place} is a run of {tool}, which takes no {name}: omit it")
    if tool == SEARCH_TOOL:
        return search_job.resumed_search(
            place,
            trials=trials,
            time_limit=time_limit,
            optuna_storage=optuna_storage,
            data_dir=data_dir,
            resources=resources,
        )
    if tool == SCALING_TOOL:
        return scaling_job.resumed_scaling(
            place,
            oversubscribe=oversubscribe,
            address=resources.address,
            autoscale=resources.autoscale,
            data_dir=data_dir,
        )
    if tool == range_test_job.TOOL:
        return range_test_job.resumed_range_test(place, data_dir=data_dir, resources=resources)
    return grid_job.resumed_grid(place, data_dir=data_dir, resources=resources)
