"""The HTTP side: our own operations first, stock moto for every other.

A request is checked for its access key, then against botocore's service model, as the
real service does it, and given to the operation of its name. An operation that answers
None leaves the request to moto.
"""

from __future__ import annotations

import io
import json
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from launcher.errors import InvalidRequestError
from launcher.local.errors import RefusedError, invalid
from launcher.local.settings import Settings
from launcher.requests import Request as ApiRequest
from launcher.validate import validate

Operation = Callable[[Mapping[str, Any]], dict[str, Any] | None]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Route = Callable[[Request, str], Response]
# Of each header X-Amz-Target, botocore's name of the service.
_SERVICES = {
    "SageMaker": "sagemaker",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "ServiceQuotasV20190624": "service-quotas",
}
# Temporary keys, which STS gives out.
_TEMPORARY = "ASIA"

_log = logging.getLogger(__name__)


class Api:
    """A WSGI application.

    Args:
        settings: whose access key is taken, and by whose registry ECR's host is
            replaced.
        stock: moto.
        operations: by service and name.
        routes: by a pattern of ``METHOD path``; a route gets the pattern's one group.
    """

    def __init__(
        self,
        settings: Settings,
        stock: Application,
        operations: Mapping[tuple[str, str], Operation],
        routes: Mapping[str, Route],
    ) -> None:
        self._settings = settings
        self._stock = stock
        self._operations = operations
        self._routes = {re.compile(pattern): route for pattern, route in routes.items()}

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        try:
            response = self._answer(request)
        except RefusedError as error:
            response = refusal(error)
        except Exception as error:  # noqa: BLE001 the boundary: a bug of ours, which the caller must hear of
            _log.exception("%s %s", request.method, request.path)
            response = refusal(
                RefusedError("InternalFailure", f"{type(error).__name__}: {error}", 500)
            )
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        self._check_access(request)
        for pattern, route in self._routes.items():
            if match := pattern.fullmatch(f"{request.method} {request.path}"):
                return route(request, match[1])
        target, _, name = request.headers.get("X-Amz-Target", "").partition(".")
        service = _SERVICES.get(target)
        if service is None:
            return Response.from_app(self._stock, request.environ)
        body = request.get_data()
        answer = self._operate(service, name, body)
        if answer is not None:
            return _json(answer)
        request.environ["wsgi.input"] = io.BytesIO(body)
        return self._ours(Response.from_app(self._stock, request.environ))

    def _operate(self, service: str, name: str, body: bytes) -> dict[str, Any] | None:
        try:
            parameters = json.loads(body or b"{}")
            validate(ApiRequest(service, name, parameters))
        except ValueError as error:
            raise RefusedError("SerializationException", str(error)) from error
        except InvalidRequestError as error:
            raise invalid(f"validation error detected: {error}") from error
        operation = self._operations.get((service, name))
        return operation(parameters) if operation else None

    def _ours(self, response: Response) -> Response:
        """ECR's answers with the registry in place of the host that they name."""
        data = response.get_data()
        response.set_data(
            data.replace(
                self._settings.ecr_host.encode(), self._settings.registry.encode()
            )
        )
        return response

    def _check_access(self, request: Request) -> None:
        """Refuse other access keys than ours; requests without one are moto's to judge
        (presigned URLs).
        """
        header = request.headers.get("Authorization", "")
        key = header.partition("Credential=")[2].partition("/")[0]
        if not key or key == self._settings.access_key or key.startswith(_TEMPORARY):
            return
        if "/s3/aws4_request" in header:
            raise RefusedError(
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
                403,
            )
        if "X-Amz-Target" in request.headers or "/sagemaker/aws4_request" in header:
            raise RefusedError(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        raise RefusedError(
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
            403,
        )


def refusal(error: RefusedError) -> Response:
    """The error as the JSON protocols have it, and as XML for S3 and the query
    protocol.
    """
    if error.code in ("InvalidAccessKeyId", "InvalidClientTokenId"):
        inner = f"<Code>{error.code}</Code><Message>{error.message}</Message>"
        xml = f"<Error>{inner}</Error>"
        if error.code == "InvalidClientTokenId":
            xml = f"<ErrorResponse>{xml}<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
        return Response(xml, error.status, content_type="text/xml")
    # The two JSON protocols read the code from different places, and the message under
    # either spelling.
    body = {
        "__type": error.code,
        "message": error.message,
        "Message": error.message,
        **error.members,
    }
    headers = {"x-amzn-errortype": error.code}
    return Response(
        json.dumps(body),
        error.status,
        headers,
        content_type="application/x-amz-json-1.1",
    )


def _json(value: Mapping[str, Any]) -> Response:
    return Response(json.dumps(value), content_type="application/x-amz-json-1.1")
