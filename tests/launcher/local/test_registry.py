"""Names and manifests of images."""

from __future__ import annotations

import json

import pytest

from launcher.local.registry import ImageManifest, ImageName

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


def test_the_size_of_an_image_is_that_of_its_layers_and_configuration() -> None:
    document = {"layers": [{"size": 10}, {"size": 20}], "config": {"size": 3}}
    assert ImageManifest("sha256:ab", "", json.dumps(document)).size == 33


def test_the_size_of_a_list_is_that_of_its_manifests() -> None:
    document = {"manifests": [{"size": 10}, {"size": 20}]}
    assert ImageManifest("sha256:ab", "", json.dumps(document)).size == 30
