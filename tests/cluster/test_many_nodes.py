"""A grid on Ray nodes of this machine: one joins and one is killed while it runs."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from lenet import training
from lenet.datasets import Dataset
from study.runs.run_folder import RunFolder
from study.runs.trial_folder import COMPLETE
from tests.comparison import same
from tests.drivers import wait_for

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]


class Disturbed(NamedTuple):
    """A run that lost one of its nodes."""

    folder: RunFolder
    places: list[tuple[str, str]]
    """node and visible GPU of each of the first eight trials"""
    killed: str
    """id of the node"""
    complete_before: list[str]
    lost: list[str]
    """the trials that were running on that node"""
    code: int
    printed: str


def add_node(cluster: Any, meeting: Path) -> None:
    """Add a node with 2 logical CPUs and 1 logical GPU. Its workers can import `tests`."""
    with pytest.MonkeyPatch.context() as environment:
        paths = [str(PROJECT), os.environ.get("PYTHONPATH")]
        environment.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
        environment.setenv("STUDY_TEST_NODES", str(meeting))
        cluster.add_node(num_cpus=2, num_gpus=1)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    """A head without CPU or GPU, as in `deploy`, and a node with 2 logical CPUs and 1 logical GPU.

    Also the folder in which `MeetsAcrossNodes` leaves its files.
    """
    from ray.cluster_utils import Cluster

    meeting = tmp_path_factory.mktemp("meeting")
    head = {"num_cpus": 0, "num_gpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    add_node(cluster, meeting)
    yield cluster, meeting
    cluster.shutdown()


@pytest.fixture(scope="module")
def disturbed(nodes: tuple[Any, Path], tmp_path_factory: pytest.TempPathFactory) -> Disturbed:
    cluster, meeting = nodes
    path = tmp_path_factory.mktemp("runs") / "run"
    command = [
        *(sys.executable, "-m", "study.grid", "--address", cluster.address, "--budget", "smoke"),
        *("--set", "dataset=digits", "--set", "model=tests.own_models:MeetsAcrossNodes"),
        *("--set", "optimizer=sgd", "--set", "lr=0.1,0.03,0.01", "--set", "epochs=100"),
        *("--set", "train_samples=none", "--set", "batch_size=32,64,128,256"),
        *("--cpus-per-trial", "0.5", "--gpus-per-trial", "0.25", "--results", str(path)),
        *("--pack", "off"),
    ]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as driver:
        wait_for(lambda: len(list(meeting.iterdir())) >= 4, "four trials at once", driver)
        add_node(cluster, meeting)
        wait_for(lambda: len(list(meeting.iterdir())) >= 8, "eight trials at once", driver)
        victim = sorted(cluster.worker_nodes, key=lambda node: node.node_id)[0]
        marks = [mark.name.split("_") for mark in meeting.iterdir()]
        folder = RunFolder.open(path)

        def running() -> list[str]:
            """Return the trials with a checkpoint on the victim."""
            processes = {int(process) for node, _, process in marks if node == victim.node_id}
            trials = {planned.name: folder.trial(planned.name) for planned in folder.plan}
            return [
                name
                for name, trial in trials.items()
                if trial.state().get("pid") in processes and trial.checkpoint() is not None
            ]

        wait_for(running, "a trial with a checkpoint on the node to be killed", driver)
        lost = running()
        complete = [
            planned.name
            for planned in folder.plan
            if folder.trial(planned.name).state().get("status") in COMPLETE
        ]
        cluster.remove_node(victim, allow_graceful=False)
        printed, _ = driver.communicate(timeout=150)
    places = [(node, gpu) for node, gpu, _ in marks]
    return Disturbed(folder, places, victim.node_id, complete, lost, driver.returncode, printed)


def test_four_trials_share_the_gpu_of_each_node(disturbed: Disturbed) -> None:
    assert "4 at once, 12 if machines join" in disturbed.printed
    # GPUs are numbered per node, and all eight trials existed at the same time, so the node that
    # joined during the run was used.
    by_place = Counter(disturbed.places)
    assert len({node for node, _ in by_place}) == 2
    assert {gpu for _, gpu in by_place} == {"0"}
    assert set(by_place.values()) == {4}


def test_every_trial_is_complete_once_although_a_node_was_killed(disturbed: Disturbed) -> None:
    assert disturbed.code == 0
    trials = pd.read_parquet(disturbed.folder.path / "trials.parquet").set_index("trial")
    assert sorted(trials.index) == sorted(planned.name for planned in disturbed.folder.plan)
    assert set(trials.status) == {"finished"}
    assert disturbed.lost
    assert (trials.attempts[disturbed.lost] == 2).all()
    assert (trials.attempts[disturbed.complete_before] == 1).all()
    assert (trials.attempts == 2).sum() <= 4  # the other node's trials went on
    rows = pd.read_parquet(disturbed.folder.path / "records.parquet")
    assert not rows.duplicated(["trial", "step"]).any()
    assert (rows.groupby("trial").epoch.max() == 100).all()


def test_the_records_are_those_of_an_undisturbed_run(disturbed: Disturbed, digits: Dataset) -> None:
    configs = {planned.name: planned.config for planned in disturbed.folder.plan}
    for name in disturbed.lost[:2]:
        alone = list(training.train(training.Run(configs[name], digits)))
        assert same(disturbed.folder.trial(name).records(), alone)
