"""Batch transform jobs: their operations, and the jobs themselves.

Objects are split into requests, serving containers answer them, the answers go to S3.

How objects are split and answers are assembled follows the developer guide's "Use Batch
Transform".
"""

from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from botocore import xform_name
from urllib3.exceptions import HTTPError

from launcher.local.descriptions import Descriptions, ResourceKind
from launcher.local.errors import FailureReasonError, failing, invalid
from launcher.local.input_channels import InputObject, objects_of
from launcher.local.jobs import JobRun, Jobs
from launcher.local.models import ModelCatalog, container_of, is_multi_model
from launcher.local.operation import Parameters, Result
from launcher.local.quotas import check_quota
from launcher.local.service_clients import parse_s3_uri
from launcher.local.serving_container import Question, ServingContainer
from launcher.local.stack_parts import StackParts
from movielens.json_text import parse_json


@dataclass(frozen=True, slots=True)
class PayloadSplitter:
    r"""The rules of one job.

    Attributes:
        by_line: whether objects are split at line ends (SplitType ``Line``).
        many_lines: whether a body holds as many lines as fit (BatchStrategy
            ``MultiRecord``), or one.
        max_bytes: of a body; 0 is no limit.

    Example:
        >>> list(PayloadSplitter(True, True, max_bytes=8).split(b"1,2\n3,4\n5,6\n"))
        [b'1,2\n3,4\n', b'5,6\n']
    """

    by_line: bool
    many_lines: bool
    max_bytes: int

    def split(self, data: bytes) -> Iterator[bytes]:
        """The bodies, in order; lines keep their ends.

        Raises:
            FailureReasonError: if a line, or an object that isn't split, is too long.
        """
        # A line ends in LF; bytes.splitlines would also split at a CR alone.
        pieces = io.BytesIO(data).readlines() if self.by_line else [data]
        gathered: list[bytes] = []
        size = 0
        for piece in pieces:
            if self.max_bytes and len(piece) > self.max_bytes:
                raise FailureReasonError(
                    "ClientError: the payload is larger than MaxPayloadInMB: "
                    "split the object by line, or allow more"
                )
            is_full = self.max_bytes and size + len(piece) > self.max_bytes
            if gathered and (is_full or not self.many_lines):
                yield b"".join(gathered)
                gathered = []
                size = 0
            gathered.append(piece)
            size += len(piece)
        if gathered:
            yield b"".join(gathered)


TRANSFORM_JOB = ResourceKind(
    noun="transform-job",
    absent="Could not find requested job with name: {name}",
    absent_code="ResourceNotFound",
)

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_MIB = 2**20
_REQUEST_SECONDS = 600.0
_DEFAULT_PAYLOAD_MIB = 6
# The variables by which a container gets members of the request.
_VARIABLES = {
    "BatchStrategy": "SAGEMAKER_BATCH_STRATEGY",
    "MaxConcurrentTransforms": "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",
    "MaxPayloadInMB": "SAGEMAKER_MAX_PAYLOAD_IN_MB",
}
_FAILED = "See job logs for more information"


class TransformJobs(Jobs):
    """Transform jobs, each with the thread that runs it."""

    def __init__(self, parts: StackParts, catalog: ModelCatalog) -> None:
        super().__init__(parts, TRANSFORM_JOB)
        self._catalog = catalog

    def create(self, parameters: Parameters) -> Result:
        """Check a request, and run the job."""
        model = self._catalog.models.get(parameters["ModelName"])
        if is_multi_model(container_of(model)):
            raise invalid("a multi-model container can't be used for batch transform")
        parse_s3_uri(parameters["TransformOutput"]["S3OutputPath"])
        resources = parameters["TransformResources"]
        count = resources["InstanceCount"]
        check_quota(resources["InstanceType"], "transform job usage", count)

        return self.begin(partial(TransformRun, self.parts, self._catalog), parameters)


