"""What is known about the image before docker builds it."""

from __future__ import annotations

import pytest

from container.image import ROOT, public_base
from launcher.source import revision, version

LOCKS = [
    "container/requirements.txt",
    "container/requirements-build.txt",
    "requirements-dev.txt",
]


def test_the_public_base_is_the_dockerfiles_python() -> None:
    assert public_base().startswith("python:3.")


def test_the_image_is_labelled_with_version_and_revision() -> None:
    assert version(ROOT)[0].isdigit()
    assert revision(ROOT)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_no_address_of_an_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert text
    for word in ("://", "index-url", "find-links"):
        assert word not in text
