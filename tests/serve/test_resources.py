from __future__ import annotations

from pathlib import Path

import pytest

from serve.resources import MIB, choose_workers, is_serverless


@pytest.mark.parametrize(
    ("memory_mib", "body_mib", "expected"),
    [(64, 6, 1), (512, 6, 3), (100_000, 6, 4), (1200, 100, 2), (1024, 1024, 1)],
)
def test_workers_fit_into_memory(memory_mib: int, body_mib: int, expected: int) -> None:
    assert choose_workers(4, memory_mib * MIB, 70 * MIB, body_mib) == expected


def test_serverless_is_recognised_by_its_surroundings(tmp_path: Path) -> None:
    assert not is_serverless({}, tmp_path)
    assert is_serverless({"AWS_LAMBDA_FUNCTION_NAME": "x"}, tmp_path)
    assert is_serverless({}, tmp_path / "none")
