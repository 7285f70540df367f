"""The routes of a multi-model endpoint.

SageMaker's contract for such containers:
https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import orjson

from serve.app import Api, Methods
from serve.asgi import Receive, Scope
from serve.bodies import read_body
from serve.errors import HttpError
from serve.models import Models
from serve.response import Response, json_response
from serve.settings import ServeSettings

PAGE = 100
_MOST_MIB = 1

# Models that are loaded, and unloaded, at the same time; others wait.
_THREADS = 2

# What needs no escape in a path. The platform's names are hashes.
_LONGEST_SHOWN = 300
_NAME = re.compile(r"[\w~=+@:,-][\w~=+@:,.-]{0,255}", re.ASCII)


class MultiModelApplication(Api):
    """The routes over many models.

    ``/ping`` says only that the server runs; each model is proved when it is loaded.
    Loads have threads of their own, so neither predictions nor unloads wait for
    them.
    """

    def __init__(self, models: Models, settings: ServeSettings) -> None:
        super().__init__(settings)
        self._models = models
        self._loads = ThreadPoolExecutor(_THREADS, thread_name_prefix="load")
        self._unloads = ThreadPoolExecutor(_THREADS, thread_name_prefix="unload")
        self._routes = {
            "/ping": {"GET": self._ping, "HEAD": self._ping},
            "/models": {"GET": self._list, "POST": self._load},
            **self._routes,
        }

    @property
    def n_models(self) -> int:
        """Models that are loaded."""
        return self._models.count

    def _methods(self, path: str) -> Methods | None:
        match path.split("/")[1:]:
            case ["models", name] if name:
                return {"GET": self._describe, "DELETE": self._unload}
            case ["models", name, "invoke"] if name:
                return {"POST": self._invoke_one}
            case _:
                return super()._methods(path)

    async def _ping(self, _scope: Scope, _receive: Receive) -> Response:
        return Response()

    async def _list(self, scope: Scope, _receive: Receive) -> Response:
        """A page of the models, by name."""
        previous = _last_of_previous_page(scope)
        models = [
            model
            for model in self._models.describe_all()
            if model["modelName"] > previous
        ]
        page = models[:PAGE]
        listed: dict[str, Any] = {"models": page}
        if len(models) > PAGE:
            token = base64.urlsafe_b64encode(page[-1]["modelName"].encode())
            listed["nextPageToken"] = token.decode()
        return json_response(listed)

    async def _load(self, _scope: Scope, receive: Receive) -> Response:
        body = await read_body(receive, _MOST_MIB)
        name, url = _model_to_load(body)
        await _in_pool(self._loads, self._models.load, name, url)
        return json_response({"modelName": name, "modelUrl": url})

    async def _describe(self, scope: Scope, _receive: Receive) -> Response:
        return json_response(self._models.describe(_name(scope)))

    async def _unload(self, scope: Scope, _receive: Receive) -> Response:
        await _in_pool(self._unloads, self._models.unload, _name(scope))
        return Response()

    async def _invoke_one(self, scope: Scope, receive: Receive) -> Response:
        name = _name(scope)
        served = self._models.resident(name)
        if served is None:
            reading = asyncio.wrap_future(self._models.reading(name))
            # Others may wait for it too, so it isn't cancelled with this request.
            served = await asyncio.shield(reading)
        return await self._invoke(served, scope, receive)


async def _in_pool(
    pool: ThreadPoolExecutor, work: Callable[..., None], *arguments: str
) -> None:
    await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)


def _name(scope: Scope) -> str:
    """The name in ``/models/{name}`` or ``/models/{name}/invoke``."""
    name: str = scope["path"].split("/")[2]
    return name


def _model_to_load(body: bytes) -> tuple[str, str]:
    """The name of a model and the directory of its artifact; other fields are ignored.

    Raises:
        HttpError: 400 if the body doesn't say them.
    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HttpError(400, f"the body isn't JSON: {error}") from None
    match fields:
        case {"model_name": str() as name, "url": str() as url}:
            pass
        case _:
            raise HttpError(
                400, 'expected {"model_name": ..., "url": ...} with two strings'
            )
    if not _NAME.fullmatch(name):
        raise HttpError(
            400,
            f"model_name is {name[:_LONGEST_SHOWN]!r}, expected up to 256 letters, "
            "digits and _ - . ~ = + @ : , without a . at the beginning",
        )
    return name, url


def _last_of_previous_page(scope: Scope) -> str:
    """The name that the page token holds, empty for the first page.

    Raises:
        HttpError: 400 if we never made such a token.
    """
    query = parse_qs(scope["query_string"].decode("latin-1"))
    first_page = [""]
    values = query.get("next_page_token", query.get("nextPageToken", first_page))
    try:
        return base64.b64decode(values[0], altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise HttpError(400, "no such next_page_token") from None
