from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import RequestError
from serve.endpoint import AnswerRules, answer
from serve.formats.csv_format import CSV
from serve.formats.format import BodyParser, Format, RecordBlock, Records
from serve.formats.json_lines_format import JSON_LINES
from serve.formats.registry import FORMATS, Formats
from serve.formats.renderer import AnswerStyle, Frame, Renderer
from serve.negotiation import RequestHeaders
from serve.predicted_rows import PredictedRows
from serve.question_answers import QuestionAnswer
from serve.rows import Row, Shape
from serve.served_model import ServedModel


def test_formats_are_found_by_each_of_their_names() -> None:
    assert FORMATS["text/csv"] is CSV
    for name in ("jsonlines", "x-jsonlines", "x-ndjson"):
        assert FORMATS[f"application/{name}"] is JSON_LINES
    assert "text/html" not in FORMATS


@pytest.mark.parametrize(
    ("first", "expected"),
    [(b"1", "text/csv"), (b"", "text/csv")]
    + [(first, "application/json") for first in (b"{", b"[")],
)
def test_a_body_without_a_type_is_recognised(first: bytes, expected: str) -> None:
    for name in ("", "application/octet-stream"):
        assert FORMATS.media_type_of(name, first) == expected
    assert FORMATS.media_type_of("text/html", first) is None


NASTY = [
    b"\xff",
    b"[" * 100_000,
    b'{"userId":' * 50_000,
    b'{"instances":' + b"[" * 100_000,
    b'{"\xff":1}',
    b'{"userId":"\xff"}',
    b'{"userId":1,"movieId":' + b"9" * 5000 + b"}",
    b'{"userId":1,"movieId":2,"timestamp":' + b"9" * 5000 + b"}",
    b'{"userId":1,"movieId":2,"timestamp":1e999}',
    b'{"userId":1,"movieId":2,"timestamp":NaN}',
    b"NaN",
    b"1," + b"9" * 5000,
    b"1,2," + b"9" * 5000,
    b'1,"' + b"2" * 200_000,
    b'"\r',
    b'""',
    b"1,2\x00",
    b"userId,movieId\n\x00,\xc2\xa0",
    b'"\\ud800"',
]


@pytest.mark.parametrize("each", FORMATS.formats, ids=lambda each: each.media_types[0])
@pytest.mark.parametrize("body", NASTY, ids=range(len(NASTY)))
def test_nasty_bodies_are_refused_in_few_words(each: Format, body: bytes) -> None:
    with pytest.raises(RequestError) as raised:
        each.parser.strict(body).whole()
    assert len(str(raised.value)) < 500


numberish = st.text(
    '0123456789-+.eE_ \t,\n\r"{}[]:nulaiftrsemovIdp\u0661\ufeff', max_size=60
).map(str.encode)


@pytest.mark.parametrize("each", FORMATS.formats, ids=lambda each: each.media_types[0])
@given(st.binary(max_size=60) | numberish)
def test_any_bytes_are_rows_or_refused(each: Format, body: bytes) -> None:
    for parse in (each.parser.strict, each.parser.lenient):
        with contextlib.suppress(RequestError):
            parsed = parse(body).whole()
            seconds = parsed.queries.timestamp
            assert not np.any((seconds < 0) | (seconds >= 2**32))


@pytest.mark.parametrize("each", FORMATS.formats, ids=lambda each: each.media_types[0])
@given(st.binary(max_size=60) | numberish)
def test_a_batch_accepts_what_any_request_does(each: Format, body: bytes) -> None:
    with contextlib.suppress(RequestError):
        strict = each.parser.strict(body).whole()
        lenient = each.parser.lenient(body).whole()
        for message in lenient.faults.values():
            assert message.endswith("the line is blank, expected a row")
        assert lenient.queries.user_id.tolist() == strict.queries.user_id.tolist()


# A format that nobody has heard of: one module, one registration.


def cut_lines(body: bytes) -> Records:
    """The lines below the first, which begins with #."""
    _, *lines = body.decode().splitlines()
    block = RecordBlock(range(2, len(lines) + 2), lines)
    return Records(lambda: [block])


def read_line(number: int, line: str) -> Row:
    user, _, movie = line.partition("\t")
    if not (user.isdecimal() and movie.isdecimal()):
        raise RequestError.at(number, "the row", line, "userId, tab, movieId")
    return Row(int(user), int(movie), np.nan)


def render_rows(rows: PredictedRows, style: AnswerStyle) -> list[bytes]:
    del style
    movie_ids = rows.queries.movie_id.tolist()
    ratings = rows.predicted.rating.tolist()
    return [b"%d\t%.1f" % pair for pair in zip(movie_ids, ratings, strict=True)]


def render_answer(answer: QuestionAnswer, style: AnswerStyle) -> bytes:
    return b"\t".join(render_rows(answer.rows, style))


def frame(rows: PredictedRows, shape: Shape, style: AnswerStyle) -> Frame:
    del rows, shape, style
    return Frame(b"# movie\trating\n", b"\n", b"\n# end")


TABS = Format(
    media_types=("text/tab-separated-values", "text/tsv"),
    parser=BodyParser.by_record(cut_lines, read_line),
    renderer=Renderer(render_rows, render_answer, lambda _: b"?", frame),
    begins=b"#",
)
WITH_TABS = AnswerRules(formats=Formats([*FORMATS.formats, TABS], default=CSV))
BATCH_WITH_TABS = AnswerRules(lenient=True, formats=WITH_TABS.formats)


def test_a_registered_format_is_read_and_written(served: ServedModel) -> None:
    ratings = answer(served, RequestHeaders("text/csv"), b"1,2\n4,10").body.split()
    expected = b"# movie\trating\n2\t%b\n10\t%b\n# end" % tuple(ratings)
    body = b"# user\tmovie\n1\t2\n4\t10\n"
    for name in ("text/tab-separated-values", "text/TSV; x=y"):
        response = answer(served, RequestHeaders(name), body, WITH_TABS)
        assert response.body == expected
        assert response.media_type == name.partition(";")[0].lower()


def test_a_registered_format_is_negotiated(served: ServedModel) -> None:
    body = b"# user\tmovie\n1\t2\n"
    csv = answer(served, RequestHeaders("text/csv"), b"1,2").body
    untyped = RequestHeaders(None, "text/csv")
    assert answer(served, untyped, body, WITH_TABS).body == csv
    accepting = RequestHeaders("text/csv", "text/tsv, text/csv;q=0.5")
    response = answer(served, accepting, b"1,2", WITH_TABS)
    assert response.media_type == "text/tsv"
    assert response.body == b"# movie\trating\n2\t%b\n# end" % csv


def test_a_registered_format_answers_questions(served: ServedModel) -> None:
    headers = RequestHeaders("application/json", "text/tsv")
    question = b'{"userId": 1, "recommend": 2}'
    before, recommended, after = answer(
        served, headers, question, WITH_TABS
    ).body.split(b"\n")
    assert (before, after) == (b"# movie\trating", b"# end")
    assert len(recommended.split(b"\t")) == 4


def test_a_bad_row_of_a_registered_format_keeps_its_place(served: ServedModel) -> None:
    headers = RequestHeaders("text/tsv")
    body = b"#\n1\t2\n1,2\n4\t10"
    with pytest.raises(RequestError, match="line 3: the row is '1,2', expected userId"):
        answer(served, headers, body, WITH_TABS)
    lines = answer(served, headers, body, BATCH_WITH_TABS).body.split(b"\n")
    assert lines[2] == b"?"
    assert [line.split(b"\t")[0] for line in lines[1::2]] == [b"2", b"10"]
