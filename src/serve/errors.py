"""Requests that are refused: the HTTP status and the JSON body that says why."""

from __future__ import annotations

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
    415: "unsupported_media_type",
    431: "headers_too_large",
    500: "internal_error",
    503: "unhealthy",
    507: "insufficient_storage",
}


class HttpError(HalfstarError):
    """A request that is refused.

    Attributes:
        status: one of `CODES`.
        headers: sent along with the body that `error_body` makes.
    """

    def __init__(
        self, status: int, message: str, headers: tuple[Header, ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def error_body(status: int, message: str) -> bytes:
    """The JSON that every refusal has.

    Example:
        >>> error_body(404, "no such path")
        b'{"error":{"code":"not_found","message":"no such path"}}'
    """
    return orjson.dumps({"error": {"code": CODES[status], "message": message}})
