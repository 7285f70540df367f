"""What the machine gives this container: processors and memory, as the kernel's control
groups limit them.

Both versions of control groups are read; where neither says anything, the machine's own
numbers count.
"""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MIB = 2**20
# Of a worker itself, and for each MiB of the longest body: the body, its rows, features
# and answer.
WORKER_MIB = 48
BODY_FACTOR = 16


def cpus(cgroup: Path = CGROUP) -> int:
    """Processors that this process may use, at least 1; part of one counts as one."""
    allowed = len(os.sched_getaffinity(0))
    quota, period = _quota(cgroup)
    return (
        allowed
        if quota <= 0 or period <= 0
        else max(1, min(allowed, -(-quota // period)))
    )


def memory_bytes(cgroup: Path = CGROUP) -> int:
    """Memory that this container may use."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [
        _number(cgroup / "memory.max"),
        _number(cgroup / "memory" / "memory.limit_in_bytes"),
    ]
    return min([machine, *(limit for limit in limits if limit > 0)])


def choose_workers(cpus: int, memory: int, shared: int, max_body_mib: int) -> int:
    """As many workers as there are processors, or as fit into memory beside what they
    share; at least 1.
    """
    each = (WORKER_MIB + BODY_FACTOR * max_body_mib) * MIB
    return max(1, min(cpus, (memory - shared) // each))


def is_serverless(
    environment: dict[str, str] | os._Environ[str], shm: Path = Path("/dev/shm")
) -> bool:
    """Whether this is a serverless endpoint, which has neither the variables of an
    instance nor shared memory.

    They run where AWS Lambda's functions do.
    """
    return "AWS_LAMBDA_FUNCTION_NAME" in environment or not shm.is_dir()


def _quota(cgroup: Path) -> tuple[int, int]:
    quota, _, period = _text(cgroup / "cpu.max").partition(" ")
    if quota.isdecimal() and period.isdecimal():
        return int(quota), int(period)
    return _number(cgroup / "cpu" / "cpu.cfs_quota_us"), _number(
        cgroup / "cpu" / "cpu.cfs_period_us"
    )


def _number(path: Path) -> int:
    text = _text(path)
    return int(text) if text.isdecimal() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
