"""How long a client may take, and how much it may send, before the server gives up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Limits on a connection.

    Attributes:
        head_bytes: length of a request's line and headers.
        target_bytes: length of the target in the request's line.
        head_s: seconds until a new connection's first headers are complete, and later
            from the first byte of the headers to their end.
        body_s: seconds for a body; SageMaker gives a request 60 s in all.
        body_window_s: seconds after which the speed of a body is measured, again and
            again.
        body_rate: bytes a second that must come in each of those windows. A modem is
            faster; whoever is slower than this has stopped, or means no good.
        queue_s: seconds that a long body may wait for a thread. It has to be answered
            within SageMaker's 60 s, too.
        write_s: seconds in which the client must take what was sent.
        linger_s: seconds in which a client may read why it was refused, while what it
            goes on sending is thrown away.
        keep_alive_s: seconds between two requests.
        drain_s: seconds for requests in flight after SIGTERM; SageMaker kills the
            container after 30 s.
        connections: how many a worker holds open.
    """

    head_bytes: int = 16 * 1024
    target_bytes: int = 8 * 1024
    head_s: float = 20
    body_s: float = 60
    body_window_s: float = 10
    body_rate: int = 1024
    queue_s: float = 30
    write_s: float = 60
    linger_s: float = 2
    keep_alive_s: int = 75
    drain_s: int = 25
    connections: int = 16 * 1024
