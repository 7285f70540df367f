"""Ratings in blocks and batches: bad rows are located or dropped, good ones kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from movielens.bad_rows import BadRows
from movielens.errors import DataError
from movielens.files import ReadLimits
from movielens.rating_rows import RatingReader
from movielens.tables import RatingTable
from tests.movielens.samples import (
    MOVIES,
    RATINGS,
    RATINGS_HEADER,
    ROWS,
    Write,
    fault,
    ratings_file,
    read,
    rows,
)

KNOWN = np.array([1, 3, 7], np.int32)
AN_ID = "a whole number from 0 to 2147483647"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x,1,4.0,5", f"userId is 'x', expected {AN_ID}"),
        ("-1,1,4.0,5", "userId is '-1'"),
        ("0x1,1,4.0,5", "userId is '0x1'"),
        ("2147483648,1,4.0,5", "userId is '2147483648'"),
        ("\u0661,1,4.0,5", "userId is '\u0661'"),
        ("1.5,1,4.0,5", "userId is '1.5'"),
        ("1e3,1,4.0,5", "userId is '1e3'"),
        ("true,1,4.0,5", "userId is 'true'"),
        ("1_0,1,4.0,5", "userId is '1_0'"),
        (",1,4.0,5", "userId is ''"),
        ("99999999999999999999,1,4.0,5", "userId is '99999999999999999999'"),
        ("1,-3,4.0,5", "movieId is '-3'"),
        (
            "1,999,4.0,5",
            "movieId is '999', expected a movie that the movies file lists",
        ),
        ("1,1,4.7,5", "rating is '4.7', expected half stars from 0.5 to 5.0"),
        ("1,1,0,5", "rating is '0'"),
        ("1,1,5.5,5", "rating is '5.5'"),
        ("1,1,nan,5", "rating is 'nan'"),
        ("1,1,inf,5", "rating is 'inf'"),
        ("1,1,,5", "rating is ''"),
        ("1,1,.5,5", "rating is '.5'"),
        ("1,1,5E0,5", "rating is '5E0'"),
        ("1,1,0x1,5", "rating is '0x1'"),
        ("1,1,0.5\x1d,5", r"rating is '0.5\x1d'"),
        ("1,1,0.5,5\x1f", r"timestamp is '5\x1f'"),
        ("1\x1c,1,0.5,5", r"userId is '1\x1c'"),
        ("1,1\x1e,0.5,5", r"movieId is '1\x1e'"),
        ("1,1,0.5,2015-13-01", "timestamp is '2015-13-01'"),
        ("1,1,0.5,2115-01-01", "timestamp is '2115-01-01'"),
        ('"1"2,1,0.5,5', "',' expected after '\"'"),
        ("1,1,4.0,", "timestamp is ''"),
        ("1,1,4.0,-5", "timestamp is '-5'"),
        (
            "1,1,4.0,1537799250000",
            "timestamp is '1537799250000', expected seconds since 1970",
        ),
        ("1,1,4.0", "3 fields, expected 4 (userId,movieId,rating,timestamp)"),
        ("1,1,4.0,5,6", "5 fields, expected 4"),
    ],
)
@pytest.mark.parametrize("before", ["", "\n", "1,3,4.5,1\n"])
def test_a_bad_rating_is_located(
    write: Write, before: str, line: str, expected: str
) -> None:
    later_bad_line = "3,3,9.9,5"
    text = f"{RATINGS}{before}{line}\n{later_bad_line}\n"
    message = fault(write({"ratings.csv": text, "movies.csv": MOVIES}))
    number = 5 + bool(before)
    assert message.startswith(f"training/ratings.csv line {number}: {expected}")


def test_a_bad_rating_in_a_later_packed_shard_is_located(write: Write) -> None:
    bad = gzip.compress((RATINGS_HEADER + "1,1,9.0,5\n").encode())
    message = fault(write({"a.csv": RATINGS, "b.csv.gz": bad, "movies.csv": MOVIES}))
    assert message.startswith("training/b.csv.gz line 2: rating is '9.0'")


def test_numbers_and_dates_are_read_in_every_usual_form(write: Write) -> None:
    text = RATINGS_HEADER + (
        "1.0,+1,4,964982703.9\n"
        " 1 ,3.000,4.50,2000-07-30T18:20:47Z\n"
        "2,7,+0.5,1970-01-01 00:16:40\n"
    )
    data = read(write({"ratings.csv": text, "movies.csv": MOVIES}))
    assert rows(data.ratings) == ROWS


@pytest.mark.parametrize("time", ["2000-07-30", "2000-07-30T18:25:03.7+00:00"])
def test_dates_need_no_header(write: Write, time: str) -> None:
    base = write({"ratings.csv": f"1,1,4.0,{time}\n", "movies.csv": MOVIES})
    assert len(read(base).ratings) == 1


def test_ids_count_from_0(write: Write) -> None:
    text = RATINGS_HEADER + "0,1,4.0,5\n2147483647,3,4.0,5\n"
    data = read(write({"ratings.csv": text, "movies.csv": MOVIES}))
    assert data.ratings.user_id.tolist() == [0, 2147483647]


@pytest.mark.parametrize("last", ["  ", "\t\n", "\x1a", "\n\x1a\n", "\r\n \x1a\r\n"])
def test_blank_last_lines_are_skipped(write: Write, last: str) -> None:
    data = read(write({"ratings.csv": RATINGS + last, "movies.csv": MOVIES}))
    assert rows(data.ratings) == ROWS


def test_control_z_may_follow_the_last_row(write: Write) -> None:
    text = RATINGS.rstrip("\n") + "\x1a"
    data = read(write({"ratings.csv": text, "movies.csv": MOVIES}))
    assert rows(data.ratings) == ROWS


@pytest.mark.parametrize("packed", [False, True])
def test_all_rows_that_rate_unknown_movies_are_counted(
    write: Write, packed: bool
) -> None:
    lines = "1,9,4.0,5\n2,1,9.9,5\n3,8,4.0,5\n3,9,4.0,5\n" + "4,1,4.0,5\n" * 9
    text = (RATINGS + lines).encode()
    content = gzip.compress(text) if packed else text
    message = fault(write({"r.csv": content, "movies.csv": MOVIES}))
    assert message == (
        "training/r.csv line 5: movieId is '9', expected a movie that the movies file "
        "lists: add the movies there, or drop the rows with on_bad_row=drop "
        "(3 such rows in training/r.csv)"
    )


def test_rows_that_cannot_be_read_to_the_end_are_not_counted(write: Write) -> None:
    text = RATINGS + '1,9,4.0,5\n2,"1,9.9,5\n3,8,4.0,5\n'
    message = fault(write({"r.csv": text, "movies.csv": MOVIES}))
    assert message.startswith("training/r.csv line 5: movieId is '9'")
    assert message.endswith("drop the rows with on_bad_row=drop")


# Quotes


def test_quoted_text_may_have_line_ends_and_odd_quotes(write: Write) -> None:
    ratings = (
        "userId,movieId,rating,note\n"
        '1,1,4.0,"two\nlines"\n'
        '1,3,4.5,6" screen\n'
        "2,7,0.5,\n"
    )
    data = read(write({"ratings.csv": ratings, "movies.csv": MOVIES}))
    assert len(data.ratings) == 3


@pytest.mark.parametrize("block_bytes", [40, 60, 1 << 24])
def test_quoted_text_may_go_on_in_the_next_block(
    write: Write, block_bytes: int
) -> None:
    ratings = (
        "userId,movieId,rating,note\n"
        '1,1,4.0,"two\nlines, and\nthree"\n'
        '1,3,4.5,"a ""word"""\n'
        "2,7,0.5,\n"
    )
    base = write({"ratings.csv": ratings})
    reader = RatingReader(KNOWN, BadRows(), ReadLimits(block_bytes=block_bytes))
    table = reader.read_file(ratings_file(base))
    assert rows(table) == [row[:3] for row in ROWS]


