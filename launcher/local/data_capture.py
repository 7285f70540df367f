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
import queue
import random
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from launcher.local.errors import FailureReasonError
from launcher.local.service_clients import ServiceClients, parse_s3_uri

_BATCH_SECONDS = 1.0
# The values of CaptureMode.
_INPUT = "Input"
_OUTPUT = "Output"
_BOTH = "InputAndOutput"

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
        self._lines: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
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

    def keep(
        self,
        variant: str,
        given: tuple[bytes, str],
        answer: tuple[bytes, str],
        metadata: Mapping[str, str],
    ) -> None:
        """Keep an invocation, if it is drawn.

        Args:
            variant: its name.
            given: the request's body and content type.
            answer: the same of the answer.
            metadata: ``inferenceId`` and ``customAttributes``, where the request has
                them.
        """
        if random.random() >= self._share:
            return
        captured = {}
        if self._modes & {_INPUT, _BOTH}:
            captured["endpointInput"] = self._part("INPUT", *given)
        if self._modes & {_OUTPUT, _BOTH}:
            captured["endpointOutput"] = self._part("OUTPUT", *answer)
        event: dict[str, Any] = {"eventId": str(uuid.uuid4())}
        if "customAttributes" in metadata:
            event["customAttributes"] = [metadata["customAttributes"]]
        if "inferenceId" in metadata:
            event["inferenceId"] = metadata["inferenceId"]
        event["inferenceTime"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        line = {"captureData": captured, "eventMetadata": event, "eventVersion": "0"}
        self._lines.put((variant, json.dumps(line)))

    def stop(self) -> None:
        """Write what is left, and end."""
        self._lines.put(None)
        self.join()

    def run(self) -> None:
        """Write file after file until it is stopped."""
        is_stopped = False
        while not is_stopped:
            found = [self._lines.get()]
            if found[0] is not None:
                time.sleep(_BATCH_SECONDS)
            while not self._lines.empty():
                found.append(self._lines.get())
            is_stopped = None in found
            by_variant: dict[str, list[str]] = {}
            for entry in found:
                if entry is not None:
                    by_variant.setdefault(entry[0], []).append(entry[1])
            for variant, lines in by_variant.items():
                self._write(variant, lines)

    def _write(self, variant: str, lines: Sequence[str]) -> None:
        now = datetime.now(UTC)
        folder = now.strftime("%Y/%m/%d/%H")
        name = f"{now.strftime('%M-%S')}-{uuid.uuid4()}.jsonl"
        target = self._folder / f"{variant}/{folder}/{name}"
        text = "".join(f"{line}\n" for line in lines)
        try:
            self._clients.write(text.encode(), target, self._config.get("KmsKeyId"))
        except FailureReasonError:
            _log.exception("capture: %d invocations are lost", len(lines))

    def _part(self, mode: str, data: bytes, content_type: str) -> dict[str, str]:
        encoding = self._encoding(content_type)
        is_text = encoding != "BASE64"
        text = data.decode(errors="replace") if is_text else base64.b64encode(data)
        return {
            "observedContentType": content_type,
            "mode": mode,
            "data": text if isinstance(text, str) else text.decode(),
            "encoding": encoding,
        }

    def _encoding(self, content_type: str) -> str:
        media_type = content_type.partition(";")[0].strip()
        header = self._config.get("CaptureContentTypeHeader", {})
        if media_type in header.get("CsvContentTypes", []):
            return "CSV"
        if media_type in header.get("JsonContentTypes", []):
            return "JSON"
        return "BASE64"
