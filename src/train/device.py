"""Where XGBoost trains: on a GPU if there is one that it can use."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xgboost
from xgboost import collective

from train.errors import JobError
from train.hyperparameters import Device

logger = logging.getLogger(__name__)

_DRIVER = "libcuda.so.1"
_SUCCESS = 0


@dataclass(frozen=True, slots=True)
class Gpus:
    """What NVIDIA's driver offers this process.

    Attributes:
        count: how many GPUs.
        cuda: the CUDA version that the driver is made for, (12, 4) for example.
    """

    count: int
    cuda: tuple[int, int]

    def why_not(self, build: Mapping[str, Any], n_hosts: int) -> str:
        """Why XGBoost can't train on them; empty if it can.

        Args:
            build: what XGBoost says of its own build.
            n_hosts: hosts that train together.
        """
        if not build.get("USE_CUDA"):
            return "this image's XGBoost is built without CUDA"
        if not self.count:
            return "no GPU was found"
        # A driver runs programs for all versions with its first number, and older ones.
        needed, _ = build["CUDA_VERSION"]
        driver, minor = self.cuda
        if driver < needed:
            return (
                f"the driver is for CUDA {driver}.{minor} and XGBoost for CUDA {needed}"
            )
        if n_hosts > 1:
            return f"{n_hosts} hosts can train together on CPUs only"
        return ""


def find_device(wanted: Device) -> str:
    """XGBoost's ``device``: ``cpu`` or ``cuda``.

    Raises:
        JobError: if ``cuda`` is wanted and can't be used.
    """
    if wanted == "cpu":
        return "cpu"

    gpus = find_gpus()
    why_not = gpus.why_not(xgboost.build_info(), collective.get_world_size())
    if wanted == "cuda" and why_not:
        raise JobError(f"device is cuda, but {why_not}: set device to auto")
    if not gpus.count:
        return "cpu"
    if why_not:
        logger.warning("GPUs found: %d, but %s: training on CPUs", gpus.count, why_not)
        return "cpu"

    if gpus.count > 1:
        logger.warning("%d GPUs found, and XGBoost trains on one alone", gpus.count)
    logger.info("training on a GPU")
    return "cuda"


def find_gpus() -> Gpus:
    """The GPUs that NVIDIA's driver offers this process; none without a driver.

    Source: the CUDA driver API, ``cuInit``, ``cuDeviceGetCount`` and
    ``cuDriverGetVersion``.
    """
    nothing = Gpus(0, (0, 0))
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return nothing
    if driver.cuInit(0) != _SUCCESS:
        return nothing

    count = ctypes.c_int()
    if driver.cuDeviceGetCount(ctypes.byref(count)) != _SUCCESS:
        return nothing
    version = ctypes.c_int()
    if driver.cuDriverGetVersion(ctypes.byref(version)) != _SUCCESS:
        return nothing
    # 12.4 is 12040.
    major, rest = divmod(version.value, 1000)
    return Gpus(count.value, (major, rest // 10))
