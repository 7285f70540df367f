"""InvokeEndpoint and InvokeEndpointAsync: the body goes to a container, and its reply
or its error comes back.

Statuses and members of errors follow the runtime's service model: any reply of a
container but 2xx is a ModelError (424) with the original status and body.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus

from werkzeug.wrappers import Request, Response

from launcher.local.deployment import LOG_GROUP, Deployment, Variant
from launcher.local.endpoints import Endpoints
from launcher.local.errors import FailureReasonError, RefusedError
from launcher.local.multi_model import TARGET_HEADER
from launcher.local.service_clients import parse_s3_uri
from launcher.local.serving_container import Reply, SlowError, UnavailableError
from launcher.local.settings import ACCOUNT, Limits
from launcher.local.stack_parts import StackParts
from launcher.s3_uri import S3Uri

_PREFIX = "X-Amzn-SageMaker"
_REQUEST_HEADERS = (
    "Content-Type",
    "Accept",
    f"{_PREFIX}-Custom-Attributes",
    f"{_PREFIX}-Inference-Id",
    TARGET_HEADER,
)
_REPLY_HEADERS = ("content-type", f"{_PREFIX}-Custom-Attributes".lower())
_ASYNC_SECONDS = 900.0
_ASYNC_AT_ONCE = 4
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. "
    "Review the latency metrics for each container in Amazon CloudWatch, resolve the "
    "issue, and try again."
)


@dataclass(frozen=True, slots=True)
class _AsyncInvocation:
    """An invocation that is answered later.

    Attributes:
        endpoint: its name.
        deployment: that answers, even if the endpoint is updated meanwhile.
        body: where the request's body is.
        headers: of the request to the container.
        seconds: how long the container's reply may take.
        output: where the reply goes.
        failure: where the error goes if there is no good reply.
    """

    endpoint: str
    deployment: Deployment
    body: S3Uri
    headers: Mapping[str, str]
    seconds: float
    output: S3Uri
    failure: S3Uri


class Invocations:
    """The two routes of SageMaker's runtime."""

    def __init__(self, parts: StackParts, endpoints: Endpoints) -> None:
        self._clients = parts.clients
        self._settings = parts.settings
        self._endpoints = endpoints
        self._pool = ThreadPoolExecutor(_ASYNC_AT_ONCE, thread_name_prefix="async")

    def invoke(self, request: Request, endpoint: str) -> Response:
        """Answer ``POST /endpoints/ENDPOINT/invocations``.

        Raises:
            RefusedError: if the endpoint or the model refuses it.
        """
        deployment = self._endpoints.deployment(endpoint)
        if deployment.is_async:
            raise RefusedError(
                "ValidationError",
                f"Endpoint {endpoint} is asynchronous: use InvokeEndpointAsync.",
            )
        variant = deployment.choose(request.headers.get(f"{_PREFIX}-Target-Variant"))
        limits = self._settings.limits
        _check_size(request.content_length or 0, variant, limits)

        request_headers = {
            name: request.headers[name]
            for name in _REQUEST_HEADERS
            if name in request.headers
        }
        reply = self._ask(
            endpoint,
            variant,
            request.get_data(),
            request_headers,
            limits.invocation_seconds,
        )
        headers = {
            name: value
            for name, value in reply.headers.items()
            if name.lower() in _REPLY_HEADERS
        }
        headers["x-Amzn-Invoked-Production-Variant"] = variant.name
        return Response(reply.body, HTTPStatus.OK, headers)

    def invoke_later(self, request: Request, endpoint: str) -> Response:
        """Answer ``POST /endpoints/ENDPOINT/async-invocations``.

        The response says where in S3 the model's reply will be.

        Raises:
            RefusedError: if the endpoint refuses it.
        """
        deployment = self._endpoints.deployment(endpoint)
        if not deployment.is_async:
            raise RefusedError(
                "ValidationError",
                f"Endpoint {endpoint} isn't asynchronous: use InvokeEndpoint.",
            )
        given = request.headers
        passed_on = {
            "Content-Type": given.get(f"{_PREFIX}-Content-Type", ""),
            "Accept": given.get(f"{_PREFIX}-Accept", ""),
        }
        config = deployment.config["AsyncInferenceConfig"]["OutputConfig"]
        output_folder = parse_s3_uri(config["S3OutputPath"])
        failure_folder = parse_s3_uri(
            config.get("S3FailurePath", config["S3OutputPath"])
        )
        key = uuid.uuid4()
        invocation = _AsyncInvocation(
            endpoint=endpoint,
            deployment=deployment,
            body=parse_s3_uri(given[f"{_PREFIX}-InputLocation"]),
            headers={name: value for name, value in passed_on.items() if value},
            seconds=float(
                given.get(f"{_PREFIX}-InvocationTimeoutSeconds", _ASYNC_SECONDS)
            ),
            output=output_folder / f"{key}.out",
            failure=failure_folder / f"{key}-error.out",
        )
        self._pool.submit(self._answer_later, invocation)

        inference_id = given.get(f"{_PREFIX}-Inference-Id", str(uuid.uuid4()))
        locations = {
            f"{_PREFIX}-OutputLocation": str(invocation.output),
            f"{_PREFIX}-FailureLocation": str(invocation.failure),
        }
        return Response(
            json.dumps({"InferenceId": inference_id}),
            HTTPStatus.ACCEPTED,
            locations,
            content_type="application/json",
        )

    def _answer_later(self, invocation: _AsyncInvocation) -> None:
        try:
            reply = self._ask(
                invocation.endpoint,
                invocation.deployment.choose(),
                self._clients.read(invocation.body),
                invocation.headers,
                invocation.seconds,
            )
            self._clients.write(reply.body, invocation.output)
        except (RefusedError, FailureReasonError) as error:
            self._clients.write(str(error).encode(), invocation.failure)

    def _ask(
        self,
        endpoint: str,
        variant: Variant,
        body: bytes,
        headers: Mapping[str, str],
        seconds: float,
    ) -> Reply:
        """The reply of a container of the variant, if it is a good one.

        Raises:
            RefusedError: ModelError or ServiceUnavailable, or if a target model is
                missing or not expected.
        """
        container = variant.any_container()
        models = variant.loaded_models
        target = headers.get(TARGET_HEADER)
        if models is not None and target is None:
            raise RefusedError(
                "ValidationError", "a multi-model endpoint needs a target model"
            )
        if models is None and target is not None:
            raise RefusedError(
                "ValidationError", "only a multi-model endpoint takes a target model"
            )
        try:
            if models is not None and target is not None:
                reply = models.invoke(container, target, body, headers, seconds)
            else:
                reply = container.request(
                    "POST", "/invocations", body, headers, seconds=seconds
                )
        except SlowError as error:
            raise self._model_error(endpoint, 0, _TIMED_OUT) from error
        except UnavailableError as error:
            raise RefusedError(
                "ServiceUnavailable",
                f"no container of endpoint {endpoint} answers",
                HTTPStatus.SERVICE_UNAVAILABLE,
            ) from error
        if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            raise self._model_error(endpoint, reply.status, reply.text)
        return reply

    def _model_error(self, endpoint: str, status: int, text: str) -> RefusedError:
        """A ModelError.

        Args:
            endpoint: its name.
            status: of the container's reply; 0 if there is none.
            text: the reply.
        """
        is_client_error = 400 <= status < 500
        side = "client" if is_client_error else "server"
        log_group = f"{LOG_GROUP}/{endpoint}"
        region = self._settings.region
        message = (
            f'Received {side} error ({status}) from primary with message "{text}". '
            f"See {log_group} in account {ACCOUNT} for more information."
        )
        members = {
            "OriginalStatusCode": status,
            "OriginalMessage": text,
            "LogStreamArn": f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{log_group}",
        }
        return RefusedError(
            "ModelError", message, HTTPStatus.FAILED_DEPENDENCY, members
        )


def _check_size(size: int, variant: Variant, limits: Limits) -> None:
    """Return if a body isn't too long.

    Raises:
        RefusedError: if it is, in the runtime's own words. Its code is the status,
            except for a serverless variant.
    """
    if variant.is_serverless and size > limits.serverless_body_bytes:
        raise RefusedError(
            "ValidationError", f"Request {uuid.uuid4()} has oversize body."
        )
    if size > limits.body_bytes:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        raise RefusedError(
            str(status.value),
            f"HTTP content length exceeded {limits.body_bytes} bytes.",
            status,
        )
