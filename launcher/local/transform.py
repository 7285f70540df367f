"""Batch transform: objects are split into requests, a serving container answers them,
the answers lie in S3.

How requests are cut and answers put together follows the developer guide's "Use Batch
Transform".
"""

from __future__ import annotations

import gzip
import json
import logging
import shutil
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from launcher.local.cloud import LogStream, parse_s3_uri
from launcher.local.cutting import Cutting
from launcher.local.errors import JobError, invalid
from launcher.local.layout import Item, manifest_items, prefix_items
from launcher.local.models import (
    MULTI_MODEL,
    Models,
    container_of,
    download_model,
    environment_options,
)
from launcher.local.platform import Platform
from launcher.local.records import Kind, Records
from launcher.local.replica import Replica, SlowError, UnavailableError

KIND = Kind(
    noun="transform-job",
    prefix="TransformJob",
    state="TransformJobStatus",
    absent="Could not find requested job with name: {name}",
    present="Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})",
    absent_code="ResourceNotFound",
    present_code="ResourceInUse",
)
LOG_GROUP = "/aws/sagemaker/TransformJobs"
MIB = 2**20
_SUMMARY = (
    "TransformJobName",
    "TransformJobArn",
    "CreationTime",
    "TransformEndTime",
    "LastModifiedTime",
)
_SECONDS = 600.0
_STRATEGIES = {"MULTI_RECORD": "MultiRecord", "SINGLE_RECORD": "SingleRecord"}

_log = logging.getLogger(__name__)


