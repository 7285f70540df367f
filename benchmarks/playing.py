"""How long the playground takes for an answer, at the median.

``python -m benchmarks.playing URL``, where URL is what ``launcher play`` prints.
``--questions N`` (25) of each kind are asked, one after the other, over one connection.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from rich.table import Table

from benchmarks.data import read_data
from benchmarks.results import console, save

Question = tuple[str, dict[str, Any] | None]
N_RATED = 5
WORDS = ("toy", "star", "the", "matrix", "god", "love")


class Questions:
    """What the page asks about ml-latest-small, at random but the same each time."""

    def __init__(self) -> None:
        self._rng = random.Random(0)
        ratings = read_data().ratings
        self._users: list[int] = sorted(set(ratings.user_id.tolist()))
        self._movies: list[int] = sorted(set(ratings.movie_id.tolist()))

    def known(self) -> dict[str, Any]:
        """A user of the data."""
        return {"user_id": self._rng.choice(self._users)}

    def new(self) -> dict[str, Any]:
        """Someone new, who has rated a few movies."""
        movies = self._rng.sample(self._movies, N_RATED)
        return {"rated": [[movie, self._rng.randint(1, 5)] for movie in movies]}

    def prediction(self, who: dict[str, Any]) -> Question:
        """A distribution, with reasons."""
        return "/api/predict", {**who, "movie_id": self._rng.choice(self._movies)}

    def recommendations(self, who: dict[str, Any]) -> Question:
        """Twelve movies."""
        return "/api/recommend", {**who, "count": 12}

    def search(self) -> Question:
        """Movies by title."""
        return f"/api/movies?text={quote(self._rng.choice(WORDS))}", None


def main() -> None:
    """Measure, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--questions", type=int, default=25)
    options = parser.parse_args()
    asked = Questions()
    kinds: dict[str, Callable[[], Question]] = {
        "distribution with reasons, a known user": lambda: asked.prediction(
            asked.known()
        ),
        "the same for someone new": lambda: asked.prediction(asked.new()),
        "12 recommendations, a known user": lambda: asked.recommendations(
            asked.known()
        ),
        "12 recommendations, someone new": lambda: asked.recommendations(asked.new()),
        "movies by title": asked.search,
    }
    screen = console()
    table = Table("an answer", "ms at the median", "slowest")
    figures: dict[str, list[float]] = {}
    connection = http.client.HTTPConnection(urlsplit(options.url).netloc)
    for name, make in kinds.items():
        figures[name] = [
            milliseconds(connection, make()) for _ in range(options.questions)
        ]
        median = statistics.median(figures[name])
        table.add_row(name, f"{median:.0f}", f"{max(figures[name]):.0f}")
    screen.print(table)
    save("playing", figures, screen)


def milliseconds(connection: http.client.HTTPConnection, question: Question) -> float:
    """How long an answer takes."""
    target, body = question
    began = time.perf_counter()
    if body is None:
        connection.request("GET", target)
    else:
        headers = {"content-type": "application/json"}
        connection.request("POST", target, json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == http.HTTPStatus.OK, text
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
