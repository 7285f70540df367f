"""Serves the model of `bias_train`: all that SageMaker asks of a server.

It answers ``GET /ping`` with 200 once the model is loaded, and ``POST /invocations``
with JSON. It takes ``{"userId": 1, "movieId": 318}``, or ``{"instances": [...]}`` with
a list of such objects, as `launcher predict` sends it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

BASE_DIR = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
PORT = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))


class Model:
    """The offsets by id."""

    def __init__(self, path: Path) -> None:
        saved = np.load(path)
        users = saved["user_id"].tolist()
        movies = saved["movie_id"].tolist()

        self.mean = float(saved["mean"])
        self.users = dict(zip(users, saved["user"], strict=True))
        self.movies = dict(zip(movies, saved["movie"], strict=True))

    def answer(self, pair: dict[str, Any]) -> dict[str, Any]:
        """The pair with its expected rating, and the half star that is nearest."""
        user = self.users.get(pair["userId"], 0.0)
        movie = self.movies.get(pair["movieId"], 0.0)
        expected = min(max(self.mean + user + movie, 0.5), 5.0)
        return {
            **pair,
            "title": None,
            "rating": round(2 * expected) / 2,
            "expected_rating": expected,
        }


class Handler(BaseHTTPRequestHandler):
    """Two routes."""

    model: Model

    def do_GET(self) -> None:
        """``/ping``."""
        self._send(200 if self.path == "/ping" else 404, b"")

    def do_POST(self) -> None:
        """``/invocations``."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            asked = json.loads(body)
            if "instances" in asked:
                answers = [self.model.answer(pair) for pair in asked["instances"]]
                answered = {"predictions": answers}
            else:
                answered = self.model.answer(asked)
        except (ValueError, TypeError, KeyError) as error:
            self._send(400, json.dumps({"error": {"message": repr(error)}}).encode())
        else:
            self._send(200, json.dumps(answered).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    # Process 1 gets SIGTERM, and ignores it unless it has a handler.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Handler.model = Model(BASE_DIR / "model" / "bias.npz")
    ThreadingHTTPServer(("", PORT), Handler).serve_forever()
