"""The Ray that `study` starts on this machine runs nobody's code without the token."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from study.cluster.connection import require_token

TOKEN = "0123456789abcdef" * 4
START = """
from study.cluster import connection
url = connection.connect(None)
import ray
print("at", url, ray.get_runtime_context().gcs_address, flush=True)
input()
"""
JOIN = "import sys, ray; ray.init(address=sys.argv[1]); print('joined')"


@pytest.fixture(scope="module")
def addresses() -> Iterator[tuple[str, str]]:
    """The addresses of the dashboard and of the cluster of a Ray with the token `TOKEN`."""
    command = [sys.executable, "-c", START]
    environment = {**os.environ, "RAY_AUTH_TOKEN": TOKEN}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        line = next((line for line in started.stdout if line.startswith("at ")), None)
        assert line is not None, "Ray did not start"
        _, dashboard, cluster = line.split()
        yield dashboard, cluster
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


def test_the_dashboard_listens_only_on_loopback(addresses: tuple[str, str]) -> None:
    port = urlsplit(addresses[0]).port
    assert listening_on(port) == {"127.0.0.1"}


def listening_on(port: int | None) -> set[str]:
    """Return the addresses on which the kernel says that `port` is open."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).is_file():
            continue
        for line in Path(table).read_text(encoding="utf-8").splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, local_port = local.split(":")
            if state == "0A" and int(local_port, 16) == port:
                if len(address) == 8:
                    found.add(socket.inet_ntoa(bytes.fromhex(address)[::-1]))
                else:
                    found.add(address)
    return found


@pytest.mark.parametrize("token", [TOKEN[::-1], None], ids=["wrong", "none"])
def test_nobody_joins_without_the_token(
    addresses: tuple[str, str], token: str | None, tmp_path: Path
) -> None:
    secret = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE")
    environment = {name: value for name, value in os.environ.items() if name not in secret}
    environment["HOME"] = str(tmp_path)  # of a user without a token
    if token is not None:
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    done = subprocess.run(
        [sys.executable, "-c", JOIN, addresses[1]],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode != 0
    assert "joined" not in done.stdout
    assert "auth" in done.stderr.lower()


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
