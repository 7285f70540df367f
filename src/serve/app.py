"""The routes of the server, as an ASGI application without a framework.

A request's body is read up to the limit, predicted and answered. Whatever is wrong with
a request becomes a status and a JSON body ``{"error": {"code", "message"}}``.

Long bodies are worked on in a thread, so that ``/ping`` is answered meanwhile. If none
is free in time, the request is refused. If the client hangs up first, it is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from movielens.errors import RequestError
from serve.asgi import TALLY, Receive, Scope, Send, headers_of
from serve.bodies import (
    ClientDisconnectedError,
    WaitingLine,
    declared_length,
    read_body,
    until_gone,
)
from serve.endpoint import AnswerRules, answer
from serve.errors import HttpError, overloaded
from serve.inference_id import INFERENCE_ID, inference_id
from serve.negotiation import RequestHeaders
from serve.questions import may_be_slow
from serve.response import Response, error_response, json_response
from serve.seldom import Seldom
from serve.served_model import ServedModel
from serve.settings import BATCH_LIMIT_MIB, SINGLE_RECORD, ServeSettings

if TYPE_CHECKING:
    from serve.operations.tally import Tally

Handler = Callable[[Scope, Receive], Awaitable[Response]]
Methods = dict[str, Handler]

# A few hundred CSV rows, which take a few milliseconds. Handing a body to a thread
# takes a tenth of one.
LONG_BODY = 4096

_INTERNAL_ERROR = 500

_log = logging.getLogger(__name__)


class Api:
    """What all applications here have in common: errors, threads, bodies, parts."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._rules = AnswerRules(
            lenient=settings.is_batch,
            one_record_a_body=settings.batch_strategy == SINGLE_RECORD,
        )
        self._threads = ThreadPoolExecutor(
            settings.max_concurrent, thread_name_prefix="predict"
        )
        self._line = WaitingLine(settings.held_bytes)
        self._failures = Seldom()
        self._in_threads = 0
        self._routes: dict[str, Methods] = {
            "/execution-parameters": {
                "GET": self._execution_parameters,
                "HEAD": self._execution_parameters,
            },
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and the end of the server."""
        if scope["type"] != "http":
            await self._lifespan(scope, receive, send)
            return
        try:
            handler = self._handler(scope)
            response = await handler(scope, receive)
            if response.more is not None and scope["http_version"] == "1.0":
                # There are no chunks in HTTP/1.0.
                response = await self._in_thread(response.measured)
        except ClientDisconnectedError:
            return
        except HttpError as error:
            response = error_response(error)
        except RequestError as error:
            response = error_response(HttpError(400, str(error)))
        except asyncio.CancelledError:
            response = error_response(overloaded("the server stops, send it again"))
        except Exception:  # noqa: BLE001 anything else is a bug; the log has its trace
            self._log_failure(scope)
            message = "an internal error; its trace is in the log of the container"
            response = error_response(HttpError(500, message))
        tally: Tally | None = scope.get(TALLY)
        if tally is not None:
            tally.status = response.status
        try:
            identified = _with_inference_id(response, scope)
            await self._send(identified, receive, send)
        except Exception:
            if tally is not None:
                tally.status = _INTERNAL_ERROR
            raise

    @property
    def queued(self) -> int:
        """Requests that wait for a thread, or for memory."""
        most = self._settings.max_concurrent
        return max(0, self._in_threads - most) + self._line.length

    @property
    def n_models(self) -> int:
        """Models that are loaded."""
        return 1

    def _log_failure(self, scope: Scope) -> None:
        """Log the exception at hand, unless there was another a moment ago."""
        count = self._failures.count()
        if count:
            method, path = scope["method"], scope["path"]
            _log.exception(
                "%s %s failed (%d failures since the last such line)",
                method,
                path,
                count,
            )

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take part in the start and the end of the server."""
        if scope["type"] != "lifespan":
            raise ValueError(f"{scope['type']} isn't supported, only HTTP")
        is_over = False
        while not is_over:
            message = await receive()
            is_over = message["type"] == "lifespan.shutdown"
            if is_over:
                self._threads.shutdown(wait=False, cancel_futures=True)
            await send({"type": message["type"] + ".complete"})

    async def _send(self, response: Response, receive: Receive, send: Send) -> None:
        if response.more is None:
            await response.send(send)
            return
        gone = asyncio.ensure_future(until_gone(receive))
        try:
            await self._send_parts(response, gone, send)
        finally:
            gone.cancel()

    async def _send_parts(
        self, response: Response, gone: asyncio.Future[None], send: Send
    ) -> None:
        """Send part by part; each is computed once the client took those before."""
        await send(response.start())
        part: bytes | None = response.body
        while part is not None:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            if gone.done():
                return
            part = await self._in_thread(next, response.more, None)
        await send({"type": "http.response.body", "body": b""})

    def _handler(self, scope: Scope) -> Handler:
        """The method that answers a request.

        Raises:
            HttpError: 404 or 405.
        """
        path = scope["path"]
        method = scope["method"]
        methods = self._methods(path)
        if methods is None:
            paths = ", ".join(self._routes)
            raise HttpError(404, f"no such path, expected one of {paths}")
        if method not in methods:
            allowed = ", ".join(methods)
            message = f"{path} doesn't take {method}, expected {allowed}"
            raise HttpError(405, message, ((b"allow", allowed.encode()),))
        return methods[method]

    def _methods(self, path: str) -> Methods | None:
        """The handlers of a path by method, None if there is no such path."""
        return self._routes.get(path)

    async def _execution_parameters(self, _scope: Scope, _receive: Receive) -> Response:
        parameters = {
            "MaxConcurrentTransforms": self._settings.max_concurrent,
            "BatchStrategy": self._settings.batch_strategy,
            "MaxPayloadInMB": min(self._settings.max_body_mib, BATCH_LIMIT_MIB),
        }
        return json_response(parameters)

    async def _invoke(
        self, served: ServedModel, scope: Scope, receive: Receive
    ) -> Response:
        """Answer a body: here if it is short, in a thread if it is long or slow."""
        given = headers_of(scope)
        tally: Tally | None = scope.get(TALLY)
        headers = RequestHeaders.of(given)
        length = declared_length(given, self._settings.max_body_mib)
        if length < LONG_BODY or not self._settings.is_for_platform:
            return await self._read_and_answer(served, headers, receive, tally)
        async with self._line.hold(length):
            return await self._read_and_answer(served, headers, receive, tally)

    async def _read_and_answer(
        self,
        served: ServedModel,
        headers: RequestHeaders,
        receive: Receive,
        tally: Tally | None,
    ) -> Response:
        body = await read_body(receive, self._settings.max_body_mib)
        if len(body) >= LONG_BODY or headers.is_slow or may_be_slow(body):
            work = partial(answer, served, headers, body, self._rules, tally)
            with self._takes_thread():
                return await self._answer_in_thread(work, receive)
        return answer(served, headers, body, self._rules, tally)

    @contextmanager
    def _takes_thread(self) -> Iterator[None]:
        """Count a request that has a thread, or waits for one."""
        self._in_threads += 1
        try:
            yield
        finally:
            self._in_threads -= 1

    async def _answer_in_thread(
        self, work: Callable[[], Response], receive: Receive
    ) -> Response:
        """Answer in a thread.

        Raises:
            HttpError: 503 if none is free in time.
            ClientDisconnectedError: if the client hangs up before one is free.
        """
        seconds: float | None = None
        if not self._settings.is_for_platform:
            seconds = self._settings.client_limits.queue_s
        queued = self._threads.submit(work)
        answered = asyncio.wrap_future(queued)
        gone = asyncio.ensure_future(until_gone(receive))
        either: list[asyncio.Future[Any]] = [answered, gone]
        try:
            await asyncio.wait(
                either,
                timeout=seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not answered.done() and queued.cancel():
                if gone.done():
                    raise ClientDisconnectedError
                raise overloaded("too many long requests, send it again later")
            return await answered
        finally:
            gone.cancel()

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        with self._takes_thread():
            return await loop.run_in_executor(self._threads, work, *arguments)


def _with_inference_id(response: Response, scope: Scope) -> Response:
    """The answer with the id that came with the request, if one did."""
    headers = headers_of(scope)
    if INFERENCE_ID not in headers:
        return response
    given = inference_id(headers)
    if given is None:
        return response
    header = (INFERENCE_ID, given)
    return response._replace(headers=(*response.headers, header))


class Application(Api):
    """The routes over one model, which is loaded before this is made."""

    def __init__(self, served: ServedModel, settings: ServeSettings) -> None:
        super().__init__(settings)
        self._served = served
        self._routes = {
            "/ping": {"GET": self._ping, "HEAD": self._ping},
            "/invocations": {"POST": self._invocations},
            **self._routes,
        }

    async def _ping(self, _scope: Scope, _receive: Receive) -> Response:
        if not self._served.is_well():
            raise HttpError(
                503,
                "the model doesn't answer as it did when it was loaded; "
                "restart the container",
            )
        return Response()

    def _invocations(self, scope: Scope, receive: Receive) -> Awaitable[Response]:
        return self._invoke(self._served, scope, receive)