def test_quoted_text_that_is_too_long_is_an_open_quote(write: Write) -> None:
    note = "a line\n" * 20
    ratings = f'userId,movieId,rating,note\n1,1,4.0,"{note}"\n'
    file = ratings_file(write({"ratings.csv": ratings}))

    patient = ReadLimits(block_bytes=40, row_bytes=200)
    assert len(RatingReader(KNOWN, BadRows(), patient).read_file(file)) == 1

    impatient = ReadLimits(block_bytes=40, row_bytes=100)
    with pytest.raises(DataError, match=r"line 2: .*check the quotes"):
        RatingReader(KNOWN, BadRows(), impatient).read_file(file)


@pytest.mark.slow
@pytest.mark.parametrize("row", [1, 50_000, 99_000, 100_836])
@pytest.mark.parametrize("column", range(5))
def test_an_open_quote_is_located_in_any_column(
    write: Write, data_dir: Path, row: int, column: int
) -> None:
    """Arrow reads the file in several blocks. Nobody reads the last column."""
    lines = (data_dir / "ratings.csv").read_text().splitlines()
    lines = [f"{line},note" for line in lines]
    fields = lines[row].split(",")
    fields[column] = f'"{fields[column]}'
    lines[row] = ",".join(fields)

    movies = (data_dir / "movies.csv").read_bytes()
    message = fault(write({"ratings.csv": "\n".join(lines), "movies.csv": movies}))
    assert message.startswith(f"training/ratings.csv line {row + 1}: ")
    assert "check the quotes" in message


