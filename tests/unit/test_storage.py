"""Storage of runs: folders and buckets, one writer at a time, and retries."""

import contextlib
import errno
import threading
import time

import obstore
import pytest
from obstore.exceptions import PermissionDeniedError

from lenet import ConfigError
from search_spaces.fan import FAN as STUDY
from study import grid
from study.runs import lease, retrying
from study.runs.bucket import BucketPath
from study.runs.collect import collect, tables_are_current
from study.runs.lease import held_lease
from study.runs.local import LocalPath
from study.runs.retrying import RetryingPath, is_permanent
from study.runs.run_folder import RunFolder
from study.runs.storage import access_problem, parse_location
from tests.runs import metadata, record


@pytest.fixture
def bucket(storage, request):
    return BucketPath(f"s3://bucket/{request.node.name}")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(retrying, "patience", lambda: 0.2)
    monkeypatch.setattr(retrying, "_FIRST_WAIT", 0.05)


def test_a_file_in_a_bucket_comes_back(bucket):
    file = bucket / "folder" / "file"
    assert not file.is_file()
    with pytest.raises(FileNotFoundError):
        file.read_bytes()
    file.write_bytes(b"old")
    file.write_bytes(b"new")
    assert file.read_bytes() == b"new"
    assert bucket.names() == ["folder"]
    assert (bucket / "folder").names() == ["file"]
    file.delete()
    file.delete()  # of a file that does not exist
    assert not file.is_file()
    assert (bucket / "nothing").names() == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3a://bucket/run", "did you mean 's3://'"),
        ("http://host/run", "or a folder"),
        ("s3:/bucket/run", "not a URL: type s3://bucket/run"),
        ("s3://key:secret@bucket/run", "remove the part with @"),
        ("s3://", "type s3://BUCKET/FOLDER"),
        ("s3://bucket/../run", "type s3://BUCKET/FOLDER"),
    ],
)
def test_a_malformed_url_is_refused(url, message):
    with pytest.raises(ConfigError, match=message):
        parse_location(url)


def test_a_run_in_a_bucket_is_read_from_anywhere(bucket, tmp_path, monkeypatch):
    plan = STUDY.with_choices({"batch_size": ["32"]}).plan("smoke", seeds=1)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = RunFolder.create(bucket, metadata(), plan)
    trial = folder.trial(plan[0].name)
    trial.begin({"device": "cpu"})
    trial.save([record(10)], b"weights")
    folder.extend_plan(STUDY.with_choices({"batch_size": ["64"]}).plan("smoke", seeds=1))
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    again = RunFolder.open(bucket)
    assert len(again.plan) == 2 * len(plan)
    assert again.trial(plan[0].name).checkpoint() == b"weights"
    assert again.trial(plan[0].name).records()[0].equal_except_timing(record(10))
    events = [n for n in (bucket / "trials" / plan[0].name).names() if n.startswith("events.out")]
    assert len(events) == 1
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
    RunFolder.create(bucket, metadata(), [])
    with pytest.raises(ConfigError, match=r"holds a run.*--resume s3://"):
        RunFolder.create(bucket, metadata(), [])
    other = BucketPath(f"s3://bucket/other/{bucket.name}")  # its copy has the same folder
    with pytest.raises(ConfigError, match="holds a run"):
        RunFolder.create(other, metadata(), [])
    (other / "run.json").write_bytes(b"{}")
    with pytest.raises(ConfigError, match="holds something else"):
        RunFolder.open(other)


def test_a_bucket_without_the_run_or_that_is_not_there(storage, bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="is not a run"):
        RunFolder.open(bucket)
    with pytest.raises(ConfigError, match=r"cannot reach .*\(no bucket no-such-bucket"):
        RunFolder.open(BucketPath("s3://no-such-bucket/run"))
    assert list(tmp_path.iterdir()) == []


