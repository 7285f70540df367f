"""Several models in one container: each is loaded when it is first asked for, and the
one unused for longest is unloaded when the container has no memory left.

Speaks SageMaker's container contract for multi-model endpoints: ``POST /models``,
``DELETE /models/NAME`` and ``POST /models/NAME/invoke``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from launcher.local.archives import unpack
from launcher.local.errors import FailureReasonError, RefusedError
from launcher.local.service_clients import ServiceClients
from launcher.local.serving_container import Reply, ServingContainer
from launcher.s3_uri import S3Uri

MOUNTED = "/opt/ml/models"
TARGET_HEADER = "X-Amzn-SageMaker-Target-Model"
_LOAD_SECONDS = 60.0


class LoadedModels:
    """The models that a container has loaded.

    Args:
        clients: to read from S3.
        prefix: what the archives of the models are below.
        directory: mounted in the container as `MOUNTED`.
    """

    def __init__(self, clients: ServiceClients, prefix: S3Uri, directory: Path) -> None:
        self._clients = clients
        self._prefix = prefix
        self._directory = directory
        self._lock = threading.Lock()
        # A dict as an ordered set: the model unused for longest comes first.
        self._names: dict[str, None] = {}

    def invoke(
        self,
        container: ServingContainer,
        target: str,
        body: bytes,
        headers: Mapping[str, str],
        seconds: float,
    ) -> Reply:
        """Ask one model.

        Args:
            container: where the models are loaded.
            target: the model's archive, below the prefix.
            body: of the request.
            headers: of the request.
            seconds: how long a reply may take.

        Raises:
            RefusedError: if there is no such model, or it can't be loaded.
            UnavailableError: if there is no connection.
            SlowError: if the container doesn't reply in time.
        """
        name = hashlib.sha256(target.encode()).hexdigest()[:32]
        path = f"/models/{name}/invoke"
        with self._lock:
            if name not in self._names:
                self._load(container, name, target)
            self._mark_as_used(name)
        reply = container.request("POST", path, body, headers, seconds=seconds)
        if reply.status == HTTPStatus.NOT_FOUND:
            # The container was started anew since, and has no model.
            with self._lock:
                self._names.pop(name, None)
                self._load(container, name, target)
                self._mark_as_used(name)
            reply = container.request("POST", path, body, headers, seconds=seconds)
        return reply

    def _mark_as_used(self, name: str) -> None:
        self._names.pop(name, None)
        self._names[name] = None

    def _load(self, container: ServingContainer, name: str, target: str) -> None:
        """Have the container load a model; others make room for it."""
        self._download(name, target)
        model = {"model_name": name, "url": f"{MOUNTED}/{name}/model"}
        body = json.dumps(model).encode()
        headers = {"Content-Type": "application/json"}
        while True:
            reply = container.request(
                "POST", "/models", body, headers, seconds=_LOAD_SECONDS
            )
            # CONFLICT: it is loaded already.
            if reply.status in (HTTPStatus.OK, HTTPStatus.CONFLICT):
                return
            is_full = reply.status == HTTPStatus.INSUFFICIENT_STORAGE
            if not is_full or not self._names:
                raise RefusedError(
                    "ModelError",
                    f"Received server error ({reply.status}) from model with message "
                    f'"{reply.text}"',
                    HTTPStatus.FAILED_DEPENDENCY,
                    {
                        "OriginalStatusCode": reply.status,
                        "OriginalMessage": reply.text,
                    },
                )
            unused_for_longest = next(iter(self._names))
            self._unload(container, unused_for_longest)

    def _unload(self, container: ServingContainer, name: str) -> None:
        container.request("DELETE", f"/models/{name}", seconds=_LOAD_SECONDS)
        del self._names[name]
        shutil.rmtree(self._directory / name, ignore_errors=True)

    def _download(self, name: str, target: str) -> None:
        directory = self._directory / name / "model"
        if directory.exists():
            return
        archive = self._directory / f"{name}.tar.gz"
        source = self._prefix / target.lstrip("/")
        try:
            self._clients.download(source, archive)
            unpack(archive, directory)
        except FailureReasonError as error:
            shutil.rmtree(directory.parent, ignore_errors=True)
            raise RefusedError(
                "ValidationError", f"Failed to download model data({source}): {error}"
            ) from error
        finally:
            archive.unlink(missing_ok=True)
