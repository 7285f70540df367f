"""Our own server without our work: it reads a body and sends it back."""

from __future__ import annotations

import os
import socket

from serve.asgi import Receive, Scope, Send
from serve.bodies import read_body
from serve.response import Response
from serve.server import bind, make_server
from serve.supervisor import Supervisor

MAX_MIB = 6


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request with its own body."""
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["path"] == "/ping":
        await Response(200, b"", "text/csv").send(send)
    else:
        body = await read_body(receive, max_mib=MAX_MIB)
        await Response(200, body, "text/csv").send(send)


async def live(receive: Receive, send: Send) -> None:
    """Confirm that the application has started, and later that it has ended."""
    while True:
        message = await receive()
        kind = message["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


def work(bound: socket.socket, watch: int) -> None:
    """Run a worker."""
    make_server(echo, watch).run(sockets=[bound])


if __name__ == "__main__":
    port = int(os.environ["PORT"])
    workers = int(os.environ["WORKERS"])
    Supervisor(bind(port, workers), work).run()
