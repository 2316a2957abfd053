"""A real Ray for the tests that need one: one node with logical CPUs and a logical GPU."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from study import grid
from tests.buckets import Storage


@pytest.fixture(scope="session")
def ray_address(tmp_path_factory: pytest.TempPathFactory, storage: Storage) -> Iterator[str]:
    """The address of a Ray node with 4 logical CPUs, 1 logical GPU, and the key to `storage`."""
    from ray.cluster_utils import Cluster

    # Workers import the models of `tests`.
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    os.environ["STUDY_TEST_MEETING"] = str(tmp_path_factory.mktemp("meeting"))
    head = {"num_cpus": 4, "num_gpus": 1, "include_dashboard": False}
    node = Cluster()
    for attempt in range(3):  # Ray gives its first process 30 s, which a busy machine may exceed
        with contextlib.suppress(Exception if attempt < 2 else ()):
            node.add_node(**head)
            break
    del os.environ["STUDY_TEST_MEETING"]  # the workers have it, the drivers must not
    yield node.address
    node.shutdown()


@pytest.fixture(scope="session")
def run_grid(ray_address: str) -> Callable[..., int]:
    """Runs `study.grid` in this process on that node and returns its exit code.

    Two trials at once by default: each worker takes seconds of a core to import torch.
    """

    def run(*arguments: str) -> int:
        return grid.main(["--address", ray_address, "--max-concurrent", "2", *arguments])

    return run


@pytest.fixture(scope="session")
def grid_command(ray_address: str) -> list[str]:
    """The same as a command for its own process, which can be killed."""
    return [sys.executable, "-m", "study.grid", "--address", ray_address]
