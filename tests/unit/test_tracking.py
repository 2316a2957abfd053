"""Trials of a run in MLflow and Weights & Biases, read back from what their libraries wrote."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import socket
import struct
import time
import warnings
from dataclasses import replace

import pytest

from study import grid
from study.report import __main__ as report
from study.runs.event_file import scalars
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import TrialFolder
from study.tracking import log, tracker
from study.tracking.log import log_trials, logged_while_training
from tests.runs import metadata, record
from tests.terminal import unwrapped
from tests.unit.made_up_run import STUDY

# SQLAlchemy 2.1 warns about how MLflow 3.17 declares its tables.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

has_mlflow = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason="pip install mlflow-skinny"
)
has_wandb = pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None, reason="pip install wandb"
)
BLOCK = 32_768
"""bytes of a block of W&B's file, which is a log of LevelDB after 7 bytes"""


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An empty database of MLflow, which takes seconds to make."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def mlflow(database, tmp_path):
    """MLflow with a database of the test's own."""
    import mlflow

    shutil.copy(database, tmp_path / "mlflow.db")
    return mlflow


@pytest.fixture(autouse=True)
def _own_places(tmp_path, monkeypatch):
    """Keep what is logged in the test's folder, and the libraries away from the network."""
    for name in ("MLFLOW_EXPERIMENT_NAME", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")


@pytest.fixture
def folder(tmp_path):
    """A run of two trials, of which none has begun."""
    plan = STUDY.with_choices({"batch_size": [32], "lr": [0.1]}).plan("quick", 1)
    return RunFolder.create(tmp_path / "run", metadata("fan", created="2026-11-27"), plan)


def train(folder, planned, status="finished"):
    """Leave what a trial leaves that was trained in a fleet, and return its records."""
    trial = folder.trial(planned.name)
    trial.begin({"settings": planned.config.to_dict(), "device": "cpu", "fleet": "fleet1"})
    last = replace(record(20), train_loss=math.nan if status == "diverged" else 0.2)
    records = [record(10), replace(last, metrics={"validation_recall": 0.3})]
    trial.finish(status, records)
    return records


def expected(records):
    """Return the metrics by step that a tracker should hold."""
    return {
        record.step: pytest.approx(
            {**scalars(record), "seconds/train": record.train_seconds}, nan_ok=True
        )
        for record in records
    }


def in_mlflow(mlflow, experiment="fan"):
    """Return the runs of an experiment by name, each with its metrics by step."""
    client = mlflow.MlflowClient()
    known = client.get_experiment_by_name(experiment)
    found = {}
    for run in client.search_runs([known.experiment_id]):
        assert run.info.run_name not in found  # no trial twice
        curve: dict = {}
        for tag in run.data.metrics:
            for metric in client.get_metric_history(run.info.run_id, tag):
                curve.setdefault(metric.step, {})[tag] = metric.value
        found[run.info.run_name] = run, curve
    return found


def in_wandb(place):
    """Return the offline runs in a folder by name, each with its config and metrics by step."""
    found = {}
    for path in place.glob("wandb/offline-run-*/run-*.wandb"):
        curve, run = {}, None
        for entry in _entries(path.read_bytes()):
            if entry.WhichOneof("record_type") == "run":
                run = entry.run
            if entry.WhichOneof("record_type") == "history":
                values = {i.nested_key[0]: json.loads(i.value_json) for i in entry.history.item}
                curve[values["_step"]] = {k: v for k, v in values.items() if k[0] != "_"}
        assert run is not None
        assert run.display_name not in found  # no trial twice
        config = {item.key: json.loads(item.value_json) for item in run.config.update}
        found[run.display_name] = run, config, curve
    return found


def _entries(content):
    from wandb.proto.wandb_internal_pb2 import Record

    data, place = b"", 7
    while place + 7 <= len(content):
        if (room := BLOCK - place % BLOCK) < 7:
            place += room
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        data += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            entry = Record()
            entry.ParseFromString(data)
            yield entry
            data = b""


@has_mlflow
def test_mlflow_gets_every_complete_trial_once(folder, mlflow, capsys):
    first, second = folder.plan
    records = {first.name: train(folder, first)}
    (line,) = log_trials(folder, ["mlflow"])
    assert line.startswith("Logged to mlflow: 1 trial (sqlite:///")
    assert line.endswith("experiment fan).")

    records[second.name] = train(folder, second, "diverged")
    folder.trial(second.name).mark("failed")  # a resumed run trains it again, and then logs it
    assert "0 trials, 1 before" in log_trials(folder, ["mlflow"])[0]
    folder.trial(second.name).mark("diverged")
    assert report.main([str(folder.path), "--log", "mlflow"]) == 0
    assert "Logged to mlflow: 1 trial, 1 before" in unwrapped(capsys.readouterr().out)

    found = in_mlflow(mlflow)
    assert {name: curve for name, (_, curve) in found.items()} == {
        name: expected(curve) for name, curve in records.items()
    }
    for planned in folder.plan:
        run, _ = found[planned.name]
        assert run.info.status == "FINISHED"
        assert (
            run.info.end_time - run.info.start_time
            == 1000 * records[planned.name][-1].train_seconds
        )
        assert run.data.params["optimizer"] == planned.config.optimizer
        assert float(run.data.params["lr"]) == planned.config.lr
        assert "metrics" not in run.data.params
        tags = {"study": "fan", "run": "run", "seed": "0", "fleet": "fleet1", "budget": "smoke"}
        assert tags.items() <= run.data.tags.items()
    assert found[second.name][0].data.tags["status"] == "diverged"


@has_mlflow
def test_a_trial_that_a_crash_left_without_a_note_is_logged_once(folder, mlflow, monkeypatch):
    train(folder, folder.plan[0])
    with monkeypatch.context() as patch:
        patch.setattr(TrialFolder, "note_logged", lambda *_: 1 / 0)
        assert "(division by zero)" in log_trials(folder, ["mlflow"])[0]
    assert "1 trial (" in log_trials(folder, ["mlflow"])[0]
    assert len(in_mlflow(mlflow)) == 1
    monkeypatch.setattr(TrialFolder, "records", lambda _: 1 / 0)  # not read again
    assert "0 trials, 1 before" in log_trials(folder, ["mlflow"])[0]


@has_mlflow
def test_a_trial_is_logged_once_to_each_place(folder, mlflow, monkeypatch):
    train(folder, folder.plan[0])
    for name in ("fan", "other"):
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
        assert "1 trial (" in log_trials(folder, ["mlflow"])[0]
        assert "0 trials, 1 before" in log_trials(folder, ["mlflow"])[0]
        assert len(in_mlflow(mlflow, name)) == 1


@has_mlflow
def test_what_fails_while_it_is_logged_leaves_no_part_of_a_trial(folder, mlflow, monkeypatch):
    train(folder, folder.plan[0])
    monkeypatch.setattr(mlflow.MlflowClient, "set_terminated", lambda *_, **__: 1 / 0)
    assert "(division by zero): type python -m study.report" in log_trials(folder, ["mlflow"])[0]
    assert in_mlflow(mlflow) == {}


@has_mlflow
def test_a_server_that_is_not_there_costs_one_line(folder, monkeypatch):
    with socket.socket() as taken:  # bound and not listening: the port refuses
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@127.0.0.1:{port}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        train(folder, folder.plan[0])
        (line,) = log_trials(folder, ["mlflow"])
    assert line.startswith("Not logged to mlflow (")
    assert line.endswith(f"type python -m study.report {folder.path} --log mlflow later.")
    assert "secret" not in line


@has_wandb
def test_wandb_gets_every_complete_trial_once(folder, tmp_path):
    import wandb

    wandb.teardown()  # else it keeps the settings of an earlier test
    records = {planned.name: train(folder, planned) for planned in folder.plan}
    assert "2 trials (offline in" in log_trials(folder, ["wandb"])[0]
    assert "0 trials, 2 before" in log_trials(folder, ["wandb"])[0]
    found = in_wandb(tmp_path)
    assert {name: curve for name, (_, _, curve) in found.items()} == {
        name: expected(curve) for name, curve in records.items()
    }
    for planned in folder.plan:
        run, config, _ = found[planned.name]
        assert (run.project, run.run_group) == ("fan", "run")
        assert config["optimizer"] == planned.config.optimizer
        assert (config["lr"], config["seed"], config["fleet"]) == (0.1, 0, "fleet1")
    wandb.teardown()


@has_wandb
def test_wandb_that_is_disabled_is_refused_and_notes_nothing(folder, monkeypatch, capsys):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "disabled")
    with pytest.raises(SystemExit):
        grid.main(["--log", "wandb"])
    assert "set WANDB_MODE to online or offline" in unwrapped(capsys.readouterr().err)
    wandb.teardown()  # else it keeps the settings of an earlier test
    train(folder, folder.plan[0])
    assert "Not logged to wandb (W&B is disabled" in log_trials(folder, ["wandb"])[0]
    assert "logged" not in folder.trial(folder.plan[0].name).state()
    wandb.teardown()


@has_mlflow
def test_a_trial_is_logged_while_others_train(folder, mlflow, monkeypatch):
    monkeypatch.setattr(log, "_PAUSE", 0.1)
    first, second = folder.plan
    with logged_while_training(folder, ["mlflow"]):
        train(folder, first)
        until = time.monotonic() + 60
        while "logged" not in folder.trial(first.name).state():
            assert time.monotonic() < until
            time.sleep(0.1)
        train(folder, second)
    log_trials(folder, ["mlflow"])
    assert in_mlflow(mlflow).keys() == {first.name, second.name}


@pytest.mark.parametrize("command", [grid, report])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mlflow", "the library of mlflow is not installed: type pip install mlflow-skinny"),
        ("mlfow", "unknown tracker 'mlfow': did you mean 'mlflow'?"),
    ],
)
def test_a_tracker_that_is_not_installed_is_refused(command, name, message, monkeypatch, capsys):
    monkeypatch.setattr(tracker.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SystemExit) as caught:
        command.main(["--log", name])
    assert caught.value.code == 2
    assert message in unwrapped(capsys.readouterr().err)
