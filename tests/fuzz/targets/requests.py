"""Requests, from their headers and bodies to their answers, without HTTP.

An input is a line of words, which say how it is read, and the body below it.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator

from movielens.errors import RequestError
from movielens.grammar import BLANKS
from serve.endpoint import AnswerRules, answer
from serve.errors import HttpError
from serve.formats.registry import FORMATS
from serve.negotiation import RequestHeaders
from serve.options import Options
from tests.fuzz import samples
from tests.fuzz.target import Target

_BLANKS = BLANKS.encode()
_COLUMNS = {"userId", "movieId", "rating", "timestamp", "title", "genres"}
_RULES = {
    b"strict": AnswerRules(),
    b"lenient": AnswerRules(lenient=True),
    b"single": AnswerRules(lenient=True, one_record_a_body=True),
    # Short blocks, so that short bodies have answers in parts.
    b"parts": AnswerRules(block_rows=2),
}
_OPTIONS = (b"verbose", b"contributions=2", b"on_unknown=error")
# An answer would be in parts; the process would need XGBoost for each.
_JSON = "application/json"
_LINES = "application/jsonlines"


def csv_body(data: bytes) -> None:
    """Rows of CSV have one answer each, or are refused with a RequestError."""
    _check(data, "text/csv")


def csv_users(data: bytes) -> None:
    """Users in CSV have one line of recommendations each, or are refused."""
    _check(data, "text/csv; recommend=2")


def csv_users_to_ask(data: bytes) -> None:
    """Users in CSV have one line of movies to rate each, or are refused."""
    _check(data, "text/csv; onboarding=2")


def json_body(data: bytes) -> None:
    """Rows of JSON have one answer each, or are refused with a RequestError."""
    _check(data, _JSON)


def json_lines(data: bytes) -> None:
    """Lines of JSON have one answer each, or are refused with a RequestError."""
    _check(data, _LINES)


def _check(data: bytes, content_type: str) -> None:
    head, _, body = data.partition(b"\n")
    words = head.split()
    rules = next((_RULES[word] for word in words if word in _RULES), AnswerRules())
    accept = content_type.partition(";")[0]
    for word, media_type in ((b"csv", "text/csv"), (b"json", _JSON), (b"l", _LINES)):
        if word in words:
            accept = media_type
    has_header = b"header" in words
    headers = RequestHeaders(
        content_type,
        accept + ("; header=present" if has_header else ""),
        ",".join(word.decode() for word in words if word in _OPTIONS),
    )
    try:
        found = answer(samples.served(), headers, body, rules).whole()
    except (HttpError, RequestError) as error:
        _check_message(str(error))
        return
    if found.status == 204:
        assert rules.lenient
        assert not body.strip(_BLANKS + b"\r\n\xef\xbb\xbf")
        return
    assert found.status == 200
    assert found.media_type == accept
    expected = _n_records(content_type, body, rules.lenient)
    _check_answers(found.body, accept, expected, has_header and accept == "text/csv")


def _check_message(message: str) -> None:
    """A message is short and can be sent."""
    assert 0 < len(message) < 1000, message
    message.encode()


def _check_answers(body: bytes, media_type: str, expected: int, header: bool) -> None:
    """The body of an answer can be parsed, and holds so many answers."""
    text = body.decode()
    if media_type == _JSON:
        value = json.loads(text, parse_constant=_no_constant)
        if isinstance(value, dict):
            answers = value.get("predictions", [value])
        else:
            answers = value
        assert len(answers) == expected, (len(answers), expected)
        return

    lines = text.split("\n") if text else []
    if media_type == _LINES:
        for line in lines:
            json.loads(line, parse_constant=_no_constant)
        n_answers = len(lines)
    else:
        n_answers = len(list(csv.reader(io.StringIO(text, newline=""), strict=True)))
        n_answers += text.endswith("\n")
        n_answers -= header
    # One empty line, such as a user to whom nothing can be recommended, is no text.
    is_empty_line = not text and expected == 1
    assert n_answers == expected or is_empty_line, (n_answers, expected)


def _no_constant(name: str) -> None:
    raise AssertionError(f"an answer has {name}, which isn't JSON")


def _n_records(content_type: str, body: bytes, lenient: bool) -> int:
    """How many answers a body has, found in another way than by its parser."""
    if content_type == _JSON:
        value = json.loads(body.decode("utf-8-sig").rstrip(BLANKS + "\r\n"))
        if isinstance(value, dict):
            value = value.get("instances", [value])
        return len(value)

    *ended, last = body.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    # A CR at the end of the body is no line end.
    texts = [*(line.removesuffix(b"\r") for line in ended), last]
    while texts and not texts[-1].strip(_BLANKS):
        texts.pop()
    if content_type == _LINES:
        return len([text for text in texts if lenient or text.strip(_BLANKS)])
    return _n_lines_of_csv(texts) if lenient else _n_rows_of_csv(body)


def _n_rows_of_csv(body: bytes) -> int:
    text = body.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    rows = [row for row in rows if len(row) > 1 or "".join(row).strip(BLANKS)]
    return len(rows) - _is_header(rows[0])


def _n_lines_of_csv(texts: list[bytes]) -> int:
    """All lines but the header, which is the first that isn't blank."""
    first = next(text for text in texts if text.strip(_BLANKS))
    try:
        cells = next(csv.reader([first.decode()], strict=True))
        if b"\r" in first:
            raise csv.Error
    except (csv.Error, UnicodeDecodeError):
        cells = first.decode("latin-1").replace('"', ",").replace("\r", ",").split(",")
    return len(texts) - _is_header(cells)


