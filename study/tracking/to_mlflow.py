"""Log trials to MLflow. `MLFLOW_TRACKING_URI` says where, `MLFLOW_EXPERIMENT_NAME` under what."""

from __future__ import annotations

import contextlib
import logging
import os

from study.tracking.tracker import LoggedTrial, without_password

_METRICS_PER_REQUEST = 1_000
"""The most metrics that a server accepts in one request."""
_RETRIES = "2"
"""By default, MLflow retries seven times, for minutes, before it reports an unreachable server."""


class MlflowTracker:
    """An experiment of MLflow; each trial is a run in it."""

    def __init__(self, project: str) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", _RETRIES)
        from mlflow.tracking import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it logs how it makes a database
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", project)
        self._client = MlflowClient()
        known = self._client.get_experiment_by_name(name)
        self._experiment = known.experiment_id if known else self._client.create_experiment(name)
        self.place = f"{without_password(self._client.tracking_uri)}, experiment {name}"

    def log(self, trial: LoggedTrial) -> None:
        from mlflow.entities import Metric, Param

        client = self._client
        # MLflow may have the trial without a note in the run's folder: another process logs the
        # run, too, or one ended before it wrote the note.
        if client.search_runs(
            [self._experiment],
            f"tags.trial = '{trial.id}' and attributes.status = 'FINISHED'",
            max_results=1,
        ):
            return
        metrics = [
            Metric(name, value, round(1000 * moment.at), moment.step)
            for moment in trial.curve
            for name, value in moment.metrics.items()
        ]
        params = [Param(name, str(value)) for name, value in trial.settings.items()]
        run = client.create_run(
            self._experiment,
            start_time=round(1000 * trial.began),
            tags={**trial.tags, "trial": trial.id},
            run_name=trial.name,
        )
        try:
            client.log_batch(run.info.run_id, params=params)
            for first in range(0, len(metrics), _METRICS_PER_REQUEST):
                batch = metrics[first : first + _METRICS_PER_REQUEST]
                client.log_batch(run.info.run_id, metrics=batch)
            client.set_terminated(run.info.run_id, end_time=round(1000 * trial.ended))
        except BaseException:  # also Ctrl-C: no partial trial must remain
            with contextlib.suppress(Exception):
                client.delete_run(run.info.run_id)
            raise
