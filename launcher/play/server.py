"""HTTP between the playground's page and `launcher.play.answers`.

Only this machine's browser, and only the page itself, may ask:

1. The server listens on loopback.
2. The ``Host`` of a request must be the server's own, so a name on the internet that
   leads to loopback gets nothing (DNS rebinding).
3. Questions come from the page's own origin, and as JSON, which a form of another page
   can't send.
4. The page may load and ask nothing but this server (Content-Security-Policy). It gets
   answers, never an address or a key of an account.
"""

from __future__ import annotations

import json
import logging
import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import parse_qs

from launcher.errors import LauncherError
from launcher.play.answers import Answers, WrongQuestionError
from launcher.ports import LOOPBACK
from movielens.json_text import parse_json

logger = logging.getLogger(__name__)

_JSON = "application/json"
_PAGE = ("index.html", "style.css", "script.js")
_MOST_BODY_BYTES = 64 * 1024
_MOST_SEARCH = 200
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What the browser sent.

    Attributes:
        method: such as ``GET``.
        target: path and query.
        headers: by name in lower case.
        body: as it came.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What it gets."""

    status: HTTPStatus
    media_type: str
    body: bytes


class RefusedError(Exception):
    """A request that isn't answered, with its status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Application:
    """Answers requests, whoever has read them from a connection.

    Args:
        answers: to the page's questions.
        port: of the server; a host or an origin without it is another one.
    """

    def __init__(self, answers: Answers, port: int) -> None:
        self._answers = answers
        self._hosts = {f"{name}:{port}" for name in (LOOPBACK, "localhost")}
        self._questions: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "/api/predict": answers.predict,
            "/api/recommend": answers.recommend,
            "/api/onboarding": answers.onboarding,
        }

    def respond(self, request: Request) -> Response:
        """The answer, or why there is none as JSON."""
        try:
            return self._respond(request)
        except RefusedError as error:
            return _error(error.status, str(error))
        except WrongQuestionError as error:
            return _error(HTTPStatus.BAD_REQUEST, str(error))
        except LauncherError as error:
            return _error(HTTPStatus.BAD_GATEWAY, str(error))
        except Exception:  # a bug must not end the server
            logger.exception("%s %s", request.method, request.target)
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug; the log has it")

    def _respond(self, request: Request) -> Response:
        self._check_source(request)
        path, _, query = request.target.partition("?")
        if request.method == "POST":
            return self._answer(path, request)
        if request.method != "GET":
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "expected GET or POST")
        if path.startswith("/api/"):
            return self._look_up(path, parse_qs(query))
        return _file(path)

    def _check_source(self, request: Request) -> None:
        """Return if the request comes from this server's own page, or from no page."""
        host = request.headers.get("host", "")
        if host not in self._hosts:
            raise RefusedError(
                HTTPStatus.MISDIRECTED_REQUEST, "this server has another name"
            )
        origin = request.headers.get("origin", f"http://{host}")
        site = request.headers.get("sec-fetch-site", "none")
        if origin != f"http://{host}" or site not in ("none", "same-origin"):
            raise RefusedError(HTTPStatus.FORBIDDEN, "only the page itself may ask")

    def _answer(self, path: str, request: Request) -> Response:
        question = self._questions.get(path)
        if question is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such question")
        if request.headers.get("content-type") != _JSON:
            raise RefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"questions come as {_JSON}"
            )
        try:
            asked = parse_json(request.body)
        except ValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"no JSON: {error}") from error
        if not isinstance(asked, dict):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "expected a JSON object")
        return _json(question(asked))

    def _look_up(self, path: str, query: Mapping[str, list[str]]) -> Response:
        match path:
            case "/api/start":
                return _json(self._answers.start())
            case "/api/movies":
                text = query.get("text", [""])[0]
                return _json(self._answers.movies(text[:_MOST_SEARCH]))
            case "/api/user":
                text = query.get("id", [""])[0]
                return _json(self._answers.user(_user_id(text)))
        raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such question")


class PlayServer(ThreadingHTTPServer):
    """Listens on loopback; `serve_forever` answers until `shutdown`.

    Args:
        answers: to the page's questions.
        port: to listen on; 0 takes a free one.
    """

    daemon_threads = True

    def __init__(self, answers: Answers, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.application = Application(answers, self.server_port)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    """Reads requests from a connection and writes the answers to it."""

    protocol_version = "HTTP/1.1"
    server_version = "playground"
    sys_version = ""
    # A connection on which nothing comes for so long is closed.
    timeout = 60
    server: PlayServer
    # Answers are small: without this, each would wait for the browser's receipt.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a GET; if it has a body, that is never read."""
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True
        self._respond(b"")

    def do_POST(self) -> None:
        """Answer a POST."""
        declared = self.headers.get("Content-Length", "")
        if not declared.isdecimal() or int(declared) > _MOST_BODY_BYTES:
            self.close_connection = True
            message = f"a body of at most {_MOST_BODY_BYTES} bytes is expected"
            self._write(_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message))
            return
        self._respond(self.rfile.read(int(declared)))

    def _respond(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        self._write(self.server.application.respond(request))

    def _write(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", response.media_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log for those who debug; a page asks often."""
        logger.debug(format, *args)


def _file(path: str) -> Response:
    name = path.removeprefix("/") or "index.html"
    if name not in _PAGE:
        raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
    media_type, _ = mimetypes.guess_type(name)
    content = (resources.files(__package__) / "page" / name).read_bytes()
    return Response(HTTPStatus.OK, f"{media_type}; charset=utf-8", content)


def _json(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(status, _JSON, json.dumps(value).encode())


def _error(status: HTTPStatus, message: str) -> Response:
    return _json({"error": message}, status)


def _user_id(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{text[:20]!r} is no id of a user")
    return int(text)
