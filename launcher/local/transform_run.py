"""One batch transform job from its start to its end, in a thread of its own.

Objects are split into requests, serving containers answer them, the answers go to S3.

How objects are split and answers are assembled follows the developer guide's "Use Batch
Transform".
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import shutil
import threading
import time
import uuid
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from launcher.local.descriptions import Descriptions
from launcher.local.errors import FailureReasonError, internal_reason
from launcher.local.input_channels import (
    InputObject,
    objects_in_manifest,
    objects_under_prefix,
)
from launcher.local.log_stream import LogStream
from launcher.local.model_catalog import ModelCatalog
from launcher.local.model_container import download_model, environment_options
from launcher.local.payloads import PayloadSplitter
from launcher.local.service_clients import parse_s3_uri
from launcher.local.serving_container import (
    ServingContainer,
    SlowError,
    UnavailableError,
)
from launcher.local.stack_parts import StackParts
from movielens.json_text import parse_json

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_MIB = 2**20
_REQUEST_SECONDS = 600.0
_DEFAULT_PAYLOAD_MIB = 6
# A strategy in the container contract, and in the API.
_STRATEGIES = {"MULTI_RECORD": "MultiRecord", "SINGLE_RECORD": "SingleRecord"}
_FAILED = "See job logs for more information"

_log = logging.getLogger(__name__)


class TransformRun(threading.Thread):
    """Runs a job.

    Args:
        parts: of the stack.
        catalog: has the job's model.
        descriptions: where the job's description is kept.
        name: the job's.
    """

    def __init__(
        self,
        parts: StackParts,
        catalog: ModelCatalog,
        descriptions: Descriptions,
        name: str,
    ) -> None:
        super().__init__(daemon=True, name=f"transform-{name}")
        self._catalog = catalog
        self._descriptions = descriptions
        self._name = name
        self._job = descriptions.get(name)
        model = catalog.models.get(self._job["ModelName"])
        self._parts = parts.as_role(model["ExecutionRoleArn"])
        self._input = self._job["TransformInput"]
        self._output = self._job["TransformOutput"]
        self._directory = parts.settings.work / "transforms" / name
        self._log_stream = f"{name}/{uuid.uuid4().hex[:12]}"
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Send no further requests."""
        self._stopped.set()

    def run(self) -> None:
        """Run the job. Whatever happens, it reaches a final state."""
        final: dict[str, Any] = {"TransformJobStatus": "Failed"}
        try:
            self._transform()
            status = "Stopped" if self._stopped.is_set() else "Completed"
            final["TransformJobStatus"] = status
        except FailureReasonError as error:
            final["FailureReason"] = str(error)
        except Exception as error:
            _log.exception("transform job %s", self._name)
            final["FailureReason"] = internal_reason(error)
            raise
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)
            final["TransformEndTime"] = time.time()
            self._descriptions.set(self._name, **final)

    def _transform(self) -> None:
        objects = self._list_objects()
        n_instances = self._job["TransformResources"]["InstanceCount"]
        n_containers = min(n_instances, len(objects))
        with self._serving(n_containers) as containers:
            self._descriptions.set(self._name, TransformStartTime=time.time())
            for i, entry in enumerate(objects):
                self._transform_object(containers[i % n_containers], entry)

    def _list_objects(self) -> list[InputObject]:
        source = self._input["DataSource"]["S3DataSource"]
        is_manifest = source["S3DataType"] == "ManifestFile"
        find = objects_in_manifest if is_manifest else objects_under_prefix
        uri = source["S3Uri"]
        found = find(self._parts.clients, uri)
        if not found:
            raise FailureReasonError(f"ClientError: No S3 objects found under {uri}")
        return found

    @contextlib.contextmanager
    def _serving(self, n_containers: int) -> Iterator[list[ServingContainer]]:
        """Healthy containers with the job's model, within the block."""
        model = self._catalog.models.get(self._job["ModelName"])
        image = self._catalog.image(model)
        self._parts.engine.pull(image)
        directory = self._directory / "model"
        container = self._catalog.container(model)
        download_model(self._parts.clients, container, directory)
        environment = environment_options(
            container, self._parts.settings.region, self._environment()
        )
        options = ["--volume", f"{directory}:/opt/ml/model:ro", *environment]

        containers: list[ServingContainer] = []
        with contextlib.ExitStack() as stack:
            for i in range(n_containers):
                stream = LogStream(
                    self._parts.clients, LOG_GROUP, f"{self._log_stream}-{i}"
                )
                serving = ServingContainer(
                    self._parts,
                    image,
                    options,
                    stream,
                    is_isolated=bool(model.get("EnableNetworkIsolation")),
                )
                stack.callback(serving.stop)
                serving.start()
                containers.append(serving)
            yield containers

    def _environment(self) -> dict[str, str]:
        """The variables that SageMaker sets for the job in its containers."""
        contract_words = {api: contract for contract, api in _STRATEGIES.items()}
        strategy = self._job.get("BatchStrategy", "")
        given = {
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": self._job.get("MaxPayloadInMB"),
            "SAGEMAKER_BATCH_STRATEGY": contract_words.get(strategy),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": self._job.get(
                "MaxConcurrentTransforms"
            ),
        }
        variables = {"SAGEMAKER_BATCH": "true"}
        for name, value in given.items():
            if value is not None:
                variables[name] = str(value)
        variables |= self._job.get("Environment", {})
        return variables

    def _transform_object(
        self, container: ServingContainer, entry: InputObject
    ) -> None:
        splitter, n_concurrent = self._execution_parameters(container)
        data = self._parts.clients.read(entry.source)
        if self._input.get("CompressionType") == "Gzip":
            data = _decompress(entry, data)

        bodies = splitter.split(data)
        with ThreadPoolExecutor(n_concurrent) as pool:
            answers = list(
                pool.map(lambda body: self._ask(container, body, entry), bodies)
            )
        if self._stopped.is_set():
            return

        # The line end follows each answer, even one that already ends with one.
        by_line = self._output.get("AssembleWith") == "Line"
        end = b"\n" if by_line else b""
        assembled = b"".join(answer + end for answer in answers)
        folder = parse_s3_uri(self._output["S3OutputPath"])
        self._parts.clients.write(
            assembled, folder / f"{entry.path}.out", self._output.get("KmsKeyId")
        )

    def _execution_parameters(
        self, container: ServingContainer
    ) -> tuple[PayloadSplitter, int]:
        """What splits objects into bodies, and how many requests go at the same time.

        The job says so; where it doesn't, the container; else SageMaker's defaults are
        used.
        """
        reply = container.request(
            "GET", "/execution-parameters", seconds=_REQUEST_SECONDS
        )
        preferred = {}
        if reply.status == HTTPStatus.OK:
            preferred = _json_object(reply.body)
        preferred_strategy = preferred.get("BatchStrategy", "MULTI_RECORD")
        strategy = self._job.get("BatchStrategy") or _STRATEGIES[preferred_strategy]
        max_mib = self._job.get(
            "MaxPayloadInMB", preferred.get("MaxPayloadInMB", _DEFAULT_PAYLOAD_MIB)
        )
        # A job's 0 is the same as none.
        n_concurrent = self._job.get("MaxConcurrentTransforms") or preferred.get(
            "MaxConcurrentTransforms", 1
        )
        splitter = PayloadSplitter(
            by_line=self._input.get("SplitType") == "Line",
            many_lines=strategy == "MultiRecord",
            max_bytes=max_mib * _MIB,
        )
        return splitter, n_concurrent

    def _ask(
        self, container: ServingContainer, body: bytes, entry: InputObject
    ) -> bytes:
        """The body of the container's reply; empty if the job is stopped.

        Raises:
            FailureReasonError: if the container doesn't reply, or refuses the body.
        """
        if self._stopped.is_set():
            return b""
        passed_on = {
            "Content-Type": self._input.get("ContentType"),
            "Accept": self._output.get("Accept"),
        }
        headers = {name: value for name, value in passed_on.items() if value}
        config = self._job.get("ModelClientConfig", {})
        seconds = config.get("InvocationsTimeoutInSeconds", _REQUEST_SECONDS)
        try:
            reply = container.request(
                "POST", "/invocations", body, headers, seconds=seconds
            )
        except (SlowError, UnavailableError) as error:
            self._write_data_log(entry, "the container didn't answer")
            raise FailureReasonError(f"AlgorithmError: {_FAILED}") from error
        # A container answers 204 if there was nothing to answer.
        if reply.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            self._write_data_log(
                entry,
                f"Bad HTTP status received from algorithm: {reply.status}",
                "",
                "Message:",
                reply.text,
            )
            is_client_error = reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
            side = "ClientError" if is_client_error else "AlgorithmError"
            raise FailureReasonError(f"{side}: {_FAILED}")
        return reply.body

    def _write_data_log(self, entry: InputObject, *lines: str) -> None:
        """Write to the stream about what happened to the data."""
        stream = LogStream(
            self._parts.clients, LOG_GROUP, f"{self._log_stream}/data-log"
        )
        for line in lines:
            stream.write(f"{entry.source}: {line}")
        stream.close()


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        return dict(parse_json(body))
    except (TypeError, ValueError) as error:
        raise FailureReasonError(
            f"AlgorithmError: /execution-parameters isn't a JSON object: {error}"
        ) from error


def _decompress(entry: InputObject, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise FailureReasonError(
            f"ClientError: {entry.source} isn't whole gzip, "
            f"as CompressionType says: {error}"
        ) from error
