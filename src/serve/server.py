"""uvicorn with uvloop, as we run it: one process of the server."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.server import ServerState

from serve.asgi import AsgiApplication
from serve.connection import Connection, Shared
from serve.limits import ClientLimits
from serve.pressure import ArrivedBytes, OpenConnections
from serve.resources import MIB

if TYPE_CHECKING:
    from serve.operations.observer import Observer

# Descriptors of a worker for other things than connections: files, pipes, the loop.
_OTHER_FILES = 48

_DEFAULT_LIMITS = ClientLimits()
_DEFAULT_HELD_BYTES = 64 * MIB


class Server(uvicorn.Server):
    """A server that ends with its parent process, and closes idle connections.

    Args:
        config: of uvicorn.
        shared: by its connections.
        watch: the reading end of a pipe that the parent holds open, or None. It is
            closed when the parent ends, however it ends.
        observer: told ten times a second what there is to do; or None.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        shared: Shared,
        watch: int | None = None,
        observer: Observer | None = None,
    ) -> None:
        super().__init__(config)
        self._shared = shared
        self._watch = watch
        self._observer = observer

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and watch the parent."""
        await super().startup(sockets)
        if self._watch is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._watch, self._parent_ended, loop, self._watch)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % 10 == 0:
            self._shared.connections.close_idle(self._shared.limits.keep_alive_s)
        if self._observer is not None:
            self._observer.sample(
                len(self.server_state.tasks),
                self._shared.connections.count,
                self._shared.arrived.held,
            )
        return await super().on_tick(counter)

    def _parent_ended(self, loop: asyncio.AbstractEventLoop, watch: int) -> None:
        loop.remove_reader(watch)
        self.should_exit = True


def make_server(
    application: AsgiApplication,
    watch: int | None = None,
    limits: ClientLimits = _DEFAULT_LIMITS,
    held_bytes: int = _DEFAULT_HELD_BYTES,
    observer: Observer | None = None,
) -> Server:
    """A server; `uvicorn.Server.run` takes its socket.

    After SIGTERM it finishes the requests in flight and ends.

    Args:
        application: answers the requests.
        watch: as `Server` takes it.
        limits: on what a client may do.
        held_bytes: what all requests together may hold, as they came.
        observer: of the application, or None.
    """

    shared = Shared(
        application,
        limits,
        ArrivedBytes(held_bytes),
        OpenConnections(_most_connections(limits)),
        observer,
    )

    def connect(
        config: uvicorn.Config,  # noqa: ARG001 uvicorn passes all of these by name
        server_state: ServerState,
        app_state: dict[str, object],  # noqa: ARG001
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> Connection:
        return Connection(shared, server_state)

    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=connect,  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=limits.drain_s,
    )
    return Server(config, shared, watch, observer)


def _allow_many_files() -> None:
    """Raise the limit on open files as far as we may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _most_connections(limits: ClientLimits) -> int:
    """As many as a worker may hold and has descriptors for."""
    _allow_many_files()
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(limits.connections, files - _OTHER_FILES))


def bind(port: int, count: int = 1) -> list[socket.socket]:
    """Sockets on the same TCP port of every interface, not yet listening.

    Args:
        port: 0 for any free port.
        count: how many sockets.

    Raises:
        OSError: if the port is in use or may not be used.
    """
    bound: list[socket.socket] = []
    try:
        if count > 1 and port:
            # Sockets that share a port would also share it with another server. One
            # that doesn't share fails if there is such a server.
            _bind(port, share=False).close()
        for _ in range(count):
            bound.append(_bind(port, share=count > 1))
    except OSError:
        for each in bound:
            each.close()
        raise
    return bound


def _bind(port: int, share: bool) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("0.0.0.0", port))
    except OSError:
        bound.close()
        raise
    return bound
