"""The HTTP side: our own operations first, moto for all others.

A request goes through these steps:

1. its access key is checked;
2. one of our routes answers, if its method and path match;
3. it is refused if nobody offers its operation;
4. its parameters are checked against botocore's service model, as AWS does, and against
   what is offered;
5. the operation of its name answers;
6. moto answers, if there is no such operation or the operation leaves it to moto.
"""

from __future__ import annotations

import html
import io
import json
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.parse import QueryParser
from moto.core.utils import get_service_model
from werkzeug.wrappers import Request, Response

from launcher.local.errors import RefusedError
from launcher.local.moto_tables import check_references
from launcher.local.offered import MODELS, check_request, check_service
from launcher.local.operation import Operation, Result
from launcher.local.settings import HEALTH, StackSettings
from movielens.json_text import parse_json

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
# Gets the request, and the path's part that the route's pattern has as its group.
Route = Callable[[Request, str], Response]

_JSON = "application/x-amz-json-1.1"
# Key, date, region, service and the word aws4_request.
_SCOPE = re.compile(r"([^/]+)/[^/]*/([^/]+)/([^/]+)/.*")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Region:
    """What one region has of ours.

    Attributes:
        operations: by the name that a service signs with, and by their own.
        routes: by a regular expression for ``METHOD path`` with one group.
    """

    operations: Mapping[str, Mapping[str, Operation]] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls what, as far as a request's head says it.

    Attributes:
        key: the access key; empty if the request has no signature.
        region: that it is signed for.
        service: the name of the service that it is signed for.
        operation: its name; empty if the service's requests don't have one.
    """

    key: str
    region: str
    service: str
    operation: str

    @classmethod
    def of(cls, request: Request, home: str) -> Call:
        """Read a request's head.

        Args:
            request: may be presigned, or not signed at all, which only S3 takes.
            home: the region of a request that doesn't name one.
        """
        header = request.headers.get("Authorization", "")
        presigned = request.args.get("X-Amz-Credential", "")
        scope = header.partition("Credential=")[2].partition(",")[0] or presigned
        match = _SCOPE.fullmatch(scope)
        if match is None:
            return cls(scope.partition("/")[0], home, "s3", "")

        key, region, service = match.groups()
        operation = request.headers.get("X-Amz-Target", "").partition(".")[2]
        if operation or service == "s3":
            return cls(key, region, service, operation)
        if service == "sagemaker":
            operation = f"{request.method} {request.path}"
        else:
            body_of(request)
            operation = request.values.get("Action", "")
        return cls(key, region, service, operation)


def body_of(request: Request) -> bytes:
    """The body, which whoever comes next may read again."""
    body = request.get_data()
    request.environ["wsgi.input"] = io.BytesIO(body)
    return body


@dataclass(frozen=True, slots=True)
class Gateway:
    """A WSGI application.

    Attributes:
        settings: of the stack.
        moto: answers what we don't.
        region_of: gives what a region has, by its name.
        check_access: returns if a call is allowed.
    """

    settings: StackSettings
    moto: WsgiApplication
    region_of: Callable[[str], Region]
    check_access: Callable[[Call, Request], None]

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        try:
            return self._respond(request)(environ, start_response)
        except RefusedError as error:
            refusal = error
        except NotImplementedError as error:
            # moto's own words name the operation.
            refusal = RefusedError("UnknownOperationException", str(error))
        except Exception as error:  # noqa: BLE001 a bug must reach the caller as well
            _log.exception("%s %s", request.method, request.path)
            message = f"{type(error).__name__}: {error}"
            refusal = RefusedError("InternalFailure", message, 500)
        return error_response(refusal, request)(environ, start_response)

    def _respond(self, request: Request) -> Response:
        if request.path == HEALTH:
            return Response(self.settings.identity)
        call = Call.of(request, self.settings.region)
        self.check_access(call, request)
        region = self.region_of(call.region)
        for pattern, route in region.routes.items():
            match = re.fullmatch(pattern, f"{request.method} {request.path}")
            if match is not None:
                return route(request, match[1])

        check_service(call.service, call.operation)
        if call.service in MODELS:
            result = self._operate(region, call, request)
            if result is not None:
                return Response(json.dumps(result), content_type=_JSON)
        response = Response.from_app(self.moto, request.environ)
        if call.service == "ecr":
            return self._with_our_registry(response, call.region)
        return response

    def _operate(self, region: Region, call: Call, request: Request) -> Result | None:
        """The operation's result; None if moto is to answer."""
        parameters = parameters_of(call, request)
        check_request(call.service, call.operation, parameters)
        if call.operation.startswith("Create"):
            check_references(parameters, call.region)
        operation = region.operations.get(call.service, {}).get(call.operation)
        return operation(parameters) if operation else None

    def _with_our_registry(self, response: Response, region: str) -> Response:
        """The response with our registry in place of AWS's, which moto names."""
        aws_host = self.settings.ecr_host(region).encode()
        our_host = self.settings.registry.encode()
        response.set_data(response.get_data().replace(aws_host, our_host))
        return response


def parameters_of(call: Call, request: Request) -> dict[str, Any]:
    """Of a request in JSON or of a form.

    Raises:
        RefusedError: if it isn't JSON of an object.
    """
    body = body_of(request)
    if "X-Amz-Target" in request.headers:
        try:
            return dict(parse_json(body or b"{}"))
        except (TypeError, ValueError) as error:
            raise RefusedError("SerializationException", str(error)) from error
    model = get_service_model(MODELS.get(call.service, call.service))
    if call.operation not in model.operation_names:
        return {}
    # The parser looks at nothing else.
    form: Any = {"values": request.values}
    return dict(QueryParser(model.operation_model(call.operation)).parse(form))


def error_response(error: RefusedError, request: Request) -> Response:
    """The error as the protocol of its request has it."""
    headers = {"x-amzn-errortype": error.code}
    authorization = request.headers.get("Authorization", "")
    is_json = "X-Amz-Target" in request.headers or "/sagemaker/" in authorization
    if is_json or request.path.startswith("/_local/"):
        # There are two JSON protocols. They read the code from different places, and
        # either may spell the message's member either way.
        document = {
            "__type": error.code,
            "message": error.message,
            "Message": error.message,
            **error.members,
        }
        text = json.dumps(document)
        return Response(text, error.status, headers, content_type=_JSON)

    xml = (
        f"<Error><Code>{error.code}</Code>"
        f"<Message>{html.escape(error.message)}</Message></Error>"
    )
    if "/s3/" not in authorization:
        xml = (
            f"<ErrorResponse>{xml}<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
        )
    return Response(xml, error.status, content_type="text/xml")
