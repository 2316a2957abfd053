"""Where runs lie: folders and buckets, one writer at a time, and what is tried again."""

import threading
import time

import pytest

from lenet import ConfigError
from study import grid
from study.runs import lease
from study.runs import storage as places
from study.runs.collect import collect, tables_are_current
from study.runs.lease import leased
from study.runs.run_folder import RunFolder
from study.runs.storage import BucketPath, keep, patiently, place_of, replace_file
from tests.unit.test_storage import STUDY, record


@pytest.fixture
def bucket(storage, request):
    return BucketPath(f"s3://bucket/{request.node.name}")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(places, "patience", lambda: 0.2)
    monkeypatch.setattr(places, "_FIRST_WAIT", 0.05)


def test_a_file_in_a_bucket_comes_back(bucket):
    file = bucket / "folder" / "file"
    assert not file.is_file()
    with pytest.raises(FileNotFoundError):
        file.read_bytes()
    replace_file(file, b"old")
    replace_file(file, b"new")
    assert file.read_bytes() == b"new"
    assert bucket.names() == ["folder"]
    assert (bucket / "folder").names() == ["file"]
    file.unlink()
    file.unlink()  # as often as one likes
    assert not file.is_file()
    assert (bucket / "nothing").names() == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3a://bucket/run", "did you mean 's3://'"),
        ("http://host/run", "or a folder"),
        ("s3:/bucket/run", "type s3://bucket/run"),
        ("s3://key:secret@bucket/run", "leave out what has @"),
        ("s3://", "type s3://BUCKET/FOLDER"),
        ("s3://bucket/../run", "type s3://BUCKET/FOLDER"),
    ],
)
def test_what_names_no_place_is_refused(url, said):
    with pytest.raises(ConfigError, match=said):
        place_of(url)


def test_a_run_in_a_bucket_is_read_from_anywhere(bucket, tmp_path, monkeypatch):
    plan = STUDY.narrowed({"batch_size": ["32"]}).plan("smoke", seeds=1)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = RunFolder.create(bucket, {"study": "fan"}, plan)
    trial = folder.trial(plan[0].name)
    trial.begin({"device": "cpu"})
    trial.save([record(10)], b"weights")
    (trial.events / "events.out").write_bytes(b"curve")
    trial.keep_events()
    trial.close_events()
    folder.extend(STUDY.narrowed({"batch_size": ["64"]}).plan("smoke", seeds=1))
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    again = RunFolder.open(bucket)
    assert len(again.plan) == 2 * len(plan)
    assert again.trial(plan[0].name).saved_checkpoint() == b"weights"
    assert again.trial(plan[0].name).records()[0].same_learning(record(10))
    assert "events.out" in (bucket / "trials" / plan[0].name).names()
    again.trial(plan[0].name).finish("finished", [record(10, 0.5), record(20, 0.9)])
    assert plan[0] not in folder.unfinished()
    assert folder.best("validation_accuracy") == (plan[0].name, 0.9)
    # The copy stands for the run: it knows where that is.
    copy = RunFolder.open(again.path)
    assert copy.home == bucket
    assert not tables_are_current(copy)
    collect(copy)
    copy.publish()
    assert {"records.parquet", "trials.csv"} <= set(bucket.names())
    assert "storage.url" not in bucket.names()