class TransformJobs:
    """The operations on transform jobs."""

    def __init__(self, platform: Platform, models: Models) -> None:
        self._platform = platform
        self._models = models
        self._stops: dict[str, threading.Event] = {}
        self.records = Records(KIND, platform.settings.region)
        self.operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "CreateTransformJob": self._create,
            "DescribeTransformJob": lambda request: self.records.get(
                request["TransformJobName"]
            ),
            "ListTransformJobs": lambda request: self.records.listing(
                request,
                "TransformJobSummaries",
                (*_SUMMARY, "TransformJobStatus", "FailureReason"),
            ),
            "StopTransformJob": self._stop,
        }

    def _create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["TransformJobName"]
        self.records.check_free(name)
        model = self._models.models.get(request["ModelName"])
        if request.get("DataProcessing"):
            raise invalid("DataProcessing isn't offered here")
        if container_of(model).get("Mode") == MULTI_MODEL:
            raise invalid("a multi-model container can't be used for batch transform")
        if request["TransformInput"].get("SplitType", "None") not in ("None", "Line"):
            raise invalid("SplitType is offered as None and Line here")
        parse_s3_uri(request["TransformOutput"]["S3OutputPath"])
        resources = request["TransformResources"]
        self._platform.quotas.check(
            resources["InstanceType"], "transform job usage", resources["InstanceCount"]
        )
        record = {key: value for key, value in request.items() if key != "Tags"}
        arn = self.records.add({**record, "TransformJobStatus": "InProgress"})
        self._platform.tags.put(arn, request)
        self._stops[name] = threading.Event()
        run = TransformRun(
            self._platform, self._models, self.records, name, self._stops[name]
        )
        run.start()
        return {"TransformJobArn": arn}

    def _stop(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["TransformJobName"]
        status = self.records.get(name)["TransformJobStatus"]
        if status not in ("InProgress", "Stopping"):
            raise invalid(
                f"The request was rejected because the transform job is in status {status}."
            )
        self.records.set(name, TransformJobStatus="Stopping")
        self._stops[name].set()
        return {}


class TransformRun(threading.Thread):
    """One job from its start to its end."""

    def __init__(
        self,
        platform: Platform,
        models: Models,
        records: Records,
        name: str,
        stopped: threading.Event,
    ) -> None:
        super().__init__(daemon=True, name=f"transform-{name}")
        self._platform = platform
        self._models = models
        self._records = records
        self._name = name
        self._job = records.get(name)
        self._stopped = stopped
        self._directory = platform.settings.directory / "transforms" / name
        self._stream = f"{name}/{uuid.uuid4().hex[:12]}"

    def run(self) -> None:
        """Run it; whatever happens, the job ends in a final state."""
        final: dict[str, Any] = {"TransformJobStatus": "Completed"}
        try:
            self._transform()
            if self._stopped.is_set():
                final = {"TransformJobStatus": "Stopped"}
        except JobError as error:
            final = {"TransformJobStatus": "Failed", "FailureReason": str(error)}
        except Exception as error:  # the boundary: a bug of ours must not leave a job InProgress for ever
            _log.exception("transform job %s", self._name)
            final = {
                "TransformJobStatus": "Failed",
                "FailureReason": f"InternalServerError: {error!r}",
            }
            raise
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._records.set(self._name, **final, TransformEndTime=time.time())

    def _transform(self) -> None:
        items = self._items()
        model = self._models.models.get(self._job["ModelName"])
        image = self._models.image(model)
        self._platform.docker.pull(image)
        directory = self._directory / "model"
        download_model(self._platform.cloud, model, directory)
        options = [
            "--volume",
            f"{directory}:/opt/ml/model:ro",
            *self._environment(container_of(model)),
        ]
        replicas: list[Replica] = []
        try:
            for i in range(
                min(self._job["TransformResources"]["InstanceCount"], len(items))
            ):
                stream = LogStream(
                    self._platform.cloud, LOG_GROUP, f"{self._stream}-{i}"
                )
                replicas.append(Replica(self._platform, image, options, stream))
                replicas[-1].start()
            self._records.set(self._name, TransformStartTime=time.time())
            for i, item in enumerate(items):
                self._transform_item(replicas[i % len(replicas)], item)
        finally:
            for replica in replicas:
                replica.stop()

    def _items(self) -> list[Item]:
        source = self._job["TransformInput"]["DataSource"]["S3DataSource"]
        find = (
            manifest_items if source["S3DataType"] == "ManifestFile" else prefix_items
        )
        found = find(self._platform.cloud, source["S3Uri"])
        if not found:
            raise JobError(f"ClientError: No S3 objects found under {source['S3Uri']}")
        return found

    def _environment(self, container: Mapping[str, Any]) -> list[str]:
        strategies = {strategy: variable for variable, strategy in _STRATEGIES.items()}
        given = {
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": self._job.get("MaxPayloadInMB"),
            "SAGEMAKER_BATCH_STRATEGY": strategies.get(
                self._job.get("BatchStrategy", "")
            ),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": self._job.get(
                "MaxConcurrentTransforms"
            ),
        }
        variables = {
            name: str(value) for name, value in given.items() if value is not None
        }
        variables |= self._job.get("Environment", {})
        return environment_options(
            container,
            self._platform.settings.region,
            SAGEMAKER_BATCH="true",
            **variables,
        )

    def _transform_item(self, replica: Replica, item: Item) -> None:
        cutting, at_once = self._parameters(replica)
        data = self._platform.cloud.read(item.where)
        if self._job["TransformInput"].get("CompressionType") == "Gzip":
            data = _unpacked(item, data)
        with ThreadPoolExecutor(at_once) as pool:
            answers = list(
                pool.map(
                    lambda body: self._ask(replica, body, item), cutting.requests(data)
                )
            )
        if self._stopped.is_set():
            return
        # A line end is put behind each answer, whether or not it has one.
        end = (
            b"\n" if self._job["TransformOutput"].get("AssembleWith") == "Line" else b""
        )
        output = (
            parse_s3_uri(self._job["TransformOutput"]["S3OutputPath"])
            / f"{item.path}.out"
        )
        self._platform.cloud.write(b"".join(answer + end for answer in answers), output)

    def _parameters(self, replica: Replica) -> tuple[Cutting, int]:
        """What the request says, else what the container says, else the platform's
        defaults.
        """
        answer = replica.request("GET", "/execution-parameters", seconds=_SECONDS)
        said = json.loads(answer.body) if answer.status == HTTPStatus.OK else {}
        strategy = (
            self._job.get("BatchStrategy")
            or _STRATEGIES[said.get("BatchStrategy", "MULTI_RECORD")]
        )
        payload = self._job.get("MaxPayloadInMB", said.get("MaxPayloadInMB", 6))
        # 0 leaves the choice to the platform.
        at_once = self._job.get("MaxConcurrentTransforms") or said.get(
            "MaxConcurrentTransforms", 1
        )
        by_line = self._job["TransformInput"].get("SplitType", "None") == "Line"
        return Cutting(by_line, strategy == "MultiRecord", payload * MIB), at_once

    def _ask(self, replica: Replica, body: bytes, item: Item) -> bytes:
        """The answer's body.

        Raises:
            JobError: if the container doesn't answer with 200.
        """
        if self._stopped.is_set():
            return b""
        headers = {
            "Content-Type": self._job["TransformInput"].get("ContentType"),
            "Accept": self._job["TransformOutput"].get("Accept"),
        }
        seconds = self._job.get("ModelClientConfig", {}).get(
            "InvocationsTimeoutInSeconds", _SECONDS
        )
        given = {name: value for name, value in headers.items() if value}
        try:
            answer = replica.request(
                "POST", "/invocations", body, given, seconds=seconds
            )
        except (SlowError, UnavailableError) as error:
            self._report(item, ["the container didn't answer"])
            raise JobError(
                "AlgorithmError: See job logs for more information"
            ) from error
        if answer.status != HTTPStatus.OK:
            message = answer.body.decode(errors="replace")
            self._report(
                item,
                [
                    f"Bad HTTP status received from algorithm: {answer.status}",
                    "",
                    "Message:",
                    message,
                ],
            )
            side = (
                "ClientError"
                if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
                else "AlgorithmError"
            )
            raise JobError(f"{side}: See job logs for more information")
        return answer.body

    def _report(self, item: Item, lines: Sequence[str]) -> None:
        """Into the stream that tells what happened to the data."""
        stream = LogStream(self._platform.cloud, LOG_GROUP, f"{self._stream}/data-log")
        for line in lines:
            stream.write(f"{item.where}: {line}")
        stream.close()


def _unpacked(item: Item, data: bytes) -> bytes:
    """The object as it was before gzip; raises JobError where it isn't gzip."""
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise JobError(
            f"ClientError: {item.where} isn't whole gzip, as CompressionType says: {error}"
        ) from error
