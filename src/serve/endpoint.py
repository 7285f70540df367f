"""One body to one answer: what a request means by its headers, and a model's predictions for its rows. No HTTP here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

import numpy as np

from movielens.errors import RequestError
from movielens.queries import RatingQueries
from serve.answers import Parameters, Renderer
from serve.codec import PARSERS, RENDERERS
from serve.contributions import contributions
from serve.forest import ServedModel
from serve.lenient import parse_leniently
from serve.negotiation import answer_type, request_type
from serve.options import Options
from serve.response import Response
from serve.rows import ParsedRequest
from serve.scorer import Predictions, score

# A long answer is made this many rows at a time, and sent in parts where it has several.
BLOCK_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Asked:
    """What the headers of a request say.

    Attributes:
        content_type, accept, attributes: as they came, None where they didn't.
    """

    content_type: str | None = None
    accept: str | None = None
    attributes: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What they mean.

    Attributes:
        requested: a key of `PARSERS`.
        answered: the media type of the answer.
        renderer: writes it.
        parameters: of the answer's type.
        options: see there.
    """

    requested: str
    answered: str
    renderer: Renderer
    parameters: Parameters
    options: Options


# Clients send the same few headers for ever; what can't be served isn't remembered.
@lru_cache(maxsize=512)
def plan(asked: Asked, begins: bytes) -> Plan:
    """The plan for a body that begins with that character, if its type isn't said.

    Raises:
        HttpError: 406 or 415.
        RequestError: if an option has a value that it can't have.
    """
    requested = request_type(asked.content_type, begins)
    wanted = answer_type(asked.accept, requested)
    options = Options.parse(asked.attributes or "")
    parameters = wanted.parameters | ({"verbose": "true"} if options.verbose else {})
    return Plan(requested, wanted.name, RENDERERS[wanted.name], parameters, options)


def answer(served: ServedModel, asked: Asked, body: bytes, *, lenient: bool = False) -> Response:
    """Parse, score and render one body.

    Args:
        served: the model.
        asked: the headers.
        body: the rows.
        lenient: whether a bad row is answered with its error instead of failing them all, as a batch needs it.

    Raises:
        HttpError: 406 or 415, by the headers alone.
        RequestError: if the body isn't rows of raw ids.
    """
    planned = plan(asked, body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1])
    parsed = parse_leniently(planned.requested, body) if lenient else PARSERS[planned.requested](body)
    if planned.options.refuse_unknown:
        parsed = _known_only(served, parsed, lenient)
    if len(parsed.queries) > BLOCK_ROWS and not parsed.faults:
        blocks = (_predict(served, planned, part) for part in _parts(parsed.queries))
        return _in_parts(planned, planned.renderer.stream(blocks, planned.parameters, parsed.shape))
    predictions = _predict(served, planned, parsed.queries)
    text = planned.renderer(predictions, parsed.shape, planned.parameters, parsed.faults)
    return Response(200, text, planned.answered)


def is_slow(asked: Asked) -> bool:
    """Whether even a single row takes long enough to keep others waiting."""
    return asked.attributes is not None and "contributions" in asked.attributes


def _predict(served: ServedModel, planned: Plan, queries: RatingQueries) -> Predictions:
    predictions = score(served.model, queries)
    count = planned.options.contributions
    if not count or not len(queries):
        return predictions
    features = served.model.spec.transform(queries)
    return replace(
        predictions, contributions=contributions(served.xgboost(), features, served.model.class_values, count)
    )


def _parts(queries: RatingQueries) -> Iterator[RatingQueries]:
    for start in range(0, len(queries), BLOCK_ROWS):
        yield queries.take(np.arange(start, min(start + BLOCK_ROWS, len(queries))))


def _in_parts(planned: Plan, parts: Iterator[bytes]) -> Response:
    (first,) = islice(parts, 1)  # a fault in a model shows here, while there still can be a status
    return Response(200, first, planned.answered, more=parts)


def _known_only(served: ServedModel, parsed: ParsedRequest, lenient: bool) -> ParsedRequest:
    """The rows with a known user and movie; the others are faults, or the first of them is raised."""
    queries, model = parsed.queries, served.model
    unknown_user, unknown_movie = ~model.knows_user(queries.user_id), model.movie_index(queries.movie_id) < 0
    unknown = unknown_user | unknown_movie
    if not unknown.any():
        return parsed
    places = [place for place in range(len(queries) + len(parsed.faults)) if place not in parsed.faults]
    faults = {places[row]: _unknown(queries, row, places[row], unknown_user[row]) for row in np.flatnonzero(unknown)}
    if not lenient:
        raise RequestError(next(iter(faults.values())))
    return ParsedRequest(queries.take(np.flatnonzero(~unknown)), parsed.shape, parsed.faults | faults)


def _unknown(queries: RatingQueries, row: np.int64, place: int, is_user: np.bool_) -> str:
    name, value = ("userId", queries.user_id[row]) if is_user else ("movieId", queries.movie_id[row])
    return f"row {place + 1}: {name} {value} isn't known, and on_unknown=error was asked for"
