"""From the body of a request to its answer. There is no HTTP here.

1. `negotiate` says what the headers mean.
2. A format's parser reads the body into rows.
3. If the client wants that, rows with unknown ids are refused.
4. The model predicts the rows that ask for one rating, block by block.
5. Questions, which ask for more, are answered one by one.
6. A format's renderer writes all answers in the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from movielens.errors import RequestError
from movielens.queries import RatingQueries
from serve.contributions import contributions
from serve.formats.format import BodyParser
from serve.formats.registry import FORMATS, Formats
from serve.media_types import check_charset
from serve.negotiation import Negotiated, RequestHeaders, negotiate
from serve.predicted_rows import PredictedRows, predict_rows
from serve.question_answers import QuestionAnswer, QuestionAnswerer
from serve.questions import HISTORY, RECOMMEND
from serve.response import Response
from serve.rows import ParsedRequest, first_character
from serve.served_model import ServedModel
from serve.unknown_ids import unknown_in_queries


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """How a server answers, whatever the request.

    Attributes:
        lenient: whether a bad row is answered with its error, as batches need it,
            instead of failing the request.
        one_record_a_body: whether a batch comes with one record a request.
        most_questions: questions that a request may have, if it isn't lenient. One
            takes some hundredths of a second, and SageMaker gives a request 60 s.
        block_rows: rows of a long answer that are computed and sent at a time.
        formats: what can be read and written.
    """

    lenient: bool = False
    one_record_a_body: bool = False
    most_questions: int = 200
    block_rows: int = 8192
    formats: Formats = FORMATS


def answer(
    served: ServedModel,
    headers: RequestHeaders,
    body: bytes,
    rules: AnswerRules = AnswerRules(),
) -> Response:
    """Read, predict and write.

    Raises:
        HttpError: 406 or 415, because of the headers.
        RequestError: if the body isn't rows of raw ids.
    """
    first = first_character(body)
    negotiated = negotiate(headers, first, rules.formats)
    if rules.lenient and not first:
        return Response(204)
    check_charset(negotiated.charset, body)
    parsed = _parse(negotiated.parser, body, rules)
    if parsed.parameters:
        negotiated = negotiated.with_parameters(parsed.parameters)
    if negotiated.options.refuse_unknown:
        parsed = _without_unknown(served, parsed, rules)

    others: dict[int, str | QuestionAnswer] = dict(parsed.faults)
    if parsed.questions:
        _check_questions(parsed, negotiated, rules)
        others |= _answer_questions(served, parsed, negotiated, rules)

    if len(parsed.queries) > rules.block_rows and not others:
        return _in_parts(served, parsed, negotiated, rules)
    predicted = _predict(served, parsed.queries, negotiated)
    text = negotiated.renderer.whole(predicted, parsed.shape, negotiated.style, others)
    return Response(200, text, negotiated.media_type)


def _parse(parser: BodyParser, body: bytes, rules: AnswerRules) -> ParsedRequest:
    if not rules.lenient:
        return parser.strict(body)
    if rules.one_record_a_body:
        return parser.single(body)
    return parser.lenient(body)


def _predict(
    served: ServedModel, queries: RatingQueries, negotiated: Negotiated
) -> PredictedRows:
    return _explain(served, predict_rows(served.model, queries), negotiated)


def _explain(
    served: ServedModel, rows: PredictedRows, negotiated: Negotiated
) -> PredictedRows:
    """The rows with contributions, if the client asked for them."""
    count = negotiated.options.contributions
    if count == 0 or len(rows.queries) == 0:
        return rows
    booster, regression = served.xgboost()
    features = rows.model.spec.transform(rows.queries)
    class_values = rows.predicted.class_values
    found = contributions(booster, regression, features, class_values, count)
    return rows._replace(contributions=found)


def _without_unknown(
    served: ServedModel, parsed: ParsedRequest, rules: AnswerRules
) -> ParsedRequest:
    """The request with rows of unknown ids as faults.

    Raises:
        RequestError: for the first of them, if a bad row fails the request.
    """
    unknown = unknown_in_queries(served.model, parsed.queries)
    if not unknown:
        return parsed
    places = parsed.query_places()
    faults = dict(parsed.faults)
    for row, message in unknown.items():
        message = _at_row(places[row], message)
        if not rules.lenient:
            raise RequestError(message)
        faults[places[row]] = message
    is_known = np.ones(len(parsed.queries), dtype=np.bool_)
    is_known[list(unknown)] = False
    known = parsed.queries.take(np.flatnonzero(is_known))
    return parsed._replace(queries=known, faults=faults)


def _check_questions(
    parsed: ParsedRequest, negotiated: Negotiated, rules: AnswerRules
) -> None:
    n_questions = len(parsed.questions)
    if n_questions > rules.most_questions and not rules.lenient:
        raise RequestError(
            f"{n_questions} rows with {RECOMMEND} or {HISTORY} are too many, "
            f"send up to {rules.most_questions}"
        )
    style = negotiated.style
    if style.has_header and not style.n_recommended:
        raise RequestError(
            f"rows with {RECOMMEND} or {HISTORY} have no header in common, "
            "leave out header=present"
        )


def _answer_questions(
    served: ServedModel,
    parsed: ParsedRequest,
    negotiated: Negotiated,
    rules: AnswerRules,
) -> dict[int, str | QuestionAnswer]:
    """By place, the answer to each question, or what is wrong with it."""
    refuse_unknown = negotiated.options.refuse_unknown
    answerer = QuestionAnswerer(served.model, served.candidates, refuse_unknown)
    answers: dict[int, str | QuestionAnswer] = {}
    for place, question in parsed.questions.items():
        try:
            found = answerer.answer(question)
        except RequestError as error:
            message = _at_row(place, str(error))
            if not rules.lenient:
                raise RequestError(message) from None
            answers[place] = message
        else:
            explained = _explain(served, found.rows, negotiated)
            answers[place] = replace(found, rows=explained)
    return answers


def _at_row(place: int, message: str) -> str:
    return f"row {place + 1}: {message}"


def _in_parts(
    served: ServedModel,
    parsed: ParsedRequest,
    negotiated: Negotiated,
    rules: AnswerRules,
) -> Response:
    """A long answer, whose parts are computed as they are sent."""
    blocks = (
        _predict(served, block, negotiated)
        for block in _blocks(parsed.queries, rules.block_rows)
    )
    parts = negotiated.renderer.stream(blocks, parsed.shape, negotiated.style)
    # A bug in a model shows itself here, while the status can still be 500.
    first = next(parts)
    return Response(200, first, negotiated.media_type, more=parts)


def _blocks(queries: RatingQueries, block_rows: int) -> Iterator[RatingQueries]:
    n_rows = len(queries)
    for start in range(0, n_rows, block_rows):
        end = min(start + block_rows, n_rows)
        yield queries.take(np.arange(start, end))
