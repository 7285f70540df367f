"""Data capture: a share of an endpoint's requests and answers, written to S3 in
SageMaker's format.

A line of JSON for each invocation, in files below
``DESTINATION/ENDPOINT/VARIANT/yyyy/mm/dd/hh``, as the developer guide's "Capture data"
has it.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import threading
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any

from urllib3 import BaseHTTPResponse

from launcher.local.errors import FailureReasonError
from launcher.local.log_stream import batches
from launcher.local.service_clients import ServiceClients, parse_s3_uri
from launcher.local.serving_container import Question

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
_BATCH_SECONDS = 1.0
_BATCH_LINES = 10_000

_log = logging.getLogger(__name__)


class DataCapture(threading.Thread):
    """Captures for one deployment, from a thread of its own.

    Args:
        clients: to write to S3.
        endpoint: its name.
        config: DataCaptureConfig of the endpoint configuration.
    """

    def __init__(
        self, clients: ServiceClients, endpoint: str, config: Mapping[str, Any]
    ) -> None:
        super().__init__(daemon=True, name=f"capture-{endpoint}")
        self._clients = clients
        self._config = config
        self._folder = parse_s3_uri(config["DestinationS3Uri"]) / endpoint
        self._share = config["InitialSamplingPercentage"] / 100
        self._modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        # A variant's name and its line; None is the end.
        self._lines: SimpleQueue[tuple[str, str] | None] = SimpleQueue()
        self.start()

    def describe(self) -> dict[str, Any]:
        """DataCaptureConfig in the result of DescribeEndpoint."""
        return {
            "EnableCapture": True,
            "CaptureStatus": "Started",
            "CurrentSamplingPercentage": self._config["InitialSamplingPercentage"],
            "DestinationS3Uri": self._config["DestinationS3Uri"],
            # The summary must have it, though the configuration needn't.
            "KmsKeyId": self._config.get("KmsKeyId", ""),
        }

    def keep(self, variant: str, question: Question, reply: BaseHTTPResponse) -> None:
        """Keep an invocation, if it is drawn.

        Args:
            variant: its name.
            question: to the container.
            reply: of the container.
        """
        if random.random() >= self._share:
            return
        parts = {
            "Input": (question.body, question.headers.get("Content-Type", "")),
            "Output": (reply.data, reply.headers.get("Content-Type", "")),
        }
        wanted = "".join(self._modes)
        captured = {
            f"endpoint{mode}": self._part(mode.upper(), *part)
            for mode, part in parts.items()
            if mode in wanted
        }
        event: dict[str, Any] = {
            "eventId": str(uuid.uuid4()),
            "inferenceTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        if ATTRIBUTES in question.headers:
            event["customAttributes"] = [question.headers[ATTRIBUTES]]
        if INFERENCE_ID in question.headers:
            event["inferenceId"] = question.headers[INFERENCE_ID]
        line = {"captureData": captured, "eventMetadata": event, "eventVersion": "0"}
        self._lines.put((variant, json.dumps(line)))

    def stop(self) -> None:
        """Write what is left, and end."""
        self._lines.put(None)
        self.join()

    def run(self) -> None:
        """Write file after file until it is stopped."""
        for batch in batches(self._lines, _BATCH_SECONDS, _BATCH_LINES):
            by_variant: dict[str, list[str]] = {}
            for variant, line in batch:
                by_variant.setdefault(variant, []).append(line)
            for variant, lines in by_variant.items():
                self._write(variant, lines)

    def _write(self, variant: str, lines: Sequence[str]) -> None:
        now = datetime.now(UTC)
        folder = self._folder / f"{variant}/{now:%Y/%m/%d/%H}"
        target = folder / f"{now:%M-%S}-{uuid.uuid4()}.jsonl"
        text = "".join(f"{line}\n" for line in lines)
        key = self._config.get("KmsKeyId")
        try:
            self._clients.write(text.encode(), target, key)
        except FailureReasonError:
            _log.exception("capture: %d invocations are lost", len(lines))

    def _part(self, mode: str, data: bytes, content_type: str) -> dict[str, str]:
        media_type = content_type.partition(";")[0].strip()
        header = self._config.get("CaptureContentTypeHeader", {})
        encoding = "BASE64"
        for each in ("Csv", "Json"):
            if media_type in header.get(f"{each}ContentTypes", []):
                encoding = each.upper()
        if encoding == "BASE64":
            data = base64.b64encode(data)
        return {
            "observedContentType": content_type,
            "mode": mode,
            "data": data.decode(errors="replace"),
            "encoding": encoding,
        }