class TransformRun(JobRun):
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
        super().__init__(descriptions, name)
        self._input = self.job["TransformInput"]
        self._output = self.job["TransformOutput"]
        self._directory = parts.settings.work / "transforms" / name
        self._models = catalog.containers(
            self.job["ModelName"], self._directory / "model", LOG_GROUP, name
        )
        self._clients = self._models.clients

    def work(self) -> str:
        """Answer one object after the other."""
        objects = objects_of(self._clients, self._input["DataSource"]["S3DataSource"])
        n_instances = self.job["TransformResources"]["InstanceCount"]
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self._directory, ignore_errors=True)
            self._models.prepare(self._environment())
            containers = []
            for _ in objects[:n_instances]:
                containers.append(self._models.start())
                stack.callback(containers[-1].stop)
            self.descriptions.set(self.job_name, TransformStartTime=time.time())
            for i, entry in enumerate(objects):
                self._transform_object(containers[i % len(containers)], entry)
        return "Stopped" if self.stopped.is_set() else "Completed"

    def _parameters(self) -> dict[str, Any]:
        """What the job says about requests, in the words of the container contract."""
        given = {name: self.job[name] for name in _VARIABLES if name in self.job}
        if "BatchStrategy" in given:
            given["BatchStrategy"] = xform_name(given["BatchStrategy"]).upper()
        return given

    def _environment(self) -> dict[str, str]:
        """The variables that SageMaker sets for the job in its containers."""
        given = self._parameters()
        variables = {_VARIABLES[name]: str(value) for name, value in given.items()}
        return {
            "SAGEMAKER_BATCH": "true",
            **variables,
            **self.job.get("Environment", {}),
        }

    def _transform_object(
        self, container: ServingContainer, entry: InputObject
    ) -> None:
        splitter, n_concurrent = self._execution_parameters(container)
        data = self._clients.read(entry.source)
        if self._input.get("CompressionType") == "Gzip":
            reason = (
                f"ClientError: {entry.source} isn't whole gzip, as CompressionType says"
            )
            with failing(reason, OSError, EOFError, zlib.error):
                data = gzip.decompress(data)

        bodies = splitter.split(data)
        with ThreadPoolExecutor(n_concurrent) as pool:
            answers = list(
                pool.map(lambda body: self._ask(container, body, entry), bodies)
            )
        if self.stopped.is_set():
            return

        # The line end follows each answer, even one that already ends with one.
        by_line = self._output.get("AssembleWith") == "Line"
        end = b"\n" if by_line else b""
        assembled = b"".join(answer + end for answer in answers)
        folder = parse_s3_uri(self._output["S3OutputPath"])
        self._clients.write(
            assembled, folder / f"{entry.path}.out", self._output.get("KmsKeyId")
        )

    def _execution_parameters(
        self, container: ServingContainer
    ) -> tuple[PayloadSplitter, int]:
        """What splits objects into bodies, and how many requests go at the same time.

        The job says so; where it doesn't, the container; else SageMaker's defaults are
        used.
        """
        question = Question(_REQUEST_SECONDS)
        reply = container.ask("/execution-parameters", question, "GET")
        preferred: dict[str, Any] = {
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": _DEFAULT_PAYLOAD_MIB,
            "MaxConcurrentTransforms": 1,
        }
        if reply.status == HTTPStatus.OK:
            reason = "AlgorithmError: /execution-parameters isn't a JSON object"
            with failing(reason, TypeError, ValueError):
                preferred |= parse_json(reply.data)
        used = {**preferred, **self._parameters()}
        splitter = PayloadSplitter(
            by_line=self._input.get("SplitType") == "Line",
            many_lines=used["BatchStrategy"] == "MULTI_RECORD",
            max_bytes=used["MaxPayloadInMB"] * _MIB,
        )
        # A job's 0 is the same as none.
        n_concurrent = used["MaxConcurrentTransforms"]
        return splitter, n_concurrent or preferred["MaxConcurrentTransforms"]

    def _ask(
        self, container: ServingContainer, body: bytes, entry: InputObject
    ) -> bytes:
        """The body of the container's reply; empty if the job is stopped.

        Raises:
            FailureReasonError: if the container doesn't reply, or refuses the body.
        """
        if self.stopped.is_set():
            return b""
        passed_on = {
            "Content-Type": self._input.get("ContentType"),
            "Accept": self._output.get("Accept"),
        }
        headers = {name: value for name, value in passed_on.items() if value}
        config = self.job.get("ModelClientConfig", {})
        seconds = config.get("InvocationsTimeoutInSeconds", _REQUEST_SECONDS)
        try:
            reply = container.ask("/invocations", Question(seconds, body, headers))
        except HTTPError as error:
            self._write_data_log(entry, "the container didn't answer")
            raise FailureReasonError(f"AlgorithmError: {_FAILED}") from error
        # A container answers 204 if there was nothing to answer.
        if reply.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            self._write_data_log(
                entry,
                f"Bad HTTP status received from algorithm: {reply.status}",
                "",
                "Message:",
                reply.data.decode(errors="replace"),
            )
            is_client_error = reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
            side = "ClientError" if is_client_error else "AlgorithmError"
            raise FailureReasonError(f"{side}: {_FAILED}")
        return reply.data

    def _write_data_log(self, entry: InputObject, *lines: str) -> None:
        """Write to the stream about what happened to the data."""
        stream = self._models.log("/data-log")
        for line in lines:
            stream.write(f"{entry.source}: {line}")
        stream.close()
