"""From the body of a request to its answer. There is no HTTP here.

1. `negotiate` says what the headers mean.
2. A format's parser reads the body into rows, some at a time.
3. If a bad row fails the request, all rows are read once to see that none is bad. Rows
   with unknown ids are refused if the client wants that.
4. `AnswerWriter` predicts the rows that ask for one rating, answers the questions,
   which ask for more, and writes all answers in the order of the rows.

Neither the rows of a long body nor its answer are ever held as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from movielens.errors import RequestError
from serve.answer_parts import AnswerWriter, Part, PlacedRows
from serve.formats.format import BodyParser
from serve.formats.registry import FORMATS, Formats
from serve.media_types import check_charset
from serve.negotiation import Negotiated, RequestHeaders, negotiate
from serve.predicted_rows import predict_rows
from serve.question_answers import QuestionAnswerer
from serve.response import Response
from serve.row_checks import Blocks, RowCheck, no_header
from serve.rows import ParsedRequest, Rows, first_character
from serve.served_model import ServedModel
from serve.unknown_ids import without_unknown

if TYPE_CHECKING:
    from serve.operations.tally import Tally


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
        block_slow: the same if many rows are questions, or have contributions, which
            take as long.
        short_bytes: bodies up to this length are answered at once if they are plain.
        kept_bytes: rows of bodies up to this length are kept when they were checked;
            longer bodies are read again, block by block.
        formats: what can be read and written.
    """

    lenient: bool = False
    one_record_a_body: bool = False
    most_questions: int = 200
    block_rows: int = 8192
    block_slow: int = 200
    short_bytes: int = 2**16
    kept_bytes: int = 2**20
    formats: Formats = FORMATS


def answer(
    served: ServedModel,
    headers: RequestHeaders,
    body: bytes,
    rules: AnswerRules = AnswerRules(),
    tally: Tally | None = None,
) -> Response:
    """Read, predict and write.

    ``tally`` counts what is predicted, if it is given.

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
    if len(body) <= rules.short_bytes:
        short = _answer_plain(served, parsed, negotiated, rules, tally)
        if short is not None:
            return short

    bad_option: str | None = None
    if parsed.parameters:
        try:
            negotiated = negotiated.with_parameters(parsed.parameters)
        except RequestError as error:
            bad_option = str(error)
    refuse_unknown = negotiated.options.refuse_unknown
    answerer = QuestionAnswerer(served.model, served.candidates, refuse_unknown)
    writer = AnswerWriter(served, negotiated, answerer, parsed.shape, tally)
    blocks: Blocks
    if rules.lenient:
        if bad_option is not None:
            raise RequestError(bad_option)
        _check_header(parsed, negotiated)
        blocks = partial(_without_unknown, parsed, answerer)
    else:
        check = RowCheck(answerer, rules.most_questions)
        blocks = check.read(parsed, keep=len(body) <= rules.kept_bytes)
        check.raise_first(bad_option, _has_header(negotiated))

    explains = negotiated.options.contributions > 0

    def make_parts(writer: AnswerWriter) -> Iterator[Part]:
        return writer.parts(_placed(blocks(), rules, explains=explains))

    parts = make_parts(writer)
    # A bug in a model shows itself here, while the status can still be 500.
    text, is_last = next(parts)
    if is_last:
        return Response(200, text, negotiated.media_type)
    not_counted = replace(writer, tally=None)
    return Response(
        200,
        text,
        negotiated.media_type,
        more=(part.text for part in parts),
        again=lambda: (part.text for part in make_parts(not_counted)),
    )


def _answer_plain(
    served: ServedModel,
    parsed: ParsedRequest,
    negotiated: Negotiated,
    rules: AnswerRules,
    tally: Tally | None,
) -> Response | None:
    """The answer to a few plain rows, None if there is more to it.

    Most requests are such, and this saves a third of their time.
    """
    options = negotiated.options
    if parsed.parameters or options.refuse_unknown or options.contributions:
        return None
    blocks = list(parsed.cut())
    if len(blocks) != 1:
        return None
    rows = parsed.read(blocks[0])
    if not rows.are_plain or len(rows.queries) > rules.block_rows:
        return None
    predicted = predict_rows(served.model, rows.queries)
    if tally is not None:
        tally.count_predicted(len(rows.queries), predicted.unknown)
    text = negotiated.renderer.whole(predicted, parsed.shape, negotiated.style)
    return Response(200, text, negotiated.media_type)


def _parse(parser: BodyParser, body: bytes, rules: AnswerRules) -> ParsedRequest:
    if not rules.lenient:
        return parser.strict(body)
    if rules.one_record_a_body:
        return parser.single(body)
    return parser.lenient(body)


def _has_header(negotiated: Negotiated) -> bool:
    """Whether the answer has a header that no question can have."""
    style = negotiated.style
    return style.has_header and style.wanted is None


def _check_header(parsed: ParsedRequest, negotiated: Negotiated) -> None:
    """Check that no question comes below a header.

    Raises:
        RequestError: if one does.
    """
    if not _has_header(negotiated):
        return
    if any(rows.questions for rows in parsed.blocks()):
        raise no_header()


def _without_unknown(
    parsed: ParsedRequest, answerer: QuestionAnswerer
) -> Iterator[Rows]:
    """The rows; those with unknown ids are faults if they are to be refused."""
    n_before = 0
    for rows in parsed.blocks():
        n_rows = rows.n_rows
        if answerer.refuse_unknown:
            rows = without_unknown(answerer.model, rows, n_before)
        yield rows
        n_before += n_rows


def _placed(
    blocks: Iterable[Rows], rules: AnswerRules, *, explains: bool
) -> Iterator[PlacedRows]:
    """The rows, as many at a time as take a few seconds."""
    n_before = 0
    for block in blocks:
        most = rules.block_rows
        if explains or len(block.questions) > rules.block_slow:
            most = min(rules.block_slow, most)
        for rows in block.split(most):
            if rows.n_rows:
                yield PlacedRows(n_before, rows)
            n_before += rows.n_rows
