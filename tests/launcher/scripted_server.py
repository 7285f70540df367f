"""A server that answers requests in JSON as a test has written them down."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from launcher.ports import LOOPBACK

NOT_FOUND = {"__type": "ValidationException", "message": "Could not find it"}


class ScriptedServer(ThreadingHTTPServer):
    """Answers each operation with its next answer; the last one again and again.

    An operation without answers finds nothing.
    """

    def __init__(self, **answers: list[dict[str, Any]]) -> None:
        super().__init__((LOOPBACK, 0), _Script)
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}"

    def answer(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((operation, parameters))
        answers = self.answers.get(operation, [NOT_FOUND])
        return answers.pop(0) if len(answers) > 1 else answers[0]


class _Script(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        answer = self.server.answer(operation, json.loads(body))
        content = json.dumps(answer).encode()
        self.send_response(400 if "__type" in answer else 200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Nothing on stderr, which the tests read."""
