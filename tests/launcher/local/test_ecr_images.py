"""Images as ECR describes them; `test_stack` asks for a pushed one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from launcher.local.ecr_images import PushedImage


@pytest.mark.parametrize(
    ("document", "size"),
    [
        ({"layers": [{"size": 10}, {"size": 20}], "config": {"size": 3}}, 33),
        ({"manifests": [{"size": 10}, {"size": 20}]}, 30),
    ],
)
def test_the_size_of_an_image_is_that_of_all_its_parts(
    document: dict[str, Any], size: int
) -> None:
    image = PushedImage("123456789012", "v1", json.dumps(document), "halfstar")
    assert image.image_size_in_bytes == size
