from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import RequestError
from serve.formats.json_format import JSON
from serve.formats.json_lines_format import JSON_LINES
from serve.predicted_rows import PredictedRows
from tests.serve.written import WrittenRow, as_records, as_written, some_rows

parse = JSON_LINES.parser.strict


@given(some_rows, st.sampled_from(["\n", "\r\n", "\n \n"]))
def test_rows_round_trip(rows: list[WrittenRow], newline: str) -> None:
    body = newline.join(map(json.dumps, as_records(rows))).encode()
    assert as_written(parse(body).whole().queries) == rows
    with_mark = b"\xef\xbb\xbf" + body + newline.encode()
    assert as_written(parse(with_mark).whole().queries) == rows


FAULTS = [
    (b"\n", "the body is empty"),
    (
        b'{"userId": 1, "movieId": 2}\n\n{"userId": 1, "movieId": null}',
        "line 3: movieId is null, expected a whole number; send raw MovieLens ids",
    ),
    (b'{"userId": 1, "movieId": 2}\n{"userId"', "line 2 isn't JSON"),
    (b'{"userId": 1,\n "movieId": 2}', "line 1 isn't JSON"),
    (b'{"userId": 1, "movieId": 2}\n"\xff"', "line 2: byte 0xff isn't UTF-8"),
]


@pytest.mark.parametrize(("body", "message"), FAULTS)
def test_the_first_fault_is_located(body: bytes, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        parse(body).whole()
    assert str(raised.value).startswith(message)


def test_a_bad_line_of_a_batch_keeps_its_place() -> None:
    good = b'{"userId": 1, "movieId": 2}'
    parsed = JSON_LINES.parser.lenient(
        b"\n".join([good, b"", b"{", good, b"\xff"])
    ).whole()
    assert len(parsed.queries) == 2
    assert list(parsed.faults) == [1, 2, 4]
    assert parsed.faults[1] == "line 2: the line is blank, expected a row"
    assert parsed.faults[2].startswith("line 3 isn't JSON")
    assert parsed.faults[4].startswith("line 5: byte 0xff isn't UTF-8")


def test_answers_are_the_objects_of_json(predicted: PredictedRows) -> None:
    records = json.loads(JSON.renderer.whole(predicted))
    lines = JSON_LINES.renderer.whole(predicted).split(b"\n")
    assert [json.loads(line) for line in lines] == records
