"""The folder of a run: what survives, what is refused, and the tables made from it."""

import json
import math
import os

import numpy as np
import pandas as pd
import pytest

from lenet import ConfigError
from search_spaces.fan import FAN as STUDY
from study.runs.collect import collect, tables_are_current
from study.runs.local import LocalPath
from study.runs.run_folder import RunFolder
from study.runs.storage import OutOfReach
from tests.runs import metadata, record


@pytest.fixture
def folder(tmp_path):
    plan = STUDY.with_choices({"batch_size": ["32"]}).plan("smoke", seeds=1)
    return RunFolder.create(tmp_path / "run", metadata(), plan)


def test_a_plan_comes_back_as_it_was(folder):
    assert RunFolder.open(folder.path).plan == STUDY.with_choices({"batch_size": ["32"]}).plan(
        "smoke", seeds=1
    )


def test_records_and_checkpoint_come_back(folder):
    trial = folder.trial("one")
    trial.begin({"device": "cpu"})
    assert trial.checkpoint() is None
    trial.save([record(10), record(20, diverged=True)], b"weights")
    again = folder.trial("one")
    assert again.checkpoint() == b"weights"
    assert again.records()[0].equal_except_timing(record(10))  # with NaN where none was measured
    assert again.records()[1].diverged
    assert again.state()["status"] == "running"


def test_a_finished_trial_needs_no_checkpoint(folder):
    trial = folder.trial("one")
    trial.begin({})
    trial.save([record(10)], b"weights")
    trial.finish("finished", [record(10), record(20)])
    assert trial.checkpoint() is None
    assert len(trial.records()) == 2
    assert trial.state()["status"] == "finished"


def test_attempts_are_counted(folder):
    trial = folder.trial("one")
    trial.begin({})
    trial.begin({})
    assert trial.state()["attempts"] == 2


def test_a_worker_that_comes_back_late_does_not_write_over_what_another_trained(folder):
    cut_off, another = folder.trial("one"), folder.trial("one")
    cut_off.begin({})
    cut_off.save([record(10)], b"weights")
    another.begin({})
    for write in (
        lambda: cut_off.save([record(10), record(20)], b"late"),
        lambda: cut_off.finish("finished", [record(10)]),
        lambda: cut_off.save_timings(np.zeros(1)),
    ):
        with pytest.raises(OutOfReach, match="was attempt 1, and attempt 2 has begun"):
            write()
    another.finish("finished", [record(10), record(20), record(30)])
    with pytest.raises(OutOfReach):
        cut_off.save([record(10), record(20)], b"late")
    assert len(folder.trial("one").records()) == 3
    assert folder.trial("one").checkpoint() is None


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = LocalPath(tmp_path / "file")
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        path.write_bytes(b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_collected_tables(folder):
    names = [p.name for p in folder.plan]
    first, second, third = (folder.trial(name) for name in names[:3])
    first.begin({"device": "cpu", "threads": 1, "host": "here"})
    first.finish(
        "finished", [record(10, 0.7), record(20, 0.9), record(30, 0.8, test_accuracy=0.75)]
    )
    second.begin({})
    second.mark("failed", "ValueError: no")
    third.begin({})
    third.save([record(10)], b"weights")
    collect(folder)
    trials = pd.read_parquet(folder.path / "trials.parquet").set_index("trial")
    assert list(trials.index) == names
    assert trials.status.tolist() == ["finished", "failed", *["unfinished"] * 4]
    row = trials.loc[names[0]]
    assert (row.validation_accuracy, row.test_accuracy) == (0.8, 0.75)
    assert (row.best_validation_accuracy, row.best_validation_epoch) == (0.9, 2.0)
    assert (row.optimizer, row.batch_size, row.device) == ("sgd", 32, "cpu")
    assert trials.loc[names[1], "error"] == "ValueError: no"
    records = pd.read_parquet(folder.path / "records.parquet")
    assert records.groupby("trial").size().to_dict() == {names[0]: 3, names[2]: 1}
    csv = pd.read_csv(folder.path / "records.csv")
    pd.testing.assert_frame_equal(csv, records, check_dtype=False)


def test_tables_are_behind_when_a_trial_has_gone_on(folder):
    assert not tables_are_current(folder)
    collect(folder)
    assert tables_are_current(folder)
    folder.trial(folder.plan[0].name).begin({})
    assert not tables_are_current(folder)


def test_a_run_without_records_still_has_tables(folder):
    collect(folder)
    assert pd.read_parquet(folder.path / "trials.parquet").status.unique() == ["unfinished"]
    assert pd.read_parquet(folder.path / "records.parquet").empty


def test_a_folder_that_is_taken_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"holds a run of fan.*--resume"):
        RunFolder.create(folder.path, metadata(), [])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(ConfigError, match="not empty and holds no run"):
        RunFolder.create(tmp_path / "other", metadata(), [])


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write to"):
        RunFolder.create(tmp_path / "file" / "run", metadata(), [])


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(ConfigError, match="choose another folder with --results"):
        RunFolder.create(tmp_path / "run", metadata(), [])


