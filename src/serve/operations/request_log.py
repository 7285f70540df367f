"""The log of requests: a line of JSON for each, on stdout.

It has numbers and the inference id that the client chose. It has no ids of users or
movies, no ratings, no path, and no error message, which may quote a row.

``_recorder.c`` writes the lines, with all but pings that went well.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

import orjson

from serve.asgi import HEADERS
from serve.inference_id import INFERENCE_ID, inference_id


class LogSettings(NamedTuple):
    """What a recorder has to know to write lines.

    Attributes:
        prefix: of the ids of requests that have none.
        headers: the name of a scope's headers.
        header: the one with the inference id.
        id_of: makes JSON of this header, None if it isn't an id.
        quiet_route: isn't logged if it went well; one of `serve.operations.counters`.
    """

    prefix: str
    headers: str
    header: bytes
    id_of: Callable[[bytes], bytes | None]
    quiet_route: int


def request_log(quiet_route: int) -> LogSettings:
    """The log of one worker."""
    prefix = os.urandom(4).hex()
    return LogSettings(prefix, HEADERS, INFERENCE_ID, _id_of, quiet_route)


def _id_of(header: bytes) -> bytes | None:
    given = inference_id({INFERENCE_ID: header})
    return None if given is None else orjson.dumps(given.decode())
