"""Several models behind one container: fetched when first asked for, dropped when the
container has no more memory.

Speaks the container contract for multi-model endpoints: ``POST /models``, ``DELETE
    /models/NAME``,
``POST /models/NAME/invoke``.
"""

from __future__ import annotations

import hashlib
import http
import json
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

from launcher.local.archives import unpack
from launcher.local.cloud import Cloud
from launcher.local.errors import JobError, RefusedError
from launcher.local.replica import Answer, Replica
from launcher.s3_uri import S3Uri

MOUNTED = "/opt/ml/models"
_LOAD_SECONDS = 60.0
TARGET_HEADER = "X-Amzn-SageMaker-Target-Model"


class LoadedModels:
    """The models of one container, the longest unused first."""

    def __init__(self, cloud: Cloud, where: S3Uri, directory: Path) -> None:
        self._cloud = cloud
        self._where = where
        self._directory = directory
        self._lock = threading.Lock()
        self._loaded: dict[str, None] = {}

    def invoke(
        self,
        replica: Replica,
        target: str,
        body: bytes,
        headers: Mapping[str, str],
        seconds: float,
    ) -> Answer:
        """Ask one model.

        Raises:
            RefusedError: if there is no such model, or the container can't load it.
        """
        name = hashlib.sha256(target.encode()).hexdigest()[:32]
        with self._lock:
            if self._loaded.pop(name, name) is not None:
                self._load(replica, name, target)
            self._loaded[name] = None
        answer = replica.request(
            "POST", f"/models/{name}/invoke", body, headers, seconds=seconds
        )
        if (
            answer.status == http.HTTPStatus.NOT_FOUND
        ):  # a container that was started anew knows none
            with self._lock:
                self._loaded.pop(name, None)
                self._load(replica, name, target)
                self._loaded[name] = None
            answer = replica.request(
                "POST", f"/models/{name}/invoke", body, headers, seconds=seconds
            )
        return answer

    def _load(self, replica: Replica, name: str, target: str) -> None:
        self._fetch(name, target)
        body = json.dumps(
            {"model_name": name, "url": f"{MOUNTED}/{name}/model"}
        ).encode()
        headers = {"Content-Type": "application/json"}
        while True:
            answer = replica.request(
                "POST", "/models", body, headers, seconds=_LOAD_SECONDS
            )
            if answer.status in (
                http.HTTPStatus.OK,
                http.HTTPStatus.CONFLICT,
            ):  # now, or loaded already
                return
            if (
                answer.status != http.HTTPStatus.INSUFFICIENT_STORAGE
                or not self._loaded
            ):
                said = answer.body.decode(errors="replace")
                raise RefusedError(
                    "ModelError",
                    f'Received server error ({answer.status}) from model with message "{said}"',
                    http.HTTPStatus.FAILED_DEPENDENCY,
                    {"OriginalStatusCode": answer.status, "OriginalMessage": said},
                )
            self._unload(replica, next(iter(self._loaded)))

    def _unload(self, replica: Replica, name: str) -> None:
        replica.request("DELETE", f"/models/{name}", seconds=_LOAD_SECONDS)
        del self._loaded[name]
        shutil.rmtree(self._directory / name, ignore_errors=True)

    def _fetch(self, name: str, target: str) -> None:
        directory = self._directory / name / "model"
        if directory.exists():
            return
        archive = self._directory / f"{name}.tar.gz"
        where = S3Uri(
            self._where.bucket,
            f"{self._where.key.rstrip('/')}/{target.lstrip('/')}".lstrip("/"),
        )
        try:
            self._cloud.download(where, archive)
            unpack(archive, directory)
        except JobError as error:
            shutil.rmtree(directory.parent, ignore_errors=True)
            raise RefusedError(
                "ValidationError", f"Failed to download model data({where}): {error}"
            ) from error
        finally:
            archive.unlink(missing_ok=True)
