"""The CPU quota of a container, from made-up files of both versions of cgroups."""

import math

import pytest

from study.cluster import resources
from study.cluster.cgroups import cpu_quota

V1 = "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n"


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/\n", {}, math.inf),
        # A group and its parents: the smallest limit counts.
        (
            "0::/user.slice/job\n",
            {"user.slice/job/cpu.max": "max 100000", "user.slice/cpu.max": "150000 100000"},
            1.5,
        ),
        ("0::/../../job\n", {"cpu.max": "200000 100000"}, 2),
        # Version 1, under the path on the host or, in a container, at the root.
        (
            V1,
            {
                "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "400000\n",
                "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
        (V1, {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, math.inf),
        # Both versions side by side.
        (V1, {"unified/cpu.max": "300000 100000"}, 3),
        # The limit of another controller's group.
        (V1, {"memory/docker/abc/cpu.max": "100000 100000"}, math.inf),
        (None, {"cpu.max": "100000 100000"}, math.inf),
    ],
)
def test_quota(membership, files, quota, tmp_path):
    for name, text in files.items():
        path = tmp_path / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if membership is not None:
        (tmp_path / "cgroup").write_text(membership)
    assert cpu_quota(tmp_path / "cgroup", tmp_path / "mount") == quota


@pytest.mark.parametrize(("quota", "cpus"), [(4.7, 4), (0.5, 1), (math.inf, 64), (100, 64)])
def test_a_run_uses_the_whole_cpus_of_its_quota(quota, cpus, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64), raising=False)
    monkeypatch.setattr(resources, "cpu_quota", lambda: quota)
    assert resources.this_machine().cpus == cpus
