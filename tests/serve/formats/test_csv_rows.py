from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import RequestError
from movielens.grammar import is_blank, parse_id, parse_time
from serve.formats.csv_rows import PAIRS, users_parser
from serve.questions import Wanted
from tests.serve.written import WrittenRow, any_rows, as_records, as_written, some_rows

ID = "expected a whole number; send raw MovieLens ids"
TIME = (
    "expected seconds since 1970, from 0 to 4294967295, or an ISO 8601 date, or nothing"
)


def parsed(body: bytes) -> list[WrittenRow]:
    return as_written(PAIRS.strict(body).whole().queries)


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
    (b"1,0x1", f"line 1: movieId is '0x1', {ID}"),
    (b"1,5E0", f"line 1: movieId is '5E0', {ID}"),
    (b"1,.0", f"line 1: movieId is '.0', {ID}"),
    (b"1,3\x1d", f"line 1: movieId is '3\\x1d', {ID}"),
    (b"1,2,.5", f"line 1: timestamp is '.5', {TIME}"),
    (b"1,2,5E0", f"line 1: timestamp is '5E0', {TIME}"),
    (b"1,2,2015-02-30", f"line 1: timestamp is '2015-02-30', {TIME}"),
    (b"1,2,1969-12-31", f"line 1: timestamp is '1969-12-31', {TIME}"),
    (b"1_0,2", f"line 1: userId is '1_0', {ID}"),
    ("\u0661,2".encode(), f"line 1: userId is '\u0661', {ID}"),
    (b"1,", f"line 1: movieId is '', {ID}"),
    (b"9223372036854775808,1", f"line 1: userId is '9223372036854775808', {ID}"),
    (b"1,2,nan", f"line 1: timestamp is 'nan', {TIME}"),
    (b"1,2,inf", f"line 1: timestamp is 'inf', {TIME}"),
    (b'1,2,"\n"', f"line 1: timestamp is '\\n', {TIME}"),
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
    (
        b"userId,movieId,title,title\n1,2,3,4",
        "line 1: the header is 'userId,movieId,title,title', expected",
    ),
    (
        b"rating,title\n1,2",
        "line 1: the header is 'rating,title', expected userId, movieId",
    ),
    (
        b'userId,movieId,title\n1,318,"Shawshank\n1,296,Pulp Fiction',
        "line 2: a quote is left open in the row that begins here",
    ),
    (b'1,2\n3,"4', "line 2: a quote is left open in the row that begins here"),
    (b"1,2\n\xff,3", "line 2: byte 0xff isn't UTF-8"),
    (b"\xef\xbb\xbf1,2\n\xff,3", "line 2: byte 0xff isn't UTF-8"),
]


