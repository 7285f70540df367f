"""What the machine gives this container: processors and memory.

The limits are those of the kernel's control groups, of version 1 or 2. Where they set
none, the machine's own numbers count.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cpus(cgroup: Path = CGROUP) -> int:
    """Processors that this process may use, at least 1; part of one counts as one."""
    allowed = len(os.sched_getaffinity(0))
    quota, period = _quota(cgroup)
    if quota <= 0 or period <= 0:
        return allowed
    return max(1, min(allowed, math.ceil(quota / period)))


def memory_bytes(cgroup: Path = CGROUP) -> int:
    """Memory that this container may use."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    version_2 = _number(cgroup / "memory.max")
    version_1 = _number(cgroup / "memory" / "memory.limit_in_bytes")
    limits = [limit for limit in (version_2, version_1) if limit > 0]
    return min([machine, *limits])


def used_memory_bytes(cgroup: Path = CGROUP) -> int:
    """Memory that this container uses, but for files that the kernel could forget."""
    for folder, name, inactive in (
        (cgroup, "memory.current", "inactive_file"),
        (cgroup / "memory", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        used = _number(folder / name)
        if used:
            return max(0, used - _numbers(folder / "memory.stat").get(inactive, 0))
    machine = _numbers(Path("/proc/meminfo"))
    return 1024 * (machine["MemTotal"] - machine["MemAvailable"])


def resident_bytes(pid: int) -> int | None:
    """Memory of a process, with what it shares with others; None if it is gone."""
    fields = _text(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else None


def _quota(cgroup: Path) -> tuple[int, int]:
    """Processor time and the period in which it may be used, in microseconds.

    0 if there is no limit.
    """
    quota, _, period = _text(cgroup / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        return int(quota), int(period)
    version_1 = cgroup / "cpu"
    return (
        _number(version_1 / "cpu.cfs_quota_us"),
        _number(version_1 / "cpu.cfs_period_us"),
    )


def _number(path: Path) -> int:
    text = _text(path)
    return int(text) if text.isdecimal() else 0


def _numbers(path: Path) -> dict[str, int]:
    """Lines of a name and a number, and perhaps a unit."""
    lines = [line.split() for line in _text(path).splitlines()]
    return {name.rstrip(":"): int(number) for name, number, *_ in lines}


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
