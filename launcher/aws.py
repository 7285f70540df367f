"""The one module that talks to AWS: it sends requests, reads lists page by page, and
says in one line why a call failed.

Retries, credentials and endpoints are botocore's own. botocore is slow to import, so
nothing is imported from it before the first call.

A proxy or a wrong address may answer a web page. botocore would take it for an empty
list, or for a resource that doesn't exist, so each answer is looked at before botocore
reads it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from launcher.config import Config
from launcher.errors import AwsError, ConfigError
from launcher.kinds import means_absent
from launcher.permissions import permissions_of
from launcher.requests import Request
from launcher.s3_uri import S3Uri
from launcher.validate import validate

_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "403",
    "AuthorizationError",
    "UnauthorizedAccess",
}
_BAD_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "InvalidSignatureException",
}
# AWS's own words: what was refused, on what, and by which kind of policy.
_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_RESOURCE = re.compile(r"on resource: (\S+)")
_NO_ALLOW = re.compile(r"because no ([\w -]+?) allows")
_DENY = re.compile(r"with an explicit deny in an? ([\w -]*(?:policy|boundary))")
_THROTTLED = {"ThrottlingException", "Throttling", "TooManyRequestsException"}
_ATTEMPTS = 5

# How the body of an answer begins, by the protocol of the service.
_JSON = b"{"
_XML = b"<"
_BEGINNINGS = {
    "json": _JSON,
    "rest-json": _JSON,
    "query": _XML,
    "rest-xml": _XML,
}
_WEB_PAGE = (b"<html", b"<!doctype html")
_BEGINNING_BYTES = 1024
_CHECK_THE_WAY = "check AWS_ENDPOINT_URL and the proxy (HTTPS_PROXY, NO_PROXY)"


_log = logging.getLogger(__name__)


class Aws:
    """AWS with the configuration's region, profile and endpoint.

    Tests put nothing in its place: they run it against a server that has AWS's
    interface.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._clients: dict[str, Any] = {}

    @functools.cached_property
    def session(self) -> Any:
        """The boto3 session.

        Raises:
            ConfigError: there is no such profile, or AWS's own configuration files are
                broken.
        """
        import boto3
        import botocore.session
        from botocore.exceptions import BotoCoreError, ProfileNotFound

        try:
            core = botocore.session.Session(profile=self._config.profile or None)
            folders = core.get_config_variable("data_path")
            core.register_component("data_loader", _descriptions(folders))
            return boto3.Session(
                botocore_session=core, region_name=self._config.region or None
            )
        except ProfileNotFound as error:
            raise ConfigError(
                f"{error}; `aws configure list-profiles` lists those that exist"
            ) from error
        except BotoCoreError as error:
            raise ConfigError(
                f"{error}; mend AWS's own configuration files, in ~/.aws by default"
            ) from error

    @functools.cached_property
    def region(self) -> str:
        """The region in use.

        Raises:
            ConfigError: no region is configured anywhere.
        """
        region = self._config.region or self.session.region_name
        if not region:
            raise ConfigError(
                "no region: set `region` in halfstar.toml, AWS_REGION, or --region"
            )
        return str(region)

    def regions(self, service: str) -> list[str]:
        """The regions of all partitions that have a service."""
        found: list[str] = []
        for partition in self.session.get_available_partitions():
            found += self.session.get_available_regions(service, partition)
        return sorted(found)

    def client(self, service: str) -> Any:
        """The boto3 client of a service, one for all calls.

        Raises:
            ConfigError: a setting isn't one that botocore takes, such as an address
                without its scheme.
        """
        client = self._clients.get(service)
        if client is None:
            client = self._new_client(service)
            self._clients[service] = client
        return client

    def _new_client(self, service: str) -> Any:
        from botocore.config import Config as ClientConfig
        from botocore.exceptions import BotoCoreError

        settings = ClientConfig(
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            connect_timeout=10,
            # SageMaker gives a prediction 60 s, and so does botocore by default: it
            # would give up just before it hears that time is up.
            read_timeout=70,
            user_agent_extra="halfstar",
            s3={"addressing_style": "path"} if self._config.endpoint_url else None,
        )
        try:
            client = self.session.client(
                service,
                region_name=self.region,
                endpoint_url=self._config.endpoint_url or None,
                config=settings,
            )
        except (BotoCoreError, ValueError) as error:
            raise ConfigError(
                f"{service}: {error}; check the region, and the addresses in AWS's "
                "variables and configuration files, which begin with https:// or "
                "http://"
            ) from error
        check = functools.partial(_check_answer, client.meta.endpoint_url)
        client.meta.events.register("before-parse", check)
        return client

    def send(self, request: Request) -> dict[str, Any]:
        """Check a request, send it, and return the answer, its ``Body`` as bytes.

        Raises:
            InvalidRequestError: before anything is sent.
            AwsError: with the call, the cause and what to do.
        """
        _check(request)
        client = self.client(request.service)
        method = getattr(client, _method_name(request.operation))
        parameters = {
            name: value.read_bytes() if isinstance(value, Path) else value
            for name, value in request.parameters.items()
        }
        with _errors_of(request):
            answer = dict(method(**parameters))
            if hasattr(answer.get("Body"), "read"):
                answer["Body"] = answer["Body"].read()
        _check_members(client, request, answer)

        # This one call answers 200 even if a part of it was refused.
        if request.operation == "DeleteObjects" and answer.get("Errors"):
            first = answer["Errors"][0]
            message = f"{first.get('Key')}: {first.get('Message')}"
            refused = {"Code": first.get("Code"), "Message": message}
            raise _client_error(request, {"Error": refused})
        return answer

    def send_or_none(self, request: Request) -> dict[str, Any] | None:
        """As `send`, but None when the resource is absent."""
        try:
            return self.send(request)
        except AwsError as error:
            if error.is_absent:
                return None
            raise

    def read(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Send a request that only reads; raises as `send`."""
        return self.send(Request(service, operation, parameters))

    def read_or_none(
        self, service: str, operation: str, **parameters: Any
    ) -> dict[str, Any] | None:
        """As `read`, but None when the resource is absent."""
        return self.send_or_none(Request(service, operation, parameters))

    def get_object(self, place: S3Uri) -> bytes:
        """The bytes of an object in S3; raises as `send`."""
        answer = self.read("s3", "GetObject", Bucket=place.bucket, Key=place.key)
        return bytes(answer["Body"])

    def pages(
        self, service: str, operation: str, member: str, **parameters: Any
    ) -> Iterator[Any]:
        """Every entry of ``member``, over all pages of a list operation.

        Raises:
            InvalidRequestError: before anything is sent.
            AwsError: as `send`.
        """
        request = Request(service, operation, parameters)
        _check(request)
        client = self.client(service)
        paginator = client.get_paginator(_method_name(operation))
        with _errors_of(request):
            for page in paginator.paginate(**parameters):
                _check_members(client, request, page)
                yield from page.get(member, [])

    def upload(self, request: Request, progress: Callable[[int], None]) -> None:
        """Send a PutObject whose body is a file; a large file goes in parts.

        Args:
            request: its ``Body`` is the file's path.
            progress: called with the number of bytes that were just sent.

        Raises:
            InvalidRequestError: before anything is sent.
            AwsError: as `send`.
        """
        _check(request)
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import ClientError

        extra = {"ChecksumAlgorithm": "SHA256", **request.parameters}
        path = str(extra.pop("Body"))
        bucket = extra.pop("Bucket")
        key = extra.pop("Key")
        client = self.client("s3")
        try:
            with _errors_of(request):
                client.upload_file(
                    path, bucket, key, ExtraArgs=extra, Callback=progress
                )
        except S3UploadFailedError as error:
            cause = error.__context__
            if isinstance(cause, ClientError):
                raise _client_error(request, cause.response) from error
            raise AwsError(f"s3 PutObject {key}: {error}") from error


@functools.cache
def _descriptions(folders: str | None) -> Any:
    """Reads botocore's descriptions of services, each once for all sessions.

    Args:
        folders: more places to look, as botocore's setting ``data_path`` has them.
    """
    from botocore.loaders import create_loader

    return create_loader(folders)


def _check(request: Request) -> None:
    """Check a request before it is sent.

    Raises:
        InvalidRequestError: the service model doesn't allow it.
        LookupError: the table of permissions doesn't have it.
    """
    permissions_of(request)
    validate(request)
    _log.debug("%s %s", request.service, request.operation)


def _method_name(operation: str) -> str:
    from botocore import xform_name

    return str(xform_name(operation))


@contextlib.contextmanager
def _errors_of(request: Request) -> Iterator[None]:
    """Turns botocore's errors into ours."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise _client_error(request, error.response) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise _transport_error(request, error) from error


def _check_answer(
    address: str,
    *,
    operation_model: Any,
    response_dict: dict[str, Any],
    **_others: Any,
) -> None:
    """Check that an answer is in the form of the service; botocore calls this.

    An error of the server itself, from 500, may be a page too. It is left to botocore,
    which tries again, but without the page.

    Raises:
        AwsError: it is something else, such as a proxy's page.
    """
    if _is_of_the_service(operation_model, response_dict):
        return
    status = response_dict["status_code"]
    if status >= 500:
        response_dict["body"] = b""
        return
    service = operation_model.service_model.service_name
    media_type = response_dict["headers"].get("content-type", "no type")
    raise AwsError(
        f"{service} {operation_model.name}: {address} gives an answer that isn't "
        f"AWS's (status {status}, {media_type}); {_CHECK_THE_WAY}"
    )


def _is_of_the_service(operation_model: Any, response: Mapping[str, Any]) -> bool:
    body = response["body"]
    media_type = response["headers"].get("content-type", "")
    is_error = response["status_code"] >= 300
    if not is_error and _body_is_a_value(operation_model):
        return not media_type.startswith("text/html")

    protocol = operation_model.service_model.resolved_protocol
    beginning: bytes = body[:_BEGINNING_BYTES].lstrip().lower()
    if not beginning or protocol not in _BEGINNINGS:
        return True
    # A page may be good XML.
    if beginning.startswith(_XML) and any(tag in beginning for tag in _WEB_PAGE):
        return False
    # A gate in front of a service may say its errors in another form than the service.
    if is_error:
        return beginning.startswith((_JSON, _XML))
    if not beginning.startswith(_BEGINNINGS[protocol]):
        return False
    # Some services speak JSON and XML, and only XML wraps its results.
    return _BEGINNINGS[protocol] == _JSON or _has_result(operation_model, body)


def _has_result(operation_model: Any, body: bytes) -> bool:
    """Whether XML has the element around the result, where the service gives one."""
    shape = operation_model.output_shape
    wrapper = shape.serialization.get("resultWrapper", "") if shape else ""
    return wrapper.encode() in body


def _check_members(client: Any, request: Request, answer: Mapping[str, Any]) -> None:
    """Check that an answer has any of the members that the service always gives.

    Raises:
        AwsError: it has none, so it is some other server's JSON or XML.
    """
    model = client.meta.service_model.operation_model(request.operation)
    required = model.output_shape.required_members if model.output_shape else []
    if required and not any(name in answer for name in required):
        raise AwsError(
            f"{request.service} {request.operation}: {client.meta.endpoint_url} gives "
            f"an answer that isn't AWS's (without {required[0]}); {_CHECK_THE_WAY}"
        )


def _body_is_a_value(operation_model: Any) -> bool:
    """Whether the body is what was asked for, such as an object's content."""
    shape = operation_model.output_shape
    payload = shape.serialization.get("payload") if shape else None
    return payload is not None and shape.members[payload].type_name in (
        "blob",
        "string",
    )


def _client_error(request: Request, response: Mapping[str, Any]) -> AwsError:
    error = response.get("Error", {})
    code = str(error.get("Code", ""))
    message = " ".join(str(error.get("Message", "")).split())
    call = f"{request.service} {request.operation}"
    if code in _DENIED:
        advice = _advice_on_denial(request, message)
        return AwsError(f"{call}: permission denied ({message}); {advice}", code)
    if code in _BAD_CREDENTIALS:
        return AwsError(
            f"{call}: the credentials were refused ({code}: {message}); "
            "renew them, or choose another profile",
            code,
        )
    if code in _THROTTLED:
        return AwsError(
            f"{call}: throttled after {_ATTEMPTS} attempts; "
            "run the command again later",
            code,
        )
    if code.isdigit() and code >= "500":
        return AwsError(
            f"{call}: {code} {message}; {_CHECK_THE_WAY}, or run the command again "
            "later",
            code,
        )
    return AwsError(
        f"{call}: {code}: {message}",
        code,
        is_absent=means_absent(code, message),
        is_present=_PRESENT in message.lower(),
    )


# Services have several codes for it.
_PRESENT = "already exist"


def _advice_on_denial(request: Request, message: str) -> str:
    """What to do about a missing permission, from AWS's own message.

    It names the action, which isn't always the request's: to start a job with a role
    takes ``iam:PassRole``. Some messages name nothing; then it is the request's action.
    """
    denied = _DENY.search(message)
    if denied is not None:
        return (
            f"an explicit deny in a {denied[1]} refuses it, which no other statement "
            "can allow: ask whoever looks after that policy"
        )
    action = _ACTION.search(message)
    resource = _RESOURCE.search(message)
    statement = {
        "Effect": "Allow",
        "Action": action[1] if action else permissions_of(request)[0].action,
        "Resource": resource[1].rstrip(".,;") if resource else "*",
    }
    missing = _NO_ALLOW.search(message)
    policy = missing[1] if missing else "policy"
    return (
        f"add this statement to the {policy} of whoever runs the launcher: "
        f"{json.dumps(statement)}; `launcher policy` prints all that it needs"
    )


def _transport_error(request: Request, error: Exception) -> AwsError:
    """The error of a request that got no answer, or none that can be read."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    no_credentials = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
    )
    expired_login = (exceptions.TokenRetrievalError, exceptions.SSOError)
    no_connection = (exceptions.HTTPClientError, exceptions.ConnectionError)

    message = " ".join(str(error).split())
    said = f"{request.service} {request.operation}: {message}"
    if isinstance(error, no_credentials):
        return AwsError(
            f"{said}; run `aws configure`, set AWS_PROFILE, or export "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, expired_login):
        return AwsError(f"{said}; run `aws sso login`")
    if isinstance(error, no_connection):
        return AwsError(
            f"{said}; check the network, the region and AWS_ENDPOINT_URL, "
            "then run the command again"
        )
    if isinstance(error, ResponseParserError):
        return AwsError(f"{said}; {_CHECK_THE_WAY}")
    return AwsError(said)