def test_a_run_in_a_bucket_is_not_written_over(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RunFolder.create(bucket, {"study": "fan"}, [])
    with pytest.raises(ConfigError, match=r"holds a run.*--resume s3://"):
        RunFolder.create(bucket, {"study": "fan"}, [])
    other = BucketPath(
        f"s3://bucket/other/{bucket.name}"
    )  # whose copy would lie in the same folder
    with pytest.raises(ConfigError, match="holds a run"):
        RunFolder.create(other, {"study": "fan"}, [])
    replace_file(other / "run.json", b"{}")
    with pytest.raises(ConfigError, match="holds something else"):
        RunFolder.open(other)


def test_a_bucket_without_the_run_or_that_is_not_there(storage, bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="is no run"):
        RunFolder.open(bucket)
    with pytest.raises(ConfigError, match=r"cannot reach .*\(no bucket no-such-bucket"):
        RunFolder.open(BucketPath("s3://no-such-bucket/run"))
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_that_a_worker_may_not_read_is_told_from_one_that_is_away(bucket, monkeypatch):
    replace_file(bucket / "run.json", b"{}")
    assert places.not_here(bucket) is None

    def refuse(_):
        raise OSError("AWS Error ACCESS_DENIED during HeadObject operation: No response body.")

    monkeypatch.setattr(BucketPath, "is_file", refuse)
    said = places.not_here(bucket)
    assert f"may not read {bucket} (AWS Error ACCESS_DENIED" in said
    assert "set AWS_PROFILE" in said
    assert said.endswith("on every node")


def test_two_drivers_do_not_write_to_one_bucket(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create(bucket, {"study": "fan"}, [])
    there = RunFolder(bucket)
    there.path = tmp_path / "another machine's"
    there.make()
    with (
        folder.locked(),
        pytest.raises(ConfigError, match=r"another run is writing.*process \d+ of"),
        there.locked(),
    ):
        pass
    assert not there.path.exists()
    with leased(bucket):  # free again
        pass


def test_of_two_that_begin_at_once_one_goes_on(bucket):
    went_on, refused, let_go = [], [], threading.Event()

    def begin():
        try:
            with leased(bucket):
                went_on.append(1)
                let_go.wait(10)
        except ConfigError:
            refused.append(1)
            let_go.set()

    both = [threading.Thread(target=begin) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert (len(went_on), len(refused)) == (1, 1)


def test_a_lease_is_renewed_and_runs_out(bucket, monkeypatch):
    monkeypatch.setattr(lease, "seconds", lambda: 3.0)  # a bucket's clock shows whole seconds
    with leased(bucket):
        written = (bucket / ".lock").mtime
        time.sleep(2)
        assert (bucket / ".lock").mtime > written
        left = (bucket / ".lock").read_bytes()
    replace_file(bucket / ".lock", left)  # as if the driver had been killed
    with pytest.raises(ConfigError, match="if it was killed, try again in"), leased(bucket):
        pass
    assert bucket.names() == [".lock"]
    time.sleep(4)
    with leased(bucket):
        pass


def sleep_while_another_takes_over(bucket, monkeypatch, left):
    """Of a machine that slept for a minute, the moment when it awakes: another run is here, or has
    been."""
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    if left:
        replace_file(bucket / ".lock", left)
    else:
        (bucket / ".lock").unlink()
    time.sleep(5)


@pytest.mark.parametrize("left", [b'{"id": "another"}', None], ids=["is here", "was here"])
def test_a_run_that_another_has_taken_over_writes_no_more(
    bucket, tmp_path, monkeypatch, ctrl_c, left
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lease, "seconds", lambda: 3.0)
    folder = RunFolder.create(bucket, {"study": "fan"}, [])
    with folder.locked():
        with pytest.raises(KeyboardInterrupt):  # wherever it is
            sleep_while_another_takes_over(bucket, monkeypatch, left)
        with pytest.raises(ConfigError, match="another run has taken"):
            folder.publish()
    assert (bucket / ".lock").is_file() == bool(left)


def test_a_journal_is_not_played_into_a_database_that_it_is_not_of(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create(bucket, {"study": "fan"}, [])
    replace_file(bucket / "optuna.db", b"the bucket's")
    (folder.path / "optuna.db").write_bytes(b"that of a driver that was killed")
    (folder.path / "optuna.db-journal").write_bytes(b"what it was about to change")
    (folder.path / "plan.json-mine").write_bytes(b"of the user's own")
    with folder.locked():
        assert (folder.path / "optuna.db").read_bytes() == b"the bucket's"
        assert not (folder.path / "optuna.db-journal").exists()
        assert (folder.path / "plan.json-mine").exists()


def test_a_damaged_database_is_said_like_all_that_cannot_be_read(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create(bucket, {"study": "fan"}, [])
    (folder.path / "optuna.db").write_bytes(b"no database" * 100)
    with pytest.raises(OSError, match="not a database"):
        folder.keep_database()


def test_a_lease_lasts_as_long_as_its_holder_said(bucket, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(lease, "seconds", lambda: 600.0)
        with leased(bucket):
            left = (bucket / ".lock").read_bytes()
    replace_file(bucket / ".lock", left)  # as if the driver had been killed
    monkeypatch.setattr(lease, "seconds", lambda: 0.0)
    with pytest.raises(ConfigError, match=r"try again in [56]\d\d s"), leased(bucket):
        pass


def test_what_is_away_for_a_while_is_tried_again(storage, bucket, capsys):
    with storage.away():
        back = threading.Thread(target=keep, args=(bucket / "file", b"late"))
        back.start()
        time.sleep(3)
    back.join()
    assert (bucket / "file").read_bytes() == b"late"
    assert f"cannot write {bucket / 'file'}" in capsys.readouterr().out


def test_patience_ends(impatient, capsys):
    def full():
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        patiently(full, "write it")
    assert "cannot write it (No space left on device): trying again" in capsys.readouterr().out


def test_what_waiting_does_not_help_is_not_tried_again(capsys):
    def missing():
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        patiently(missing, "read it")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("typed", ["2m", "-1", "inf", "nan"])
def test_a_patience_that_is_no_number_is_refused(typed, monkeypatch, capsys):
    places.patience.cache_clear()
    monkeypatch.setenv("STUDY_STORAGE_PATIENCE", typed)
    assert grid.main(["--dry-run"]) == 2
    assert "is no number of seconds: set it to 120" in capsys.readouterr().err
