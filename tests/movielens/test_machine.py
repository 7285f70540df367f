from __future__ import annotations

import os
from pathlib import Path

import pytest

from movielens.machine import (
    cpus,
    memory_bytes,
    resident_bytes,
    used_memory_bytes,
)

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


@pytest.mark.parametrize(
    ("folder", "name", "inactive"),
    [
        (".", "memory.current", "inactive_file"),
        ("memory", "memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_used_memory_leaves_out_files_that_could_be_forgotten(
    tmp_path: Path, folder: str, name: str, inactive: str
) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / name).write_text("1000\n")
    assert used_memory_bytes(tmp_path) == 1000
    (tmp_path / folder / "memory.stat").write_text(f"anon 600\n{inactive} 300\n")
    assert used_memory_bytes(tmp_path) == 700


def test_used_memory_is_the_machines_without_control_groups(tmp_path: Path) -> None:
    assert 2**20 < used_memory_bytes(tmp_path) < memory_bytes(tmp_path)


def test_a_process_that_is_gone_has_no_memory() -> None:
    assert (resident_bytes(os.getpid()) or 0) > 2**20
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert resident_bytes(pid) is None
