"""The routes of a multi-model endpoint, as SageMaker's contract for such containers has
them.

https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec

from movielens.errors import ArtifactError
from serve.app import Api, Methods
from serve.bodies import Receive, Scope, read_body
from serve.errors import HttpError
from serve.models import Models
from serve.response import Response, json_response
from serve.settings import Settings

PAGE = 100
_MOST_MIB = 1


class _LoadRequest(msgspec.Struct):
    model_name: str
    url: str


class MultiModelApplication(Api):
    """Many models: ``/ping`` says that they can be loaded, each is proved when it is."""

    def __init__(self, models: Models, settings: Settings) -> None:
        super().__init__(settings)
        self._models = models
        self._routes = {
            "/ping": {"GET": self._ping, "HEAD": self._ping},
            "/models": {"GET": self._list, "POST": self._load},
            **self._routes,
        }

    def _methods(self, path: str) -> Methods | None:
        parts = path.split("/")[1:]
        match parts:
            case ["models", name] if name:
                return {"GET": self._describe, "DELETE": self._unload}
            case ["models", name, "invoke"] if name:
                return {"POST": self._invoke_one}
            case _:
                return super()._methods(path)

    async def _ping(self, _scope: Scope, _receive: Receive) -> Response:
        return Response()

    async def _list(self, scope: Scope, _receive: Receive) -> Response:
        names = self._models.names()
        after = _page_token(parse_qs(scope["query_string"].decode("latin-1")))
        page = [name for name in names if name > after][:PAGE]
        listed: dict[str, Any] = {
            "models": [self._models.describe(name) for name in page]
        }
        if page and page[-1] != names[-1]:
            listed["nextPageToken"] = base64.urlsafe_b64encode(
                page[-1].encode()
            ).decode()
        return json_response(listed)

    async def _load(self, _scope: Scope, receive: Receive) -> Response:
        body = await read_body(receive, _MOST_MIB)
        try:
            wanted = msgspec.json.decode(body, type=_LoadRequest)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise HttpError(
                400, f'expected {{"model_name": ..., "url": ...}}: {error}'
            ) from None
        if not wanted.model_name or "/" in wanted.model_name:
            raise HttpError(400, "model_name is empty or has a slash")
        try:
            await self._in_thread(
                self._models.load, wanted.model_name, Path(wanted.url)
            )
        except ArtifactError as error:
            raise HttpError(400, str(error)) from None
        return json_response(self._models.describe(wanted.model_name))

    async def _describe(self, scope: Scope, _receive: Receive) -> Response:
        return json_response(self._models.describe(_name(scope)))

    async def _unload(self, scope: Scope, _receive: Receive) -> Response:
        self._models.unload(_name(scope))
        return Response()

    async def _invoke_one(self, scope: Scope, receive: Receive) -> Response:
        name = _name(scope)
        get = self._models.get
        served = (
            get(name)
            if self._models.is_resident(name)
            else await self._in_thread(get, name)
        )
        return await self._invoke(served, scope, receive)


def _name(scope: Scope) -> str:
    name: str = scope["path"].split("/")[2]
    return name


def _page_token(query: Mapping[str, list[str]]) -> str:
    token = query.get("next_page_token", query.get("nextPageToken", [""]))[0]
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise HttpError(400, "no such next_page_token") from None
