"""Where XGBoost trains: on a GPU if there is one and XGBoost is built for it."""

from __future__ import annotations

import ctypes
import logging

import xgboost

from train.errors import JobError
from train.hyperparameters import Device

logger = logging.getLogger(__name__)

_DRIVER = "libcuda.so.1"
_SUCCESS = 0


def find_device(wanted: Device) -> str:
    """XGBoost's ``device``: ``cpu`` or ``cuda``.

    Raises:
        JobError: if ``cuda`` is wanted and can't be used.
    """
    if wanted == "cpu":
        return "cpu"

    n_gpus = count_gpus()
    has_cuda = bool(xgboost.build_info().get("USE_CUDA"))
    if n_gpus and has_cuda:
        logger.info("training on a GPU, %d found", n_gpus)
        return "cuda"

    no_cuda = "this image's XGBoost is built without CUDA"
    if wanted == "cuda":
        why = "no GPU was found" if has_cuda else no_cuda
        raise JobError(f"device is cuda, but {why}: set device to auto")
    if n_gpus:
        logger.warning("%d GPUs found, but %s: training on CPUs", n_gpus, no_cuda)
    return "cpu"


def count_gpus() -> int:
    """GPUs that NVIDIA's driver offers this process; 0 without a driver.

    Source: the CUDA driver API, ``cuInit`` and ``cuDeviceGetCount``.
    """
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return 0
    if driver.cuInit(0) != _SUCCESS:
        return 0
    count = ctypes.c_int()
    if driver.cuDeviceGetCount(ctypes.byref(count)) != _SUCCESS:
        return 0
    return count.value
