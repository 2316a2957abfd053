"""TensorBoard's events are the records, whatever happens to the trial."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS, STATUS_UNKNOWN

from lenet import TrainConfig
from lenet.run_length import RunLength
from study.runs.event_file import MAX_EVENTS, PREFIX, scalars
from study.runs.local import LocalPath
from study.runs.trial_folder import TrialFolder
from tests.hparams_tab import rows
from tests.runs import record

UNLIMITED = {"scalars": 0}


@pytest.fixture
def trial(tmp_path):
    trial = TrialFolder(tmp_path / "trial")
    trial.begin({})
    return trial


def curve(steps):
    tested = replace(record(10 * steps), test_loss=0.5, test_accuracy=0.9)
    return [*(record(10 * step) for step in range(1, steps)), tested]


def shown(trial):
    """Return the scalars by step, as TensorBoard reads them."""
    accumulator = EventAccumulator(str(trial.home), size_guidance=UNLIMITED).Reload()
    steps = {}
    for tag in accumulator.Tags()["scalars"]:
        for event in accumulator.Scalars(tag):
            values = steps.setdefault(event.step, {})
            assert tag not in values  # no step twice
            values[tag] = event.value
    return steps


def expected(records):
    return {r.step: pytest.approx(scalars(r), rel=1e-6, nan_ok=True) for r in records}


def files(trial):
    return [name for name in trial.home.names() if name.startswith(PREFIX)]


def test_every_record_is_shown_also_the_last(trial):
    records = curve(25)
    for n in (1, 7, 24):
        trial.save(records[:n], b"weights")
    trial.finish("finished", records)
    assert shown(trial) == expected(records)
    assert {"accuracy/test", "loss/test", "loss/train", "lr"} <= shown(trial)[250].keys()


def test_a_trial_that_diverges_at_once_is_shown(trial):
    trial.finish("diverged", [replace(record(3), train_loss=math.nan, diverged=True)])
    assert math.isnan(shown(trial)[3]["loss/train"])


@pytest.mark.parametrize("torn", [0, 5])
def test_a_killed_trial_continues_its_file(trial, torn):
    records = curve(8)
    trial.save(records[:4], b"weights")
    (name,) = files(trial)
    path = trial.home.path / name
    path.write_bytes(path.read_bytes()[: -torn or None])  # killed while it wrote
    again = TrialFolder(trial.home)
    again.begin({})
    again.save(records[:6], b"weights")
    again.finish("finished", records)
    assert shown(trial) == expected(records)
    assert files(trial) == [name]


def test_a_trial_that_starts_over_replaces_what_another_attempt_wrote(trial):
    trial.save(curve(6), b"damaged")
    (trial.home / f"{PREFIX}1000000000.host.123").write_bytes(b"of an older version")
    again = TrialFolder(trial.home)
    again.begin({})
    live = EventAccumulator(str(trial.home.path), size_guidance=UNLIMITED).Reload()
    records = [replace(r, train_loss=0.25) for r in curve(3)]
    again.finish("finished", records)
    assert shown(trial) == expected(records)
    # So does a TensorBoard that had the first file open.
    assert [e.value for e in live.Reload().Scalars("loss/train")] == [0.25] * 3


def test_a_stopped_trial_and_an_adopted_one_are_shown(trial, tmp_path):
    records = curve(3)
    trial.save(records, b"weights")
    TrialFolder(trial.home).mark("stopped")
    assert shown(trial) == expected(records)
    adopted = TrialFolder(LocalPath(tmp_path / "adopted"))
    adopted.adopt("finished", records, {})
    assert shown(adopted) == expected(records)


@pytest.mark.parametrize("ended_at", [2_500, 300])
def test_a_long_curve_is_thinned_evenly(trial, ended_at):
    length = RunLength(TrainConfig(epochs=None, steps=25_000, record_every=10, batch_size=1), 100)
    records = [record(10 * step) for step in range(1, ended_at + 1)]
    assert length.records == 2_500
    for n in (1, 100, 299, ended_at - 1):
        trial.save(records[:n], b"weights", length)
    trial.finish("diverged", records)
    steps = sorted(shown(trial))
    assert steps[0] == records[0].step
    assert steps[-1] == records[-1].step
    assert len(steps) == min(ended_at, 834) <= MAX_EVENTS
    assert len({b - a for a, b in pairwise(steps[:-1])}) == 1
    assert shown(trial) == expected([r for r in records if r.step in steps])


def test_thinning_spares_evaluations(trial):
    config = TrainConfig(
        epochs=None, steps=3_000, record_every=1, batch_size=1, evaluate_at=(5, 1_001, 2_000)
    )
    length = RunLength(config, 100)
    assert (length.records, length.evaluations) == (3_000, 4)
    bare = {"validation_loss": math.nan, "validation_accuracy": math.nan}
    records = [
        record(step) if length.evaluates_at(step) else replace(record(step), **bare)
        for step in range(1, 3_001)
    ]
    trial.save(records[:-1], b"weights", length)
    trial.finish("finished", records)
    evaluated = [step for step, tags in shown(trial).items() if "loss/validation" in tags]
    assert evaluated == [5, 1_001, 2_000, 3_000]


def test_the_hparams_tab_shows_settings_and_last_values(tmp_path):
    sgd = TrainConfig(
        optimizer="momentum",
        lr=0.1,
        momentum=0.9,
        milestones=(5, 8),
        gamma=0.5,
        schedule="multistep",
    )
    adam = TrainConfig(beta1=0.8, shuffle=False, record_every=5)
    for name, config in {"a-trial": sgd, "another": adam}.items():
        trial = TrialFolder(tmp_path / name)
        trial.begin({"settings": config.to_dict()})
        trial.save(curve(8)[:4], b"weights")
        assert rows(tmp_path)[name][0] == STATUS_UNKNOWN  # it still trains
        trial.finish("finished", curve(8))
    (_, momentum, last), (status, adam, _) = rows(tmp_path).values()
    assert status == STATUS_SUCCESS
    assert last == pytest.approx(scalars(curve(8)[-1]), rel=1e-6)
    assert {"loss/validation", "accuracy/validation", "loss/test", "accuracy/test"} <= last.keys()
    # Each has the settings that the other lacks.
    assert momentum["milestones"] == "5+8"
    assert (momentum["momentum"], "beta1" in momentum) == (0.9, False)
    assert (adam["beta1"], "momentum" in adam) == (0.8, False)
    assert (adam["optimizer"], adam["batch_size"], adam["shuffle"]) == ("adam", 128.0, False)
    assert "record_every" not in adam


def test_the_hparams_tab_shows_workers_and_failures(tmp_path):
    trial = TrialFolder(tmp_path / "trial")
    launch = {"launcher": "ray", "processor": "cpu", "workers": 2, "strategy": "ddp"}
    launch["load_seconds"] = 0.5
    trial.begin({"settings": TrainConfig().to_dict(), "data_parallel": launch})
    trial.save(curve(8)[:4], b"weights")
    TrialFolder(trial.home).mark("failed", "ValueError: made up")
    ((status, settings, metrics),) = rows(tmp_path).values()
    assert status == STATUS_FAILURE
    assert (settings["launcher"], settings["processor"], settings["workers"]) == ("ray", "cpu", 2)
    assert settings["strategy"] == "ddp"
    assert "load_seconds" not in settings
    assert "accuracy/test" not in metrics  # not measured
    again = TrialFolder(trial.home)
    again.begin({"settings": TrainConfig().to_dict(), "data_parallel": launch})
    again.finish("finished", curve(8))
    assert shown(again) == expected(curve(8))
    assert rows(tmp_path)["trial"][0] == STATUS_SUCCESS


def test_an_own_metric_is_a_scalar_by_its_split():
    metrics = {"validation_r2": 0.5, "test_max_error": math.nan}
    shown = scalars(replace(record(1), metrics=metrics))
    assert shown["r2/validation"] == 0.5
    assert "max_error/test" not in shown
