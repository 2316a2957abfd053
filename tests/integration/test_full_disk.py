"""A run whose disk is full for a while waits, and loses nothing."""

import threading
import time

import pandas as pd
import pytest

from study.runs.run_folder import RunFolder
from tests.chaos.faults import fill, small_disk
from tests.comparison import same
from tests.integration.grid_runs import LONG, progress, trained_alone


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk") as mounted:
        if mounted is None:
            pytest.skip("a tmpfs cannot be mounted here: it needs root")
        yield mounted


@pytest.mark.slow
def test_a_disk_that_is_full_for_a_while(run_grid, disk, digits):
    folder = disk / "run"
    filled = []
    over = threading.Event()

    def fill_it():
        while not all(progress(folder)):
            if over.wait(0.05):
                return
        with fill(disk):
            filled.append(sum(path.stat().st_size for path in disk.rglob("*") if path.is_file()))
            time.sleep(5)

    filler = threading.Thread(target=fill_it)
    filler.start()
    code = run_grid(*LONG, "--set", "epochs=8", "--results", str(folder))
    over.set()
    filler.join()
    assert (code, len(filled)) == (0, 1)
    trials = pd.read_parquet(folder / "trials.parquet").set_index("trial")
    assert set(trials.status) == {"finished"}
    assert set(trials.attempts) == {1}
    for name in trials.index:
        assert same(RunFolder(folder).trial(name).records(), trained_alone(folder, name, digits))
