"""A container that serves a model: started, asked for its health, asked for
predictions, and started anew when it ends by itself.

One may serve several models: each is loaded when it is first asked for, and the one
unused for longest is unloaded when the container has no memory left. For that it speaks
SageMaker's container contract for multi-model endpoints: ``POST /models``, ``DELETE
/models/NAME`` and ``POST /models/NAME/invoke``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from urllib3 import BaseHTTPResponse, HTTPConnectionPool
from urllib3.exceptions import HTTPError

from launcher.local.archives import download_archive
from launcher.local.errors import FailureReasonError, unusable
from launcher.local.log_stream import LogStream
from launcher.local.service_clients import ServiceClients
from launcher.local.stack_parts import StackParts
from launcher.ports import LOOPBACK
from launcher.s3_uri import S3Uri

_CONTAINER_PORT = 8080
_PING_SECONDS = 2.0
_POLL_SECONDS = 0.05
_RESTART_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Question:
    """What a container is asked.

    Attributes:
        seconds: how long a reply may take.
        body: of the request.
        headers: of the request.
        is_streamed: whether a reply is given before its body is there.
    """

    seconds: float
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_streamed: bool = False


class ServingContainer:
    """One container, and those that replace it.

    Args:
        parts: of the stack.
        image: by the engine's name.
        options: of ``docker run``.
        stream: where its log goes; `stop` closes it.
        is_isolated: whether it has a network of its own, which leads nowhere.
    """

    def __init__(
        self,
        parts: StackParts,
        image: str,
        options: Sequence[str],
        stream: LogStream,
        *,
        is_isolated: bool,
    ) -> None:
        self._engine = parts.engine
        self._limits = parts.settings.limits
        self._image = image
        self._stream = stream
        self._container = ""
        self._address = ("", 0)
        self._networks = contextlib.ExitStack()
        reached_by = ["--publish", f"{LOOPBACK}::{_CONTAINER_PORT}"]
        if is_isolated:
            network = self._engine.network(uuid.uuid4().hex, is_isolated=True)
            reached_by = ["--network", self._networks.enter_context(network)]
        self._options = [*options, *reached_by]
        self._stopped = threading.Event()
        self._restarter: threading.Thread | None = None

    def start(self) -> None:
        """Start it, and return once ``/ping`` answers 200.

        Raises:
            FailureReasonError: if it can't be started, ends, or takes too long.
        """
        self._run()
        deadline = time.monotonic() + self._limits.health_seconds
        while not self._is_healthy():
            if not self._engine.is_running(self._container):
                raise FailureReasonError(
                    "the container ended before it answered a ping"
                )
            if time.monotonic() > deadline:
                raise FailureReasonError("no ping was answered with 200 in time")
            time.sleep(_POLL_SECONDS)
        self._restarter = threading.Thread(
            target=self._keep_running, daemon=True, name="serving"
        )
        self._restarter.start()

    def stop(self) -> None:
        """End and remove it."""
        self._stopped.set()
        self._engine.stop(self._container, self._limits.hosting_stop_seconds)
        if self._restarter is not None:
            self._restarter.join()
        self._engine.remove(self._container)
        self._networks.close()
        self._stream.close()

    def ask(
        self, path: str, question: Question, method: str = "POST"
    ) -> BaseHTTPResponse:
        """Ask the container.

        Raises:
            urllib3.exceptions.ReadTimeoutError: if it doesn't reply in time.
            urllib3.exceptions.HTTPError: if there is no connection.
        """
        seconds = question.seconds
        with HTTPConnectionPool(*self._address, timeout=seconds, retries=False) as pool:
            return pool.urlopen(
                method,
                path,
                question.body or None,
                question.headers,
                preload_content=not question.is_streamed,
            )

    def _is_healthy(self) -> bool:
        with contextlib.suppress(HTTPError):
            reply = self.ask("/ping", Question(_PING_SECONDS), "GET")
            return reply.status == HTTPStatus.OK
        return False

    def _run(self) -> None:
        options = self._options
        self._container = self._engine.start(self._image, ["serve"], options)

        follower = threading.Thread(target=self._follow_log, daemon=True)
        follower.start()
        self._log_follower = follower
        self._address = self._engine.address(self._container, _CONTAINER_PORT)

    def _follow_log(self) -> None:
        for line in self._engine.lines(self._container):
            self._stream.write(line)

    def _keep_running(self) -> None:
        """Replace a container that ends by itself, as often as it takes."""
        while True:
            # The log ends with its container.
            self._log_follower.join()
            if self._stopped.wait(_RESTART_SECONDS):
                return
            self._engine.remove(self._container)
            with contextlib.suppress(FailureReasonError):
                self._run()


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
        source = self._prefix / target.lstrip("/")
        try:
            download_archive(self._clients, source, directory)
        except FailureReasonError as error:
            shutil.rmtree(directory.parent, ignore_errors=True)
            raise unusable(
                f"Failed to download model data({source}): {error}"
            ) from error
