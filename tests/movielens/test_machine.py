from __future__ import annotations

import os
from pathlib import Path

import pytest

from movielens.machine import cpus, memory_bytes

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", ALL),
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("900000 1000", ALL),
    ],
)
def test_cpus_by_version_2_of_control_(
    tmp_path: Path, quota: str, expected: int
) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert cpus(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", ALL), ("20000", 1)])
def test_cpus_by_control_groups_of_version_1(
    tmp_path: Path, quota: str, expected: int
) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert cpus(tmp_path) == expected


def test_memory_is_the_machines_or_the_lowest_limit(tmp_path: Path) -> None:
    machine = memory_bytes(tmp_path / "nothing here")
    assert machine > 0
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_bytes(tmp_path) == machine
    (tmp_path / "memory.max").write_text("1048576\n")
    assert memory_bytes(tmp_path) == 2**20
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("4096")
    assert memory_bytes(tmp_path) == 4096
