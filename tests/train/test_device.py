from __future__ import annotations

import pytest
import xgboost

from train.device import count_gpus, find_device
from train.errors import JobError


def test_a_cpu_is_always_there() -> None:
    assert find_device("cpu") == "cpu"


def test_what_is_found_is_what_there_is() -> None:
    usable = count_gpus() > 0 and bool(xgboost.build_info().get("USE_CUDA"))
    assert find_device("auto") == ("cuda" if usable else "cpu")
    if usable:
        assert find_device("cuda") == "cuda"
    else:
        with pytest.raises(
            JobError, match=r"device is cuda, but .*: set device to auto"
        ):
            find_device("cuda")