def _is_header(cells: list[str]) -> bool:
    return any(cell.strip(BLANKS) in _COLUMNS for cell in cells)


_MODES = (b"strict", b"lenient", b"single", b"parts", b"lenient verbose header json")
_CSV_BODIES = (
    b"1,318",
    b"1,318,964982703\n4,1,2015-03-09T18:53:20Z\n\n22,7\n",
    b'userId,movieId\r\n"1","3"\r\n4,x\r\n',
    b"timestamp,movieId,userId\n,1,1\n5,9999999999999,-1\n",
    b"\xef\xbb\xbf 1 ,+3.0,\n\x1a",
    b'1,"3\n1,7\n',
    b"1,2\r3,4\n",
    b"rating,title\n1,2\n",
    b"\xff,1\n1,1\n",
)


def _csv_bodies() -> Iterator[bytes]:
    for mode in _MODES:
        for body in _CSV_BODIES:
            yield mode + b"\n" + body
    yield b"lenient verbose contributions=2 l\n1,1\n1,x"
    yield b"strict on_unknown=error\n1,318\n9,9"


def _csv_user_bodies() -> Iterator[bytes]:
    for mode in _MODES:
        for body in (b"1", b"userId\n1\n22\n", b"1,964982703\n-1,\n", b'"1\n4\n', b"x"):
            yield mode + b"\n" + body
    yield b"strict header verbose\n1\n"


_RECORDS = (
    b'{"userId": 1, "movieId": 318}',
    b'{"userId": 4.0, "movieId": 1, "timestamp": "2015-03-09"}',
    b"[1, 318, 964982703]",
    b'{"userId": 1, "recommend": 2, "genres": ["drama"], "year_from": 1900}',
    b'{"movieId": 1, "history": [{"movieId": 3, "rating": 4.5, "timestamp": 1}]}',
    b'{"recommend": 1, "history": []}',
    b'{"onboarding": 2, "genres": ["drama"], "history": [{"movieId":1,"rating":2}]}',
    b'{"userId": 1, "onboarding": 100, "min_ratings": 2}',
    b'{"userId": "1", "movieId": null, "x": "\\ud800"}',
    b"[1e1, -2, null]",
)


def _json_bodies() -> Iterator[bytes]:
    for mode in _MODES:
        for record in _RECORDS:
            yield mode + b"\n" + record
        yield mode + b"\n[" + b",".join(_RECORDS) + b"]"
        yield mode + b'\n{"instances": [[1, 1]], "parameters": {"verbose": true}}'
    plain = b",".join([b"[1,318]"] * 20)
    yield b"parts csv\n[" + plain + b"]"
    yield b"lenient\n\xef\xbb\xbf[" + plain + b"]\x1a"
    yield b'strict\n{"instances": [], "parameters": {"contributions": 1}}'
    yield b"strict\n" + b"[" * 5000


def _json_line_bodies() -> Iterator[bytes]:
    for mode in _MODES:
        yield mode + b"\n" + b"\n".join(_RECORDS) + b"\n"
        yield mode + b"\n\n" + _RECORDS[0] + b"\r\n\n" + _RECORDS[2] + b"\n\n"
    yield b"strict\n" + b"\n".join([_RECORDS[2]] * 20)
    yield b"strict\n{"


