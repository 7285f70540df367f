"""The log of requests: a line of JSON for each, on stdout.

It has numbers and the inference id that the client chose. It has no ids of users or
movies, no ratings, no path, and no error message, which may quote a row.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

import orjson

from serve.asgi import Scope, headers_of
from serve.inference_id import inference_id
from serve.operations.tally import Tally

_OK = 200


class RequestLog:
    """Makes the lines of one worker.

    Args:
        clock: seconds since 1970.
        timer: seconds, as a tally has them.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._offset = clock() - timer()
        # For requests without an inference id.
        self._prefix = os.urandom(4).hex()
        self._numbers = count(1)

    def line(self, scope: Scope, route: str, tally: Tally) -> bytes:
        """The line of a request that is over."""
        given = inference_id(headers_of(scope))
        number = next(self._numbers)
        ended = datetime.fromtimestamp(self._offset + tally.ended, UTC)
        line = {
            "time": ended,
            "id": given.decode() if given else f"{self._prefix}-{number}",
            "route": route,
            "status": tally.status,
            "ms": round(tally.seconds * 1000, 3),
            "rows": tally.predictions + tally.questions + tally.bad_rows,
            "questions": tally.questions,
            "bad_rows": tally.bad_rows,
            "unknown_share": tally.unknown_share,
        }
        return orjson.dumps(line, option=orjson.OPT_UTC_Z) + b"\n"


def is_worth_a_line(route: str, tally: Tally) -> bool:
    """Whether a request is logged: any but a ping that went well."""
    return route != "ping" or tally.status != _OK
