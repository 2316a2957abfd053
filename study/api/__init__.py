"""The Python API, for notebooks and scripts; the commands call the same functions.

    from study import api

    job = api.grid("fan", seeds=3, settings={"lr": [0.1, 0.01]})
    print(job.plan())  # how many trials, and how long they take
    run = job.run()  # trains and reports
    run.trials, run.records  # pandas DataFrames
    run.figure("curves")  # a matplotlib Figure

Importing it imports neither Ray nor torch. Wrong input raises `ConfigError`. Its messages name the
options of the commands: `--time-limit` is the argument `time_limit`, and `--set NAME=VALUE` is
`settings={"NAME": VALUE}`. `docs/python.md` has the whole way from a study to a figure.
"""

from __future__ import annotations

from lenet.config import ConfigError
from study.api.comparison import Comparison, compare
from study.api.grid_job import grid
from study.api.job import Job
from study.api.range_test_job import lr_range
from study.api.resume import resume
from study.api.run import Run, load
from study.api.scaling_job import scaling
from study.api.search_job import search
from study.cluster.engine import Plan
from study.request import HardwareRequest, ResourceRequest

__all__ = [
    "Comparison",
    "ConfigError",
    "HardwareRequest",
    "Job",
    "Plan",
    "ResourceRequest",
    "Run",
    "compare",
    "grid",
    "load",
    "lr_range",
    "resume",
    "scaling",
    "search",
]
