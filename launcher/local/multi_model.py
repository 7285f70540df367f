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
from http import HTTPStatus
from pathlib import Path

from urllib3 import BaseHTTPResponse

from launcher.local.archives import unpack
from launcher.local.errors import FailureReasonError, RefusedError
from launcher.local.service_clients import ServiceClients
from launcher.local.serving_container import Question, ServingContainer
from launcher.s3_uri import S3Uri

MOUNTED = "/opt/ml/models"
TARGET_HEADER = "X-Amzn-SageMaker-Target-Model"
_LOAD_SECONDS = 60.0
# CONFLICT: it is loaded already.
_LOADED = (HTTPStatus.OK, HTTPStatus.CONFLICT)


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
        self, container: ServingContainer, target: str, question: Question
    ) -> BaseHTTPResponse:
        """Ask one model.

        Args:
            container: where the models are loaded.
            target: the model's archive, below the prefix.
            question: for the model.

        Raises:
            RefusedError: if there is no such model.
            urllib3.exceptions.HTTPError: if the container doesn't reply.
        """
        name = hashlib.sha256(target.encode()).hexdigest()[:32]
        path = f"/models/{name}/invoke"
        reply = self._load(container, name, target) or container.ask(path, question)
        if reply.status == HTTPStatus.NOT_FOUND:
            # The container was started anew since, and has no model.
            self._names.pop(name, None)
            reply = self._load(container, name, target) or container.ask(path, question)
        return reply

    def _load(
        self, container: ServingContainer, name: str, target: str
    ) -> BaseHTTPResponse | None:
        """Have the container load a model, if it hasn't; others make room for it.

        Returns:
            The container's reply if it refuses.
        """
        model = {"model_name": name, "url": f"{MOUNTED}/{name}/model"}
        body = json.dumps(model).encode()
        headers = {"Content-Type": "application/json"}
        question = Question(_LOAD_SECONDS, body, headers)
        with self._lock:
            while name not in self._names:
                self._download(name, target)
                reply = container.ask("/models", question)
                is_full = reply.status == HTTPStatus.INSUFFICIENT_STORAGE
                if reply.status in _LOADED:
                    break
                if not is_full or not self._names:
                    return reply
                self._unload(container, next(iter(self._names)))
            # It is the last to be unloaded now.
            self._names.pop(name, None)
            self._names[name] = None
        return None

    def _unload(self, container: ServingContainer, name: str) -> None:
        container.ask(f"/models/{name}", Question(_LOAD_SECONDS), "DELETE")
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
