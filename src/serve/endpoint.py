"""One body to one answer: what a request means by its headers, and a model's
predictions for its rows. No HTTP here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from typing import NamedTuple

import numpy as np

from movielens.columns import MOVIE_ID, USER_ID
from movielens.errors import RequestError
from movielens.queries import RatingQueries
from serve.answers import Parameters, Renderer, csv_rating
from serve.codec import CSV, PARSERS, RENDERERS, Parser
from serve.contributions import contributions
from serve.csv_rows import parse_users, plain_row
from serve.errors import HttpError
from serve.lenient import parse_leniently
from serve.negotiation import MediaType, answer_type, request_type
from serve.options import Options, unknown
from serve.predicted_rows import PredictedRows, predict_rows
from serve.questions import HISTORY, RECOMMEND, Wanted
from serve.recommendations import Answer, Answerer
from serve.response import Response
from serve.rows import ParsedRequest, shown
from serve.served_model import ServedModel

# A long answer is made this many rows at a time, and sent in parts where it has
# several.
BLOCK_ROWS = 8192
# A question takes some hundredths of a second, and a request has 60 s in all.
MOST_QUESTIONS = 200


class Asked(NamedTuple):
    """What the headers of a request say.

    Attributes:
        content_type, accept, attributes, encoding: as they came, None where they
            didn't.
    """

    content_type: str | None = None
    accept: str | None = None
    attributes: str | None = None
    encoding: str | None = None

    @classmethod
    def of(cls, headers: Mapping[bytes, bytes]) -> Asked:
        """Of headers by their names in lower case."""
        get = headers.get
        return _asked(
            get(b"content-type"),
            get(b"accept"),
            get(_ATTRIBUTES),
            get(b"content-encoding"),
        )


_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"


# Clients send the same few headers for ever.
@lru_cache(maxsize=64)
def _asked(*values: bytes | None) -> Asked:
    return Asked(
        *[value if value is None else value.decode("latin-1") for value in values]
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """What they mean.

    Attributes:
        requested: a key of `PARSERS`.
        parse: reads the body.
        answered: the media type of the answer.
        renderer: writes it.
        parameters: of the answer's type.
        options: see there.
        wants_ratings: whether rows are asked as CSV and answered as CSV by their
            ratings alone.
    """

    requested: str
    parse: Parser
    answered: str
    renderer: Renderer
    parameters: Parameters
    options: Options
    wants_ratings: bool


# What can't be served isn't remembered.
@lru_cache(maxsize=512)
def plan(asked: Asked, begins: bytes) -> Plan:
    """The plan for a body that begins with that character, if its type isn't said.

    Raises:
        HttpError: 406 or 415.
        RequestError: if an option or a parameter has a value that it can't have.
    """
    if asked.encoding is not None and asked.encoding.strip().lower() not in (
        "",
        "identity",
    ):
        raise HttpError(
            415,
            f"Content-Encoding {shown(asked.encoding)!r} isn't read, send the rows as they are",
        )
    requested = request_type(asked.content_type, begins)
    answered = answer_type(asked.accept, requested)
    options, parse = Options.parse(asked.attributes or ""), PARSERS[requested]
    given = MediaType.parse(asked.content_type or "").parameters
    parameters = {
        name: value
        for name, value in answered.parameters.items()
        if name in ("verbose", "header")
    }
    if options.verbose:
        parameters["verbose"] = "true"
    if requested == CSV and RECOMMEND in given:
        wanted = Wanted.of_parameters(given)
        parse, parameters[RECOMMEND] = (
            partial(parse_users, wanted=wanted),
            str(wanted.count),
        )
    wants_ratings = (
        requested == answered.name == CSV and not parameters and options == Options()
    )
    return Plan(
        requested,
        parse,
        answered.name,
        RENDERERS[answered.name],
        parameters,
        options,
        wants_ratings,
    )


def answer(
    served: ServedModel, asked: Asked, body: bytes, lenient: bool = False
) -> Response:
    """Parse, score and render one body.

    Args:
        served: the model.
        asked: the headers.
        body: the rows.
        lenient: whether a bad row is answered with its error instead of failing them
            all, as a batch needs it.

    Raises:
        HttpError: 406 or 415, by the headers alone.
        RequestError: if the body isn't rows of raw ids.
    """
    planned = plan(asked, body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1])
    if (
        planned.wants_ratings and (row := plain_row(body)) is not None
    ):  # the most frequent request by far
        return Response(200, csv_rating(served.model, row), CSV)
    parsed = (
        parse_leniently(planned.parse, planned.requested, body)
        if lenient
        else planned.parse(body)
    )
    if planned.options.refuse_unknown:
        parsed = _known_only(served, parsed, lenient)
    others = (
        _others(served, planned, parsed, lenient)
        if parsed.questions or parsed.faults
        else {}
    )
    if len(parsed.queries) > BLOCK_ROWS and not others:
        blocks = (
            _explained(served, planned, predict_rows(served.model, part))
            for part in _parts(parsed.queries)
        )
        return _in_parts(
            planned, planned.renderer.stream(blocks, planned.parameters, parsed.shape)
        )
    predictions = _explained(
        served, planned, predict_rows(served.model, parsed.queries)
    )
    text = planned.renderer(predictions, parsed.shape, planned.parameters, others)
    return Response(200, text, planned.answered)


def is_slow(asked: Asked) -> bool:
    """Whether these headers may make even one row take long enough to keep others
    waiting.
    """
    if asked.attributes is not None and "contributions" in asked.attributes:
        return True
    return asked.content_type is not None and RECOMMEND in asked.content_type.lower()


def may_question(body: bytes) -> bool:
    """Whether rows of the body may do so; where there is a question this is true, and
    seldom else.
    """
    # A name is written in quotes, and may be written with escapes.
    return b'"' in body and (_HISTORY in body or _RECOMMEND in body or b"\\" in body)


_HISTORY, _RECOMMEND = HISTORY.encode(), RECOMMEND.encode()


def _explained(
    served: ServedModel, planned: Plan, predictions: PredictedRows
) -> PredictedRows:
    """The same with contributions, where they were asked for."""
    count, model = planned.options.contributions, predictions.model
    if not count or not len(predictions.queries):
        return predictions
    features = model.spec.transform(predictions.queries)
    return predictions._replace(
        contributions=contributions(
            *served.xgboost(), features, model.class_values, count
        )
    )


def _others(
    served: ServedModel, planned: Plan, parsed: ParsedRequest, lenient: bool
) -> Mapping[int, str | Answer]:
    """Answers to the questions, and what is wrong with rows that can't be answered, by
    place.
    """
    if len(parsed.questions) > MOST_QUESTIONS and not lenient:
        raise RequestError(
            f"{len(parsed.questions)} rows with {RECOMMEND} or {HISTORY} are too many, send up to {MOST_QUESTIONS}"
        )
    if (
        parsed.questions
        and RECOMMEND not in planned.parameters
        and planned.parameters.get("header") == "present"
    ):
        raise RequestError(
            f"rows with {RECOMMEND} or {HISTORY} have no header in common, leave out header=present"
        )
    answerer = Answerer(
        served.model, served.candidates, strict=planned.options.refuse_unknown
    )
    others: dict[int, str | Answer] = dict(parsed.faults)
    for place, question in parsed.questions.items():
        try:
            found = answerer.answer(question)
        except RequestError as error:
            if not lenient:
                raise RequestError(f"row {place + 1}: {error}") from None
            others[place] = f"row {place + 1}: {error}"
        else:
            others[place] = replace(
                found, predictions=_explained(served, planned, found.predictions)
            )
    return others


def _parts(queries: RatingQueries) -> Iterator[RatingQueries]:
    for start in range(0, len(queries), BLOCK_ROWS):
        yield queries.take(np.arange(start, min(start + BLOCK_ROWS, len(queries))))


def _in_parts(planned: Plan, parts: Iterator[bytes]) -> Response:
    (first,) = islice(
        parts, 1
    )  # a fault in a model shows here, while there still can be a status
    return Response(200, first, planned.answered, more=parts)


def _known_only(
    served: ServedModel, parsed: ParsedRequest, lenient: bool
) -> ParsedRequest:
    """The rows with a known user and movie; the others are faults, or the first of them
    is raised.
    """
    queries, model = parsed.queries, served.model
    unknown_user, unknown_movie = (
        ~model.knows_user(queries.user_id),
        model.movie_index(queries.movie_id) < 0,
    )
    is_unknown = unknown_user | unknown_movie
    if not is_unknown.any():
        return parsed
    elsewhere = parsed.faults.keys() | parsed.questions.keys()
    places = [
        place
        for place in range(len(queries) + len(elsewhere))
        if place not in elsewhere
    ]
    faults = {}
    for row in np.flatnonzero(is_unknown):
        name, ids = (
            (USER_ID, queries.user_id)
            if unknown_user[row]
            else (MOVIE_ID, queries.movie_id)
        )
        faults[places[row]] = f"row {places[row] + 1}: {unknown(name, ids[row])}"
    if not lenient:
        raise RequestError(next(iter(faults.values())))
    known = queries.take(np.flatnonzero(~is_unknown))
    return ParsedRequest(
        known, parsed.shape, {**parsed.faults, **faults}, parsed.questions
    )
