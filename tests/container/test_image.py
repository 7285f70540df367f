"""What is known about the image before docker builds it."""

from __future__ import annotations

import re

import pytest

from container.image import ROOT, public_base
from launcher.source import build_arguments

LOCKS = [
    "container/requirements.txt",
    "container/requirements-gpu.txt",
    "container/requirements-build.txt",
    "container/requirements-sbom.txt",
    "requirements-dev.txt",
]


def test_the_public_base_is_the_dockerfiles_python() -> None:
    assert public_base().startswith("python:3.")


def test_the_build_adds_to_the_flags_that_python_was_compiled_with() -> None:
    # CFLAGS would replace them, and integers that overflow would then be undefined.
    assert not re.search(r"\bCFLAGS=", (ROOT / "Dockerfile").read_text())


def test_the_image_is_labelled_with_version_and_revision() -> None:
    arguments = build_arguments(ROOT, {})
    assert arguments["VERSION"][0].isdigit()
    assert len(arguments["REVISION"].removesuffix("-dirty")) == 40


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_no_address_of_an_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert text
    for word in ("://", "index-url", "find-links"):
        assert word not in text


def test_the_build_gets_the_locks_of_both_images() -> None:
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for lock in LOCKS[:2]:
        assert f"!{lock}" in sent


def test_the_locks_of_both_images_differ_in_xgboost_alone() -> None:
    locks = [(ROOT / lock).read_text() for lock in LOCKS[:2]]
    packages = [set(re.findall(r"^([a-z0-9.-]+)==(\S+)", lock, re.M)) for lock in locks]
    for_cpus, for_gpus = packages
    assert {name for name, _ in for_cpus - for_gpus} == {"xgboost-cpu"}
    assert {name for name, _ in for_gpus - for_cpus} == {"xgboost"}


def test_the_lock_for_gpus_is_for_cuda_12() -> None:
    # XGBoost 3.3 leaves out the V100. 3.4 needs CUDA 13, and so a newer driver.
    lock = (ROOT / "container/requirements-gpu.txt").read_text()
    versions = re.findall(r"^xgboost==([0-9.]+)", lock, re.MULTILINE)
    assert versions
    assert all(version.startswith("3.2.") for version in versions)