@pytest.mark.parametrize(("body", "message"), FAULTS)
def test_the_first_fault_is_located(body: bytes, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        PAIRS.strict(body).whole()
    assert str(raised.value).startswith(message)


@given(some_rows, st.data())
def test_a_bad_value_is_found_wherever_it_is(
    rows: list[WrittenRow], data: st.DataObject
) -> None:
    line = data.draw(st.integers(1, len(rows)))
    lines = [f"{user_id},{movie_id},5" for user_id, movie_id, _ in rows]
    lines[line - 1] = "1,x,5"
    with pytest.raises(RequestError, match=rf"^line {line}: movieId is 'x'"):
        PAIRS.strict("\n".join(lines).encode()).whole()


# Batches


@given(some_rows)
def test_a_batch_without_faults_is_read_as_any_body(rows: list[WrittenRow]) -> None:
    body = "\n".join(f"{user_id},{movie_id}" for user_id, movie_id, _ in rows).encode()
    strict = PAIRS.strict(body).whole()
    lenient = PAIRS.lenient(body).whole()
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
    parsed = PAIRS.lenient("\n".join(lines).encode()).whole()
    assert list(parsed.faults) == np.flatnonzero(is_bad).tolist()
    for place, message in parsed.faults.items():
        assert message == f"line {place + 1}: movieId is 'x', {ID}"
    assert parsed.queries.user_id.tolist() == [
        user_id for (user_id, _, _), bad in zip(rows, is_bad, strict=True) if not bad
    ]


def test_a_bad_row_below_a_header_names_its_line() -> None:
    parsed = PAIRS.lenient(b"movieId,userId\n2,1\n\n\xff,1\r\n10,4,5\n10,4\r\n").whole()
    assert as_written(parsed.queries) == [(1, 2, None), (4, 10, None)]
    assert parsed.faults == {
        1: "line 3: the line is blank, expected a row",
        2: "line 4: byte 0xff isn't UTF-8, expected UTF-8 text",
        3: "line 5: the row is '10,4,5', expected 2 fields as in the first row",
    }


def test_an_open_quote_spoils_no_other_row() -> None:
    parsed = PAIRS.lenient(b'1,2\n"3,4\n5,6\n7,8"\n').whole()
    assert as_written(parsed.queries) == [(1, 2, None), (5, 6, None)]
    assert list(parsed.faults) == [1, 3]


def test_a_bad_header_is_what_is_wrong_with_every_row() -> None:
    parsed = PAIRS.lenient(b"userId,title\n1,2\n3,4").whole()
    assert len(parsed.queries) == 0
    for message in parsed.faults.values():
        assert message.startswith("line 1: the header is 'userId,title', expected")
    assert list(parsed.faults) == [0, 1]


@pytest.mark.parametrize(
    "body",
    [
        b"movieId,userId\r318,1\n296,1",
        b'movieId,"userId\n318,1',
        b"movieId,userId,\xff\n318,1,2",
        b"userId,movieId,userId\n1,318,1",
    ],
)
def test_rows_below_a_header_that_cannot_be_read_are_not_guessed(body: bytes) -> None:
    parsed = PAIRS.lenient(body).whole()
    assert len(parsed.queries) == 0
    (message,) = parsed.faults.values()
    assert message.startswith("line 1: ")


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"1,318\nuserId,movieId\n1,1", [(1, 318, None), (1, 1, None)]),
        (b"1,318\nmovieId,userId\n318,1", [(1, 318, None), (318, 1, None)]),
        (
            b"movieId,userId\n318,1\nuserId,movieId\n1,1",
            [(1, 318, None), (1, 1, None)],
        ),
    ],
)
def test_a_header_in_the_middle_of_a_batch_is_a_bad_row(
    body: bytes, outcome: list[WrittenRow]
) -> None:
    parsed = PAIRS.lenient(body).whole()
    assert as_written(parsed.queries) == outcome
    ((place, message),) = parsed.faults.items()
    assert place == 1
    assert message.endswith(ID)


def test_a_blank_line_may_come_before_the_header_of_a_batch() -> None:
    parsed = PAIRS.lenient(b"\nmovieId,userId\n318,1\n").whole()
    assert as_written(parsed.queries) == [(1, 318, None)]
    assert list(parsed.faults) == [0]


def test_a_row_of_a_batch_is_a_line_even_in_quotes() -> None:
    parsed = PAIRS.lenient(b'userId,movieId,title\n1,318,"a\nb"\n1,296,c\n').whole()
    assert as_written(parsed.queries) == [(1, 296, None)]
    assert list(parsed.faults) == [0, 1]


@pytest.mark.parametrize(
    "header", ["userId,movieId", "userId, movieId ,timestamp", '"userId","movieId"']
)
def test_one_record_may_be_a_header_in_the_default_order(header: str) -> None:
    assert len(PAIRS.single(header.encode()).whole().queries) == 0
    assert as_written(PAIRS.single(f"{header}\n".encode()).whole().queries) == []


@pytest.mark.parametrize(
    "header",
    [
        "movieId,userId",
        "userId,movieId,rating",
        "userId,timestamp,movieId",
        "userId,movieId,timestamp,title",
        "title,genres",
        'userId,"movieId',
    ],
)
def test_one_record_that_is_another_header_fails_the_batch(header: str) -> None:
    for body in (header, f"\ufeff{header}\r\n", f"{header}\n1,318"):
        with pytest.raises(RequestError, match=r"^line 1: "):
            PAIRS.single(body.encode()).whole()


