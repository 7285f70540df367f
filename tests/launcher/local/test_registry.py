"""Names and manifests of images."""

from __future__ import annotations

import pytest

from launcher.local.registry import ImageName

HOST = "127.0.0.1:5000"


@pytest.mark.parametrize(
    ("suffix", "reference"),
    [
        ("", "latest"),
        (":v1", "v1"),
        ("@sha256:ab", "sha256:ab"),
        (":v1@sha256:ab", "sha256:ab"),
    ],
)
def test_a_digest_counts_before_a_tag(suffix: str, reference: str) -> None:
    name = ImageName.parse(f"{HOST}/team/halfstar{suffix}")
    assert name == ImageName(HOST, "team/halfstar", reference)


def test_a_name_without_a_registry_is_none() -> None:
    assert ImageName.parse("halfstar") is None
