"""A client's connection: bytes to requests, which an application answers.

One request at a time is parsed. What was sent behind it waits as bytes, and no more is
read, until it is answered.

1. What arrives is cut where a request ends (`serve.framing`).
2. llhttp parses the pieces and calls ``on_header`` and so on.
3. When the head is complete, the application starts; it reads the body through uvicorn.
4. What the client holds is counted (`serve.pressure`), and the client is timed while
   the server waits for it.

A client that breaks a rule is answered here, in the application's place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from serve.asgi import HEADERS, TALLY, AsgiApplication, Header, Headers, Scope
from serve.cycle import Cycle
from serve.errors import HttpError, overloaded
from serve.framing import (
    RequestLine,
    Unread,
    check_head,
    check_headers,
    check_part_of_head,
    split_target,
    without_offer,
)
from serve.limits import ClientLimits
from serve.pressure import ArrivedBytes, OpenConnections
from serve.resources import MIB
from serve.seldom import Seldom

if TYPE_CHECKING:
    from serve.operations.observer import Observer

# Shorter bodies that are complete aren't counted. There is at most one a connection.
_COUNTED_BYTES = 4096
# Of a body in chunks, all but its contents may be this long, and this many times as
# long as the contents. A chunk of one byte takes five more.
_CHUNK_BYTES = 16 * 1024
_CHUNK_FACTOR = 8

# An answer to HTTP/1.0 comes in one piece. It counts as this much at most, so that the
# longest may be sent.
_MOST_UNSENT = 8 * MIB
# Of a body, bytes that the application hasn't taken yet.
_READ_AHEAD = 64 * 1024

_ASGI = {"version": "3.0", "spec_version": "2.3"}

_log = logging.getLogger(__name__)
_uvicorn_log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all connections of a worker share.

    Attributes:
        application: answers the requests.
        limits: on a client.
        arrived: counts what all clients have sent.
        connections: counts the clients.
        observer: is told when a request begins, when it is over, and what was refused
            before that; None if nobody watches.
        refusals: thins out the log.
    """

    application: AsgiApplication
    limits: ClientLimits
    arrived: ArrivedBytes
    connections: OpenConnections
    observer: Observer | None = None
    refusals: Seldom = field(default_factory=Seldom)


