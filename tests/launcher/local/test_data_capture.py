"""Captured requests and answers, in SageMaker's format."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from urllib3 import HTTPResponse

from launcher.local.data_capture import ATTRIBUTES, INFERENCE_ID, DataCapture
from launcher.local.service_clients import ServiceClients
from launcher.local.serving_container import Question
from launcher.local.settings import StackSettings
from launcher.s3_uri import S3Uri

BOTH = ("Input", "Output")
FOLDER = S3Uri("captured", "capture")


@pytest.fixture(scope="module")
def service_clients(settings: StackSettings) -> ServiceClients:
    found = ServiceClients(settings)
    found.client("s3").create_bucket(Bucket=FOLDER.bucket)
    return found


def answer(body: bytes, content_type: str) -> HTTPResponse:
    return HTTPResponse(body, {"Content-Type": content_type})


def captured(
    service_clients: ServiceClients,
    endpoint: str,
    *,
    modes: tuple[str, ...] = BOTH,
    percentage: int = 100,
) -> tuple[list[S3Uri], list[dict[str, Any]]]:
    """The files that two invocations leave, and their lines."""
    config = {
        "EnableCapture": True,
        "InitialSamplingPercentage": percentage,
        "DestinationS3Uri": str(FOLDER),
        "CaptureOptions": [{"CaptureMode": mode} for mode in modes],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json"],
        },
    }
    capture = DataCapture(service_clients, endpoint, config)
    asked = {
        "Content-Type": "text/csv",
        ATTRIBUTES: "a=b",
        INFERENCE_ID: "first",
    }
    capture.keep(
        "main",
        Question(1, b"1,318\n", asked),
        answer(b'{"rating": 4}', "application/json; charset=utf-8"),
    )
    array = Question(1, b"\x93", {"Content-Type": "application/x-npy"})
    capture.keep("main", array, answer(b"4.5", "text/csv"))
    capture.stop()
    files = service_clients.objects(FOLDER / f"{endpoint}/")
    text = b"".join(service_clients.read(file) for file in files)
    return files, [json.loads(line) for line in text.splitlines()]


def test_a_line_has_the_request_the_answer_and_when(
    service_clients: ServiceClients,
) -> None:
    files, lines = captured(service_clients, "both")
    expected = r"capture/both/main/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-[0-9a-f-]+\.jsonl"
    assert all(re.fullmatch(expected, file.key) for file in files)
    first, second = lines
    assert first["captureData"] == {
        "endpointInput": {
            "observedContentType": "text/csv",
            "mode": "INPUT",
            "data": "1,318\n",
            "encoding": "CSV",
        },
        "endpointOutput": {
            "observedContentType": "application/json; charset=utf-8",
            "mode": "OUTPUT",
            "data": '{"rating": 4}',
            "encoding": "JSON",
        },
    }
    assert first["eventVersion"] == "0"
    assert first["eventMetadata"]["inferenceId"] == "first"
    assert first["eventMetadata"]["customAttributes"] == ["a=b"]
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(time, first["eventMetadata"]["inferenceTime"])
    assert second["captureData"]["endpointInput"]["encoding"] == "BASE64"
    assert second["captureData"]["endpointInput"]["data"] == "kw=="


def test_only_what_the_options_name_is_captured(
    service_clients: ServiceClients,
) -> None:
    _, lines = captured(service_clients, "answers", modes=("Output",))
    assert all(list(line["captureData"]) == ["endpointOutput"] for line in lines)


def test_nothing_is_captured_of_no_share(service_clients: ServiceClients) -> None:
    assert captured(service_clients, "none", percentage=0) == ([], [])
