"""TensorBoard's HParams tab, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from google.protobuf.json_format import MessageToDict
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams.api_pb2 import (
    STATUS_FAILURE,
    STATUS_SUCCESS,
    STATUS_UNKNOWN,
    ListSessionGroupsRequest,
)
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler


def rows(logdir: Path) -> dict[str, tuple[int, dict[str, Any], dict[str, float]]]:
    """Return the rows of the tab by trial, as its own backend computes them.

    A row has the status, the hyperparameters and the metrics.
    """
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logdir)).Reload()
    context = TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(logdir)))
    statuses = [STATUS_UNKNOWN, STATUS_SUCCESS, STATUS_FAILURE]
    request = ListSessionGroupsRequest(allowed_statuses=statuses, slice_size=100)
    handler = Handler(RequestContext(), Context(context), "", request)
    return {
        group.name: (
            group.sessions[0].status,
            {name: MessageToDict(value) for name, value in group.hparams.items()},
            {metric.name.tag: metric.value for metric in group.metric_values},
        )
        for group in handler.run().session_groups
    }


def check_shows_all_trials(run: Path) -> None:
    """Check that the tab has each trial of a run, with its settings and its last values.

    The last values of a diverged trial were not measured: the tab shows the last ones that were.
    """
    trials = pd.read_parquet(run / "trials.parquet").set_index("trial")
    shown = rows(run / "trials")
    assert shown.keys() == set(trials.index)
    for name, trial in trials.iterrows():
        status, hyperparameters, metrics = shown[str(name)]
        assert status == STATUS_SUCCESS
        for setting in ("optimizer", "lr", "batch_size", "dropout", "schedule", "seed"):
            assert hyperparameters[setting] == trial[setting]
        for launch in {"launcher", "processor", "workers", "strategy"} & set(trials):
            assert hyperparameters[launch] == trial[launch]
        for split in ("validation", "test") if trial["status"] != "diverged" else ():
            for quantity in ("loss", "accuracy"):
                last = trial[f"{split}_{quantity}"]
                found = metrics.get(f"{quantity}/{split}", float("nan"))
                assert found == pytest.approx(last, rel=1e-6, nan_ok=True)
