"""The CPUs and GPUs that each trial gets, and addresses where no cluster answers."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from ray.exceptions import OutOfDiskError

from lenet import ConfigError
from study.cluster import connection
from study.cluster.resources import Node, allocate


def allocated(cpus, gpus=0, nodes=None, **changes):
    defaults = {"cpus_per_trial": 1, "gpus_per_trial": None, "max_concurrent": None, "trials": 100}
    return allocate(nodes or [Node(cpus, gpus)], **{**defaults, **changes})


@pytest.mark.parametrize(
    ("resources", "concurrent", "gpus_per_trial"),
    [
        (allocated(2), 2, 0),
        (allocated(2, cpus_per_trial=2), 1, 0),
        (allocated(2, cpus_per_trial=0.5), 4, 0),
        (allocated(2, max_concurrent=1), 1, 0),
        (allocated(8, trials=3), 3, 0),
        (allocated(8, gpus=1, gpus_per_trial=0.25), 4, 0.25),
        (allocated(2, gpus=1, gpus_per_trial=0.25), 2, 0.25),
        (allocated(16, gpus=4, gpus_per_trial=0.4), 8, 0.4),
        (allocated(16, gpus=4, gpus_per_trial=2), 2, 2),
        # By default, as many trials share a GPU as there are CPUs to feed them.
        (allocated(4, gpus=1), 4, 0.25),
        (allocated(16, gpus=4), 16, 0.25),
        (allocated(1, gpus=2), 1, 1),
        (allocated(64, gpus=1), 8, 0.125),
        # Remainders on two machines do not add up to room for a trial.
        (allocated(0, nodes=[Node(4, 0), Node(4, 0)], cpus_per_trial=3), 2, 0),
        (allocated(0, nodes=[Node(2, 0), Node(8, 2)], gpus_per_trial=0.5), 4, 0.5),
        (allocated(0, nodes=[Node(0, 0), Node(4, 1)]), 4, 0.25),
    ],
)
def test_concurrency(resources, concurrent, gpus_per_trial):
    assert resources.concurrent == concurrent
    assert resources.gpus_per_trial == gpus_per_trial


def test_a_cluster_may_grow():
    assert allocated(2, may_grow=True).concurrent is None
    assert allocated(2, may_grow=True, max_concurrent=16).concurrent == 16
    assert allocated(2, may_grow=True).side_by_side == 2
    from_zero = allocated(0, may_grow=True, autoscale=True, gpus_per_trial=0.25)
    assert (from_zero.concurrent, from_zero.at_first, from_zero.side_by_side) == (None, 0, 1)
    assert from_zero.gpus_per_trial == 0.25


def test_one_thread_per_cpu():
    assert allocated(4, cpus_per_trial=3).threads == 3
    assert allocated(4, cpus_per_trial=0.5).threads == 1


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"cpus": 2, "cpus_per_trial": 3}, "use --cpus-per-trial 2 or less"),
        ({"cpus": 2, "gpus_per_trial": 0.25}, "omit --gpus-per-trial to train on the CPU"),
        ({"cpus": 0}, "no machine has a CPU for trials: start worker nodes"),
        ({"cpus": 2, "gpus": 1, "gpus_per_trial": 2}, "use --gpus-per-trial 1 or less"),
        ({"cpus": 2, "gpus": 4, "gpus_per_trial": 1.5}, "Ray assigns whole GPUs; use 2"),
        ({"cpus": 0, "nodes": [Node(4, 0), Node(4, 0)], "cpus_per_trial": 6}, "trial 4 or less"),
        (
            {
                "cpus": 0,
                "nodes": [Node(8, 0), Node(1, 1)],
                "cpus_per_trial": 2,
                "gpus_per_trial": 1,
            },
            "no machine has both 2 CPUs and 1 GPUs",
        ),
        (
            {"cpus": 2, "gpus_per_trial": 0.25, "may_grow": True},
            "or add --autoscale if this cluster adds machines",
        ),
        ({"cpus": 0, "may_grow": True, "autoscale": True}, "add --gpus-per-trial 0.25"),
    ],
)
def test_a_trial_that_fits_nowhere_is_refused(sizes, message):
    with pytest.raises(ConfigError) as error:
        allocated(**sizes)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "nothing answers at --address 127.0.0.1:1 (Connection refused)"),
        ("127.0.0.1:99999", "'99999' in --address 127.0.0.1:99999 is not a port"),
        ("127.0.0.1:ray", "'ray' in --address 127.0.0.1:ray is not a port"),
    ],
)
def test_an_address_where_nothing_answers_is_refused_at_once(address, message):
    with pytest.raises(ConfigError) as error:
        connection.connect(address)
    assert message in str(error.value)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Ray kills its processes by group")
def test_a_signal_to_the_group_of_the_driver_spares_the_processes_of_ray():
    from ray._private import services

    def session():
        started = services.start_ray_process(["sleep", "60"], "raylet", fate_share=True).process
        found = os.getsid(started.pid)
        started.kill()
        started.wait()
        return found == started.pid

    with connection._daemons_in_own_sessions():
        assert session()
    assert not session()


def test_sigterm_while_ray_starts_is_ctrl_c(monkeypatch):
    import ray

    def init(**_):
        """End as by the handler that `ray.init` sets before it starts anything."""
        sys.exit(signal.SIGTERM)

    for name, value in connection._LOOPBACK_ONLY.items():  # for this test only
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(KeyboardInterrupt):
        connection.connect(None)


def test_a_dead_ray_ends_the_command_at_once_and_says_how_to_go_on():
    script = (
        "import subprocess, sys, time, types\n"
        "from study.cluster import connection\n"
        "gone = subprocess.Popen(['true'])\n"
        "gone.wait()\n"
        "node = types.SimpleNamespace(dead_processes=lambda: [('raylet', gone)])\n"
        "worker = types.SimpleNamespace(_global_node=None)\n"
        "sys.modules['ray._private.worker'] = worker\n"
        "with connection.exit_if_ray_dies(lambda problem: print(problem), 130):\n"
        "    worker._global_node = node\n"
        "    time.sleep(60)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "Ray has ended\n", "")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder without a token."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    return tmp_path


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_missing_or_empty_token_is_made_for_this_user_only(home, content):
    token = home / ".ray" / "auth_token"
    if content is not None:
        token.parent.mkdir()
        token.write_text(content)
        token.chmod(0o644)
    connection.require_token()
    assert len(token.read_text()) == 64
    assert token.stat().st_mode & 0o777 == 0o600
    kept = token.read_text()
    connection.require_token()
    assert token.read_text() == kept


def test_without_a_writable_home_the_token_is_in_the_environment(home):
    (home / ".ray").write_text("a file where the folder should be")
    connection.require_token()
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("/" + "x" * 60, "is 61 characters long"),
        ("/no/such", "TMPDIR=/no/such is not a folder"),
        ("/caf\udce9", "is not UTF-8"),
    ],
)
def test_a_temporary_folder_that_ray_cannot_use_is_named(folder, message, monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", folder)
    with pytest.raises(ConfigError, match=message) as error:
        connection.connect(None)
    assert "set TMPDIR=/tmp" in str(error.value)


def test_a_full_disk_is_named_before_ray_starts_and_when_its_store_is_full(monkeypatch):
    usage = shutil.disk_usage("/")._replace(total=10**9, free=5 * 10**7)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ConfigError, match=r"has 50 MB free, and a local Ray needs 100 MB"):
        connection.connect(None)
    with (
        pytest.raises(ConfigError, match=r"/dev/shm has 50 of 1000 MB free.*--shm-size"),
        connection.full_store_explained(),
    ):
        raise OutOfDiskError("Local disk is full")
