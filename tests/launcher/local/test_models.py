"""Where a model's files are."""

from __future__ import annotations

from typing import Any

import pytest

from launcher.local.errors import RefusedError
from launcher.local.models import (
    container_of,
    model_location,
)
from launcher.s3_uri import S3Uri


@pytest.mark.parametrize(
    "container",
    [
        {"ModelDataUrl": "s3://b/model.tar.gz"},
        {"ModelDataSource": {"S3DataSource": {"S3Uri": "s3://b/model.tar.gz"}}},
    ],
)
def test_a_model_is_located_in_either_way(container: dict[str, Any]) -> None:
    assert model_location(container) == S3Uri("b", "model.tar.gz")


def test_a_model_may_have_no_files() -> None:
    assert model_location({"Image": "halfstar"}) is None


def test_an_address_that_is_not_in_s3_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"'file:///model' is no S3 URI"):
        model_location({"ModelDataUrl": "file:///model"})


def test_the_only_container_may_be_given_as_a_list() -> None:
    container = {"Image": "halfstar"}
    assert container_of({"PrimaryContainer": container}) == container
    assert container_of({"Containers": [container]}) == container
