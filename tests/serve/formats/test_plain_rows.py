"""Long bodies of plain rows are read as the parsers read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import RequestError
from movielens.queries import RatingQueries
from serve.fields import FIELDS, ID_MAX, ID_MIN
from serve.formats.csv_rows import CsvReader, _pair, _pairs
from serve.formats.json_records import read_record
from serve.formats.plain_rows import plain_csv_rows, plain_json_rows
from serve.rows import Rows

READER = CsvReader(FIELDS, _pairs, _pair)

NUMBERS = st.one_of(
    st.integers(0, 10**19).map(str),
    st.sampled_from(["007", "4294967296", "-1", "1.0", "", "x", " 1"]),
)
LINES = st.lists(NUMBERS, min_size=1, max_size=4).map(",".join)
BODIES = st.builds(
    lambda lines, end, last: end.join(lines) + last,
    st.lists(LINES, min_size=1, max_size=5),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
    st.sampled_from(["", "\n", "\r\n"]),
)


def assert_same(found: RatingQueries, expected: RatingQueries) -> None:
    np.testing.assert_array_equal(found.user_id, expected.user_id)
    np.testing.assert_array_equal(found.movie_id, expected.movie_id)
    np.testing.assert_array_equal(found.timestamp, expected.timestamp)


@given(BODIES)
def test_what_is_read_as_plain_csv_is_what_the_parser_reads(body: str) -> None:
    found = plain_csv_rows(body.encode())
    if found is None:
        return
    for parsed in (
        READER.strict(body.encode()).whole(),
        READER.lenient(body.encode()).whole(),
    ):
        assert not parsed.faults
        assert_same(found, parsed.queries)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("row", ["1,318", "1,318,964982703"])
def test_rows_of_digits_are_plain(row: str, end: str) -> None:
    found = plain_csv_rows(end.join([row] * 3).encode())
    assert found is not None
    assert found.movie_id.tolist() == [318] * 3


@pytest.mark.parametrize(
    "body",
    [
        "userId,movieId\n1,318",
        "1,318\n\n1,296",
        "1,318\r1,296",
        "1,318\n1,296,964982703",
        "1,318,4294967296",
        "1,9999999999999999999",
        "1",
        "",
    ],
)
def test_other_csv_is_left_to_the_parser(body: str) -> None:
    assert plain_csv_rows(body.encode()) is None


VALUES = st.one_of(
    st.integers(ID_MIN - 1, ID_MAX + 1),
    st.integers(0, 2**33),
    st.floats(0, 2**33),
    st.sampled_from([None, True, "1", 1.0, float("nan"), -1]),
)
RECORDS = st.lists(
    st.dictionaries(
        st.sampled_from([*FIELDS, "recommend", "other"]), VALUES, max_size=4
    ),
    min_size=1,
    max_size=5,
)


@given(RECORDS)
def test_what_is_read_as_plain_json_is_what_the_parser_reads(
    records: list[dict[str, Any]],
) -> None:
    found = plain_json_rows(records)
    try:
        rows = [read_record(line, each) for line, each in enumerate(records, start=1)]
    except RequestError:
        assert found is None
        return
    if found is not None:
        assert_same(found, Rows.gather(rows).queries)


def test_objects_with_whole_ids_are_plain() -> None:
    records = [{"movieId": 318, "userId": 1, "timestamp": 964982703.5}] * 3
    found = plain_json_rows(records)
    assert found is not None
    assert found.timestamp.tolist() == [964982703.5] * 3


@pytest.mark.parametrize(
    "records",
    [
        [[1, 318]],
        [{"userId": 1, "movieId": 318}, {"userId": 1, "movieId": 318, "timestamp": 1}],
        [{"userId": 1.0, "movieId": 318}],
        [{"userId": True, "movieId": 318}],
        [{"userId": 1, "movieId": 318, "timestamp": None}],
        [{"userId": 1, "recommend": 3}],
        [],
    ],
)
def test_other_records_are_left_to_the_parser(records: list[Any]) -> None:
    assert plain_json_rows(records) is None
