"""Long bodies of many kinds, to servers in little memory."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.body_memory import Kind, kinds
from serve.negotiation import RequestHeaders
from tests.container.image_runner import ImageRunner
from tests.serve.test_answer_parts import WORST

BODY_BYTES = 6 * 2**20
MEMORY = ("--memory=256m", "--memory-swap=256m")

# The names of what `RequestHeaders` holds.
NAMES = RequestHeaders(
    content_type="content-type",
    accept="accept",
    attributes="x-amzn-sagemaker-custom-attributes",
    encoding="content-encoding",
)


def chosen(is_batch: bool) -> Iterator[Kind]:
    names = {*WORST, "JSON of lists, contributions=100"}
    return (
        each for each in kinds() if each.name in names and each.is_batch == is_batch
    )


def send(url: str, kind: Kind, seconds: float) -> int:
    """Send a body, take what is answered within some seconds; gives the status."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
    headers = {}
    for name, value in zip(NAMES, kind.headers, strict=True):
        if name is not None and value is not None:
            headers[name] = value
    body = kind.make(BODY_BYTES)
    with closing(connection):
        connection.request("POST", "/invocations", body, headers)
        response = connection.getresponse()
        end = time.monotonic() + seconds
        while time.monotonic() < end and response.read(2**20):
            pass
    return response.status


def workers(runner: ImageRunner, container: str) -> str:
    children = "cat /proc/1/task/1/children"
    return runner.docker("exec", container, "sh", "-c", children).stdout


@pytest.mark.parametrize("is_batch", [False, True], ids=["requests", "a batch"])
def test_no_long_body_ends_a_worker_in_256_mib(
    runner: ImageRunner, trained: Path, is_batch: bool
) -> None:
    batch = f"--env=SAGEMAKER_BATCH={str(is_batch).lower()}"
    limit = "--env=SAGEMAKER_MAX_PAYLOAD_IN_MB=6"
    container, url = runner.serve(trained, *MEMORY, batch, limit)
    before = workers(runner, container)
    assert before.strip()
    for kind in chosen(is_batch):
        assert send(url, kind, seconds=2) in (200, 400), kind.name
        assert workers(runner, container) == before, kind.name