def test_a_worker_without_permission_is_told_so_at_once(bucket, monkeypatch):
    (bucket / "run.json").write_bytes(b"{}")
    assert access_problem(bucket) is None

    def refuse(*_):
        raise PermissionDeniedError("- 403 Forbidden: <Code>AccessDenied</Code>")

    monkeypatch.setattr(obstore, "head", refuse)
    problem = access_problem(bucket)
    assert f"cannot read {bucket} (AccessDenied)" in problem
    assert "set AWS_PROFILE" in problem
    assert problem.endswith("on every node")


def test_two_drivers_do_not_write_to_one_bucket(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create(bucket, metadata(), [])
    (tmp_path / "another machine").mkdir()
    monkeypatch.chdir(tmp_path / "another machine")
    there = RunFolder(bucket)
    there.make()
    with (
        folder.locked(),
        pytest.raises(ConfigError, match=r"another run is writing.*process \d+ of"),
        there.locked(),
    ):
        pass
    assert not there.path.exists()
    with held_lease(bucket):  # free again
        pass


@pytest.mark.parametrize("expired", [False, True], ids=["free", "abandoned"])
def test_of_several_writers_that_begin_at_once_one_gets_the_lease(bucket, expired):
    if expired:
        (bucket / ".lock").write_bytes(b'{"id": "killed", "seconds": 0}')
    holders, refused, ended = [], [], threading.Event()
    ready = threading.Barrier(4)

    def begin():
        ready.wait()
        try:
            with held_lease(bucket):
                holders.append(1)
                ended.wait(10)
        except ConfigError:
            refused.append(1)
            if len(refused) == 3:
                ended.set()

    writers = [threading.Thread(target=begin) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (len(holders), len(refused)) == (1, 3)


def test_a_conditional_write_holds_the_bucket_to_its_condition(bucket):
    file = bucket / "file"
    first = file.write_if(None, b"first")
    with pytest.raises(FileExistsError):
        file.write_if(None, b"second")
    assert file.read().version == first
    second = file.write_if(first, b"second")
    with pytest.raises(FileExistsError):
        file.write_if(first, b"third")
    assert (file.read().content, file.read().version) == (b"second", second)
    file.delete()
    with pytest.raises(FileExistsError):
        file.write_if(second, b"third")


def test_a_server_that_ignores_conditions_is_refused(bucket, monkeypatch):
    def write_anyway(self, version, content):
        self.write_bytes(content)
        return self.read().version

    monkeypatch.setattr(BucketPath, "write_if", write_anyway)
    with pytest.raises(ConfigError, match="without conditional writes"), held_lease(bucket):
        pass
    assert bucket.names() == []


def test_a_server_that_ignores_if_match_is_refused(bucket, monkeypatch):
    write_if = BucketPath.write_if

    def heed_only_if_none_match(self, version, content):
        if version is None:
            return write_if(self, None, content)
        self.write_bytes(content)
        return self.read().version

    monkeypatch.setattr(BucketPath, "write_if", heed_only_if_none_match)
    with pytest.raises(ConfigError, match="without conditional writes"), held_lease(bucket):
        pass
    assert bucket.names() == []


def test_a_renewal_whose_response_was_lost_does_not_lose_the_lease(bucket):
    owner = lease.Lease(bucket)
    owner.take()
    before = owner._version
    owner.renew()
    owner._version = before  # as if the bucket's response had not come
    owner.renew()
    owner.renew()
    assert not owner.lost


def test_a_lease_is_renewed_and_runs_out(bucket, monkeypatch):
    monkeypatch.setattr(lease, "duration", lambda: 3.0)  # a bucket's clock shows whole seconds
    file = bucket / ".lock"
    with held_lease(bucket):
        written = file.modified
        time.sleep(2)
        assert file.modified > written
        content = file.read_bytes()
    file.write_bytes(content)  # as if the driver had been killed
    with pytest.raises(ConfigError, match="if it was killed, try again in"), held_lease(bucket):
        pass
    assert bucket.names() == [".lock"]
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(ConfigError), held_lease(bucket):
            break
        assert time.monotonic() < deadline, "the lease of a killed driver did not run out"
        time.sleep(0.2)


def wake_after_another_took_over(bucket, monkeypatch, other):
    """Let a machine wake that slept for a minute: another run is writing, or has ended."""
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    if other:
        (bucket / ".lock").write_bytes(other)
    else:
        (bucket / ".lock").delete()
    threading.Event().wait(30)  # the interrupt ends it


@pytest.mark.parametrize("other", [b'{"id": "another"}', None], ids=["is writing", "has ended"])
def test_a_run_that_another_has_taken_over_writes_no_more(
    bucket, tmp_path, monkeypatch, ctrl_c, other
):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create(bucket, metadata(), [])
    with folder.locked():
        with pytest.raises(KeyboardInterrupt):  # wherever it is
            wake_after_another_took_over(bucket, monkeypatch, other)
        with pytest.raises(ConfigError, match="another run has taken"):
            folder.publish()
    assert (bucket / ".lock").is_file() == bool(other)


def test_a_journal_is_not_played_into_another_database(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create(bucket, metadata(), [])
    (bucket / "optuna.db").write_bytes(b"the bucket's")
    (folder.path / "optuna.db").write_bytes(b"a killed driver's")
    (folder.path / "optuna.db-journal").write_bytes(b"an unfinished change")
    (folder.path / "plan.json-mine").write_bytes(b"the user's")
    with folder.locked():
        assert (folder.path / "optuna.db").read_bytes() == b"the bucket's"
        assert not (folder.path / "optuna.db-journal").exists()
        assert (folder.path / "plan.json-mine").exists()


def test_a_damaged_database_is_an_os_error(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create(bucket, metadata(), [])
    (folder.path / "optuna.db").write_bytes(b"no database" * 100)
    with pytest.raises(OSError, match="not a database"):
        folder.upload_database()


def test_a_lease_lasts_for_its_owners_duration(bucket, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(lease, "duration", lambda: 600.0)
        with held_lease(bucket):
            content = (bucket / ".lock").read_bytes()
    (bucket / ".lock").write_bytes(content)  # as if the driver had been killed
    monkeypatch.setattr(lease, "duration", lambda: 0.0)
    with pytest.raises(ConfigError, match=r"try again in [56]\d\d s"), held_lease(bucket):
        pass


def test_a_bucket_that_is_down_for_a_while_is_retried(storage, bucket, capsys):
    with storage.away():
        writing = threading.Thread(
            target=(RetryingPath(bucket) / "file").write_bytes, args=(b"late",)
        )
        writing.start()
        time.sleep(3)
    writing.join()
    assert (bucket / "file").read_bytes() == b"late"
    assert f"cannot write {bucket / 'file'}" in capsys.readouterr().out


def test_patience_ends(impatient, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalPath, "write_bytes", full)
    file = tmp_path / "file"
    with pytest.raises(OSError, match="No space left"):
        RetryingPath(LocalPath(file)).write_bytes(b"")
    assert f"cannot write {file} (No space left on device): trying again" in capsys.readouterr().out


def test_a_permanent_error_is_not_retried(tmp_path, capsys):
    with pytest.raises(FileNotFoundError):
        RetryingPath(LocalPath(tmp_path / "file")).read_bytes()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", ["2m", "-1", "inf", "nan"])
def test_a_patience_that_is_not_a_number_is_refused(text, monkeypatch, capsys):
    retrying.patience.cache_clear()
    monkeypatch.setenv("STUDY_STORAGE_PATIENCE", text)
    assert grid.main(["--dry-run"]) == 2
    assert "is not a number of seconds: set it to 120" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "permanent"),
    [
        *((code, True) for code in ("ENOENT", "EACCES", "EPERM", "ENOTDIR", "EISDIR", "EEXIST")),
        *((code, True) for code in ("ENAMETOOLONG", "ELOOP", "EINVAL", "EROFS", "EFBIG")),
        *((code, False) for code in ("ENOSPC", "EDQUOT", "EIO", "ESTALE", "ETIMEDOUT", "EAGAIN")),
        *((code, False) for code in ("EBUSY", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH")),
    ],
)
def test_only_errors_that_may_pass_are_waited_for(code, permanent):
    assert is_permanent(OSError(getattr(errno, code), code)) is permanent
