"""Requests that can't be answered as they are, with the HTTP status that says so."""

from __future__ import annotations

from movielens.errors import HalfstarError

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
    """A refusal: ``status`` is one of `CODES`, ``headers`` go beside the JSON body that
    holds code and message.
    """

    def __init__(
        self, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
