"""The HTTP side: routes, statuses and bodies, as a bare ASGI application.

A request is read up to the limit, scored and answered; whatever is wrong with it becomes a status and a JSON body
``{"error": {"code", "message"}}``. Long bodies are worked on in a thread, so that ``/ping`` is answered meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from movielens.errors import RequestError
from serve.codec import JSON, PARSERS, RENDERERS
from serve.errors import CODES, HttpError
from serve.negotiation import answer_type, request_type
from serve.scorer import score
from serve.settings import BATCH_LIMIT_MIB, Settings

if TYPE_CHECKING:  # as in `serve.scorer`
    from movielens.model import Model

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# A few hundred CSV rows: what takes a few milliseconds. Handing over to a thread costs a tenth of one.
LONG_BODY = 4096
MAX_HEAD_BYTES = 16 * 1024

_log = logging.getLogger(__name__)


class ClientDisconnectedError(Exception):
    """Nobody is there to answer."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    status: int = 200
    body: bytes = b""
    media_type: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        """Send it in two messages, as ASGI wants it."""
        headers = [(b"content-length", str(len(self.body)).encode()), *self.headers]
        if self.media_type:
            headers.append((b"content-type", self.media_type.encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def error_response(error: HttpError) -> Response:
    """The JSON body that every refusal has."""
    body = orjson.dumps({"error": {"code": CODES[error.status], "message": str(error)}})
    return Response(error.status, body, JSON, error.headers)


Handler = Callable[[Scope, Receive], Awaitable[Response]]


class Application:
    """The routes over one model, which is ready when this is made."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self._model = model
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.max_concurrent, thread_name_prefix="score")
        self._routes: dict[str, dict[str, Handler]] = {
            "/ping": {"GET": self._ping, "HEAD": self._ping},
            "/invocations": {"POST": self._invocations},
            "/execution-parameters": {"GET": self._execution_parameters, "HEAD": self._execution_parameters},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            raise NotImplementedError(f"no {scope['type']} here")

    def answer(self, body: bytes, content_type: str | None, accept: str | None) -> Response:
        """Parse, score and render one body.

        Raises:
            HttpError: 406 or 415, by the headers alone.
            RequestError: if the body isn't rows of raw ids.
        """
        requested = request_type(content_type, body)
        wanted = answer_type(accept, requested)
        parsed = PARSERS[requested](body)
        predictions = score(self._model, parsed.queries)
        return Response(200, RENDERERS[wanted.name](predictions, parsed.shape, wanted.parameters), wanted.name)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._threads.shutdown(wait=False, cancel_futures=True)
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._route(scope)(scope, receive)
        except ClientDisconnectedError:
            return
        except HttpError as error:
            response = error_response(error)
        except RequestError as error:
            response = error_response(HttpError(400, str(error)))
        except Exception:  # noqa: BLE001 the boundary: anything else is a bug, and its trace is for the log
            _log.exception("%s %s failed", scope["method"], scope["path"])
            response = error_response(HttpError(500, "an internal error; the log of the container has its trace"))
        await response.send(send)

    def _route(self, scope: Scope) -> Handler:
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEAD_BYTES:
            raise HttpError(431, f"the headers are longer than {MAX_HEAD_BYTES} bytes")
        methods = self._routes.get(scope["path"])
        if methods is None:
            raise HttpError(404, f"no such path, expected one of {', '.join(self._routes)}")
        if scope["method"] not in methods:
            allowed = ", ".join(methods)
            message = f"{scope['path']} doesn't take {scope['method']}, expected {allowed}"
            raise HttpError(405, message, ((b"allow", allowed.encode()),))
        return methods[scope["method"]]

    async def _ping(self, _scope: Scope, _receive: Receive) -> Response:
        return Response()

    async def _execution_parameters(self, _scope: Scope, _receive: Receive) -> Response:
        parameters = {
            "MaxConcurrentTransforms": self._settings.max_concurrent,
            "BatchStrategy": self._settings.batch_strategy,
            "MaxPayloadInMB": min(self._settings.max_body_mib, BATCH_LIMIT_MIB),
        }
        return Response(200, orjson.dumps(parameters), JSON)

    async def _invocations(self, scope: Scope, receive: Receive) -> Response:
        body = await self._body(scope, receive)
        arguments = body, _header(scope, b"content-type"), _header(scope, b"accept")
        if len(body) < LONG_BODY:
            return self.answer(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.answer, *arguments)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, refused as soon as it is known to be too long: at once where its length is declared."""
        limit = self._settings.max_body_bytes
        too_large = HttpError(
            413, f"the body is longer than {self._settings.max_body_mib} MiB, send fewer rows at a time"
        )
        if int(_header(scope, b"content-length") or 0) > limit:
            raise too_large
        chunks: list[bytes] = []
        length, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnectedError
            chunks.append(message.get("body", b""))
            length += len(chunks[-1])
            more = message.get("more_body", False)
            if length > limit:
                raise too_large
        return b"".join(chunks)


def _header(scope: Scope, name: bytes) -> str | None:
    """A header's value; several of one name are one list."""
    values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return ",".join(values) if values else None
