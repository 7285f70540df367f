"""``onboarding``: the movies to ask somebody new about, from the endpoint."""

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
from launcher.queries import Filters, OnboardingQuery, parse_ratings, parse_raw_id
from launcher.tables import text_table


def onboarding(
    context: typer.Context,
    ratings: Annotated[
        list[str] | None,
        typer.Argument(metavar="MOVIE:STARS", help="What was rated already."),
    ] = None,
    user: Annotated[
        int | None,
        typer.Option(parser=parse_raw_id, metavar="USER", help="Raw id of a user."),
    ] = None,
    count: Annotated[
        int, typer.Option("-n", "--count", help="How many movies.", min=1, max=100)
    ] = 10,
    genre: Genre = None,
    year_from: YearFrom = None,
    year_to: YearTo = None,
    min_ratings: MinRatings = None,
    endpoint: EndpointName = None,
    as_json: Json = False,
) -> None:
    """Ask which movies somebody new should rate first.

    Give the ratings that you have got: `launcher onboarding 356:4.5 318:3`.
    """
    history = parse_ratings(ratings) if ratings else None
    filters = Filters(tuple(genre or ()), year_from, year_to, min_ratings)
    query = OnboardingQuery(count, history, user, filters)
    settings = {"hosting.endpoint": endpoint}
    session = start_session(context, as_json, settings=settings)
    answer = EndpointClient(session).ask(query.as_json())

    if not answer["onboarding"]:
        session.say("no movie is left: ask with fewer conditions")
    rows = [
        (
            place,
            movie["movieId"],
            movie["title"],
            f"{movie['rated_share']:.0%}",
            f"{movie['gain']:.3f}",
        )
        for place, movie in enumerate(answer["onboarding"], start=1)
    ]
    header = ("", "movieId", "title", "rated by", "gain")
    session.emit(answer, text_table(header, rows, session.width))
