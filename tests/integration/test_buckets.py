"""Runs in a bucket of an S3 server: trained, killed, resumed and reported."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from search_spaces.search_names import trial_number
from study.report import __main__ as report
from study.runs.bucket import BucketPath
from study.runs.run_folder import RunFolder
from study.runs.storage import read_json
from study.runs.trial_folder import COMPLETE
from tests.comparison import same
from tests.drivers import kill, wait_for
from tests.integration.grid_runs import DIGITS, LONG, trained_alone
from tests.terminal import unwrapped


def under_way(bucket):
    """Return the names of complete trials, and of those with a checkpoint."""
    trials = bucket / "trials"
    names = trials.names()
    states = {name: read_json(trials / name / "trial.json") or {} for name in names}
    complete = [name for name in names if states[name].get("status") in COMPLETE]
    return complete, [n for n in names if (trials / n / "checkpoint.pt").is_file()]


@pytest.mark.slow
def test_killed_here_and_resumed_elsewhere(
    storage, grid_command, run_grid, digits, tmp_path, monkeypatch, capsys
):
    url = "s3://bucket/killed"
    bucket = BucketPath(url)
    here, elsewhere, third = (tmp_path / name for name in ("here", "elsewhere", "third"))
    for folder in (here, elsewhere, third):
        folder.mkdir()
    command = [
        *grid_command,
        *LONG,
        "--set",
        "epochs=16",
        "--max-concurrent",
        "2",
        "--results",
        url,
    ]
    with subprocess.Popen(
        command, cwd=here, start_new_session=True, stdout=subprocess.DEVNULL
    ) as driver:
        wait_for(lambda: all(under_way(bucket)), "a complete trial and a checkpoint", driver)
        trials = bucket / "trials"
        kill(driver, *(read_json(trials / name / "trial.json") or {} for name in trials.names()))
    before, _ = under_way(bucket)
    saved = {name: RunFolder(bucket).trial(name).records() for name in before}

    monkeypatch.chdir(elsewhere)
    assert run_grid("--resume", url) == 2  # nobody knows yet that its writer is dead
    assert "if it was killed, try again in" in capsys.readouterr().err
    (bucket / ".lock").delete()  # as if it had expired
    assert run_grid("--resume", url) == 0
    printed = unwrapped(capsys.readouterr().out)
    assert str(elsewhere / "results" / "killed" / "figures") in printed

    trials = pd.read_parquet("results/killed/trials.parquet").set_index("trial")
    assert set(trials.status) == {"finished"}
    assert (trials.loc[before, "attempts"] == 1).all()
    for name in trials.index:
        records = RunFolder(bucket).trial(name).records()
        assert same(records, trained_alone(bucket, name, digits))
        assert same(records, saved.get(name, records))

    monkeypatch.chdir(third)
    assert report.main([url]) == 0
    again = pd.read_parquet("results/killed/trials.parquet").set_index("trial")
    pd.testing.assert_frame_equal(again, trials)
    assert {path.name for path in Path("results/killed/figures").iterdir()} <= set(
        (bucket / "figures").names()
    )
    for path in Path("results/killed").glob("*.*"):
        assert storage.environment["AWS_SECRET_ACCESS_KEY"].encode() not in path.read_bytes()


@pytest.mark.slow
def test_a_bucket_that_is_down_for_a_while(storage, run_grid, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bucket = BucketPath("s3://bucket/away")
    absences = []
    over = threading.Event()

    def go_away():
        while not all(under_way(bucket)):
            if over.wait(0.05):
                return
        with storage.away():
            absences.append(time.monotonic())
            time.sleep(6)

    absent = threading.Thread(target=go_away)
    absent.start()
    code = run_grid(*LONG, "--set", "epochs=16", "--results", str(bucket))
    over.set()
    absent.join()
    assert (code, len(absences)) == (0, 1)
    trials = pd.read_parquet("results/away/trials.parquet").set_index("trial")
    assert set(trials.status) == {"finished"}
    assert set(trials.attempts) == {1}  # no worker crashed
    for name in trials.index:
        assert same(RunFolder(bucket).trial(name).records(), trained_alone(bucket, name, digits))


@pytest.mark.slow
def test_a_search_can_be_resumed_once_its_bucket_is_back(storage, tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY_STORAGE_PATIENCE", "2")
    url = "s3://bucket/search"
    command = [sys.executable, "-m", "study.search"]
    typed = [*DIGITS, "--set", "epochs=20", "--trials", "4", "--confirm", "1x2"]
    typed += ["--set", "batch_size=8", "--set", "train_samples=none", "--max-concurrent", "2"]
    with subprocess.Popen(
        [*command, *typed, "--results", url],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as driver:
        wait_for(lambda: under_way(BucketPath(url))[1], "a checkpoint", driver)
        with storage.away():
            printed, _ = driver.communicate(timeout=200)
    assert driver.returncode == 1, printed
    assert "Traceback" not in printed
    assert f"python -m study.search --resume {url}" in unwrapped(printed)
    assert "--max-concurrent 2" in printed
    (BucketPath(url) / ".lock").delete()  # as if it had expired
    subprocess.run([*command, "--resume", url], cwd=tmp_path, check=True)
    trials = pd.read_parquet(tmp_path / "results" / "search" / "trials.parquet")
    assert trials["trial"].map(trial_number).notna().sum() == 4
    assert set(trials["status"]) == {"finished"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--results", "s3://no-such-bucket/run"), "cannot reach s3://no-such-bucket/run"),
        (("--storage", "s3://"), "type s3://BUCKET/FOLDER"),
        (("--results", "s3://bucket/a", "--storage", "s3://bucket"), "use one"),
        (("--resume", "s3://bucket/none"), "is not a run"),
    ],
)
def test_bad_buckets_are_refused_before_ray_starts(
    storage, run_grid, arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    try:
        code = run_grid(*(() if "--resume" in arguments else DIGITS), *arguments)
    except SystemExit as refused:
        code = refused.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
