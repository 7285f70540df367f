"""InvokeEndpoint and InvokeEndpointAsync: the body goes to a container, its answer or
its error comes back.

The statuses and members of errors are those of the runtime's service model: whatever a
container answers but 2xx is a ModelError (424) that carries the original status and
body.
"""

from __future__ import annotations

import http
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from werkzeug.wrappers import Request, Response

from launcher.local.cloud import parse_s3_uri
from launcher.local.endpoints import Endpoints
from launcher.local.errors import JobError, RefusedError
from launcher.local.fleet import LOG_GROUP, Fleet, Variant
from launcher.local.models import dumped
from launcher.local.multi_model import TARGET_HEADER
from launcher.local.platform import Platform
from launcher.local.replica import Answer, SlowError, UnavailableError
from launcher.local.settings import ACCOUNT, Limits
from launcher.s3_uri import S3Uri

_PASSED_ON = (
    "Content-Type",
    "Accept",
    "X-Amzn-SageMaker-Custom-Attributes",
    "X-Amzn-SageMaker-Inference-Id",
    TARGET_HEADER,
)
_ANSWERED = ("Content-Type", "X-Amzn-SageMaker-Custom-Attributes")
_ASYNC_SECONDS = 900
_ASYNC_AT_ONCE = 4


class Invocations:
    """The two routes of the runtime."""

    def __init__(self, platform: Platform, endpoints: Endpoints) -> None:
        self._platform = platform
        self._endpoints = endpoints
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_ASYNC_AT_ONCE, thread_name_prefix="async")

    def invoke(self, request: Request, name: str) -> Response:
        """``POST /endpoints/NAME/invocations``."""
        fleet = self._endpoints.fleet(name)
        if "AsyncInferenceConfig" in fleet.config:
            raise RefusedError(
                "ValidationError",
                f"Endpoint {name} is asynchronous: use InvokeEndpointAsync.",
            )
        variant = fleet.choose(request.headers.get("X-Amzn-SageMaker-Target-Variant"))
        limits = self._platform.settings.limits
        _check_size(request.content_length or 0, variant, limits)
        passed = {
            header: request.headers[header]
            for header in _PASSED_ON
            if header in request.headers
        }
        answer = self._ask(
            name, variant, request.get_data(), passed, limits.invocation_seconds
        )
        headers = {
            key: value
            for key, value in answer.headers.items()
            if key.title() in map(str.title, _ANSWERED)
        }
        return Response(
            answer.body,
            200,
            {**headers, "x-Amzn-Invoked-Production-Variant": variant.name},
        )

    def invoke_later(self, request: Request, name: str) -> Response:
        """``POST /endpoints/NAME/async-invocations``: the answer's place now, the
        answer later.
        """
        fleet = self._endpoints.fleet(name)
        if "AsyncInferenceConfig" not in fleet.config:
            raise RefusedError(
                "ValidationError",
                f"Endpoint {name} isn't asynchronous: use InvokeEndpoint.",
            )
        output = fleet.config["AsyncInferenceConfig"]["OutputConfig"]
        source = parse_s3_uri(request.headers["X-Amzn-SageMaker-InputLocation"])
        identity = request.headers.get(
            "X-Amzn-SageMaker-Inference-Id", str(uuid.uuid4())
        )
        seconds = float(
            request.headers.get(
                "X-Amzn-SageMaker-InvocationTimeoutSeconds", _ASYNC_SECONDS
            )
        )
        key = uuid.uuid4()
        good = parse_s3_uri(output["S3OutputPath"]) / f"{key}.out"
        bad = (
            parse_s3_uri(output.get("S3FailurePath", output["S3OutputPath"]))
            / f"{key}-error.out"
        )
        headers = {
            "Content-Type": request.headers.get("X-Amzn-SageMaker-Content-Type", ""),
            "Accept": request.headers.get("X-Amzn-SageMaker-Accept", ""),
        }
        given = {header: value for header, value in headers.items() if value}
        self._pool.submit(
            self._answer_later, name, fleet, source, given, seconds, good, bad
        )
        locations = {
            "X-Amzn-SageMaker-OutputLocation": str(good),
            "X-Amzn-SageMaker-FailureLocation": str(bad),
        }
        return Response(
            dumped({"InferenceId": identity}),
            202,
            locations,
            content_type="application/json",
        )

    def _answer_later(
        self,
        name: str,
        fleet: Fleet,
        source: S3Uri,
        headers: Mapping[str, str],
        seconds: float,
        good: S3Uri,
        bad: S3Uri,
    ) -> None:
        try:
            answer = self._ask(
                name,
                fleet.choose(None),
                self._platform.cloud.read(source),
                headers,
                seconds,
            )
            self._platform.cloud.write(answer.body, good)
        except RefusedError as error:
            self._platform.cloud.write(error.message.encode(), bad)
        except JobError as error:
            self._platform.cloud.write(str(error).encode(), bad)

    def _ask(
        self,
        name: str,
        variant: Variant,
        body: bytes,
        headers: Mapping[str, str],
        seconds: float,
    ) -> Answer:
        """The container's answer, if it is a good one.

        Raises:
            RefusedError: ModelError or ServiceUnavailable.
        """
        target, replica = headers.get(TARGET_HEADER), variant.replica()
        if (target is not None) != (variant.loaded is not None):
            kind = (
                "a multi-model endpoint needs"
                if target is None
                else "only a multi-model endpoint takes"
            )
            raise RefusedError("ValidationError", f"{kind} a target model")
        try:
            if variant.loaded is not None and target is not None:
                answer = variant.loaded.invoke(replica, target, body, headers, seconds)
            else:
                answer = replica.request(
                    "POST", "/invocations", body, headers, seconds=seconds
                )
        except SlowError as error:
            said = (
                "Your invocation timed out while waiting for a response from container primary. Review the latency "
                "metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
            )
            raise self._model_error(name, 0, said) from error
        except UnavailableError as error:
            raise RefusedError(
                "ServiceUnavailable", f"no container of endpoint {name} answers", 503
            ) from error
        if not http.HTTPStatus.OK <= answer.status < http.HTTPStatus.MULTIPLE_CHOICES:
            raise self._model_error(
                name, answer.status, answer.body.decode(errors="replace")
            )
        return answer

    def _model_error(self, name: str, status: int, said: str) -> RefusedError:
        side = (
            "client"
            if http.HTTPStatus.BAD_REQUEST
            <= status
            < http.HTTPStatus.INTERNAL_SERVER_ERROR
            else "server"
        )
        region = self._platform.settings.region
        stream = f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{LOG_GROUP}/{name}"
        message = (
            f'Received {side} error ({status}) from primary with message "{said}". See {LOG_GROUP}/{name} in account '
            f"{ACCOUNT} for more information."
        )
        members = {
            "OriginalStatusCode": status,
            "OriginalMessage": said,
            "LogStreamArn": stream,
        }
        return RefusedError(
            "ModelError", message, http.HTTPStatus.FAILED_DEPENDENCY, members
        )


def _check_size(size: int, variant: Variant, limits: Limits) -> None:
    """Return when a body isn't too long.

    Raises:
        RefusedError: as the runtime does it, with the status in place of a code, but
            for a serverless variant.
    """
    if variant.is_serverless and size > limits.serverless_body_bytes:
        raise RefusedError(
            "ValidationError", f"Request {uuid.uuid4()} has oversize body."
        )
    if size > limits.body_bytes:
        status = http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        raise RefusedError(
            str(status.value),
            f"HTTP content length exceeded {limits.body_bytes} bytes.",
            status,
        )