# Dropped rows


@pytest.mark.parametrize("block_bytes", [30, 1 << 24])
def test_bad_rows_are_dropped_and_counted(write: Write, block_bytes: int) -> None:
    lines = [
        "1,1,4.0,964982703",
        "x,1,4.0,5",
        "1,3,4.5,964981247",
        "1,1,4.7,5",
        "1,999,4.0,5",
        "1,1,4.0",
        '"2",7,0.5,1000',
        "2,3,3.5,-1",
        "2,3,inf,5",
    ]
    file = ratings_file(write({"r.csv": RATINGS_HEADER + "\n".join(lines)}))
    bad_rows = BadRows(most=0.9)
    reader = RatingReader(KNOWN, bad_rows, ReadLimits(block_bytes=block_bytes))
    assert rows(reader.read_file(file)) == ROWS
    assert bad_rows.count == 6
    assert bad_rows.first == f"training/r.csv line 3: userId is 'x', expected {AN_ID}"


def test_ratings_of_unknown_movies_are_dropped_later_too() -> None:
    table = RatingTable.of(
        user_id=np.array([1, 2, 3]),
        movie_id=np.array([1, 8, 7]),
        rating=np.array([4.0, 4.0, 4.0]),
        timestamp=None,
    )
    bad_rows = BadRows(most=0.9)
    kept = RatingReader(KNOWN, bad_rows).drop_unknown_movies("a pipe", table)
    assert kept.movie_id.tolist() == [1, 7]
    assert bad_rows.first.startswith("a pipe rating 2: movieId is '8'")
    assert bad_rows.first.endswith("(1 such row in a pipe)")
    with pytest.raises(DataError, match="rating 2: movieId is '8'"):
        RatingReader(KNOWN, BadRows()).drop_unknown_movies("a pipe", table)


# Parquet


def test_a_bad_value_in_parquet_has_its_row(write: Write) -> None:
    base = write({"movies.csv": MOVIES})
    ratings = {
        "userId": [1, 2],
        "movieId": [1, 3],
        "rating": [4.0, None],
    }
    pq.write_table(pa.table(ratings), base / "r.parquet")
    assert fault(base).startswith("training/r.parquet row 2: rating is 'nan'")


def test_a_parquet_column_of_another_type_is_refused(write: Write) -> None:
    base = write({"movies.csv": MOVIES})
    ratings = {"userId": ["1"], "movieId": [1], "rating": [4.0]}
    pq.write_table(pa.table(ratings), base / "r.parquet")
    assert "userId holds string, expected numbers" in fault(base)


