"""What is known about the image before docker builds it."""

from __future__ import annotations

import re

import pytest

from container.image import ROOT, public_base
from launcher.source import build_arguments

LOCKS = [
    "container/requirements.txt",
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
