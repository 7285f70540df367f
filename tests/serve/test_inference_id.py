from __future__ import annotations

import pytest

from serve.inference_id import INFERENCE_ID, inference_id


@pytest.mark.parametrize("given", [b"a", b"order 7", b"x" * 64, b"~!{}"])
def test_what_sagemaker_takes_is_an_inference_id(given: bytes) -> None:
    assert inference_id({INFERENCE_ID: given}) == given


@pytest.mark.parametrize("given", [b"", b" a", b"x" * 65, b"a\tb", "é".encode()])
def test_anything_else_is_none(given: bytes) -> None:
    assert inference_id({INFERENCE_ID: given}) is None


def test_most_requests_have_none() -> None:
    assert inference_id({b"content-type": b"text/csv"}) is None
