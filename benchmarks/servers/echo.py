"""Our own server without our work: it reads a body within the same limits, and sends it
back.
"""

from __future__ import annotations

import os
import socket

from serve.asgi import Receive, Scope, Send
from serve.bodies import read_body
from serve.response import Response
from serve.server import bind, make_server
from serve.supervisor import Supervisor


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """One request."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        await send({"type": "lifespan.shutdown.complete"})
    else:
        body = b"" if scope["path"] == "/ping" else await read_body(receive, max_mib=6)
        await Response(200, body, "text/csv").send(send)


def work(bound: socket.socket, watch: int) -> None:
    """A worker."""
    make_server(echo, watch).run(sockets=[bound])


if __name__ == "__main__":
    Supervisor(bind(int(os.environ["PORT"]), int(os.environ["WORKERS"])), work).run()
