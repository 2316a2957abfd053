"""Fixtures of all tests: the small real data set, the real MNIST if it exists, an S3 server."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lenet import datasets
from study.cluster import connection
from tests.buckets import Storage

# Ray reads its environment and its token on import. Some unit tests import it, so all tests, and
# the Ray that they start, must have the same.
connection.prepare_environment()
connection.require_token()

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXIT_STATUS = pytest.StashKey[int]()


@pytest.fixture
def ctrl_c() -> None:
    """Make Ctrl-C raise KeyboardInterrupt, which the job that runs the tests may ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _signals_of_the_tests() -> Iterator[None]:
    """Restore what a command that was interrupted in this process left ignored."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def digits() -> datasets.Dataset:
    """The UCI digits."""
    return datasets.load("digits")


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder of the real MNIST files; tests that need it are skipped without it."""
    folder = Path(os.environ.get("STUDY_DATA_DIR", "data")) / "MNIST" / "raw"
    if not folder.is_dir():
        pytest.skip(f"the real MNIST is not in {folder}; set STUDY_DATA_DIR")
    return folder


@pytest.fixture(scope="session")
def storage() -> Iterator[Storage]:
    """An S3 server, to which this process and its children have the key."""
    server = Storage()
    yield server
    server.close()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep what is measured of a busy machine out of the user's cache, and the other way round."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Use one thread, like a trial on one CPU: their number may change the last digits."""
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that use Ray last: when little else uses the machine."""
    items.sort(key=lambda item: item.path.parent.name != "unit")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Run the tests that use Ray in one of several processes: they share one Ray."""
    from xdist.scheduler import LoadScopeScheduling

    class RayInOneProcess(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return module if module.startswith("tests/unit/") else "ray"

    return RayInOneProcess(config, log)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_EXIT_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Exit at once if Ray was used.

    Its native threads run until Python shuts down and were seen to crash the process after all
    tests had passed.
    """
    if "ray" in sys.modules and _EXIT_STATUS in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_EXIT_STATUS])
