"""Where XGBoost trains on this machine, and why not on a GPU."""

from __future__ import annotations

from typing import Any

import pytest
import xgboost

from train.device import Gpus, find_device, find_gpus
from train.errors import JobError

FOR_CPUS: dict[str, Any] = {"USE_CUDA": False}
FOR_CUDA_12 = {"USE_CUDA": True, "CUDA_VERSION": [12, 9]}
NOTHING = Gpus(0, (0, 0))
ONE = Gpus(1, (12, 2))
WITH_AN_OLD_DRIVER = Gpus(1, (11, 4))
WITH_A_NEW_DRIVER = Gpus(8, (13, 0))


def test_a_cpu_is_always_there() -> None:
    assert find_device("cpu") == "cpu"


def test_a_gpu_is_used_if_it_can_be() -> None:
    if not find_gpus().why_not(xgboost.build_info(), n_hosts=1):
        assert find_device("auto") == "cuda"
        assert find_device("cuda") == "cuda"
        return
    assert find_device("auto") == "cpu"
    with pytest.raises(JobError, match=r"device is cuda, but .*: set device to auto"):
        find_device("cuda")


@pytest.mark.parametrize("gpus", [ONE, WITH_A_NEW_DRIVER])
def test_a_driver_runs_what_is_made_for_its_cuda_or_an_older_one(gpus: Gpus) -> None:
    assert gpus.why_not(FOR_CUDA_12, n_hosts=1) == ""


@pytest.mark.parametrize(
    ("gpus", "build", "n_hosts", "why"),
    [
        (ONE, FOR_CPUS, 1, "built without CUDA"),
        (NOTHING, FOR_CPUS, 1, "built without CUDA"),
        (NOTHING, FOR_CUDA_12, 1, "no GPU was found"),
        (WITH_AN_OLD_DRIVER, FOR_CUDA_12, 1, "for CUDA 11.4 and XGBoost for CUDA 12"),
        (ONE, FOR_CUDA_12, 3, "3 hosts can train together on CPUs only"),
    ],
)
def test_a_gpu_that_cannot_be_used_has_a_reason(
    gpus: Gpus, build: dict[str, Any], n_hosts: int, why: str
) -> None:
    assert why in gpus.why_not(build, n_hosts)
