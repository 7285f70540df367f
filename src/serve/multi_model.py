"""The routes of a multi-model endpoint.

SageMaker's contract for such containers:
https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson

from movielens.errors import ArtifactError
from serve.app import Api, Methods
from serve.asgi import Receive, Scope
from serve.errors import HttpError
from serve.models import Models
from serve.response import Response, json_response
from serve.settings import ServeSettings

PAGE = 100
_MOST_MIB = 1


class MultiModelApplication(Api):
    """The routes over many models.

    ``/ping`` says only that the server runs; each model is proved when it is loaded.
    """

    def __init__(self, models: Models, settings: ServeSettings) -> None:
        super().__init__(settings)
        self._models = models
        self._routes = {
            "/ping": {"GET": self._ping, "HEAD": self._ping},
            "/models": {"GET": self._list, "POST": self._load},
            **self._routes,
        }

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
        names = self._models.names()
        page = [name for name in names if name > previous][:PAGE]
        listed: dict[str, Any] = {
            "models": [self._models.describe(name) for name in page]
        }
        if page and page[-1] != names[-1]:
            token = base64.urlsafe_b64encode(page[-1].encode())
            listed["nextPageToken"] = token.decode()
        return json_response(listed)

    async def _load(self, _scope: Scope, receive: Receive) -> Response:
        body = await self._read_body(receive, _MOST_MIB)
        name, path = _model_to_load(body)
        try:
            await self._in_thread(self._models.load, name, path)
        except ArtifactError as error:
            raise HttpError(400, str(error)) from None
        return json_response(self._models.describe(name))

    async def _describe(self, scope: Scope, _receive: Receive) -> Response:
        return json_response(self._models.describe(_name(scope)))

    async def _unload(self, scope: Scope, _receive: Receive) -> Response:
        self._models.unload(_name(scope))
        return Response()

    async def _invoke_one(self, scope: Scope, receive: Receive) -> Response:
        name = _name(scope)
        if self._models.is_resident(name):
            served = self._models.get(name)
        else:
            served = await self._in_thread(self._models.get, name)
        return await self._invoke(served, scope, receive)


def _name(scope: Scope) -> str:
    """The name in ``/models/{name}`` or ``/models/{name}/invoke``."""
    name: str = scope["path"].split("/")[2]
    return name


def _model_to_load(body: bytes) -> tuple[str, Path]:
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
    if not name or "/" in name:
        raise HttpError(400, "model_name is empty or has a slash")
    return name, Path(url)


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
