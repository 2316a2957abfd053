"""The Python API, for notebooks and scripts; the commands call the same functions.

from study import api

job = api.grid("fan", budget="smoke", settings={"dataset": "digits"})
"""

from __future__ import annotations

from lenet.config import ConfigError
from study.api.grid_job import grid
from study.api.job import Job
from study.api.range_test_job import lr_range
from study.api.scaling_job import scaling
from study.api.search_job import search
from study.request import ResourceRequest

__all__ = ["ConfigError", "Job", "ResourceRequest", "grid", "lr_range", "scaling", "search"]
