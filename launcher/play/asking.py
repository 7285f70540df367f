"""Questions to a model that answers on this machine.

An endpoint of SageMaker is asked by `launcher.endpoint_client`, which has the same
method `ask`.
"""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from launcher.errors import ConfigError, JobFailedError, LauncherError
from movielens.json_text import parse_json

_JSON = "application/json"
_SECONDS = 60.0


class Asks(Protocol):
    """Something that answers questions in the server's JSON."""

    def ask(self, question: dict[str, Any]) -> Any:
        """The JSON of the answer.

        Raises:
            JobFailedError: the model refused the question; the message has its words.
            LauncherError: it couldn't be asked.
        """


class ServerClient:
    """Asks a server on this machine, over one connection that stays open.

    One worker of the server answers all questions then, so what it imports for the
    first one is there for the next. The connection ends with the context.

    Args:
        url: of the server, such as ``http://127.0.0.1:8080``.

    Raises:
        ConfigError: the address isn't one.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ConfigError(
                f"--url is {url!r}, expected an address such as http://127.0.0.1:8080"
            )
        self._url = url
        self._connection = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=_SECONDS
        )
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, question: dict[str, Any]) -> Any:
        """See `Asks.ask`."""
        body = json.dumps(question).encode()
        with self._one_at_a_time:
            status, answer = self._post(body)
        try:
            value = parse_json(answer)
        except ValueError as error:
            raise LauncherError(
                f"{self._url} answered with status {status} and no JSON: check that "
                "it is a server of this project"
            ) from error
        if status == http.client.OK:
            return value
        raise JobFailedError(_message(value, status))

    def _post(self, body: bytes) -> tuple[int, bytes]:
        try:
            return self._send(body)
        except (OSError, http.client.HTTPException):
            # The server closes a connection that was idle for a while.
            self._connection.close()
        try:
            return self._send(body)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise LauncherError(
                f"{self._url} doesn't answer ({error}): start the server again"
            ) from error

    def _send(self, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": _JSON, "Accept": _JSON}
        self._connection.request("POST", "/invocations", body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()


def _message(value: Any, status: int) -> str:
    try:
        return str(value["error"]["message"])
    except (LookupError, TypeError):
        return f"the server answered with status {status}"
