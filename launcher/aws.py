"""The one place that talks to AWS: sends requests, pages through lists, and says in one
line why a call failed.

Retries, credentials and endpoints are botocore's own. Nothing is imported from it
before the first call.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from launcher.config import Config
from launcher.errors import AwsError, ConfigError
from launcher.requests import Request
from launcher.validate import validate

_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "403",
    "AuthorizationError",
    "UnauthorizedAccess",
}
_CREDENTIALS = {
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
# Operations whose permission has another name than they have.
_PERMISSIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:DeleteObjects": "s3:DeleteObjectVersion",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
}
_SIGNING_NAMES = {"sagemaker-runtime": "sagemaker"}
_ATTEMPTS = 5
_ABSENT = {
    "404",
    "LifecyclePolicyNotFoundException",
    "NoSuchBucket",
    "NoSuchEntity",
    "NoSuchKey",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchTagSet",
    "NoSuchTagSetError",
    "NotFound",
    "RepositoryNotFoundException",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "ServerSideEncryptionConfigurationNotFoundError",
}


class Aws:
    """AWS with the configuration's region, profile and endpoint; clients are made when
    they are first needed.

    Tests give nothing in its place: they run it against a server of AWS's interface.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    @functools.cached_property
    def session(self) -> Any:
        """The boto3 session.

        Raises:
            ConfigError: if there is no such profile.
        """
        import boto3
        from botocore.exceptions import ProfileNotFound

        try:
            return boto3.Session(
                profile_name=self._config.profile or None,
                region_name=self._config.region or None,
            )
        except ProfileNotFound as error:
            raise ConfigError(
                f"{error}; `aws configure list-profiles` names those that there are"
            ) from error

    @functools.cached_property
    def region(self) -> str:
        """The region in use.

        Raises:
            ConfigError: if none is configured anywhere.
        """
        region = self._config.region or self.session.region_name
        if not region:
            raise ConfigError(
                "no region: set `region` in halfstar.toml, AWS_REGION, or --region"
            )
        return str(region)

    def regions(self, service: str) -> list[str]:
        """The regions that have a service, of all partitions."""
        partitions = self.session.get_available_partitions()
        return sorted(
            r
            for p in partitions
            for r in self.session.get_available_regions(service, p)
        )

    @functools.cache  # noqa: B019 - one object of this class lives as long as the process
    def client(self, service: str) -> Any:
        """The boto3 client of a service, one for all calls."""
        from botocore.config import Config as ClientConfig

        settings = ClientConfig(
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            connect_timeout=10,
            # A prediction may take SageMaker's 60 s; botocore's default would give up
            # with it.
            read_timeout=70,
            user_agent_extra="halfstar",
            s3={"addressing_style": "path"} if self._config.endpoint_url else None,
        )
        return self.session.client(
            service,
            region_name=self.region,
            endpoint_url=self._config.endpoint_url or None,
            config=settings,
        )

    def send(self, request: Request) -> dict[str, Any]:
        """Validate, send, and give the answer.

        Raises:
            InvalidRequestError: before anything is sent.
            AwsError: with the call, the cause and what to do.
        """
        validate(request)
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.client(request.service)
        method = getattr(client, _method_name(request.operation))
        parameters = {
            name: _opened(value) for name, value in request.parameters.items()
        }
        try:
            answer = dict(method(**parameters))
        except ClientError as error:
            raise _client_error(request, error.response) from error
        except BotoCoreError as error:
            raise _transport_error(request, error) from error
        if request.operation == "DeleteObjects" and answer.get("Errors"):
            # The one call here that answers 200 although a part of it was refused.
            first = answer["Errors"][0]
            refused = {
                "Code": first.get("Code"),
                "Message": f"{first.get('Key')}: {first.get('Message')}",
            }
            raise _client_error(request, {"Error": refused})
        return answer

    def read(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Send a request that only reads."""
        return self.send(Request(service, operation, parameters))

    def read_or_none(
        self, service: str, operation: str, **parameters: Any
    ) -> dict[str, Any] | None:
        """The same, or None where there is no such thing."""
        try:
            return self.read(service, operation, **parameters)
        except AwsError as error:
            if error.is_absent:
                return None
            raise

    def pages(
        self, service: str, operation: str, member: str, **parameters: Any
    ) -> Iterator[Any]:
        """Every entry of ``member`` over all pages of a list operation."""
        from botocore.exceptions import BotoCoreError, ClientError

        request = Request(service, operation, parameters)
        validate(request)
        try:
            for page in (
                self.client(service)
                .get_paginator(_method_name(operation))
                .paginate(**parameters)
            ):
                yield from page.get(member, [])
        except ClientError as error:
            raise _client_error(request, error.response) from error
        except BotoCoreError as error:
            raise _transport_error(request, error) from error

    def upload(self, request: Request, progress: Callable[[int], None]) -> None:
        """Send a PutObject whose body is a file, in parts where that is large;
        ``progress`` is told numbers of bytes.

        Raises:
            InvalidRequestError: before anything is sent.
            AwsError: as `send`.
        """
        validate(request)
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError

        extra = {"ChecksumAlgorithm": "SHA256", **request.parameters}
        path, bucket, key = (extra.pop(name) for name in ("Body", "Bucket", "Key"))
        try:
            self.client("s3").upload_file(
                str(path), bucket, key, ExtraArgs=extra, Callback=progress
            )
        except (S3UploadFailedError, ClientError) as error:
            cause = error if isinstance(error, ClientError) else error.__context__
            if isinstance(cause, ClientError):
                raise _client_error(request, cause.response) from error
            raise AwsError(f"s3 PutObject {key}: {error}") from error
        except BotoCoreError as error:
            raise _transport_error(request, error) from error


def permission(request: Request) -> str:
    """The IAM action that a request needs."""
    name = f"{_SIGNING_NAMES.get(request.service, request.service)}:{request.operation}"
    return _PERMISSIONS.get(name, name)


def _method_name(operation: str) -> str:
    from botocore import xform_name

    return str(xform_name(operation))


def _opened(value: Any) -> Any:
    return value.read_bytes() if isinstance(value, Path) else value


def _client_error(request: Request, response: Mapping[str, Any]) -> AwsError:
    code = str(response.get("Error", {}).get("Code", ""))
    said = " ".join(str(response.get("Error", {}).get("Message", "")).split())
    call = f"{request.service} {request.operation}"
    if code in _DENIED:
        return AwsError(
            f"{call}: permission denied ({said}); {_advice(request, said)}", code
        )
    if code in _CREDENTIALS:
        return AwsError(
            f"{call}: the credentials were refused ({code}: {said}); renew them, or choose a profile",
            code,
        )
    if code in {"ThrottlingException", "Throttling", "TooManyRequestsException"}:
        return AwsError(
            f"{call}: throttled after {_ATTEMPTS} attempts; run the command again later",
            code,
        )
    return AwsError(f"{call}: {code}: {said}", code, is_absent=_is_absent(code, said))


def _advice(request: Request, said: str) -> str:
    resource = re.search(r"on resource: (arn:\S+)", said)
    statement = {
        "Effect": "Allow",
        "Action": permission(request),
        "Resource": resource[1] if resource else "*",
    }
    return f"add this statement to the policy of whoever runs the launcher: {json.dumps(statement)}"


def _transport_error(request: Request, error: Exception) -> AwsError:
    from botocore import exceptions

    call = f"{request.service} {request.operation}"
    said = " ".join(str(error).split())
    if isinstance(
        error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError
    ):
        return AwsError(
            f"{call}: {said}; run `aws configure`, set AWS_PROFILE, or export AWS_ACCESS_KEY_ID and its secret"
        )
    if isinstance(error, exceptions.TokenRetrievalError | exceptions.SSOError):
        return AwsError(f"{call}: {said}; run `aws sso login`")
    if isinstance(
        error, exceptions.HTTPClientError | exceptions.EndpointConnectionError
    ):
        return AwsError(
            f"{call}: {said}; check the network, the region and AWS_ENDPOINT_URL, then run the command again"
        )
    return AwsError(f"{call}: {said}")


def _is_absent(code: str, message: str) -> bool:
    # SageMaker answers for what isn't there with ValidationException and one of these.
    said = re.search(
        r"could not find|does not exist|not found|RecordNotFound",
        message,
        re.IGNORECASE,
    )
    return code in _ABSENT or (code == "ValidationException" and bool(said))
