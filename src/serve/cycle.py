"""One request and its answer: uvicorn's cycle, which writes most answers at once.

uvicorn writes an answer's head when it begins and its body behind it, and it looks at
every header for characters that don't belong there. Ours are constants, numbers and
what was checked before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from serve.asgi import Header, Message

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

_CONTENT_LENGTH = b"content-length"
_CONNECTION = b"connection"


class Cycle(RequestResponseCycle):
    """A cycle that holds the head of an answer back until its body comes."""

    _start: Message | None = None

    async def send(self, message: ASGISendEvent) -> None:
        """Take a message of ASGI from the application."""
        if message["type"] == "http.response.start":
            self._start = cast("Message", message)
            return
        start, self._start = self._start, None
        if start is not None:
            written = self._written(start, cast("Message", message))
            if written is not None:
                self._write_all(written)
                return
            await super().send(cast("ASGISendEvent", start))
        await super().send(message)

    def _written(self, start: Message, message: Message) -> bytes | None:
        """The bytes of an answer that comes at once; None if it is another."""
        is_usual = self.keep_alive and not (
            self.flow.write_paused
            or self.disconnected
            or self.response_started
            or message.get("more_body", False)
            or self.scope["method"] == "HEAD"
        )
        if not is_usual:
            return None
        body: bytes = message.get("body", b"")
        length = b"%d" % len(body)
        headers: list[Header] = start["headers"]
        if (_CONTENT_LENGTH, length) not in headers:
            return None
        lines = [STATUS_LINE[start["status"]]]
        for name, value in (*self.default_headers, *headers):
            if name == _CONNECTION:
                return None
            lines.append(b"%b: %b\r\n" % (name, value))
        return b"".join([*lines, b"\r\n", body])

    def _write_all(self, written: bytes) -> None:
        self.transport.write(written)
        self.response_started = True
        self.response_complete = True
        self.waiting_for_100_continue = False
        self.message_event.set()
        self.on_response()
