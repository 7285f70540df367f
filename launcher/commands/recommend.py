"""``recommend``: the best movies for a user, from the endpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from launcher.endpoint_client import EndpointClient
from launcher.options import (
    EndpointName,
    Genre,
    Json,
    MinRatings,
    YearFrom,
    YearTo,
    start_session,
)
from launcher.queries import Filters, RecommendationQuery, parse_raw_id
from launcher.tables import text_table


def recommend(
    context: typer.Context,
    user: Annotated[
        int,
        typer.Argument(parser=parse_raw_id, metavar="USER", help="Raw id of a user."),
    ],
    count: Annotated[
        int, typer.Option("-n", "--count", help="How many movies.", min=1, max=1000)
    ] = 10,
    genre: Genre = None,
    year_from: YearFrom = None,
    year_to: YearTo = None,
    min_ratings: MinRatings = None,
    endpoint: EndpointName = None,
    as_json: Json = False,
) -> None:
    """Ask for the movies that a user would like best. Those that the user has rated
    are left out: `launcher recommend 1`.
    """
    settings = {"hosting.endpoint": endpoint}
    session = start_session(context, as_json, settings=settings)
    filters = Filters(tuple(genre or ()), year_from, year_to, min_ratings)
    query = RecommendationQuery(user, count, filters)
    answer = EndpointClient(session).ask(query.as_json())

    if not answer["known_user"]:
        session.say(f"user {user} isn't known: these are movies that most users like")
    if not answer["recommendations"]:
        session.say("no movie is left: ask with fewer conditions")
    rows = [
        (
            place,
            movie["movieId"],
            movie["title"] or "(unknown)",
            f"{movie['expected_rating']:.2f}",
            ", ".join(movie["genres"]),
        )
        for place, movie in enumerate(answer["recommendations"], start=1)
    ]
    header = ("", "movieId", "title", "expected", "genres")
    session.emit(answer, text_table(header, rows, session.width))
