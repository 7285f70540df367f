"""The operations of SageMaker's runtime: a body goes to a container, and its reply or
its error comes back: whole, in parts, or later in S3.

Statuses and members of errors follow the runtime's service model: any reply of a
container but 2xx is a ModelError (424) with the original status and body.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import replace
from http import HTTPStatus

from moto.core.eventstream import EventStreamEncoder
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError
from werkzeug.wrappers import Request, Response

from launcher.local.cloudwatch import ENDPOINTS
from launcher.local.data_capture import ATTRIBUTES, INFERENCE_ID
from launcher.local.endpoints import (
    LOG_GROUP,
    Deployment,
    Endpoints,
    Variant,
    unavailable,
)
from launcher.local.errors import FailureReasonError, RefusedError, unusable
from launcher.local.service_clients import parse_s3_uri
from launcher.local.serving_container import TARGET_HEADER, Question
from launcher.local.settings import ACCOUNT, Limits
from launcher.local.stack_parts import StackParts

_PREFIX = "X-Amzn-SageMaker"
_VARIANT = f"{_PREFIX}-Target-Variant"
_LOCATION = f"{_PREFIX}-InputLocation"
_TIMEOUT = f"{_PREFIX}-InvocationTimeoutSeconds"
# Those that a container gets. Some operations have the first two with the prefix.
_GIVEN = ("Content-Type", "Accept", ATTRIBUTES, INFERENCE_ID, TARGET_HEADER)
_HONOURED = {
    header.lower()
    for name in (*_GIVEN, _VARIANT, _LOCATION, _TIMEOUT)
    for header in (name, f"{_PREFIX}-{name}")
}
_REPLY_HEADERS = ("Content-Type", ATTRIBUTES)
_EVENT = {
    ":event-type": "PayloadPart",
    ":content-type": "application/octet-stream",
    ":message-type": "event",
}
_EVENT_BYTES = 64 * 1024
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
        question = self._question(request, request.get_data())
        reply = self._ask(endpoint, variant, question)
        if deployment.capture is not None:
            deployment.capture.keep(variant.name, question, reply)
        return Response(reply.data, HTTPStatus.OK, _passed_on(reply, variant))

    def stream(self, request: Request, endpoint: str) -> Response:
        """Answer ``POST /endpoints/ENDPOINT/invocations-response-stream``: an event for
        each part of the reply, as it comes.

        Raises:
            RefusedError: if the endpoint or the model refuses it.
        """
        _, variant = self._variant(request, endpoint)
        question = self._question(request, request.get_data(), is_streamed=True)
        reply = self._ask(endpoint, variant, question)
        headers = _passed_on(reply, variant)
        # The response has a content type of its own.
        headers[f"{_PREFIX}-Content-Type"] = headers.pop("Content-Type", "")
        encode = EventStreamEncoder().encode_message
        events = (encode(_EVENT, part) for part in reply.stream(_EVENT_BYTES))
        return Response(
            events,
            HTTPStatus.OK,
            headers,
            content_type="application/vnd.amazon.eventstream",
        )

    def invoke_later(self, request: Request, endpoint: str) -> Response:
        """Answer ``POST /endpoints/ENDPOINT/async-invocations``.

        The response says where in S3 the model's reply will be.

        Raises:
            RefusedError: if the endpoint refuses it.
        """
        deployment = self._endpoints.deployment(endpoint)
        if not deployment.is_async:
            raise unusable(
                f"Endpoint {endpoint} isn't asynchronous: use InvokeEndpoint.",
            )
        question = self._question(request, b"")
        config = deployment.config["AsyncInferenceConfig"]["OutputConfig"]
        key = uuid.uuid4()
        output = parse_s3_uri(config["S3OutputPath"]) / f"{key}.out"
        failures = parse_s3_uri(config.get("S3FailurePath", config["S3OutputPath"]))
        failure = failures / f"{key}-error.out"
        source = parse_s3_uri(request.headers[_LOCATION])
        seconds = float(request.headers.get(_TIMEOUT, _ASYNC_SECONDS))
        kms_key = config.get("KmsKeyId")

        def answer() -> None:
            variant = deployment.choose()
            clients = variant.models.clients
            # It may be scaled to zero now.
            while not variant.count and not deployment.is_stopped:
                time.sleep(_POLL_SECONDS)
            try:
                body = clients.read(source)
                asked = replace(question, body=body, seconds=seconds)
                reply = self._ask(endpoint, variant, asked)
                clients.write(reply.data, output, kms_key)
            except (RefusedError, FailureReasonError) as error:
                clients.write(str(error).encode(), failure, kms_key)

        deployment.submit(answer)
        inference_id = request.headers.get(INFERENCE_ID, str(uuid.uuid4()))
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

    def _variant(self, request: Request, endpoint: str) -> tuple[Deployment, Variant]:
        """What a request that is answered at once is for."""
        deployment = self._endpoints.deployment(endpoint)
        if deployment.is_async:
            raise unusable(
                f"Endpoint {endpoint} is asynchronous: use InvokeEndpointAsync.",
            )
        variant = deployment.choose(request.headers.get(_VARIANT))
        _check_size(request.content_length or 0, variant, self._settings.limits)
        return deployment, variant

    def _question(
        self, request: Request, body: bytes, *, is_streamed: bool = False
    ) -> Question:
        """What the container is asked.

        Raises:
            RefusedError: if a header of SageMaker's isn't honoured.
        """
        headers = request.headers
        for name, _ in headers:
            name = name.lower()
            if name.startswith(_PREFIX.lower()) and name not in _HONOURED:
                raise unusable(f"`launcher local` doesn't offer {name}")
        given = {
            name: headers.get(f"{_PREFIX}-{name}") or headers.get(name)
            for name in _GIVEN
        }
        return Question(
            self._settings.limits.invocation_seconds,
            body,
            {name: value for name, value in given.items() if value},
            is_streamed=is_streamed,
        )

    def _ask(
        self, endpoint: str, variant: Variant, question: Question
    ) -> BaseHTTPResponse:
        """The reply of a container of the variant, if it is a good one.

        Raises:
            RefusedError: if it isn't.
        """
        started = time.monotonic()
        models = variant.models.loaded_models
        target = question.headers.get(TARGET_HEADER)
        if (models is None) != (target is None):
            raise unusable(
                "a multi-model endpoint needs a target model, and no other has one",
            )
        try:
            with variant.container() as container:
                if models is not None and target is not None:
                    reply = models.invoke(container, target, question)
                else:
                    reply = container.ask("/invocations", question)
        except ReadTimeoutError as error:
            self._measure(endpoint, variant, 500, question.seconds)
            raise self._model_error(endpoint, 0, _TIMED_OUT) from error
        except HTTPError as error:
            self._measure(endpoint, variant, 500, 0)
            raise unavailable(f"no container of endpoint {endpoint} answers") from error
        self._measure(endpoint, variant, reply.status, time.monotonic() - started)
        if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            text = reply.data.decode(errors="replace")
            raise self._model_error(endpoint, reply.status, text)
        return reply

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


def _passed_on(reply: BaseHTTPResponse, variant: Variant) -> dict[str, str]:
    """Those headers of a container's reply that reach the client, and who replied."""
    headers = {
        name: reply.headers[name] for name in _REPLY_HEADERS if name in reply.headers
    }
    headers["x-Amzn-Invoked-Production-Variant"] = variant.name
    return headers


def _check_size(size: int, variant: Variant, limits: Limits) -> None:
    """Return if a body isn't too long.

    Raises:
        RefusedError: if it is, in the runtime's own words. Its code is the status,
            except for a serverless variant.
    """
    if variant.is_serverless and size > limits.serverless_body_bytes:
        raise unusable(f"Request {uuid.uuid4()} has oversize body.")
    if size > limits.body_bytes:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        raise RefusedError(
            str(status.value),
            f"HTTP content length exceeded {limits.body_bytes} bytes.",
            status,
        )
