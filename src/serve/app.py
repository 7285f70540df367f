"""The HTTP side: routes, statuses and bodies, as a bare ASGI application.

A request is read up to the limit, scored and answered; whatever is wrong with it
becomes a status and a JSON body ``{"error": {"code", "message"}}``. Long bodies are
worked on in a thread, so that ``/ping`` is answered meanwhile, and only so many bytes
of them are held at once: who comes later waits with its body unread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from movielens.errors import RequestError
from serve.bodies import (
    Budget,
    ClientDisconnectedError,
    Headers,
    Receive,
    Scope,
    declared_length,
    read_body,
)
from serve.endpoint import Asked, answer, is_slow, may_question
from serve.errors import HttpError
from serve.response import Response, Send, error_response, json_response
from serve.served_model import ServedModel
from serve.server import MAX_HEAD_BYTES
from serve.settings import BATCH_LIMIT_MIB, Settings

Handler = Callable[[Scope, Receive], Awaitable[Response]]
Methods = dict[str, Handler]

# A few hundred CSV rows: what takes a few milliseconds. Handing over to a thread costs
# a tenth of one.
LONG_BODY = 4096

_log = logging.getLogger(__name__)


class Api:
    """What every set of routes has: errors, threads, bodies, parts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(
            settings.max_concurrent, thread_name_prefix="score"
        )
        self._budget = Budget(settings.held_bytes)
        self._routes: dict[str, Methods] = {
            "/execution-parameters": {
                "GET": self._execution_parameters,
                "HEAD": self._execution_parameters,
            },
        }

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            raise ValueError(f"{scope['type']} isn't spoken here, ask by http")
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._threads.shutdown(wait=False, cancel_futures=True)
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the server."""
        if scope["type"] != "http":
            await self._lifespan(scope, receive, send)
            return
        try:
            response = await self._handler(scope)(scope, receive)
        except ClientDisconnectedError:
            return
        except HttpError as error:
            response = error_response(error)
        except RequestError as error:
            response = error_response(HttpError(400, str(error)))
        except Exception:  # noqa: BLE001 the boundary: anything else is a bug, and its trace is for the log
            _log.exception("%s %s failed", scope["method"], scope["path"])
            response = error_response(
                HttpError(
                    500, "an internal error; the log of the container has its trace"
                )
            )
        if response.more is None:
            await response.send(send)
        elif scope["http_version"] == "1.0":  # which knows no parts
            await (await self._in_thread(response.whole)).send(send)
        else:
            await self._send_parts(response, send)

    async def _send_parts(self, response: Response, send: Send) -> None:
        """Part by part, each made once the client has taken those before."""
        await send(response.start())
        part: bytes | None = response.body
        while part is not None:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            part = await self._in_thread(next, response.more, None)
        await send({"type": "http.response.body", "body": b""})

    def _handler(self, scope: Scope) -> Handler:
        size = 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
        if size > MAX_HEAD_BYTES:
            raise HttpError(431, f"the headers are longer than {MAX_HEAD_BYTES} bytes")
        path, method = scope["path"], scope["method"]
        methods = self._methods(path)
        if methods is None:
            raise HttpError(
                404, f"no such path, expected one of {', '.join(self._routes)}"
            )
        if method not in methods:
            allowed = ", ".join(methods)
            message = f"{path} doesn't take {method}, expected {allowed}"
            raise HttpError(405, message, ((b"allow", allowed.encode()),))
        return methods[method]

    def _methods(self, path: str) -> Methods | None:
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
        """The answer to one body, made here where it is short and in a thread where it
        is long.
        """
        headers, most_mib, lenient = (
            _headers(scope),
            self._settings.max_body_mib,
            self._settings.is_batch,
        )
        length, asked = declared_length(headers, most_mib), Asked.of(headers)
        response: Response
        if length < LONG_BODY and not is_slow(asked):
            body = await read_body(receive, most_mib)
            if not may_question(body):
                return answer(served, asked, body, lenient)
            response = await self._in_thread(answer, served, asked, body, lenient)
            return response
        async with self._budget.hold(length):
            body = await read_body(receive, most_mib)
            response = await self._in_thread(answer, served, asked, body, lenient)
            return response

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, work, *arguments
        )


class Application(Api):
    """The routes over one model, which is ready when this is made."""

    def __init__(self, served: ServedModel, settings: Settings) -> None:
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
                "the model doesn't answer as it did when it was loaded; restart the container",
            )
        return Response()

    def _invocations(self, scope: Scope, receive: Receive) -> Awaitable[Response]:
        return self._invoke(self._served, scope, receive)


def _headers(scope: Scope) -> Headers:
    """Values by name; several of one name are one list."""
    given: list[tuple[bytes, bytes]] = scope["headers"]
    found = dict(given)
    if len(found) < len(given):
        found = {}
        for name, value in given:
            found[name] = found[name] + b"," + value if name in found else value
    return found
