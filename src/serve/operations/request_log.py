"""The log of requests: a line of JSON for each, on stdout.

It has numbers and the inference id that the client chose. It has no ids of users or
movies, no ratings, no path, and no error message, which may quote a row.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

import orjson

from serve.asgi import Scope, headers_of
from serve.inference_id import inference_id
from serve.operations.stdout import write_line
from serve.operations.tally import Tally

_OK = 200


class RequestLog:
    """Writes the lines of one worker.

    Args:
        write: takes a line.
        clock: what time it is.
    """

    def __init__(
        self,
        write: Callable[[bytes], object] = write_line,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._write = write
        self._clock = clock
        # For requests without an inference id.
        self._prefix = os.urandom(4).hex()
        self._numbers = count(1)

    def write(self, scope: Scope, route: str, tally: Tally, seconds: float) -> None:
        """A request is over; pings that went well aren't written."""
        if route == "ping" and tally.status == _OK:
            return
        given = inference_id(headers_of(scope))
        number = next(self._numbers)
        line = {
            "time": self._clock(),
            "id": given.decode() if given else f"{self._prefix}-{number}",
            "route": route,
            "status": tally.status,
            "ms": round(seconds * 1000, 3),
            "rows": tally.predictions + tally.questions + tally.bad_rows,
            "questions": tally.questions,
            "bad_rows": tally.bad_rows,
            "unknown_share": tally.unknown_share,
        }
        self._write(orjson.dumps(line, option=orjson.OPT_UTC_Z) + b"\n")
