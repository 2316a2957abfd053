"""The Ray that `study` starts on this machine runs nobody's code without the token."""

import contextlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from study.cluster import connection
from study.cluster.connection import require_token
from tests.drivers import descendants

TOKEN = "0123456789abcdef" * 4
START = """
from study.cluster import connection
url = connection.connect(None)
import ray
ray.get(ray.remote(lambda: None).remote())  # a worker
print("at", url, ray.get_runtime_context().gcs_address, flush=True)
input()
"""
JOIN = "import sys, ray; ray.init(address=sys.argv[1]); print('joined')"


@pytest.fixture(scope="module")
def local_ray() -> Iterator[tuple[str, str, int]]:
    """The dashboard, the cluster's address and the driver's pid of a Ray with the token `TOKEN`."""
    command = [sys.executable, "-c", START]
    environment = {**os.environ, "RAY_AUTH_TOKEN": TOKEN}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        line = next((line for line in started.stdout if line.startswith("at ")), None)
        assert line is not None, "Ray did not start"
        _, dashboard, cluster = line.split()
        yield dashboard, cluster, started.pid
        started.communicate("\n", timeout=60)


def status(url: str, token: str | None = None, data: bytes | None = None) -> int:
    request = urllib.request.Request(url, data=data)
    request.add_header("Content-Type", "application/json")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture(scope="module")
def addresses(local_ray: tuple[str, str, int]) -> tuple[str, str]:
    """The addresses of the dashboard and of the cluster."""
    return local_ray[:2]


@pytest.mark.parametrize("page", ["/api/version", "/api/jobs/", "/nodes?view=summary"])
def test_the_dashboard_needs_the_token(addresses: tuple[str, str], page: str) -> None:
    url = addresses[0] + page
    assert status(url) == 401
    assert status(url, TOKEN[::-1]) in {401, 403}
    assert status(url, TOKEN) == 200


def test_nobody_submits_a_job_without_the_token(addresses: tuple[str, str]) -> None:
    job = b'{"entrypoint": "true"}'
    assert status(addresses[0] + "/api/jobs/", data=job) == 401
    assert status(addresses[0] + "/api/jobs/", TOKEN[::-1], data=job) in {401, 403}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_of_a_local_ray_listens_beyond_loopback(local_ray: tuple[str, str, int]) -> None:
    open_to = listening(local_ray[2])
    commands = " ".join(open_to)
    assert all(name in commands for name in ("gcs_server", "raylet", "DashboardAgent"))
    assert {command: found - LOOPBACK for command, found in open_to.items()} == {
        command: set() for command in open_to
    }


# 127.0.0.1, the same in IPv6's form, and ::1, as /proc/net/tcp and tcp6 write them.
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def listening(driver: int) -> dict[str, set[str]]:
    """Return the addresses on which a driver and the processes below it listen, by command."""
    addresses = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="utf-8").splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A":
                addresses[f"socket:[{inode}]"] = local.partition(":")[0]
    found: dict[str, set[str]] = {}
    for pid in (driver, *descendants(driver)):
        process = Path(f"/proc/{pid}")
        with contextlib.suppress(OSError):  # a process may have ended
            targets = {os.readlink(path) for path in (process / "fd").iterdir()}
            command = (process / "cmdline").read_text().replace("\0", " ")
            if sockets := targets & addresses.keys():
                found[command] = {addresses[name] for name in sockets}
    return found


def test_nobody_joins_without_the_token(addresses: tuple[str, str], tmp_path: Path) -> None:
    # Ray takes 20 s to give up, so all try at once.
    tokens = [TOKEN, TOKEN[::-1], None]
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda token: join(addresses[1], token, tmp_path), tokens)
    for token, done in zip(tokens, results, strict=True):
        assert (done.returncode == 0) == (token == TOKEN), done.stderr
        assert ("joined" in done.stdout) == (token == TOKEN)


def join(address: str, token: str | None, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a driver that joins the Ray at `address` with `token`."""
    secret = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE")
    environment = {name: value for name, value in os.environ.items() if name not in secret}
    environment["HOME"] = str(home)  # of a user without a token
    # A driver on the same machine finds a Ray on loopback only with this.
    environment |= connection._LOOPBACK_ONLY
    if token is not None:
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    return subprocess.run(
        [sys.executable, "-c", JOIN, address],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_only_its_user_can_read_a_new_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    require_token()
    made = tmp_path / ".ray" / "auth_token"
    assert len(made.read_text(encoding="utf-8").strip()) >= 32
    assert made.stat().st_mode & 0o777 == 0o600
