"""Requests that are refused: the HTTP status and the JSON body that says why."""

from __future__ import annotations

from http import HTTPStatus

import orjson

from movielens.errors import HalfstarError
from serve.asgi import Header

CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    409: "already_loaded",
    413: "payload_too_large",
    414: "target_too_long",
    415: "unsupported_media_type",
    417: "expectation_failed",
    431: "headers_too_large",
    500: "internal_error",
    501: "not_implemented",
    503: "unhealthy",
    505: "version_not_supported",
    507: "insufficient_storage",
}
OVERLOADED = "overloaded"

_CLOSE = (b"connection", b"close")


class HttpError(HalfstarError):
    """A request that is refused.

    Attributes:
        status: one of `CODES`.
        headers: sent along with the body that `error_body` makes.
        code: that of the status in `CODES`, unless it is given.
    """

    def __init__(
        self,
        status: int,
        message: str,
        headers: tuple[Header, ...] = (),
        code: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.code = code or CODES[status]

    def body(self) -> bytes:
        """The JSON that says why."""
        return error_body(self.status, str(self), self.code)

    def answer(self) -> bytes:
        """A whole answer of HTTP, after which the server hangs up."""
        body = self.body()
        headers = [
            *self.headers,
            _CLOSE,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        phrase = HTTPStatus(self.status).phrase.encode()
        lines = [b"HTTP/1.1 %d %b" % (self.status, phrase)]
        for name, value in headers:
            lines.append(name + b": " + value)
        return b"\r\n".join([*lines, b"", body])


def overloaded(message: str) -> HttpError:
    """503, with the advice to come again a little later."""
    return HttpError(503, message, ((b"retry-after", b"1"),), OVERLOADED)


def error_body(status: int, message: str, code: str = "") -> bytes:
    r"""The JSON that every refusal has.

    Half a surrogate, which UTF-8 doesn't have, is written as its escape.

    Example:
        >>> error_body(404, "no such path")
        b'{"error":{"code":"not_found","message":"no such path"}}'
    """
    sendable = message.encode("utf-8", "backslashreplace").decode()
    return orjson.dumps({"error": {"code": code or CODES[status], "message": sendable}})
