from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import RequestError
from serve.formats.json_format import JSON
from serve.predicted_rows import PredictedRows
from serve.rows import Shape
from tests.serve.written import WrittenRow, any_rows, as_records, as_written

ID = "expected a whole number; send raw MovieLens ids"
TIME = (
    "expected seconds since 1970, from 0 to 4294967295, or an ISO 8601 date, or nothing"
)

parse = JSON.parser.strict


@given(any_rows, st.sampled_from([None, 1]))
def test_rows_round_trip_in_each_shape(
    rows: list[WrittenRow], indent: int | None
) -> None:
    values: dict[Shape, Any] = {
        Shape.LIST: as_records(rows),
        Shape.INSTANCES: {"instances": as_records(rows)},
    }
    if len(rows) == 1:
        values[Shape.OBJECT] = as_records(rows)[0]
    for shape, value in values.items():
        for mark in (b"", b"\xef\xbb\xbf"):
            request = parse(mark + json.dumps(value, indent=indent).encode())
            assert request.shape == shape
            assert as_written(request.whole().queries) == rows


def test_a_row_may_be_a_list_in_the_order_of_csv() -> None:
    rows = b"[[1, 318], [1, 296, 964982703], [4, 10, null]]"
    expected = [(1, 318, None), (1, 296, 964982703.0), (4, 10, None)]
    assert as_written(parse(rows).whole().queries) == expected
    instances = parse(b'{"instances": [[1, 318], {"userId": 4, "movieId": 10}]}')
    assert instances.shape == Shape.INSTANCES
    assert as_written(instances.whole().queries) == [(1, 318, None), (4, 10, None)]


def test_whole_floats_are_ids_and_dates_are_times() -> None:
    record = b'{"userId": 1.0, "movieId": 3e0, "timestamp": "2015-03-09T18:53:20Z"}'
    assert as_written(parse(record).whole().queries) == [(1, 3, 1425927200.0)]
    question = (
        b'{"timestamp": 5.0, "history": [], "recommend": 2.0, "year_from": 1990.0}'
    )
    of_whole = parse(question.replace(b".0", b"")).whole()
    assert parse(question).whole().questions == of_whole.questions


def test_what_may_be_beside_instances() -> None:
    body = {
        "signature_name": "serving_default",
        "instances": [[1, 318]],
        "parameters": {"verbose": True},
    }
    parsed = parse(json.dumps(body).encode())
    assert as_written(parsed.whole().queries) == [(1, 318, None)]
    assert parsed.parameters == {"verbose": True}
    nothing = parse(json.dumps(body | {"parameters": None}).encode())
    assert not nothing.parameters


@pytest.mark.parametrize("end", [b"\x1a", b"\r\n\x1a", b" \r"])
def test_blanks_at_the_end_are_skipped(end: bytes) -> None:
    assert as_written(parse(b"[[1, 318]]" + end).whole().queries) == [(1, 318, None)]


@pytest.mark.parametrize("body", [b"[]", b'{"instances": []}'])
def test_a_list_may_be_empty(body: bytes) -> None:
    assert len(parse(body).whole().queries) == 0


FAULTS = [
    (b"", "the body is empty"),
    (b"\xef\xbb\xbf \n", "the body is empty"),
    (
        b"3",
        "line 1: the body is 3, expected an object with userId and movieId, "
        "a list of them, or",
    ),
    (b'{"userId": 1}', "line 1: movieId is missing"),
    (b"{}", "line 1: userId is missing"),
    (
        b'{"userId": "1", "movieId": 2}',
        f"line 1: userId is '1', {ID}, as JSON numbers",
    ),
    (b'{"userId": 1.5, "movieId": 2}', f"line 1: userId is 1.5, {ID}"),
    (b'{"userId": true, "movieId": 2}', f"line 1: userId is true, {ID}"),
    (b'{"userId": [[1]], "movieId": 2}', "line 1: userId is […]"),
    (
        b'{"userId": 1, "movieId": 2, "timestamp": -1}',
        f"line 1: timestamp is -1, {TIME}",
    ),
    (
        b'{"userId": 1, "movieId": 2, "timestamp": NaN}',
        f"line 1: timestamp is NaN, {TIME}",
    ),
    (
        b'{"userId": 1, "movieId": 2, "rating": 3}',
        "line 1: unknown field 'rating'",
    ),
    (
        b'[{"userId": 1, "movieId": 2}, 5]',
        "line 2: the row is 5, expected an object",
    ),
    (b"[1, 318]", "line 1: the row is 1, expected an object with userId and movieId"),
    (b"[[1]]", "line 1: the row is a list of 1, expected [userId, movieId] or"),
    (b"[[1, 2], [1, 2, 3, 4]]", "line 2: the row is a list of 4, expected"),
    (b"[[1, 2.5]]", f"line 1: movieId is 2.5, {ID}"),
    (b"[[true, 2]]", f"line 1: userId is true, {ID}"),
    (b"[[1, 2, -1]]", f"line 1: timestamp is -1, {TIME}"),
    (b'[[1, 2, "soon"]]', f"line 1: timestamp is 'soon', {TIME}"),
    (b"[[9007199254740993.0, 2]]", "line 1: userId is 9007199254740992.0, expected"),
    (b"[[-9223372036854775809, 2]]", "line 1: userId is -9.223372036854776e+18"),
    (
        b'{"instances": [], "signature": "x"}',
        "unknown field 'signature' beside instances, expected parameters or nothing",
    ),
    (
        b'{"instances": [], "parameters": 3}',
        "line 1: parameters is 3, expected an object with options",
    ),
    (b'{"instances": 5}', "line 1: the body is {…}, expected"),
    (b'{"instances": [{"userId": 1}]}', "line 1: movieId is missing"),
    (b'[{"userId": 1,\n "movieId": 2},]', "line 2 isn't JSON"),
    (b'{"userId": 1, "movieId": 2} {}', "line 1 isn't JSON"),
]


@pytest.mark.parametrize(("body", "message"), FAULTS)
def test_the_first_fault_is_located(body: bytes, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        parse(body).whole()
    assert str(raised.value).startswith(message)


def test_a_bad_object_of_a_batch_keeps_its_place() -> None:
    good = {"userId": 1, "movieId": 2}
    body = json.dumps({"instances": [good, {"userId": 1}, good]}).encode()
    request = JSON.parser.lenient(body)
    assert request.shape == Shape.INSTANCES
    parsed = request.whole()
    assert len(parsed.queries) == 2
    (place,) = parsed.faults
    assert place == 1
    assert parsed.faults[place].startswith("line 2: movieId is missing")


@pytest.mark.parametrize("body", [b"{", b"7", b""])
def test_a_batch_that_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError):
        JSON.parser.lenient(body).whole()


def test_an_answer_has_the_shape_of_its_request(predicted: PredictedRows) -> None:
    whole = JSON.renderer.whole
    records = json.loads(whole(predicted))
    assert json.loads(whole(predicted, Shape.INSTANCES)) == {"predictions": records}
    first = predicted.take(np.array([0]))
    assert json.loads(whole(first, Shape.OBJECT)) == records[0]
