"""Where XGBoost trains: on a GPU where there is one that its build can use."""

from __future__ import annotations

import ctypes
import logging

import xgboost

from train.errors import JobError
from train.hyperparameters import Device

logger = logging.getLogger(__name__)

_DRIVER = "libcuda.so.1"


def find_device(wanted: Device) -> str:
    """XGBoost's ``device``, ``cpu`` or ``cuda``; raises JobError where a GPU is asked
    for and can't be used.
    """
    if wanted == "cpu":
        return "cpu"
    n_gpus, has_cuda = count_gpus(), bool(xgboost.build_info().get("USE_CUDA"))
    if n_gpus and has_cuda:
        logger.info("training on a GPU, %d found", n_gpus)
        return "cuda"
    if wanted == "cuda":
        why = (
            "no GPU was found"
            if has_cuda
            else "this image's XGBoost is built without CUDA"
        )
        raise JobError(f"device is cuda, but {why}: set device to auto")
    if n_gpus:
        logger.warning(
            "%d GPUs found, but this image's XGBoost is built without CUDA: training on CPUs",
            n_gpus,
        )
    return "cpu"


def count_gpus() -> int:
    """GPUs that NVIDIA's driver offers this process (CUDA driver API, cuInit and
    cuDeviceGetCount); 0 without one.
    """
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return 0
    count = ctypes.c_int()
    return (
        count.value
        if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
        else 0
    )
