"""``predict``: ratings for pairs of raw ids, from the endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from launcher.endpoint_client import EndpointClient
from launcher.errors import ConfigError
from launcher.options import EndpointName, Json, start_session
from launcher.queries import parse_pairs, read_pairs
from launcher.tables import text_table

_PAIRS_A_REQUEST = 10_000


def predict(
    context: typer.Context,
    pairs: Annotated[
        list[str] | None,
        typer.Argument(metavar="USER:MOVIE[:TIMESTAMP]", help="Raw ids."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="CSV of userId,movieId[,timestamp].")
    ] = None,
    endpoint: EndpointName = None,
    as_json: Json = False,
) -> None:
    """Ask the endpoint for raw ids: `launcher predict 1:318 1:296`."""
    if bool(pairs) == (file is not None):
        raise ConfigError("give either pairs of ids, such as 1:318, or --file")
    asked = read_pairs(file) if file else parse_pairs(pairs or [])
    settings = {"hosting.endpoint": endpoint}
    session = start_session(context, as_json, settings=settings)

    client = EndpointClient(session)
    answers: list[dict[str, Any]] = []
    for start in range(0, len(asked), _PAIRS_A_REQUEST):
        chunk = asked[start : start + _PAIRS_A_REQUEST]
        answer = client.ask({"instances": [pair.as_json() for pair in chunk]})
        answers += answer["predictions"]

    rows = [
        (
            answer["userId"],
            answer["movieId"],
            answer["title"] or "(unknown)",
            answer["rating"],
            f"{answer['expected_rating']:.2f}",
        )
        for answer in answers
    ]
    header = ("userId", "movieId", "title", "rating", "expected")
    session.emit(answers, text_table(header, rows))
