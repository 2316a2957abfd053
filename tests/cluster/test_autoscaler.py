"""A cluster that starts as a head only, to which Ray's autoscaler adds nodes on this machine."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import ray
from ray.autoscaler.v2 import utils
from ray.autoscaler.v2.sdk import GcsClient, GetClusterStatusReply

from study import grid
from study.cluster import connection
from study.scaling import __main__ as scaling
from tests.drivers import wait_for
from tests.terminal import unwrapped

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
_COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)
HEAD = "f" * 51 + "00000"  # as in Ray's provider for tests


class Autoscaled:
    """The address of the cluster, and the folder in which `MeetsAcrossNodes` leaves its files."""

    def __init__(self, address: str, meeting: Path) -> None:
        self.address, self.meeting = address, meeting

    def workers(self) -> int:
        """Count the nodes other than the head."""
        connection.connect(self.address)
        try:
            return sum(node.cpus > 0 for node in connection.cluster_nodes())
        finally:
            connection.disconnect()

    def starting(self) -> int:
        """Count the nodes that are about to join, once the autoscaler has seen all requests."""

        def status() -> GetClusterStatusReply:
            reply = GetClusterStatusReply()
            reply.ParseFromString(GcsClient(self.address).get_cluster_status(timeout_s=10))
            return reply

        now = status().cluster_resource_state.cluster_resource_state_version
        wait_for(
            lambda: status().autoscaling_state.last_seen_cluster_resource_state_version > now,
            "an update of the autoscaler",
        )
        state = status().autoscaling_state
        return len(state.pending_instance_requests) + len(state.pending_instances)


@pytest.fixture(scope="module")
def autoscaled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Autoscaled]:
    """A head without CPU or GPU; up to two nodes with 2 logical CPUs and 1 logical GPU each."""
    place = tmp_path_factory.mktemp("autoscaled")
    meeting = place / "meeting"
    meeting.mkdir()
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    address = f"{ray.util.get_node_ip_address()}:{port}"
    provider = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
    nothing = {"node_config": {}, "resources": {"CPU": 0}, "max_workers": 0}
    one_gpu = {"node_config": {}, "resources": {"CPU": 2, "GPU": 1}, "max_workers": 2}
    file = place / "cluster.json"
    file.write_text(
        json.dumps(
            {
                "cluster_name": "autoscaled",
                "max_workers": 2,
                "idle_timeout_minutes": 0.1,
                "provider": {
                    "type": "external",
                    "module": provider,
                    "head_node_id": HEAD,
                    "launch_multiple": True,
                    "gcs_address": address,
                },
                "auth": {"ssh_user": "nobody"},
                "available_node_types": {
                    "ray.head.default": nothing,
                    "one_gpu": one_gpu | {"min_workers": 0},
                },
                "head_node_type": "ray.head.default",
                # Ray fills these in for the clouds that it knows.
                **{commands: [] for commands in _COMMANDS},
                "cluster_synced_files": [],
                "file_mounts": {},
                "file_mounts_sync_continuously": False,
                "rsync_exclude": [],
                "rsync_filter": [],
            }
        ),
        encoding="utf-8",
    )
    connection.require_token()
    environment = os.environ | {
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
        "RAY_CLOUD_INSTANCE_ID": HEAD,
        "RAY_FAKE_CLUSTER": "1",
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_enable_autoscaler_v2": "1",
        "STUDY_TEST_NODES": str(meeting),
    }
    typed = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    typed += ["--port", str(port), "--num-cpus=0", "--num-gpus=0", "--include-dashboard=false"]
    typed += ["--autoscaling-config", str(file)]
    log = place / "head.log"
    with log.open("w", encoding="utf-8") as output:
        head = subprocess.Popen(
            typed, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 60
        while "Ray runtime started" not in log.read_text(encoding="utf-8"):
            assert head.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.2)
        time.sleep(2)
        assert head.poll() is None, log.read_text(encoding="utf-8")  # or Ray refused the file
        # Ray asks the first cluster of a process which autoscaler it has, and assumes the same of
        # all others. Other tests may have met a cluster with the old one.
        utils.cached_is_autoscaler_v2 = None
        yield Autoscaled(address, meeting)
    finally:
        utils.cached_is_autoscaler_v2 = None
        # Kill only what this Ray has started: `ray stop` would end others as well.
        subprocess.run(["pkill", "-KILL", "--session", str(head.pid)], check=False)
        head.wait()


SMALL = ("--budget", "smoke", "--set", "dataset=digits")


def test_missing_machines_are_refused_unless_they_may_be_added(
    autoscaled: Autoscaled, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["--address", autoscaled.address, *SMALL, "--gpus-per-trial", "0.25", "--dry-run"]
    assert grid.main(typed) == 2
    assert "or add --autoscale if this cluster adds machines" in capsys.readouterr().err
    assert grid.main([*typed, "--autoscale"]) == 0
    typed = ["--address", autoscaled.address, "--autoscale", *SMALL, "--workers", "1,2"]
    assert scaling.main([*typed, "--device", "gpu", "--dry-run"]) == 0
    assert "1, 2 on gpu" in unwrapped(capsys.readouterr().out)
    assert autoscaled.starting() == autoscaled.workers() == 0  # a dry run starts no machine


def test_a_grid_gets_nodes_which_end_when_idle(autoscaled: Autoscaled, tmp_path: Path) -> None:
    """Its trials wait for each other, so they need both nodes, with four trials on each GPU."""
    results = tmp_path / "run"
    code = grid.main(
        [
            *("--address", autoscaled.address, "--autoscale", *SMALL, "--results", str(results)),
            *("--set", "model=tests.own_models:MeetsAcrossNodes", "--set", "optimizer=sgd"),
            *("--set", "lr=0.1,0.01", "--cpus-per-trial", "0.5", "--gpus-per-trial", "0.25"),
            *("--pack", "off"),
        ]
    )
    assert code == 0
    assert set(pd.read_parquet(results / "trials.parquet").status) == {"finished"}
    marks = [mark.name.split("_") for mark in autoscaled.meeting.iterdir()]
    assert len(marks) == 8
    assert len({node for node, _, _ in marks}) == 2
    wait_for(lambda: autoscaled.workers() == 0, "the end of idle nodes")


def test_a_scaling_run_waits_for_nodes_which_end_when_idle(
    autoscaled: Autoscaled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["--address", autoscaled.address, "--autoscale", *SMALL, "--workers", "1,3"]
    assert scaling.main(typed) == 2  # on what, is unknown
    assert "--device gpu --workers" in capsys.readouterr().err
    results = tmp_path / "run"
    assert scaling.main([*typed, "--device", "cpu", "--results", str(results)]) == 0
    assert "Waiting for machines" in unwrapped(capsys.readouterr().out)
    assert set(pd.read_parquet(results / "trials.parquet").status) == {"finished"}
    wait_for(lambda: autoscaled.workers() == 0, "the end of idle nodes")