def test_a_folder_without_a_run_is_not_resumed(tmp_path, folder):
    with pytest.raises(ConfigError, match="is not a run"):
        RunFolder.open(tmp_path)
    for altered in ("{", "[]"):
        (folder.path / "plan.json").write_text(altered)
        with pytest.raises(ConfigError, match="cut short or altered"):
            RunFolder.open(folder.path).plan  # noqa: B018


def test_two_runs_do_not_write_to_one_folder(folder):
    other = RunFolder.open(folder.path)
    with (
        folder.locked(),
        pytest.raises(ConfigError, match="another run is writing"),
        other.locked(),
    ):
        pass
    with other.locked():  # free again
        pass


def test_damaged_files_of_a_trial_count_as_missing(folder):
    planned = folder.plan[0]
    trial = folder.trial(planned.name)
    trial.begin({})
    trial.finish("finished", [record(10)])
    assert planned not in folder.unfinished()
    (trial.home / "records.jsonl").write_bytes(b"[{")
    assert planned in folder.unfinished()  # though its status is complete
    collect(folder)
    row = pd.read_parquet(folder.path / "trials.parquet").set_index("trial").loc[planned.name]
    assert (row.status, row.error) == ("unfinished", "its records are missing or damaged")
    for name in ("trial.json", "records.jsonl"):
        (trial.home / name).write_bytes(b"[{")
    assert planned in folder.unfinished()
    assert trial.records() == []
    collect(folder)
    assert set(pd.read_parquet(folder.path / "trials.parquet").status) == {"unfinished"}


def test_records_are_appended_and_a_torn_last_line_is_dropped(folder):
    trial = folder.trial("one")
    trial.begin({})
    records = [record(10), record(20), record(30)]
    trial.save(records[:1], b"checkpoint")
    file = trial.home.path / "records.jsonl"
    before, inode = file.read_bytes(), file.stat().st_ino
    trial.save(records[:2], b"checkpoint")
    assert file.read_bytes().startswith(before)
    assert file.stat().st_ino == inode, "a replaced file has another number"
    whole = file.read_bytes()
    for cut in range(1, len(whole) - len(before)):
        file.write_bytes(whole[:-cut])
        assert repr(trial.records()) == repr(records[:1]), cut
    again = folder.trial("one")
    again.begin({})
    again.save(records[:2], b"checkpoint")
    assert file.read_bytes() == whole
    again.finish("finished", records)
    assert repr(folder.trial("one").records()) == repr(records)


def test_a_record_that_could_not_be_appended_is_appended_later(folder, monkeypatch):
    trial = folder.trial("one")
    trial.begin({})
    trial.save([record(10)], b"checkpoint")
    write = LocalPath.extend_to

    def fail(self, content, *, durable=False):
        write(self, content[:-5], durable=durable)
        raise PermissionError(13, "made up")

    with monkeypatch.context() as broken:
        broken.setattr(LocalPath, "extend_to", fail)
        with pytest.raises(PermissionError):
            trial.save([record(10), record(20)], b"checkpoint")
    assert repr(trial.records()) == repr([record(10)])
    trial.save([record(10), record(20), record(30)], b"checkpoint")
    assert repr(trial.records()) == repr([record(10), record(20), record(30)])


def test_the_records_of_an_old_run_are_read_and_replaced(folder):
    trial = folder.trial("one")
    trial.begin({})
    old = trial.home / "records.json"
    old.write_bytes(json.dumps([record(10).to_dict()]).encode())
    assert repr(trial.records()) == repr([record(10)])
    trial.save([record(10), record(20)], b"checkpoint")
    assert repr(trial.records()) == repr([record(10), record(20)])
    assert not old.is_file()


def test_the_best_trial_is_among_those_with_records(folder):
    assert folder.best("validation_accuracy") is None
    for planned, accuracy in zip(folder.plan, (0.5, 0.9, math.nan), strict=False):
        folder.trial(planned.name).begin({})
        folder.trial(planned.name).finish("finished", [record(10, accuracy)])
    assert folder.best("validation_accuracy") == (folder.plan[1].name, 0.9)


def test_a_new_attempt_deletes_what_a_killed_write_left(folder):
    trial = folder.trial("one")
    trial.begin({})
    (trial.home / ".checkpoint.pt.abc123").write_bytes(b"")
    trial.begin({})
    assert trial.home.names() == ["trial.json"]
