"""The HTTP side: our own operations first, moto for all others.

A request goes through these steps:

1. its access key is checked;
2. one of our routes answers, if its method and path match;
3. otherwise its parameters are checked against botocore's service model, as AWS does;
4. the operation of its name answers;
5. moto answers, if there is no such operation or the operation leaves it to moto.
"""

from __future__ import annotations

import io
import json
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request, Response

from launcher.errors import InvalidRequestError
from launcher.local.errors import RefusedError, invalid
from launcher.local.operation import Operation, Result
from launcher.local.settings import StackSettings
from launcher.requests import Request as ApiRequest
from launcher.validate import validate
from movielens.json_text import parse_json

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
# Gets the request, and the path's part that the route's pattern has as its group.
Route = Callable[[Request, str], Response]

# botocore's name of a service, by the first part of the header X-Amz-Target.
_SERVICES = {
    "SageMaker": "sagemaker",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "ServiceQuotasV20190624": "service-quotas",
}
# Access keys that STS hands out begin so.
_TEMPORARY_KEY = "ASIA"
_JSON = "application/x-amz-json-1.1"

_log = logging.getLogger(__name__)


class Gateway:
    """A WSGI application.

    Args:
        settings: of the stack.
        moto: answers what we don't.
        operations: by service and name.
        routes: by a regular expression for ``METHOD path`` with one group.
    """

    def __init__(
        self,
        settings: StackSettings,
        moto: WsgiApplication,
        operations: Mapping[tuple[str, str], Operation],
        routes: Mapping[str, Route],
    ) -> None:
        self._settings = settings
        self._moto = moto
        self._operations = operations
        self._routes = {re.compile(pattern): route for pattern, route in routes.items()}

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        try:
            response = self._respond(request)
        except RefusedError as error:
            response = error_response(error)
        except Exception as error:  # noqa: BLE001 a bug must reach the caller as well
            _log.exception("%s %s", request.method, request.path)
            message = f"{type(error).__name__}: {error}"
            response = error_response(RefusedError("InternalFailure", message, 500))
        return response(environ, start_response)

    def _respond(self, request: Request) -> Response:
        self._check_access_key(request)
        for pattern, route in self._routes.items():
            match = pattern.fullmatch(f"{request.method} {request.path}")
            if match is not None:
                return route(request, match[1])

        target, _, name = request.headers.get("X-Amz-Target", "").partition(".")
        service = _SERVICES.get(target)
        if service is None:
            return Response.from_app(self._moto, request.environ)

        body = request.get_data()
        result = self._operate(service, name, body)
        if result is not None:
            return Response(json.dumps(result), content_type=_JSON)
        # We have read the body, so moto gets a copy.
        request.environ["wsgi.input"] = io.BytesIO(body)
        response = Response.from_app(self._moto, request.environ)
        return self._with_our_registry(response)

    def _operate(self, service: str, name: str, body: bytes) -> Result | None:
        """The operation's result; None if moto is to answer."""
        try:
            parameters = dict(parse_json(body or b"{}"))
            validate(ApiRequest(service, name, parameters))
        except (TypeError, ValueError) as error:
            raise RefusedError("SerializationException", str(error)) from error
        except InvalidRequestError as error:
            raise invalid(f"validation error detected: {error}") from error
        operation = self._operations.get((service, name))
        return operation(parameters) if operation else None

    def _with_our_registry(self, response: Response) -> Response:
        """The response with our registry in place of AWS's, which moto names."""
        aws_host = self._settings.ecr_host.encode()
        our_host = self._settings.registry.encode()
        response.set_data(response.get_data().replace(aws_host, our_host))
        return response

    def _check_access_key(self, request: Request) -> None:
        """Return if the access key is ours; presigned URLs without one are moto's.

        Raises:
            RefusedError: if it isn't, in the words of the service that is called.
        """
        header = request.headers.get("Authorization", "")
        key = header.partition("Credential=")[2].partition("/")[0]
        is_ours = key == self._settings.access_key or key.startswith(_TEMPORARY_KEY)
        if not key or is_ours:
            return
        if "/s3/aws4_request" in header:
            raise RefusedError(
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
                HTTPStatus.FORBIDDEN,
            )
        message = "The security token included in the request is invalid."
        if "X-Amz-Target" in request.headers or "/sagemaker/aws4_request" in header:
            raise RefusedError("UnrecognizedClientException", message)
        raise RefusedError("InvalidClientTokenId", message, HTTPStatus.FORBIDDEN)


def error_response(error: RefusedError) -> Response:
    """The error as the protocol of its service has it: JSON, or XML for S3 and for the
    services with the query protocol.
    """
    xml = f"<Error><Code>{error.code}</Code><Message>{error.message}</Message></Error>"
    if error.code == "InvalidAccessKeyId":
        return Response(xml, error.status, content_type="text/xml")
    if error.code == "InvalidClientTokenId":
        request_id = f"<RequestId>{uuid.uuid4()}</RequestId>"
        xml = f"<ErrorResponse>{xml}{request_id}</ErrorResponse>"
        return Response(xml, error.status, content_type="text/xml")

    # There are two JSON protocols. They read the code from different places, and either
    # may spell the message's member either way.
    body = {
        "__type": error.code,
        "message": error.message,
        "Message": error.message,
        **error.members,
    }
    headers = {"x-amzn-errortype": error.code}
    return Response(json.dumps(body), error.status, headers, content_type=_JSON)
