"""Which instance types are ARM, and which have a GPU."""

from __future__ import annotations

import pytest

from launcher.instance_types import has_gpu, is_arm, runs

ARM = ["ml.m6g.large", "ml.c7gn.xlarge", "ml.r8g.2xlarge", "ml.t4g.medium"]
GPU = [
    "ml.p3.2xlarge",
    "ml.p4de.24xlarge",
    "ml.p5en.48xlarge",
    "ml.g4dn.xlarge",
    "ml.g5.xlarge",
    "ml.g6e.xlarge",
    "ml.gr6.4xlarge",
]
PLAIN = ["ml.m5.large", "ml.c6i.xlarge", "ml.t3.medium", "ml.inf2.xlarge"]


@pytest.mark.parametrize("instance_type", ARM)
def test_a_type_of_awss_own_processors_is_arm(instance_type: str) -> None:
    assert is_arm(instance_type)
    assert not has_gpu(instance_type)
    assert runs(instance_type, "linux/arm64")
    assert not runs(instance_type, "linux/amd64")


@pytest.mark.parametrize("instance_type", GPU)
def test_a_type_of_families_p_and_g_has_a_gpu(instance_type: str) -> None:
    assert has_gpu(instance_type)
    assert not is_arm(instance_type)


@pytest.mark.parametrize("instance_type", PLAIN)
def test_any_other_type_is_neither(instance_type: str) -> None:
    assert not is_arm(instance_type)
    assert not has_gpu(instance_type)
    assert runs(instance_type, "linux/amd64")


def test_a_type_may_be_both() -> None:
    assert is_arm("ml.g5g.xlarge")
    assert has_gpu("ml.g5g.xlarge")


def test_a_gpu_of_amd_is_none_for_xgboost() -> None:
    assert not has_gpu("ml.g4ad.xlarge")
