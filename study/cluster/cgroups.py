"""The share of the machine's CPUs that a container may use."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def cpu_quota(
    membership: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")
) -> float:
    """Return the CPUs that the cgroups of this process allow, infinity if they set no limit.

    A group is limited by its parents, too. A container may see its groups under their paths on the
    host, although its own files lie at the root of `mount`. See cgroups(7).
    """
    return min((*_quotas(membership, mount), math.inf))


def _quotas(membership: Path, mount: Path) -> Iterator[float]:
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Version 2 has no controllers here. Beside version 1, it is mounted in `unified`.
        folders = (mount / controllers, mount / "cpu" if controllers else mount / "unified")
        group = PurePosixPath(path)
        for parent in (group, *group.parents):
            for folder in folders:
                yield _quota(folder / parent.relative_to("/"))


def _quota(group: Path) -> float:
    """Return the CPUs that one group allows, infinity if it sets no limit."""
    for files in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):
        try:
            texts = [(group / name).read_text(encoding="utf-8") for name in files]
            quota, period = map(int, " ".join(texts).split())
        except (OSError, ValueError):  # no such file, or the quota is "max"
            continue
        if quota > 0:  # -1: no limit
            return quota / period
    return math.inf
