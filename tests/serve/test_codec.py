from __future__ import annotations

import contextlib
import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from movielens.errors import RequestError
from movielens.model import Model
from movielens.queries import RatingQueries
from serve.codec import CSV, JSON, PARSERS, RENDERERS
from serve.json_rows import parse_json
from serve.predicted_rows import PredictedRows, predict_rows
from serve.rows import Shape

LINES = "application/jsonlines"

ids = st.integers(-(2**63), 2**63 - 1)
timestamps = (
    st.none() | st.integers(0, 2**32 - 1) | st.floats(0, 2**32, exclude_max=True)
)
rows = st.lists(st.tuples(ids, ids, timestamps), max_size=20)
some_rows = st.lists(st.tuples(ids, ids, timestamps), min_size=1, max_size=20)
Row = tuple[int, int, float | None]


def as_rows(queries: RatingQueries) -> list[Row]:
    columns = zip(
        queries.user_id.tolist(),
        queries.movie_id.tolist(),
        queries.timestamp.tolist(),
        strict=True,
    )
    return [
        (user, movie, None if np.isnan(time) else time) for user, movie, time in columns
    ]


def records(rows: list[Row]) -> list[dict[str, Any]]:
    return [
        dict(zip(("userId", "movieId", "timestamp"), row, strict=True)) for row in rows
    ]


def parsed(media_type: str, body: bytes) -> list[Row]:
    return as_rows(PARSERS[media_type](body).queries)