def test_one_record_names_its_line_ends() -> None:
    with pytest.raises(RequestError, match=r"^line 1: a line ends in CR alone"):
        PAIRS.single(b"userId,movieId\r1,318\n").whole()
    (message,) = PAIRS.single(b"1,318\r1,296").whole().faults.values()
    assert message.startswith("line 1: a line ends in CR alone")


def test_one_record_is_read_as_in_any_batch() -> None:
    assert as_written(PAIRS.single(b"1,318\n").whole().queries) == [(1, 318, None)]
    assert list(PAIRS.single(b"1,x").whole().faults) == [0]


@pytest.mark.parametrize("body", [b"", b" \n", b"\x1a", b"userId,title\n"])
def test_a_batch_without_rows_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError):
        PAIRS.lenient(body).whole()


# Numbers and times


ID_TEXTS = st.from_regex(
    r"[+-]?[0-9]{1,20}(\.[0-9]{0,2})?|[0-9.eE+x_ -]{0,6}", fullmatch=True
)
TIME_TEXTS = st.from_regex(
    r"[+-]?[0-9]{1,11}(\.[0-9]{0,2})?|2015-0[0-9]-[0-9]{2}Z?|[0-9.eE+x_ -]{0,6}",
    fullmatch=True,
)


def by_the_grammar(ids: list[str], time: str) -> WrittenRow | None:
    """What a row means, None if it is bad."""
    try:
        user_id, movie_id = map(parse_id, ids)
        seconds = None if is_blank(time) else parse_time(time)
    except ValueError:
        return None
    has_good_ids = max(abs(user_id), abs(movie_id)) < 2**63
    has_good_time = seconds is None or 0 <= seconds < 2**32
    return (user_id, movie_id, seconds) if has_good_ids and has_good_time else None


@given(st.lists(st.tuples(ID_TEXTS, ID_TEXTS, TIME_TEXTS), min_size=1, max_size=8))
def test_every_row_means_what_the_grammar_says(
    rows: list[tuple[str, str, str]],
) -> None:
    body = "\n".join(map(",".join, rows)).encode()
    expected = [by_the_grammar([user, movie], time) for user, movie, time in rows]
    parsed = PAIRS.lenient(body).whole()
    good = [row for row in expected if row is not None]
    assert as_written(parsed.queries) == good
    bad = [place for place, row in enumerate(expected) if row is None]
    assert list(parsed.faults) == bad


def test_whole_floats_are_ids_and_dates_are_times() -> None:
    rows = parsed(b"1.0,318.00,2015-03-09T18:53:20Z\n+1,+318.,1425927200.5\n")
    assert rows == [(1, 318, 1425927200.0), (1, 318, 1425927200.5)]
    assert parsed(b"9007199254740993.0,1") == [(9007199254740993, 1, None)]
    assert parsed(b"1,2,1970-01-02") == [(1, 2, 86400.0)]


# Users


def test_users_are_asked_what_they_would_like() -> None:
    wanted = Wanted(3)
    parsed = users_parser(wanted).strict(b"7\n8").whole()
    assert len(parsed.queries) == 0
    assert [question.user_id for question in parsed.questions.values()] == [7, 8]
    assert {question.wanted for question in parsed.questions.values()} == {wanted}
    named = users_parser(wanted).strict(b"rating,timestamp,userId\n3.0,1000,7").whole()
    assert named.questions[0].timestamp == 1000


def test_a_bad_user_of_a_batch_keeps_its_place() -> None:
    parsed = users_parser(Wanted(1)).lenient(b"7,\nx,\n8,1000").whole()
    assert list(parsed.questions) == [0, 2]
    assert parsed.questions[2].timestamp == 1000
    assert parsed.faults == {1: f"line 2: userId is 'x', {ID}"}


def test_users_need_a_column_of_their_ids() -> None:
    with pytest.raises(RequestError, match="expected userId and perhaps timestamp"):
        users_parser(Wanted(1)).strict(b"timestamp,rating\n1,3").whole()


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
