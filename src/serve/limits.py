"""How long a client may take, and how much it may send, before the server gives up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Limits on a connection.

    Attributes:
        head_bytes: length of a request's headers.
        head_s: seconds until a new connection's first headers are complete, and later
            from the first byte of the headers to their end.
        body_s: seconds for a body; SageMaker gives a request 60 s in all.
        write_s: seconds in which the client must take what was sent.
        keep_alive_s: seconds between two requests.
        drain_s: seconds for requests in flight after SIGTERM; SageMaker kills the
            container after 30 s.
    """

    head_bytes: int = 16 * 1024
    head_s: float = 20
    body_s: float = 60
    write_s: float = 60
    keep_alive_s: int = 75
    drain_s: int = 25
