"""An answer as a value, and how it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import orjson

from serve.asgi import Header, Message, Send
from serve.errors import HttpError

_JSON = "application/json"
# Such an answer has no length either.
_NO_CONTENT = 204


class Response(NamedTuple):
    """An answer.

    Attributes:
        status: of HTTP.
        body: all of the body, or its beginning if there is more.
        media_type: empty for an answer without a body.
        headers: others than those of type and length.
        more: the rest of the body in parts, or None.
        again: makes all parts once more, if there is a rest.
    """

    status: int = 200
    body: bytes = b""
    media_type: str = ""
    headers: tuple[Header, ...] = ()
    more: Iterator[bytes] | None = None
    again: Callable[[], Iterator[bytes]] | None = None

    def start(self) -> Message:
        """The first message of ASGI, with status and headers."""
        headers = list(self.headers)
        if self.more is None and self.status != _NO_CONTENT:
            headers.append((b"content-length", b"%d" % len(self.body)))
        if self.media_type:
            headers.append((b"content-type", self.media_type.encode()))
        return {
            "type": "http.response.start",
            "status": self.status,
            "headers": headers,
        }

    async def send(self, send: Send) -> None:
        """Send an answer that has no more parts."""
        await send(self.start())
        await send({"type": "http.response.body", "body": self.body})

    def measured(self) -> Response:
        """The same answer with its length, for clients that take no chunks.

        The answer is made twice, so that it is never held as a whole.
        """
        if self.more is None or self.again is None:
            return self
        length = len(self.body) + sum(map(len, self.more))
        parts = self.again()
        header = (b"content-length", b"%d" % length)
        return self._replace(
            body=next(parts), headers=(*self.headers, header), more=parts
        )

    def whole(self) -> Response:
        """The same answer with all its parts in one."""
        if self.more is None:
            return self
        body = b"".join([self.body, *self.more])
        return self._replace(body=body, more=None, again=None)


def json_response(value: object) -> Response:
    """An answer with a JSON body."""
    return Response(200, orjson.dumps(value), _JSON)


def error_response(error: HttpError) -> Response:
    """The answer to a request that is refused."""
    return Response(error.status, error.body(), _JSON, error.headers)
