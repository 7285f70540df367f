"""The stack's other services as a job uses them: S3, CloudWatch Logs, IAM, over HTTP as
for anyone.
"""

from __future__ import annotations

import contextlib
import functools
import json
import queue
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from launcher.local.errors import JobError, invalid
from launcher.local.settings import Settings
from launcher.s3_uri import S3Uri

_BATCH_SECONDS = 0.2
_BATCH_EVENTS = 1000
_EVENT_CHARACTERS = 100_000


def parse_s3_uri(uri: str) -> S3Uri:
    """The address that a request names.

    Raises:
        RefusedError: if it isn't one.
    """
    try:
        return S3Uri.parse(uri)
    except ValueError as error:
        raise invalid(str(error)) from None


class Cloud:
    """Clients of the stack's own services."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """The boto3 client of a service; clients may be used by several threads, making
        them may not.
        """
        with self._lock:
            return self._client(service)

    @functools.cache  # noqa: B019 - one object of this class lives as long as the process
    def _client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        settings = Config(
            s3={"addressing_style": "path"}, proxies={}, max_pool_connections=50
        )
        return boto3.client(
            service,
            endpoint_url=self._settings.endpoint_url,
            region_name=self._settings.region,
            aws_access_key_id=self._settings.access_key,
            aws_secret_access_key=self._settings.secret_key,
            config=settings,
        )

    def keys(self, where: S3Uri) -> list[tuple[str, str]]:
        """Sorted keys that begin so, without folders' own entries, each with its ETag.

        Raises:
            JobError: if there is no such bucket.
        """
        s3 = self.client("s3")
        try:
            pages = s3.get_paginator("list_objects_v2").paginate(
                Bucket=where.bucket, Prefix=where.key
            )
            entries = [entry for page in pages for entry in page.get("Contents", [])]
        except s3.exceptions.NoSuchBucket as error:
            raise JobError(
                f"The specified bucket does not exist: {where.bucket}"
            ) from error
        return sorted(
            (entry["Key"], entry["ETag"])
            for entry in entries
            if not entry["Key"].endswith("/")
        )

    def download(self, where: S3Uri, path: Path) -> None:
        """Download one object.

        Raises:
            JobError: if it isn't there.
        """
        from botocore.exceptions import ClientError

        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.client("s3").download_file(where.bucket, where.key, str(path))
        except ClientError as error:
            raise JobError(
                f"ClientError: Failed to download {where}: {error.response['Error']['Message']}"
            ) from error
        except OSError as error:
            raise JobError(
                f"ClientError: Failed to download {where} to this disk: {error.strerror}"
            ) from error

    def read(self, where: S3Uri) -> bytes:
        """An object's bytes.

        Raises:
            JobError: if it isn't there.
        """
        from botocore.exceptions import ClientError

        try:
            return bytes(
                self.client("s3")
                .get_object(Bucket=where.bucket, Key=where.key)["Body"]
                .read()
            )
        except ClientError as error:
            raise JobError(
                f"ClientError: Failed to download {where}: {error.response['Error']['Message']}"
            ) from error

    def chunks(self, where: S3Uri, size: int = 2**20) -> Iterator[bytes]:
        """An object's bytes, piece by piece."""
        body = self.client("s3").get_object(Bucket=where.bucket, Key=where.key)["Body"]
        yield from body.iter_chunks(size)

    def upload(self, path: Path, where: S3Uri) -> None:
        """Upload a file.

        Raises:
            JobError: if the bucket doesn't take it.
        """
        from boto3.exceptions import S3UploadFailedError

        try:
            self.client("s3").upload_file(str(path), where.bucket, where.key)
        except S3UploadFailedError as error:
            raise JobError(
                f"ClientError: Failed to upload to {where}: {error}"
            ) from error

    def write(self, data: bytes, where: S3Uri) -> None:
        """Put bytes as an object.

        Raises:
            JobError: if the bucket doesn't take it.
        """
        from botocore.exceptions import ClientError

        try:
            self.client("s3").put_object(Bucket=where.bucket, Key=where.key, Body=data)
        except ClientError as error:
            raise JobError(
                f"ClientError: Failed to upload to {where}: {error.response['Error']['Message']}"
            ) from error

    def delete(self, where: S3Uri) -> None:
        """Delete an object."""
        self.client("s3").delete_object(Bucket=where.bucket, Key=where.key)

    def check_role(self, arn: str) -> None:
        """Return when SageMaker may take the role.

        Raises:
            RefusedError: if there is no such role, or its trust policy doesn't name
                SageMaker.
        """
        from botocore.exceptions import ClientError

        refusal = invalid(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role."
        )
        try:
            role = self.client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
        except ClientError as error:
            raise refusal from error
        policy = role["AssumeRolePolicyDocument"]
        document = (
            policy
            if isinstance(policy, dict)
            else json.loads(urllib.parse.unquote(policy))
        )
        if role["Arn"] != arn or not any(
            _trusts_sagemaker(s) for s in _as_list(document.get("Statement"))
        ):
            raise refusal


class LogStream(threading.Thread):
    """A stream of CloudWatch Logs, written in batches by a thread of its own, so that
    no container waits for it.
    """

    def __init__(self, cloud: Cloud, group: str, stream: str) -> None:
        super().__init__(daemon=True, name=f"logs-{stream}")
        self._logs = cloud.client("logs")
        self._place = {"logGroupName": group, "logStreamName": stream}
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        for create, parameters in (
            (self._logs.create_log_group, {"logGroupName": group}),
            (self._logs.create_log_stream, self._place),
        ):
            with contextlib.suppress(
                self._logs.exceptions.ResourceAlreadyExistsException
            ):
                create(**parameters)
        self.start()

    def write(self, line: str) -> None:
        """Add a line; an empty one isn't an event."""
        if line.strip():
            self._events.put(
                {
                    "timestamp": int(time.time() * 1000),
                    "message": line[:_EVENT_CHARACTERS],
                }
            )

    def close(self) -> None:
        """Return when all is sent."""
        self._events.put(None)
        self.join()

    def run(self) -> None:
        """Send what gathers within a moment, until the end is said."""
        ended = False
        while not ended:
            events = [self._events.get()]
            time.sleep(_BATCH_SECONDS)
            while len(events) < _BATCH_EVENTS and not self._events.empty():
                events.append(self._events.get())
            ended = events[-1] is None
            if batch := [event for event in events if event is not None]:
                self._logs.put_log_events(**self._place, logEvents=batch)


def _trusts_sagemaker(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    services = _as_list(principal.get("Service")) if isinstance(principal, dict) else []
    return statement.get("Effect") == "Allow" and "sagemaker.amazonaws.com" in services


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