@given(
    rows,
    st.permutations(["userId", "movieId", "timestamp", "title"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_csv_with_a_header_round_trips(
    rows: list[Row], order: list[str], newline: str, quoted: bool
) -> None:
    file = io.StringIO()
    writer = csv.DictWriter(
        file,
        order,
        lineterminator=newline,
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
    )
    writer.writeheader()
    writer.writerows(
        record | {"title": 'Ünïcode, "quoted"\nand broken'} for record in records(rows)
    )
    assert parsed(CSV, b"\xef\xbb\xbf" + file.getvalue().encode()) == rows


@given(some_rows, st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans())
def test_csv_by_position_round_trips(
    rows: list[Row], newline: str, is_terminated: bool
) -> None:
    lines = [
        f"{user},{movie},{'' if time is None else repr(time)}"
        for user, movie, time in rows
    ]
    assert (
        parsed(CSV, newline.join([*lines, *([""] if is_terminated else [])]).encode())
        == rows
    )


@given(some_rows)
def test_csv_without_timestamps(rows: list[Row]) -> None:
    body = "\n".join(f"{user},{movie}" for user, movie, _ in rows).encode()
    assert parsed(CSV, body) == [(user, movie, None) for user, movie, _ in rows]


@given(rows, st.sampled_from([None, 1]))
def test_json_round_trips_in_each_shape(rows: list[Row], indent: int | None) -> None:
    values: dict[Shape, Any] = {
        Shape.LIST: records(rows),
        Shape.INSTANCES: {"instances": records(rows)},
    }
    if len(rows) == 1:
        values[Shape.OBJECT] = records(rows)[0]
    for shape, value in values.items():
        request = parse_json(json.dumps(value, indent=indent).encode())
        assert (request.shape, as_rows(request.queries)) == (shape, rows)


@given(some_rows, st.sampled_from(["\n", "\r\n", "\n \n"]))
def test_json_lines_round_trip(rows: list[Row], newline: str) -> None:
    body = newline.join(map(json.dumps, records(rows))).encode()
    for media_type in (LINES, "application/x-jsonlines", "application/x-ndjson"):
        assert parsed(media_type, body) == rows
        assert parsed(media_type, b"\xef\xbb\xbf" + body + newline.encode()) == rows


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
numberish = st.text(
    '0123456789-+.eE_ \t,\n\r"{}[]:nulaiftrsemovIdp\u0661\ufeff', max_size=60
).map(str.encode)


@pytest.mark.parametrize("media_type", PARSERS)
@given(st.binary(max_size=60) | numberish)
def test_any_bytes_parse_or_raise_request_error(media_type: str, body: bytes) -> None:
    with contextlib.suppress(RequestError):
        queries = PARSERS[media_type](body).queries
        assert not np.any((queries.timestamp < 0) | (queries.timestamp >= 2**32))


@pytest.mark.parametrize("media_type", [CSV, JSON, LINES])
@pytest.mark.parametrize("body", NASTY, ids=range(len(NASTY)))
def test_nasty_bodies_raise_request_error(media_type: str, body: bytes) -> None:
    with pytest.raises(RequestError) as raised:
        PARSERS[media_type](body)
    assert len(str(raised.value)) < 500


values: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text("ax1", max_size=5)
    | st.just([])
    | st.just({})
)
names = st.sampled_from(["userId", "movieId", "timestamp", "rating", "instances"])


@given(st.lists(st.dictionaries(names, values, max_size=4), max_size=3))
@example([{"userId": 1, "movieId": 2, "timestamp": True}])
def test_json_and_json_lines_agree(records: list[dict[str, Any]]) -> None:
    def outcome(media_type: str, body: str) -> object:
        try:
            return parsed(media_type, body.encode())
        except RequestError as error:
            return str(error)

    lines = "\n".join(map(json.dumps, records))
    assert not records or outcome(JSON, json.dumps(records)) == outcome(LINES, lines)


ID = "expected a whole number; send raw MovieLens ids"
TIME = "expected seconds since 1970, from 0 to 4294967295, or nothing"
FAULTS = [
    (CSV, b"", "the body is empty"),
    (CSV, b" \r\n\n", "the body is empty"),
    (CSV, b"1,2\n3,x\ny,4", f"line 2: movieId is 'x', {ID}"),
    (CSV, b"1,2\n\n\r\ny,x", f"line 4: userId is 'y', {ID}"),
    (CSV, b"movieId,userId\ny,x", f"line 2: movieId is 'y', {ID}"),
    (CSV, b"1,1.5", f"line 1: movieId is '1.5', {ID}"),
    (CSV, b"1_0,2", f"line 1: userId is '1_0', {ID}"),
    (CSV, "\u0661,2".encode(), f"line 1: userId is '\u0661', {ID}"),
    (CSV, b"1,", f"line 1: movieId is '', {ID}"),
    (CSV, b"9223372036854775808,1", f"line 1: userId is '9223372036854775808', {ID}"),
    (CSV, b"1,2,nan", f"line 1: timestamp is 'nan', {TIME}"),
    (CSV, b"1,2,inf", f"line 1: timestamp is 'inf', {TIME}"),
    (CSV, b"1,2,-1", f"line 1: timestamp is '-1', {TIME}"),
    (CSV, b"1,2,1500000000000", f"line 1: timestamp is '1500000000000', {TIME}"),
    (
        CSV,
        b"1,2\n1,2,3",
        "line 2: the row is '1,2,3', expected 2 fields as in the first row",
    ),
    (
        CSV,
        b"1,2,3\n1,2",
        "line 2: the row is '1,2', expected 3 fields as in the first row",
    ),
    (
        CSV,
        b"1,2,4.0,964982703",
        "line 1: the row is '1,2,4.0,964982703', expected userId,movieId or",
    ),
    (CSV, b"1", "line 1: the row is '1', expected userId,movieId or"),
    (CSV, b"user_id,movie_id\n1,2", f"line 1: userId is 'user_id', {ID}"),
    (
        CSV,
        b"userId,title\n1,2",
        "line 1: the header is 'userId,title', expected userId, movieId",
    ),
    (
        CSV,
        b"userId,movieId,userId\n1,2,3",
        "line 1: the header is 'userId,movieId,userId', expected",
    ),
    (CSV, b'1,2\n3,"4', "line 2: unexpected end of data, expected CSV"),
    (CSV, b"1,2\n\xff,3", "line 2: byte 0xff isn't UTF-8"),
    (JSON, b"", "the body is empty"),
    (
        JSON,
        b"3",
        "line 1: the body is 3, expected an object with userId and movieId, a list of them, or",
    ),
    (JSON, b'{"userId": 1}', "line 1: movieId is missing"),
    (JSON, b"{}", "line 1: userId is missing"),
    (
        JSON,
        b'{"userId": "1", "movieId": 2}',
        f"line 1: userId is '1', {ID}, as JSON numbers",
    ),
    (JSON, b'{"userId": 1.5, "movieId": 2}', f"line 1: userId is 1.5, {ID}"),
    (JSON, b'{"userId": true, "movieId": 2}', f"line 1: userId is True, {ID}"),
    (JSON, b'{"userId": [[1]], "movieId": 2}', "line 1: userId is '[…]'"),
    (
        JSON,
        b'{"userId": 1, "movieId": 2, "timestamp": -1}',
        f"line 1: timestamp is -1, {TIME}",
    ),
    (
        JSON,
        b'{"userId": 1, "movieId": 2, "timestamp": NaN}',
        f"line 1: timestamp is nan, {TIME}",
    ),
    (
        JSON,
        b'{"userId": 1, "movieId": 2, "rating": 3}',
        "line 1: unknown field 'rating'",
    ),
    (
        JSON,
        b'[{"userId": 1, "movieId": 2}, 5]',
        "line 2: the row is 5, expected an object",
    ),
    (JSON, b'{"instances": 5}', "line 1: the body is '{…}', expected"),
    (JSON, b'{"instances": [{"userId": 1}]}', "line 1: movieId is missing"),
    (JSON, b'[{"userId": 1,\n "movieId": 2},]', "line 2 isn't JSON"),
    (JSON, b'{"userId": 1, "movieId": 2} {}', "line 1 isn't JSON"),
    (LINES, b"\n", "the body is empty"),
    (
        LINES,
        b'{"userId": 1, "movieId": 2}\n\n{"userId": 1, "movieId": null}',
        f"line 3: movieId is None, {ID}",
    ),
    (LINES, b'{"userId": 1, "movieId": 2}\n{"userId"', "line 2 isn't JSON"),
    (LINES, b'{"userId": 1,\n "movieId": 2}', "line 1 isn't JSON"),
    (LINES, b'{"userId": 1, "movieId": 2}\n"\xff"', "line 2: byte 0xff isn't UTF-8"),
]


@pytest.mark.parametrize(("media_type", "body", "message"), FAULTS)
def test_the_first_fault_is_located(media_type: str, body: bytes, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        PARSERS[media_type](body)
    assert str(raised.value).startswith(message)


@given(some_rows, st.data())
def test_a_bad_value_is_found_wherever_it_is(
    rows: list[Row], data: st.DataObject
) -> None:
    line = data.draw(st.integers(1, len(rows)))
    lines = [f"{user},{movie},5" for user, movie, _ in rows]
    lines[line - 1] = "1,x,5"
    with pytest.raises(RequestError, match=rf"^line {line}: movieId is 'x'"):
        PARSERS[CSV]("\n".join(lines).encode())


def test_an_empty_table_is_no_fault() -> None:
    assert parsed(CSV, b"userId,movieId\n") == []
    assert parsed(JSON, b"[]") == []
    assert parsed(JSON, b'{"instances": []}') == []


@pytest.fixture(scope="module")
def predictions(model: Model) -> PredictedRows:
    """Known and unknown users and movies, with and without a timestamp."""
    movie_id = np.append(model.movies.movie_id.astype(np.int64), [10**9, -5])
    user_id = np.resize(np.array([1, 4, 10**12]), len(movie_id))
    timestamp = np.resize(np.array([np.nan, 1e9]), len(movie_id))
    return predict_rows(model, RatingQueries(user_id, movie_id, timestamp))


def test_csv_answers_stars(predictions: PredictedRows) -> None:
    lines = RENDERERS[CSV](predictions, Shape.LIST, {}).decode().split("\n")
    assert lines == [str(stars) for stars in predictions.predictions.rating]


def test_verbose_csv_says_exactly_what_was_computed(
    predictions: PredictedRows, model: Model
) -> None:
    parameters = {"verbose": "true", "header": "present"}
    header, *lines = (
        RENDERERS[CSV](predictions, Shape.LIST, parameters).decode().split("\n")
    )
    assert header == "rating,expected_rating," + ",".join(
        f"probability_{stars}" for stars in model.class_values
    )
    table = [line.split(",") for line in lines]
    probabilities = np.array([row[2:] for row in table], dtype=np.float32)
    np.testing.assert_array_equal(probabilities, predictions.predictions.probabilities)
    assert [
        float(row[1]) for row in table
    ] == predictions.predictions.expected_rating.tolist()


def test_json_says_exactly_what_was_computed(
    predictions: PredictedRows, model: Model
) -> None:
    answer = json.loads(RENDERERS[JSON](predictions, Shape.LIST, {}))
    names = [str(stars) for stars in model.class_values]
    assert all(list(record["probabilities"]) == names for record in answer)
    probabilities = np.array(
        [list(record["probabilities"].values()) for record in answer], dtype=np.float32
    )
    np.testing.assert_array_equal(probabilities, predictions.predictions.probabilities)
    assert [
        record["expected_rating"] for record in answer
    ] == predictions.predictions.expected_rating.tolist()
    assert [
        record["rating"] for record in answer
    ] == predictions.predictions.rating.tolist()


def test_json_names_the_movie_and_flags_the_unknown(
    predictions: PredictedRows, model: Model
) -> None:
    answer = json.loads(RENDERERS[JSON](predictions, Shape.LIST, {}))
    for record, title, genres in zip(
        answer, model.movies.title, model.movies.genres, strict=False
    ):
        assert (record["title"], tuple(record["genres"]), record["known_movie"]) == (
            title,
            genres,
            True,
        )
    for record in answer[-2:]:
        assert (record["title"], record["genres"], record["known_movie"]) == (
            None,
            None,
            False,
        )
    assert [r["known_user"] for r in answer] == model.knows_user(
        predictions.queries.user_id
    ).tolist()
    assert [r["userId"] for r in answer] == predictions.queries.user_id.tolist()
    assert [r["movieId"] for r in answer] == predictions.queries.movie_id.tolist()


def test_answers_mirror_the_shape(predictions: PredictedRows) -> None:
    records = json.loads(RENDERERS[JSON](predictions, Shape.LIST, {}))
    assert json.loads(RENDERERS[JSON](predictions, Shape.INSTANCES, {})) == {
        "predictions": records
    }
    first = predict_rows(predictions.model, predictions.queries.take(np.array([0])))
    assert json.loads(RENDERERS[JSON](first, Shape.OBJECT, {})) == records[0]
    assert [
        json.loads(line)
        for line in RENDERERS[LINES](predictions, Shape.LIST, {}).split(b"\n")
    ] == records


@pytest.mark.parametrize("parameters", [{}, {"verbose": "true"}])
def test_no_rows_have_an_empty_answer(model: Model, parameters: dict[str, str]) -> None:
    nothing = predict_rows(model, PARSERS[JSON](b"[]").queries)
    expected = {CSV: b"", LINES: b"", JSON: b"[]"}
    for media_type, body in expected.items():
        assert RENDERERS[media_type](nothing, Shape.LIST, parameters) == body


@pytest.mark.parametrize("media_type", RENDERERS)
def test_no_answer_ends_in_a_newline(
    predictions: PredictedRows, media_type: str
) -> None:
    assert not RENDERERS[media_type](
        predictions, Shape.LIST, {"verbose": "true"}
    ).endswith(b"\n")
