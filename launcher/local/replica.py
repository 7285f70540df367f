"""One container that serves: started with a model, asked for its health, started anew
when it ends by itself.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from launcher.local.cloud import LogStream
from launcher.local.errors import JobError
from launcher.local.platform import Platform
from launcher.ports import LOOPBACK

_CONTAINER_PORT = 8080
_PING_SECONDS = 2.0
_POLL_SECONDS = 0.05
_RESTART_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a container answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnavailableError(Exception):
    """No container answers at the moment."""


class SlowError(Exception):
    """No answer within the time that there is."""


class Replica:
    """A serving container.

    Args:
        platform: the stack's parts.
        image: as the engine knows it.
        options: of ``docker run``.
        stream: where its log goes.
    """

    def __init__(
        self, platform: Platform, image: str, options: Sequence[str], stream: LogStream
    ) -> None:
        self._platform = platform
        self._image = image
        self._options = [
            *platform.user_options(),
            *options,
            "--publish",
            f"{LOOPBACK}::{_CONTAINER_PORT}",
        ]
        self._stream = stream
        self._container = ""
        self._port = 0
        self._stopped = threading.Event()
        self._keeper: threading.Thread | None = None

    def start(self) -> None:
        """Return once ``/ping`` answers 200.

        Raises:
            JobError: if the container ends before, or takes too long.
        """
        self._run()
        deadline = time.monotonic() + self._platform.settings.limits.health_seconds
        while not self.is_healthy():
            if not self._platform.docker.is_running(self._container):
                raise JobError("the container ended before it answered a ping")
            if time.monotonic() > deadline or self._stopped.is_set():
                raise JobError("no ping was answered with 200 in time")
            time.sleep(_POLL_SECONDS)
        self._keeper = threading.Thread(target=self._keep, daemon=True, name="replica")
        self._keeper.start()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL, and remove it."""
        self._stopped.set()
        self._platform.docker.stop(
            self._container, self._platform.settings.limits.hosting_stop_seconds
        )
        if self._keeper is not None:
            self._keeper.join()
        self._platform.docker.remove(self._container)
        self._stream.close()

    def is_healthy(self) -> bool:
        """Whether ``/ping`` answers 200."""
        with contextlib.suppress(UnavailableError, SlowError):
            return (
                self.request("GET", "/ping", seconds=_PING_SECONDS).status
                == http.HTTPStatus.OK
            )
        return False

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float,
    ) -> Answer:
        """Ask the container.

        Raises:
            UnavailableError: if there is no connection.
            SlowError: if it doesn't answer in time.
        """
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=seconds)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            return Answer(
                response.status, dict(response.headers.items()), response.read()
            )
        except TimeoutError as error:
            raise SlowError from error
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError from error
        finally:
            connection.close()

    def _run(self) -> None:
        self._container = self._platform.docker.start(
            self._image, ["serve"], self._options
        )
        self._follower = threading.Thread(
            target=self._follow, args=[self._container], daemon=True
        )
        self._follower.start()
        self._port = self._platform.docker.port(self._container, _CONTAINER_PORT)

    def _follow(self, container: str) -> None:
        for line in self._platform.docker.lines(container):
            self._stream.write(line)

    def _keep(self) -> None:
        """A container that ends by itself is replaced, for as long as it takes."""
        while True:
            self._follower.join()
            if self._stopped.wait(_RESTART_SECONDS):
                return
            self._platform.docker.remove(self._container)
            with contextlib.suppress(JobError):
                self._run()
