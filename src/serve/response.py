"""An answer as a value, and how it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, NamedTuple

import orjson

from serve.errors import CODES, HttpError

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

_JSON = "application/json"


class Response(NamedTuple):
    """An answer; where there are ``more`` parts, the body is only its beginning."""

    status: int = 200
    body: bytes = b""
    media_type: str = ""
    headers: tuple[Header, ...] = ()
    more: Iterator[bytes] | None = None

    def start(self) -> Message:
        """The first message of ASGI."""
        headers: list[Header] = [*self.headers]
        if self.more is None:
            headers.append((b"content-length", b"%d" % len(self.body)))
        if self.media_type:
            headers.append((b"content-type", self.media_type.encode()))
        return {
            "type": "http.response.start",
            "status": self.status,
            "headers": headers,
        }

    async def send(self, send: Send) -> None:
        """Send what isn't in parts, in two messages, as ASGI wants it."""
        await send(self.start())
        await send({"type": "http.response.body", "body": self.body})

    def whole(self) -> Response:
        """The same with all its parts in one."""
        if self.more is None:
            return self
        return Response(
            self.status,
            b"".join([self.body, *self.more]),
            self.media_type,
            self.headers,
        )


def json_response(value: object, status: int = 200) -> Response:
    """A JSON body."""
    return Response(status, orjson.dumps(value), _JSON)


def error_response(error: HttpError) -> Response:
    """The JSON body that every refusal has."""
    body = orjson.dumps({"error": {"code": CODES[error.status], "message": str(error)}})
    return Response(error.status, body, _JSON, error.headers)
