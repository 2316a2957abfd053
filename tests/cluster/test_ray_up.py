"""`ray up`, `ray exec` and `ray down` as in docs/cluster.md, with deploy/onprem.yaml.

The hosts are namespaces of this machine.
"""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.cluster import hosts

PROJECT = Path(__file__).parents[2]
HOSTS = ("first", "second")

pytestmark = pytest.mark.slow

WAIT_FOR_BOTH = """
import sys, time, ray
ray.init(address="auto", log_to_driver=False)
until = time.monotonic() + 200
while sum(node["Alive"] for node in ray.nodes()) < 2:
    if time.monotonic() > until:
        sys.exit("the second host's Ray did not start")
    time.sleep(1)
"""


class Commands:
    """Ray's own command line, run on the desk in the project's folder."""

    def __init__(self, site: hosts.Site, token: str) -> None:
        self.site = site
        self.token = token
        self.file = site.folder / "cluster.yaml"

    def ray(self, command: str, *arguments: str, seconds: float = 300) -> str:
        """Run `ray COMMAND FILE ...` and return its output; fail the test if it fails."""
        typed = [str(Path(sys.executable).with_name("ray")), command, str(self.file), *arguments]
        done = self.type(typed, seconds=seconds)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def type(self, command: list[str], *, seconds: float = 100) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        return self.site.run(command, cwd=PROJECT, environment=environment, seconds=seconds)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """A cluster of two hosts by deploy/onprem.yaml, with the values that it tells users to change.

    The packages are on the hosts already.
    """
    if reason := hosts.why_not():
        pytest.skip(reason)
    site = hosts.Site(tmp_path_factory.mktemp("site"), HOSTS)
    try:
        commands = Commands(site, secrets.token_hex(32))
        token_file = site.home("desk") / ".ray" / "auth_token"
        token_file.parent.mkdir()
        token_file.write_text(commands.token, encoding="utf-8")
        for name in HOSTS:
            hosts.virtual_environment(site.home(name), "lenet-venv")
            (site.home(name) / ".bashrc").write_text(
                "export PIP_NO_INDEX=1 PIP_NO_BUILD_ISOLATION=0\n", encoding="utf-8"
            )
        file = yaml.safe_load((PROJECT / "deploy" / "onprem.yaml").read_text(encoding="utf-8"))
        # Ray keeps connections open at a path made from the name, on the disk that all share.
        file["cluster_name"] = f"lenet-{os.getpid()}"
        head, worker = (site.addresses[name] for name in HOSTS)
        file["provider"] |= {"head_ip": head, "worker_ips": [worker]}
        file["auth"] |= {"ssh_user": "root", "ssh_private_key": str(site.key)}
        commands.file.write_text(yaml.safe_dump(file), encoding="utf-8")
        (site.folder / "shared" / "wait.py").write_text(WAIT_FOR_BOTH, encoding="utf-8")
        commands.ray("up", "--yes", "--no-config-cache")
        commands.ray("exec", f"python {site.folder}/shared/wait.py")
        yield commands
    finally:
        site.close()


def test_a_grid_runs_on_both_hosts(cluster: Commands) -> None:
    results = cluster.site.folder / "shared" / "run"
    # With shorter trials, the head would be done before the other host's workers start.
    cluster.ray(
        "exec",
        "python -m study.grid --address auto --budget smoke --seeds 2 --set dataset=digits"
        " --set optimizer=adam --set lr=0.001 --set train_samples=none --set epochs=40"
        f" --results {results}",
    )
    trials = pd.read_csv(results / "trials.csv")
    assert trials.status.tolist() == ["finished"] * 8
    assert set(trials.host) == set(HOSTS)
    assert cluster.token not in "".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in results.rglob("*")
        if path.is_file()
    )


def test_results_are_fetched(cluster: Commands) -> None:
    """As from a head whose folder is not shared with the desk."""
    head = cluster.site.home(HOSTS[0])
    (head / "results" / "run").mkdir(parents=True)
    (head / "results" / "run" / "trials.csv").write_text("trial\n", encoding="utf-8")
    here = cluster.site.folder / "fetched"
    cluster.ray("rsync-down", "~/results/", f"{here}/")
    assert (here / "run" / "trials.csv").read_text(encoding="utf-8") == "trial\n"


def test_a_script_is_submitted(cluster: Commands) -> None:
    script = cluster.site.folder / "script.py"
    script.write_text("from study import grid\ngrid.main()\n", encoding="utf-8")
    typed = ("--address", "auto", "--budget", "smoke", "--set", "dataset=digits", "--dry-run")
    assert "not started (--dry-run)" in cluster.ray("submit", str(script), *typed)


def test_the_dashboard_answers_only_on_loopback_and_with_the_token(cluster: Commands) -> None:
    request = "curl -s -o /dev/null -w '%{http_code} ' --max-time 20"
    page = "http://127.0.0.1:8265/api/version"
    token = '-H "Authorization: Bearer $(cat ~/.ray/auth_token)"'
    printed = cluster.ray("exec", f"{request} {page}; {request} {token} {page}; true")
    assert "401 200" in printed
    address = cluster.site.addresses[HOSTS[0]]
    outside = cluster.type(["curl", "-sS", "--max-time", "20", f"http://{address}:8265/"])
    assert outside.returncode == 7  # nothing listens there
    assert "refused" in outside.stdout or "connect" in outside.stdout


def test_a_job_runs_through_the_tunnel(cluster: Commands, tmp_path: Path) -> None:
    results = cluster.site.folder / "shared" / "job"
    tunnel = f"ssh -f -N -L 8265:127.0.0.1:8265 -i {cluster.site.key} -o StrictHostKeyChecking=no"
    host = cluster.site.addresses[HOSTS[0]]
    # The user's own model, which nodes have only through the job.
    models = tmp_path / "my_package"
    models.mkdir()
    shutil.copy(PROJECT / "tests" / "own_models.py", models / "nets.py")
    job = f"ray job submit --address http://127.0.0.1:8265 --working-dir {tmp_path}"
    job += " -- python -m study.grid --set model=my_package.nets:Linear"
    settings = "--budget smoke --set dataset=digits --set optimizer=sgd --set lr=0.1"
    done = cluster.type(
        ["bash", "-c", f"{tunnel} root@{host} && {job} {settings} --results {results}"],
        seconds=300,
    )
    assert "succeeded" in done.stdout, done.stdout
    assert set(pd.read_csv(results / "trials.csv").status) == {"finished"}


def test_ray_down_ends_it(cluster: Commands) -> None:
    cluster.ray("down", "--yes")

    def raylets() -> str:
        return cluster.type(["bash", "-c", "ps -eo args | grep -c '[r]aylet/raylet'"]).stdout

    # `ray down` stops only the head. A worker ends after a minute without it.
    deadline = time.monotonic() + 200
    while raylets().strip() != "0":
        assert time.monotonic() < deadline, "a worker outlives its head"
        time.sleep(2)
