"""What an instance type asks of the image: the kind of its processor, and its GPUs."""

from __future__ import annotations

import re

# AWS marks its own ARM processors with a g after the generation: m6g, c7gn and g5g,
# but not g4dn.
_ARM = re.compile(r"ml\.[a-z]+[0-9]+g")
# Families p and g have NVIDIA's GPUs. Only the GPUs of g4ad are AMD's.
_GPU = re.compile(r"ml\.(?:p|gr?)[0-9](?!ad)")

ARM_PLATFORM = "linux/arm64"


def is_arm(instance_type: str) -> bool:
    """Whether its processor is an ARM.

    Example:
        >>> is_arm("ml.c7g.large"), is_arm("ml.g4dn.xlarge")
        (True, False)
    """
    return _ARM.match(instance_type) is not None


def has_gpu(instance_type: str) -> bool:
    """Whether it has a GPU that XGBoost can use.

    Example:
        >>> has_gpu("ml.g5.xlarge"), has_gpu("ml.m5.large")
        (True, False)
    """
    return _GPU.match(instance_type) is not None


def runs(instance_type: str, platform: str) -> bool:
    """Whether it runs images for this platform."""
    return is_arm(instance_type) == (platform == ARM_PLATFORM)