def test_a_broken_parquet_file_is_named(write: Write) -> None:
    base = write({"movies.csv": MOVIES, "r.parquet": b"PAR1 and no more"})
    assert fault(base).startswith("training/r.parquet can't be read as Parquet")


def test_a_parquet_column_whose_name_is_no_text_is_refused(write: Write) -> None:
    base = write({"movies.csv": MOVIES})
    path = base / "r.parquet"
    pq.write_table(pa.table({"userId": [1], "movieId": [1], "other": [1]}), path)
    path.write_bytes(path.read_bytes().replace(b"other", b"\xff\xff\xff\xff\xff"))
    assert fault(base).startswith("training/r.parquet can't be read as Parquet")


@pytest.mark.parametrize("rating", [129, 255])
def test_a_rating_in_a_byte_of_parquet_does_not_overflow(
    write: Write, rating: int
) -> None:
    base = write({"movies.csv": MOVIES})
    ratings = {"userId": [1], "movieId": [1], "rating": pa.array([rating], pa.uint8())}
    pq.write_table(pa.table(ratings), base / "r.parquet")
    assert f"row 1: rating is '{rating}'" in fault(base)


@pytest.mark.parametrize("parquet_rows", [1, 2, 1 << 20])
def test_bad_rows_of_parquet_are_dropped(write: Write, parquet_rows: int) -> None:
    base = write({})
    ratings = {
        "userId": [1, 2, 3],
        "movieId": [1, 3, 99],
        "rating": [4.0, None, 3.0],
    }
    pq.write_table(pa.table(ratings), base / "r.parquet")

    bad_rows = BadRows(most=0.9)
    limits = ReadLimits(parquet_rows=parquet_rows)
    reader = RatingReader(KNOWN, bad_rows, limits)
    table = reader.read_file(ratings_file(base))
    assert rows(table) == [(1, 1, 4.0)]
    assert bad_rows.count == 2
    assert bad_rows.first.startswith("training/r.parquet row 2: rating is 'nan'")


@pytest.mark.parametrize(
    "times",
    [
        pa.array([5.9, 1000.0]),
        pa.array([5_900, 1_000_000], pa.timestamp("ms")),
        pa.array([5_900_000_000, 10**12], pa.timestamp("ns", "UTC")),
        pa.array([5, 1000], pa.timestamp("s")),
    ],
)
def test_times_in_parquet_are_cut_to_seconds(write: Write, times: pa.Array) -> None:
    base = write({"movies.csv": MOVIES})
    columns = {"userId": [1.0, 2.0], "movieId": [1, 3], "rating": [4, 5]}
    pq.write_table(pa.table(columns | {"timestamp": times}), base / "r.parquet")
    timestamp = read(base).ratings.timestamp
    assert timestamp is not None
    assert timestamp.tolist() == [5, 1000]


def test_days_in_parquet_are_times(write: Write) -> None:
    base = write({"movies.csv": MOVIES})
    days = pa.array([0, 10], pa.date32())
    columns = {"userId": [1, 2], "movieId": [1, 3], "rating": [4, 5], "timestamp": days}
    pq.write_table(pa.table(columns), base / "r.parquet")
    timestamp = read(base).ratings.timestamp
    assert timestamp is not None
    assert timestamp.tolist() == [0, 864_000]


@pytest.mark.parametrize("name", ["r.parquet", "r.csv"])
def test_more_rows_than_the_limit_are_refused(write: Write, name: str) -> None:
    base = write({})
    if name == "r.parquet":
        columns = {"userId": [1] * 9, "movieId": [1] * 9, "rating": [4.0] * 9}
        pq.write_table(pa.table(columns), base / name)
    else:
        write({name: "userId,movieId,rating\n" + "1,1,4.0\n" * 9})
    file = ratings_file(base)
    enough = RatingReader(KNOWN, BadRows(), ReadLimits(rating_rows=9))
    assert len(enough.read_file(file)) == 9
    fewer = RatingReader(KNOWN, BadRows(), ReadLimits(rating_rows=8))
    expected = "holds 9 rows or more, the limit for a file is 8"
    with pytest.raises(DataError, match=expected):
        fewer.read_file(file)
