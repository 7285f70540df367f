"""The operations of SageMaker's runtime: a body goes to a container, and its reply or
its error comes back: whole, in parts, or later in S3.

Statuses and members of errors follow the runtime's service model: any reply of a
container but 2xx is a ModelError (424) with the original status and body.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from http import HTTPStatus

from werkzeug.wrappers import Request, Response

from launcher.local.cloudwatch import ENDPOINTS
from launcher.local.deployment import LOG_GROUP, Deployment, Variant
from launcher.local.endpoints import Endpoints
from launcher.local.errors import FailureReasonError, RefusedError
from launcher.local.event_stream import MEDIA_TYPE, event
from launcher.local.multi_model import TARGET_HEADER
from launcher.local.service_clients import parse_s3_uri
from launcher.local.serving_container import (
    Reply,
    ServingContainer,
    SlowError,
    UnavailableError,
)
from launcher.local.settings import ACCOUNT, Limits
from launcher.local.stack_parts import StackParts

_PREFIX = "X-Amzn-SageMaker"
_REQUEST_HEADERS = (
    "Content-Type",
    "Accept",
    f"{_PREFIX}-Custom-Attributes",
    f"{_PREFIX}-Inference-Id",
    TARGET_HEADER,
)
_REPLY_HEADERS = ("Content-Type", f"{_PREFIX}-Custom-Attributes")
# What captured data calls them.
_CAPTURED = {
    "customAttributes": f"{_PREFIX}-Custom-Attributes",
    "inferenceId": f"{_PREFIX}-Inference-Id",
}
_ASYNC_SECONDS = 900.0
_POLL_SECONDS = 0.2
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. "
    "Review the latency metrics for each container in Amazon CloudWatch, resolve the "
    "issue, and try again."
)


class Invocations:
    """The routes of SageMaker's runtime."""

    def __init__(self, parts: StackParts, endpoints: Endpoints) -> None:
        self._settings = parts.settings
        self._endpoints = endpoints
        self._watch = parts.watch

    def invoke(self, request: Request, endpoint: str) -> Response:
        """Answer ``POST /endpoints/ENDPOINT/invocations``.

        Raises:
            RefusedError: if the endpoint or the model refuses it.
        """
        deployment, variant = self._variant(request, endpoint)
        body = request.get_data()
        given = {
            name: request.headers[name]
            for name in _REQUEST_HEADERS
            if name in request.headers
        }
        seconds = self._settings.limits.invocation_seconds
        reply = self._ask(endpoint, variant, body, given, seconds)
        headers = _passed_on(reply)
        if deployment.capture is not None:
            metadata = {
                name: given[header]
                for name, header in _CAPTURED.items()
                if header in given
            }
            deployment.capture.keep(
                variant.name,
                (body, given.get("Content-Type", "")),
                (reply.body, headers.get("Content-Type", "")),
                metadata,
            )
        headers["x-Amzn-Invoked-Production-Variant"] = variant.name
        return Response(reply.body, HTTPStatus.OK, headers)

    def stream(self, request: Request, endpoint: str) -> Response:
        """Answer ``POST /endpoints/ENDPOINT/invocations-response-stream``: an event for
        each part of the reply, as it comes.

        Raises:
            RefusedError: if the endpoint or the model refuses it.
        """
        _, variant = self._variant(request, endpoint)
        # The response has headers of its own kind.
        given = {
            "Content-Type": request.headers.get("Content-Type"),
            "Accept": request.headers.get(f"{_PREFIX}-Accept"),
            **{name: request.headers.get(name) for name in _REQUEST_HEADERS[2:]},
        }
        reply = self._ask(
            endpoint,
            variant,
            request.get_data(),
            {name: value for name, value in given.items() if value},
            self._settings.limits.invocation_seconds,
            is_streamed=True,
        )
        headers = _passed_on(reply)
        content_type = headers.pop("Content-Type", "")
        headers[f"{_PREFIX}-Content-Type"] = content_type
        headers["x-Amzn-Invoked-Production-Variant"] = variant.name
        parts = reply.stream or iter([reply.body])
        events = (event("PayloadPart", part) for part in parts)
        return Response(events, HTTPStatus.OK, headers, content_type=MEDIA_TYPE)

    def _variant(self, request: Request, endpoint: str) -> tuple[Deployment, Variant]:
        """What a request that is answered at once is for."""
        deployment = self._endpoints.deployment(endpoint)
        if deployment.is_async:
            raise RefusedError(
                "ValidationError",
                f"Endpoint {endpoint} is asynchronous: use InvokeEndpointAsync.",
            )
        variant = deployment.choose(request.headers.get(f"{_PREFIX}-Target-Variant"))
        _check_size(request.content_length or 0, variant, self._settings.limits)
        return deployment, variant

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
        headers = {
            name: given[f"{_PREFIX}-{name}"]
            for name in ("Content-Type", "Accept")
            if f"{_PREFIX}-{name}" in given
        }
        config = deployment.config["AsyncInferenceConfig"]["OutputConfig"]
        key = uuid.uuid4()
        output = parse_s3_uri(config["S3OutputPath"]) / f"{key}.out"
        failures = parse_s3_uri(config.get("S3FailurePath", config["S3OutputPath"]))
        failure = failures / f"{key}-error.out"
        source = parse_s3_uri(given[f"{_PREFIX}-InputLocation"])
        timeout = given.get(f"{_PREFIX}-InvocationTimeoutSeconds", _ASYNC_SECONDS)
        kms_key = config.get("KmsKeyId")

        def answer() -> None:
            variant = deployment.choose()
            # It may be scaled to zero now.
            while not variant.count and not deployment.is_stopped:
                time.sleep(_POLL_SECONDS)
            try:
                body = variant.clients.read(source)
                reply = self._ask(endpoint, variant, body, headers, float(timeout))
                variant.clients.write(reply.body, output, kms_key)
            except (RefusedError, FailureReasonError) as error:
                variant.clients.write(str(error).encode(), failure, kms_key)

        deployment.submit(answer)
        inference_id = given.get(f"{_PREFIX}-Inference-Id", str(uuid.uuid4()))
        locations = {
            f"{_PREFIX}-OutputLocation": str(output),
            f"{_PREFIX}-FailureLocation": str(failure),
        }
        return Response(
            json.dumps({"InferenceId": inference_id}),
            HTTPStatus.ACCEPTED,
            locations,
            content_type="application/json",
        )

    def _ask(
        self,
        endpoint: str,
        variant: Variant,
        body: bytes,
        headers: Mapping[str, str],
        seconds: float,
        *,
        is_streamed: bool = False,
    ) -> Reply:
        """The reply of a container of the variant, if it is a good one.

        Raises:
            RefusedError: if it isn't.
        """
        started = time.monotonic()
        try:
            with variant.container() as container:
                reply = self._reply(
                    container, variant, body, headers, seconds, is_streamed=is_streamed
                )
        except SlowError as error:
            self._measure(endpoint, variant, 500, seconds)
            raise self._model_error(endpoint, 0, _TIMED_OUT) from error
        except UnavailableError as error:
            self._measure(endpoint, variant, 500, 0)
            raise RefusedError(
                "ServiceUnavailable",
                f"no container of endpoint {endpoint} answers",
                HTTPStatus.SERVICE_UNAVAILABLE,
            ) from error
        self._measure(endpoint, variant, reply.status, time.monotonic() - started)
        if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            raise self._model_error(endpoint, reply.status, reply.text)
        return reply

    def _reply(
        self,
        container: ServingContainer,
        variant: Variant,
        body: bytes,
        headers: Mapping[str, str],
        seconds: float,
        *,
        is_streamed: bool,
    ) -> Reply:
        models = variant.loaded_models
        target = headers.get(TARGET_HEADER)
        if models is None:
            return container.request(
                "POST",
                "/invocations",
                body,
                headers,
                seconds=seconds,
                is_streamed=is_streamed,
            )
        if target is None:
            raise RefusedError(
                "ValidationError", "a multi-model endpoint needs a target model"
            )
        return models.invoke(container, target, body, headers, seconds)

    def _measure(
        self, endpoint: str, variant: Variant, status: int, seconds: float
    ) -> None:
        """Tell CloudWatch of an invocation."""
        values = {
            "Invocations": 1,
            "InvocationsPerInstance": 1 / max(1, variant.count),
            "Invocation4XXErrors": 400 <= status < 500,
            "Invocation5XXErrors": status >= 500,
            "ModelLatency": seconds * 1e6,
        }
        dimensions = {"EndpointName": endpoint, "VariantName": variant.name}
        self._watch.record(ENDPOINTS, values, dimensions)

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


def _passed_on(reply: Reply) -> dict[str, str]:
    """Those headers of a container's reply that reach the client."""
    found = {name.lower(): value for name, value in reply.headers.items()}
    return {
        name: found[name.lower()] for name in _REPLY_HEADERS if name.lower() in found
    }


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
