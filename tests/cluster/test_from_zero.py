"""GPU workers from zero: the node types of cluster.yaml under Ray's autoscaler, whose cloud is here
one that starts workers as processes (Ray's own `fake_multinode`), with logical GPUs."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

from tests.cluster import hosts

PROJECT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """What a command prints that is typed on the head of such a cluster; it must succeed."""
    if reason := hosts.why_not():
        pytest.skip(reason)
    # In namespaces, so that all that Ray starts ends with them.
    site = hosts.Site(tmp_path_factory.mktemp("site"), ())
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        # As `ray up` starts a head, but for the names.
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
        "RAY_NODE_TYPE_NAME": "head",
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    }

    def run(*command: str) -> str:
        done = site.run(command, cwd=PROJECT, environment=environment, seconds=400)
        assert done.returncode == 0, done.stdout
        return done.stdout

    config = yaml.safe_load((PROJECT / "cluster.yaml").read_text(encoding="utf-8"))
    for node in config["available_node_types"].values():
        node["node_config"] = {}
    config["provider"] = {
        "type": "fake_multinode",
        "head_node_id": FAKE_HEAD_NODE_ID,
        "launch_multiple": True,
    }
    config["auth"] = {}
    config["file_mounts"] = {}
    config["idle_timeout_minutes"] = 0.1
    file = site.folder / "cluster.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    try:
        run(
            *("ray", "start", "--head", "--num-cpus=0", "--num-gpus=0"),
            *("--dashboard-host=127.0.0.1", f"--autoscaling-config={file}"),
        )
        yield run
    finally:
        site.close()


def test_workers_come_when_asked_for_and_train(typed: Callable[..., str], tmp_path: Path) -> None:
    grid = "python -m study.grid --address auto --budget smoke --set dataset=digits --dry-run"
    assert "more than the 0 CPUs" in typed("bash", "-c", f"! {grid}")  # it needs what follows
    assert "GPUs are there" in typed("python", "deploy/workers.py", "1", "--minutes", "3")
    results = tmp_path / "run"
    typed(
        *("python", "-m", "study.grid", "--address", "auto", "--budget", "smoke"),
        *("--set", "dataset=digits", "--set", "optimizer=sgd", "--set", "lr=0.1"),
        *("--gpus-per-trial", "0.25", "--results", str(results)),
    )
    assert set(pd.read_csv(results / "trials.csv").status) == {"finished"}
