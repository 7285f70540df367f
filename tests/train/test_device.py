"""Where XGBoost trains on this machine."""

from __future__ import annotations

import pytest
import xgboost

from train.device import count_gpus, find_device
from train.errors import JobError


def test_a_cpu_is_always_there() -> None:
    assert find_device("cpu") == "cpu"


def test_a_gpu_is_used_if_it_can_be() -> None:
    has_cuda = bool(xgboost.build_info().get("USE_CUDA"))
    if count_gpus() and has_cuda:
        assert find_device("auto") == "cuda"
        assert find_device("cuda") == "cuda"
        return
    assert find_device("auto") == "cpu"
    with pytest.raises(JobError, match=r"device is cuda, but .*: set device to auto"):
        find_device("cuda")