class Connection(asyncio.Protocol):
    """One client.

    Args:
        shared: with the other connections.
        state: of uvicorn's server.
    """

    def __init__(self, shared: Shared, state: ServerState) -> None:
        self._shared = shared
        self._limits = shared.limits
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._unread = Unread()
        self._timer: asyncio.TimerHandle | None = None
        self._is_refused = False

        # The present request.
        self._line = RequestLine("", b"", "1.1")
        self._headers: list[Header] = []
        self._cycle: Cycle | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_in_head = False
        self._is_in_body = False
        self._body_left: int | None = 0  # None for a body in chunks
        self._body_bytes = 0
        self._chunk_bytes = 0
        self._body_end = 0.0
        self._window_bytes = 0

        # What is counted.
        self._unsent = 0
        self._held = 0
        self._holds_complete = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected; its headers are due."""
        self._transport = transport
        self._flow = FlowControl(transport)
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._hang_up_after(self._limits.head_s, self._head_is_late)
        self._shared.connections.opened(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """The client is gone."""
        self._state.connections.discard(self)
        self._shared.connections.closed(self)
        self._shared.arrived.release(self)
        self._unread.clear()
        self._stop_timer()
        self._disconnect_application()
        self._flow.resume_writing()
        del self._parser  # which holds this connection

    def shutdown(self) -> None:
        """The server ends: answer the present request, if there is one, and close."""
        if self._cycle is None or self._cycle.response_complete:
            self._transport.close()
        else:
            self._cycle.keep_alive = False

    def is_idle(self) -> bool:
        """Whether nothing of a request has arrived."""
        return not self._unread.count and not self._is_in_body

    # What arrives.

    def data_received(self, data: bytes) -> None:
        """Something has arrived."""
        if not self._is_refused:
            self._unread.add(data)
            self._go_on()

    def _go_on(self) -> None:
        """Parse what may be parsed now."""
        try:
            self._parse()
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, HttpError):
                raise
            self._refuse(cause)
        except httptools.HttpParserError:
            self._refuse(_not_http())
        except HttpError as error:
            self._refuse(error)
        else:
            self._count()
            self._watch()

    def _parse(self) -> None:
        unread = self._unread
        while unread.count:
            if self._is_in_body:
                is_stuck = not self._parse_body()
            elif self._cycle is None or self._cycle.response_complete:
                is_stuck = not self._parse_head()
            else:
                self._flow.pause_reading()
                is_stuck = True
            if is_stuck:
                return

    def _parse_head(self) -> bool:
        """Parse a head; returns whether it was complete."""
        head = self._unread.take_head()
        if not head:
            check_part_of_head(self._unread.peek(), self._limits)
            return False
        self._line = check_head(head, self._limits)
        self._headers = []
        self._is_in_head = True
        self._parser.feed_data(without_offer(head))
        return True

    def _parse_body(self) -> bool:
        """Parse a piece of a body; returns whether there was one."""
        if self._body_left is None:
            return self._parse_chunks()
        piece = self._unread.take(self._body_left)
        self._body_left -= len(piece)
        self._parser.feed_data(piece)
        return True

    def _parse_chunks(self) -> bool:
        piece = self._unread.take_chunks()
        if not piece:
            return False
        body_bytes = self._body_bytes
        self._parser.feed_data(piece)
        self._chunk_bytes += len(piece) - (self._body_bytes - body_bytes)
        if self._chunk_bytes > _CHUNK_BYTES + _CHUNK_FACTOR * self._body_bytes:
            raise HttpError(400, "the chunks are mostly extensions or trailers")
        return True

    # The parser's calls.

    def on_message_begin(self) -> None:
        """A request has begun."""
        if not self._is_in_head:
            raise _not_http()  # the parser has seen an end where there is none

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer behind a body, which is ignored."""
        if self._is_in_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The headers are complete, so the application begins."""
        self._is_in_head = False
        is_http_1_0 = self._line.version == "1.0"
        checked = check_headers(self._headers, is_http_1_0)
        scope = self._scope(checked.by_name)
        observer = self._shared.observer
        if observer is not None:
            scope[TALLY] = observer.begin()
        self._stop_timer()
        self._is_in_body = True
        self._body_left = checked.length
        self._body_bytes = 0
        self._chunk_bytes = 0
        self._cycle = Cycle(
            scope=scope,  # type: ignore[arg-type]
            transport=self._transport,
            flow=self._flow,
            logger=_uvicorn_log,
            access_logger=_uvicorn_log,
            access_log=False,
            default_headers=self._state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=checked.expects_100,
            keep_alive=not is_http_1_0 and self._parser.should_keep_alive(),
            on_response=self._response_complete,
        )
        application = self._shared.application
        task = self._loop.create_task(self._cycle.run_asgi(application))  # type: ignore[arg-type]
        self._task = task
        self._state.tasks.add(task)
        task.add_done_callback(self._request_done)

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        cycle = self._cycle
        assert cycle is not None
        self._body_bytes += len(body)
        if cycle.response_complete:
            return
        cycle.body += body
        cycle.message_event.set()
        if len(cycle.body) > _READ_AHEAD:
            self._flow.pause_reading()

    def on_message_complete(self) -> None:
        """The body is complete."""
        cycle = self._cycle
        assert cycle is not None
        self._is_in_body = False
        self._stop_timer()
        if cycle.response_complete:
            self._shared.connections.waits(self)
            return
        self._shared.connections.works(self)
        cycle.more_body = False
        cycle.message_event.set()

    def _scope(self, by_name: Headers) -> Scope:
        path, query = split_target(self._line.target)
        text = path.decode()
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": self._line.version,
            "method": self._line.method,
            "scheme": "http",
            "path": unquote(text) if "%" in text else text,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            HEADERS: by_name,
        }

    # The answer.

    def _response_complete(self) -> None:
        """The answer was sent; the next request's turn has come."""
        self._state.total_requests += 1
        self._observe_end()
        self._release_complete()
        if self._transport.is_closing():
            return
        self._flow.resume_reading()
        if self._is_in_body:
            self._hang_up_after(self._limits.head_s, self._transport.abort)
        else:
            self._shared.connections.waits(self)
        if self._unread.count or self._held:
            self._go_on()

    def _request_done(self, task: asyncio.Task[None]) -> None:
        """The application is done with a request, whether it is answered or not."""
        self._state.tasks.discard(task)
        cycle = self._cycle
        is_present = task is self._task  # otherwise the next request has come already
        if is_present and cycle is not None and not cycle.response_complete:
            self._observe_end()
        if self._is_refused or self._transport.is_closing():
            self._release_complete()  # there is no other request

    def _observe_end(self) -> None:
        """The present request is over: tell who watches."""
        observer = self._shared.observer
        cycle = self._cycle
        if observer is not None and cycle is not None:
            scope: Scope = cycle.scope  # type: ignore[assignment]
            observer.over(scope[TALLY], scope)

    def _disconnect_application(self) -> None:
        """Tell the application that nobody waits for its answer any more."""
        cycle = self._cycle
        if cycle is not None:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()

    # What the client holds.

    def _count(self) -> None:
        held = self._unread.count + self._unsent
        is_answered = self._cycle is None or self._cycle.response_complete
        if self._is_in_body and not is_answered:
            held += self._body_bytes
        if held != self._held:
            self._held = held
            self._shared.arrived.hold(self, held)
        if self._body_bytes >= _COUNTED_BYTES and not self._is_in_body:
            self._count_complete(is_answered)

    def _count_complete(self, is_answered: bool) -> None:
        if not (is_answered or self._is_refused or self._holds_complete):
            self._holds_complete = True
            self._shared.arrived.hold_complete(self._cycle, self._body_bytes, self)

    def _release_complete(self) -> None:
        if self._holds_complete:
            self._holds_complete = False
            self._shared.arrived.release(self._cycle)

    # Time.

    def _watch(self) -> None:
        """Time the client if the server waits for it."""
        if self._timer is not None or self._is_refused:
            return
        is_answered = self._cycle is None or self._cycle.response_complete
        if self._is_in_body and not is_answered:
            self._body_end = self._loop.time() + self._limits.body_s
            self._window_bytes = self._body_bytes
            self._hang_up_after(self._limits.body_window_s, self._check_body)
        elif self._is_in_body:
            self._hang_up_after(self._limits.head_s, self._transport.abort)
        elif self._unread.count and is_answered:
            self._hang_up_after(self._limits.head_s, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._unread.count:
            seconds = self._limits.head_s
            self._refuse(
                HttpError(408, f"the headers didn't come within {seconds:.0f} s")
            )
        else:
            self._transport.close()

    def _check_body(self) -> None:
        """Look whether the body comes fast enough."""
        assert self._cycle is not None
        limits = self._limits
        came = self._body_bytes - self._window_bytes
        is_our_turn = self._flow.read_paused or self._cycle.waiting_for_100_continue
        if is_our_turn:
            self._body_end += limits.body_window_s
        elif came < limits.body_rate * limits.body_window_s:
            message = f"the body comes at less than {limits.body_rate} bytes a second"
            self._refuse(HttpError(408, message))
            return
        elif self._loop.time() >= self._body_end:
            message = f"the body didn't come within {limits.body_s:.0f} s"
            self._refuse(HttpError(408, message))
            return
        self._window_bytes = self._body_bytes
        self._hang_up_after(limits.body_window_s, self._check_body)

    def pause_writing(self) -> None:
        """The client doesn't take the answer."""
        self._flow.pause_writing()
        self._hang_up_after(self._limits.write_s, self._transport.abort)
        self._loop.call_soon(self._count_unsent)

    def resume_writing(self) -> None:
        """The client takes the answer again."""
        self._stop_timer()
        self._flow.resume_writing()
        self._count_unsent()

    def _count_unsent(self) -> None:
        if self._is_refused or self._transport.is_closing():
            return
        size = self._transport.get_write_buffer_size() if self._flow.write_paused else 0
        self._unsent = min(size, _MOST_UNSENT)
        self._count()

    def _hang_up_after(self, seconds: float, hang_up: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(seconds, self._time_is_up, hang_up)

    def _time_is_up(self, hang_up: Callable[[], None]) -> None:
        self._timer = None
        hang_up()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The end.

    def lose_request(self) -> None:
        """Refuse what has arrived, or drop an answer, because memory runs short."""
        self._refuse(overloaded("too many long bodies at once, send it again later"))

    def lose_connection(self) -> None:
        """Hang up at once, because there are too many connections."""
        if not self.is_idle():
            self._refuse(overloaded("too many connections, send it again later"))
        self._transport.close()

    def _refuse(self, error: HttpError) -> None:
        """Answer in the application's place, and hang up once the client can know it.

        If it still sends when we hang up, its kernel may throw the answer away. So what
        it sends is read a little longer, and forgotten.
        """
        self._unread.clear()
        self._shared.arrived.release(self)
        if self._is_refused or self._transport.is_closing():
            return
        self._is_refused = True
        self._log_refusal(error)
        self._note_refusal(error.status)

        cycle = self._cycle
        is_answered = cycle is None or cycle.response_complete
        is_started = cycle is not None and cycle.response_started
        if self._unsent or (is_started and not is_answered):
            self._transport.abort()
            return
        self._disconnect_application()
        self._transport.write(error.answer())
        self._transport.write_eof()
        self._flow.resume_reading()
        self._hang_up_after(self._limits.linger_s, self._transport.abort)

    def _note_refusal(self, status: int) -> None:
        observer = self._shared.observer
        if observer is None:
            return
        cycle = self._cycle
        if cycle is None or cycle.response_complete:
            observer.refused(status)
        else:
            cycle.scope[TALLY].refused = status  # type: ignore[literal-required]

    def _log_refusal(self, error: HttpError) -> None:
        count = self._shared.refusals.count()
        if count:
            _log.warning(
                "refused a client with %d: %s (%d since the last such line)",
                error.status,
                error,
                count,
            )


def _not_http() -> HttpError:
    return HttpError(400, "the request isn't well-formed HTTP/1.1")
