from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import RequestError
from serve.formats.csv_rows import PAIRS, users_parser
from serve.questions import Wanted
from tests.serve.written import WrittenRow, any_rows, as_records, as_written, some_rows

ID = "expected a whole number; send raw MovieLens ids"
TIME = "expected seconds since 1970, from 0 to 4294967295, or nothing"


def parsed(body: bytes) -> list[WrittenRow]:
    return as_written(PAIRS.strict(body).queries)


@given(
    any_rows,
    st.permutations(["userId", "movieId", "timestamp", "title"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_rows_below_a_header_round_trip(
    rows: list[WrittenRow], order: list[str], newline: str, is_quoted: bool
) -> None:
    dialect = csv.unix_dialect if is_quoted else csv.excel
    file = io.StringIO()
    writer = csv.DictWriter(file, order, dialect=dialect, lineterminator=newline)
    writer.writeheader()
    for record in as_records(rows):
        writer.writerow(record | {"title": 'Ünïcode, "quoted"\nand broken'})
    body = b"\xef\xbb\xbf" + file.getvalue().encode()
    assert parsed(body) == rows


@given(some_rows, st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans())
def test_rows_without_a_header_round_trip(
    rows: list[WrittenRow], newline: str, is_terminated: bool
) -> None:
    lines = []
    for user_id, movie_id, timestamp in rows:
        seconds = "" if timestamp is None else repr(timestamp)
        lines.append(f"{user_id},{movie_id},{seconds}")
    text = newline.join(lines) + (newline if is_terminated else "")
    assert parsed(text.encode()) == rows


@given(some_rows)
def test_the_timestamp_may_be_left_out(rows: list[WrittenRow]) -> None:
    body = "\n".join(f"{user_id},{movie_id}" for user_id, movie_id, _ in rows)
    expected = [(user_id, movie_id, None) for user_id, movie_id, _ in rows]
    assert parsed(body.encode()) == expected


def test_a_header_alone_is_a_table_of_no_rows() -> None:
    assert parsed(b"userId,movieId\n") == []


FAULTS = [
    (b"", "the body is empty"),
    (b" \r\n\n", "the body is empty"),
    (b"1,2\n3,x\ny,4", f"line 2: movieId is 'x', {ID}"),
    (b"1,2\n\n\r\ny,x", f"line 4: userId is 'y', {ID}"),
    (b"movieId,userId\ny,x", f"line 2: movieId is 'y', {ID}"),
    (b"1,1.5", f"line 1: movieId is '1.5', {ID}"),
    (b"1_0,2", f"line 1: userId is '1_0', {ID}"),
    ("\u0661,2".encode(), f"line 1: userId is '\u0661', {ID}"),
    (b"1,", f"line 1: movieId is '', {ID}"),
    (b"9223372036854775808,1", f"line 1: userId is '9223372036854775808', {ID}"),
    (b"1,2,nan", f"line 1: timestamp is 'nan', {TIME}"),
    (b"1,2,inf", f"line 1: timestamp is 'inf', {TIME}"),
    (b"1,2,-1", f"line 1: timestamp is '-1', {TIME}"),
    (b"1,2,1500000000000", f"line 1: timestamp is '1500000000000', {TIME}"),
    (
        b"1,2\n1,2,3",
        "line 2: the row is '1,2,3', expected 2 fields as in the first row",
    ),
    (
        b"1,2,3\n1,2",
        "line 2: the row is '1,2', expected 3 fields as in the first row",
    ),
    (
        b"1,2,4.0,964982703",
        "line 1: the row is '1,2,4.0,964982703', expected userId,movieId or",
    ),
    (b"1", "line 1: the row is '1', expected userId,movieId or"),
    (b"user_id,movie_id\n1,2", f"line 1: userId is 'user_id', {ID}"),
    (
        b"userId,title\n1,2",
        "line 1: the header is 'userId,title', expected userId, movieId",
    ),
    (
        b"userId,movieId,userId\n1,2,3",
        "line 1: the header is 'userId,movieId,userId', expected",
    ),
    (b'1,2\n3,"4', "line 2: unexpected end of data, expected CSV"),
    (b"1,2\n\xff,3", "line 2: byte 0xff isn't UTF-8"),
    (b"\xef\xbb\xbf1,2\n\xff,3", "line 2: byte 0xff isn't UTF-8"),
]


@pytest.mark.parametrize(("body", "message"), FAULTS)
def test_the_first_fault_is_located(body: bytes, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        PAIRS.strict(body)
    assert str(raised.value).startswith(message)


@given(some_rows, st.data())
def test_a_bad_value_is_found_wherever_it_is(
    rows: list[WrittenRow], data: st.DataObject
) -> None:
    line = data.draw(st.integers(1, len(rows)))
    lines = [f"{user_id},{movie_id},5" for user_id, movie_id, _ in rows]
    lines[line - 1] = "1,x,5"
    with pytest.raises(RequestError, match=rf"^line {line}: movieId is 'x'"):
        PAIRS.strict("\n".join(lines).encode())


# Batches


@given(some_rows)
def test_a_batch_without_faults_is_read_as_any_body(rows: list[WrittenRow]) -> None:
    body = "\n".join(f"{user_id},{movie_id}" for user_id, movie_id, _ in rows).encode()
    strict = PAIRS.strict(body)
    lenient = PAIRS.lenient(body)
    assert as_written(lenient.queries) == as_written(strict.queries)
    assert not lenient.faults


@given(some_rows, st.data())
def test_a_bad_row_of_a_batch_takes_no_other_with_it(
    rows: list[WrittenRow], data: st.DataObject
) -> None:
    is_bad = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    lines = []
    for (user_id, movie_id, _), bad in zip(rows, is_bad, strict=True):
        lines.append(f"{user_id},x" if bad else f"{user_id},{movie_id}")
    parsed = PAIRS.lenient("\n".join(lines).encode())
    assert list(parsed.faults) == np.flatnonzero(is_bad).tolist()
    for place, message in parsed.faults.items():
        assert message == f"line {place + 1}: movieId is 'x', {ID}"
    assert parsed.queries.user_id.tolist() == [
        user_id for (user_id, _, _), bad in zip(rows, is_bad, strict=True) if not bad
    ]


def test_a_bad_row_below_a_header_names_its_line() -> None:
    parsed = PAIRS.lenient(b"movieId,userId\n2,1\n\n\xff,1\r\n10,4,5\n10,4\r\n")
    assert as_written(parsed.queries) == [(1, 2, None), (4, 10, None)]
    assert parsed.faults == {
        1: "line 4: byte 0xff isn't UTF-8, expected UTF-8 text",
        2: "line 5: the row is '10,4,5', expected 2 fields as in the first row",
    }


def test_an_open_quote_spoils_no_other_row() -> None:
    parsed = PAIRS.lenient(b'1,2\n"3,4\n5,6\n7,8"\n')
    assert as_written(parsed.queries) == [(1, 2, None), (5, 6, None)]
    assert list(parsed.faults) == [1, 3]


def test_a_bad_header_is_what_is_wrong_with_every_row() -> None:
    parsed = PAIRS.lenient(b"userId,title\n1,2\n3,4")
    assert len(parsed.queries) == 0
    for message in parsed.faults.values():
        assert message.startswith("line 1: the header is 'userId,title', expected")
    assert list(parsed.faults) == [0, 1]


@pytest.mark.parametrize("body", [b"", b" \n", b"userId,title\n"])
def test_a_batch_without_rows_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError):
        PAIRS.lenient(body)


# Users


def test_users_are_asked_what_they_would_like() -> None:
    wanted = Wanted(3)
    parsed = users_parser(wanted).strict(b"7\n8")
    assert len(parsed.queries) == 0
    assert [question.user_id for question in parsed.questions.values()] == [7, 8]
    assert {question.wanted for question in parsed.questions.values()} == {wanted}
    named = users_parser(wanted).strict(b"rating,timestamp,userId\n3.0,1000,7")
    assert named.questions[0].timestamp == 1000


def test_a_bad_user_of_a_batch_keeps_its_place() -> None:
    parsed = users_parser(Wanted(1)).lenient(b"7,\nx,\n8,1000")
    assert list(parsed.questions) == [0, 2]
    assert parsed.questions[2].timestamp == 1000
    assert parsed.faults == {1: f"line 2: userId is 'x', {ID}"}


def test_users_need_a_column_of_their_ids() -> None:
    with pytest.raises(RequestError, match="expected userId and perhaps timestamp"):
        users_parser(Wanted(1)).strict(b"timestamp,rating\n1,3")


# One row of digits, which is read on a quicker way


@given(
    st.integers(0, 10**18 - 1),
    st.integers(0, 10**18 - 1),
    st.none() | st.integers(0, 2**33),
    st.sampled_from(["", "\n", "\r\n"]),
)
def test_one_row_of_digits_is_read_as_any_other(
    user_id: int, movie_id: int, timestamp: int | None, end: str
) -> None:
    cells = [str(user_id), str(movie_id)]
    if timestamp is not None:
        cells.append(str(timestamp))
    row = ",".join(cells)

    def outcome(text: str) -> object:
        try:
            return parsed(text.encode())
        except RequestError as error:
            return str(error)

    assert outcome(row + end) == outcome(" " + row + end)