def headers(data: bytes) -> None:
    """Headers are refused with an HttpError or a RequestError, or answered.

    An input has a header a line: Content-Type, Accept, custom attributes,
    Content-Encoding. The answer's type is one that we write.
    """
    lines = data.decode("latin-1").split("\n", 3)
    given = [line or None for line in lines] + [None] * (4 - len(lines))
    try:
        found = answer(samples.served(), RequestHeaders(*given), b"1,318").whole()
    except (HttpError, RequestError) as error:
        _check_message(str(error))
        status = error.status if isinstance(error, HttpError) else 400
    else:
        status = found.status
    assert status in (200, 400, 406, 415)
    if status != 200:
        return
    assert found.media_type in FORMATS.media_types
    accept = given[1] or ""
    is_given = any(part.strip() for part in accept.split(","))
    assert not is_given or "*" in accept or found.media_type in accept.lower()


def _headers() -> Iterator[bytes]:
    yield b"text/csv\napplication/json;q=0.5, */*;q=.1\nverbose;contributions=3\n"
    yield b'Text/CSV; Header="present"; charset=utf-16\ntext/*\ntrace=1\nidentity'
    yield b"text/csv; recommend=3; genres=drama|comedy; year_from=1990\n*\n\ngzip"
    yield b"text/csv; onboarding=3; min_ratings=1; year_to=2000\ntext/csv;verbose=true"
    yield b"\n\non_unknown=error, contributions=x\n"
    yield b"application/octet-stream\ntext/csv;q=0, application/x-ndjson\n\n"


def options(data: bytes) -> None:
    """Custom attributes are options, or refused with a RequestError.

    So are the options of a JSON body, and there both say the same.
    """
    text = data.decode("latin-1")
    try:
        found = Options.parse(text)
    except RequestError as error:
        _check_message(str(error))
        return
    assert 0 <= found.contributions <= 100
    same = {
        "verbose": found.verbose,
        "contributions": found.contributions,
        "on_unknown": "error" if found.refuse_unknown else "predict",
    }
    assert Options().with_parameters(same) == found


def option_parameters(data: bytes) -> None:
    """Any JSON object is read as options, or refused with a RequestError."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(value, dict):
        return
    try:
        found = Options().with_parameters(value)
    except RequestError as error:
        _check_message(str(error))
        return
    assert math.isfinite(found.contributions)


def _options() -> Iterator[bytes]:
    yield b"verbose, contributions=3; on_unknown=error"
    yield b"Verbose=false;contributions;trace=7,,;"


def _option_parameters() -> Iterator[bytes]:
    yield b'{"verbose": true, "contributions": 3.0, "on_unknown": "error"}'
    yield b'{"contributions": 1e300, "verbose": [null]}'
    yield b'{"x\\ud800": 1}'


_MODE_WORDS = (b"strict", b"lenient", b"single", b"parts", b"header", *_OPTIONS)
_CSV_WORDS = (*_MODE_WORDS, b"userId", b"movieId", b"timestamp", b"\r\n", b'"', b"\x1a")
_JSON_WORDS = (
    *_MODE_WORDS,
    *(b'"userId"', b'"movieId"', b'"timestamp"', b'"history"', b'"recommend"'),
    *(b'"onboarding"', b'"genres"', b'"rating"', b'"instances"', b'"parameters"'),
    *(b"null", b"1e400"),
)
_HEADER_WORDS = (
    *(b";q=", b"recommend=", b"onboarding=", b"charset="),
    *(b"text/csv", b"*/*", b"verbose"),
)

TARGETS = [
    Target(csv_body, _csv_bodies, _CSV_WORDS, weight=4, most_bytes=600),
    Target(csv_users, _csv_user_bodies, _CSV_WORDS, weight=2, most_bytes=300),
    Target(csv_users_to_ask, _csv_user_bodies, _CSV_WORDS, most_bytes=300),
    Target(json_body, _json_bodies, _JSON_WORDS, weight=4, most_bytes=5000),
    Target(json_lines, _json_line_bodies, _JSON_WORDS, weight=3, most_bytes=1200),
    Target(headers, _headers, _HEADER_WORDS, weight=3, most_bytes=400),
    Target(options, _options, (b"contributions=",), weight=1, most_bytes=200),
    Target(option_parameters, _option_parameters, _JSON_WORDS, most_bytes=200),
]
