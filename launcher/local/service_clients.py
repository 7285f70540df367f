"""boto3's clients of the stack's own services, and what jobs do with S3."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from launcher.local.errors import FailureReasonError, failing, invalid
from launcher.local.settings import StackSettings
from launcher.s3_uri import S3Uri
from movielens.regular_files import open_regular

_CONFIG = Config(s3={"addressing_style": "path"}, proxies={}, max_pool_connections=50)


def parse_s3_uri(uri: str) -> S3Uri:
    """The S3 address in a request.

    Raises:
        RefusedError: if it isn't one.
    """
    try:
        return S3Uri.parse(uri)
    except ValueError as error:
        raise invalid(str(error)) from None


class ServiceClients:
    """Clients that reach the services over HTTP, like anyone's.

    Args:
        settings: of the stack.
        session: has the access key; the administrator's by default.
    """

    def __init__(
        self, settings: StackSettings, session: boto3.Session | None = None
    ) -> None:
        keys = (settings.access_key, settings.secret_key)
        self._settings = settings
        self._session = session or boto3.Session(*keys)
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._of_roles: dict[str, ServiceClients] = {}

    def client(self, service: str) -> Any:
        """The boto3 client of a service.

        Several threads may use one client, but not make clients at the same time.
        """
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service,
                    region_name=self._settings.region,
                    endpoint_url=self._settings.endpoint_url,
                    config=_CONFIG,
                )
            return self._clients[service]

    def of_role(self, role: str) -> ServiceClients:
        """Clients with a role's keys, if IAM is enforced."""
        if not self._settings.enforces_iam:
            return self
        if role not in self._of_roles:
            sts = self.client("sts")
            made = sts.assume_role(RoleArn=role, RoleSessionName="SageMaker")
            keys = made["Credentials"]
            session = boto3.Session(
                keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
            )
            self._of_roles[role] = ServiceClients(self._settings, session)
        return self._of_roles[role]

    def objects(self, prefix: S3Uri) -> list[S3Uri]:
        """The objects whose keys begin with the prefix's, sorted.

        Entries that S3's console makes for folders are left out.

        Raises:
            FailureReasonError: if there is no such bucket, or it isn't to be read.
        """
        s3 = self.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=prefix.bucket, Prefix=prefix.key
        )
        with failing(f"ClientError: Failed to list {prefix}", ClientError):
            keys = [key for key in pages.search("Contents[].Key") if key]
        return [
            S3Uri(prefix.bucket, key) for key in sorted(keys) if not key.endswith("/")
        ]

    def download(self, source: S3Uri, path: Path) -> None:
        """Download one object; the folders above ``path`` are made.

        Raises:
            FailureReasonError: if there is no such object, its key leads out of its
                folder, the disk is full, or a file is where a folder has to be.
        """
        failure = f"ClientError: Failed to download {source}"
        if ".." in PurePosixPath(source.key).parts:
            raise FailureReasonError(f"{failure}: its key leads out of the folder")
        s3 = self.client("s3")
        on_disk = failing(f"{failure} to this disk", OSError)
        with on_disk, failing(failure, ClientError):
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(source.bucket, source.key, str(path))

    def download_folder(self, prefix: S3Uri, directory: Path) -> None:
        """Download the objects below a prefix, as they lie there.

        Raises:
            FailureReasonError: as `objects` and `download`.
        """
        for found in self.objects(prefix):
            name = found.key.removeprefix(prefix.key).lstrip("/")
            self.download(found, directory / name)

    def read(self, source: S3Uri) -> bytes:
        """An object's bytes.

        Raises:
            FailureReasonError: if there is no such object.
        """
        return b"".join(self.chunks(source))

    def chunks(self, source: S3Uri, size: int = 2**20) -> Iterator[bytes]:
        """An object's bytes, at most ``size`` at a time.

        Raises:
            FailureReasonError: if there is no such object.
        """
        s3 = self.client("s3")
        with failing(f"ClientError: Failed to download {source}", ClientError):
            found = s3.get_object(Bucket=source.bucket, Key=source.key)
        yield from found["Body"].iter_chunks(size)

    def upload(
        self,
        path: Path,
        target: S3Uri,
        key: str | None = None,
        below: Path | None = None,
    ) -> None:
        """Upload a file.

        Args:
            path: of the file.
            target: where it goes.
            key: the KMS key that encrypts it, if there is one.
            below: the directory in which the file must be; None if it may be anywhere.

        Raises:
            FailureReasonError: if S3 refuses it.
            OSError: if there is no such file there.
        """
        with open_regular(path, below) as file:
            self._put(file, target, key)

    def write(self, data: bytes, target: S3Uri, key: str | None = None) -> None:
        """Upload bytes as one object, encrypted by a KMS key if there is one.

        Raises:
            FailureReasonError: if S3 refuses it.
        """
        self._put(io.BytesIO(data), target, key)

    def _put(self, file: IO[bytes], target: S3Uri, key: str | None) -> None:
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
        s3 = self.client("s3")
        with failing(f"ClientError: Failed to upload to {target}", ClientError):
            s3.upload_fileobj(
                file, target.bucket, target.key, ExtraArgs=encryption if key else {}
            )

    def delete(self, target: S3Uri) -> None:
        """Delete an object."""
        self.client("s3").delete_object(Bucket=target.bucket, Key=target.key)
