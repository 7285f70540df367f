from __future__ import annotations

import numpy as np
import pytest

from movielens.errors import RequestError
from serve.questions import Question, Wanted
from serve.rows import (
    ParsedRequest,
    Row,
    RowOrFault,
    Rows,
    check_text,
    check_utf8,
    decode_utf8,
    first_character,
    row_or_fault,
)

QUESTION = Question(7, None, np.nan, None, Wanted(1))
FAULT = RequestError("line 2: not a row")
ROWS: list[RowOrFault] = [Row(1, 2, 3.0), FAULT, QUESTION, Row(4, 5, np.nan)]


def test_rows_are_gathered_in_columns() -> None:
    request = Rows.gather(ROWS)
    assert request.queries.user_id.tolist() == [1, 4]
    assert request.queries.movie_id.tolist() == [2, 5]
    assert request.queries.timestamp[0] == 3
    assert np.isnan(request.queries.timestamp[1])
    assert request.faults == {1: "line 2: not a row"}
    assert request.questions == {2: QUESTION}
    assert request.query_places() == [0, 3]


def test_no_rows_are_gathered_as_well() -> None:
    request = Rows.gather([])
    assert len(request.queries) == 0
    assert request.query_places() == []


def test_only_a_bad_request_is_a_fault() -> None:
    def read(text: str) -> Row:
        if text == "x":
            raise FAULT
        return Row(int(text), 1, np.nan)

    assert row_or_fault(read, "x") is FAULT
    assert row_or_fault(read, "7") == Row(7, 1, np.nan)
    with pytest.raises(ValueError, match="invalid literal"):
        row_or_fault(read, "y")


def test_equal_bad_records_differ_in_their_number() -> None:
    def read(number: int, record: object) -> Row:
        if record == 1:
            raise RequestError(f"line {number}: {record} is no row")
        return Row(number, 2, np.nan)

    records = [1, 7, 1, 1.0, True, 1]
    rows = Rows.read_each(read, range(1, 7), records)
    assert rows.queries.user_id.tolist() == [2]
    assert list(rows.faults.values()) == [
        "line 1: 1 is no row",
        "line 3: 1 is no row",
        "line 4: 1.0 is no row",
        "line 5: True is no row",
        "line 6: 1 is no row",
    ]


def test_a_fault_keeps_nothing_else_in_memory() -> None:
    def read(_: int, record: bytes) -> Row:
        raise RequestError(f"{record!r} is no row")

    fault = row_or_fault(read, 1, b"x")
    assert isinstance(fault, RequestError)
    assert fault.__traceback__ is None


def test_rows_are_split_and_joined() -> None:
    rows = Rows.gather(ROWS)
    for most in (1, 2, 3, 4, 5):
        parts = list(rows.split(most))
        assert [part.n_rows for part in parts[:-1]] == [most] * (len(parts) - 1)
        joined = Rows.join(parts)
        assert joined.faults == rows.faults
        assert joined.questions == rows.questions
        assert joined.queries.user_id.tolist() == [1, 4]
    assert Rows.join([]).n_rows == 0


def test_a_body_is_read_each_time_its_rows_are_asked_for() -> None:
    def read(number: int) -> Rows:
        return Rows.gather([Row(number, 1, np.nan)] * 2)

    request = ParsedRequest(lambda: range(3), read)
    for _ in range(2):
        users = [block.queries.user_id.tolist() for block in request.blocks()]
        assert users == [[0, 0], [1, 1], [2, 2]]
    assert request.whole().queries.user_id.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_blank_body_is_no_text() -> None:
    check_text(b"\xef\xbb\xbfx")
    with pytest.raises(RequestError, match="the body is empty"):
        check_text(b"\xef\xbb\xbf \n")


@pytest.mark.parametrize("character", ["é", "€", "\U0001f600"])
def test_long_text_is_checked_piece_by_piece(character: str) -> None:
    for shift in range(5):
        body = b"\n" * (2**18 - shift) + character.encode()
        check_utf8(body)
        line = 2**18 - shift + 1
        for bad in (body[:-1], body + b"\xff"):
            with pytest.raises(RequestError, match=f"^line {line}: byte"):
                check_utf8(bad)


def test_a_byte_that_is_not_utf_8_is_located() -> None:
    with pytest.raises(RequestError, match="line 7: byte 0xff isn't UTF-8"):
        decode_utf8(b"a\nb\nc\xff", first_line=5)


def test_the_first_character_is_behind_blanks() -> None:
    assert first_character(b"\xef\xbb\xbf \r\n{") == b"{"
    for body in (b"", b"\xef\xbb\xbf", b" \t\r\n\x1a"):
        assert first_character(body) == b""
