"""Files of ratings and movies, as a job reads them."""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from movielens.channel import Channel
from movielens.errors import DataError
from movielens.field_checks import LARGEST_ID, LARGEST_TIMESTAMP
from movielens.files import ReadLimits
from movielens.formats import sniff
from movielens.grammar import (
    is_blank,
    lone_cr_line,
    parse_id,
    parse_number,
    parse_time,
)
from movielens.readers import Dataset, read_dataset
from movielens.tables import RatingTable
from serve.fields import is_timestamp
from tests.fuzz import samples
from tests.fuzz.target import Target

_MOVIES = b"movieId,title,genres\n1,A (1990),Drama\n3,B,IMAX|Drama\n318,C,\n"
_RATINGS = b"userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,4.5,1\n"
_GZIP = b"\x1f\x8b"
_SHORT_BLOCKS = ReadLimits(block_bytes=16)
_LIMITS = ReadLimits(movie_values=10_000, rating_rows=100_000)


def ratings_file(data: bytes) -> None:
    """A file is read as ratings, ignored, or refused with a DataError.

    All values are in their ranges. A file that is read in small blocks has the same
    rows or the same error. If a file is read without an error, nothing is dropped where
    rows may be dropped.
    """
    files = {"movies.csv": _MOVIES, "ratings": data}
    strict = _outcome(files, 0.0, _LIMITS)
    lenient = _outcome(files, 1.0, _LIMITS)
    if not data.startswith(_GZIP):
        assert _outcome(files, 0.0, _SHORT_BLOCKS) == strict
        assert _outcome(files, 1.0, _SHORT_BLOCKS) == lenient
    if not isinstance(strict, str):
        assert lenient == strict


def packed_ratings(data: bytes) -> None:
    """The same for what a gzip file holds."""
    _outcome({"movies.csv": _MOVIES, "ratings": data}, 0.5, _LIMITS)


def parquet_ratings(data: bytes) -> None:
    """A Parquet file is read as ratings, ignored, or refused with a DataError."""
    _outcome({"movies.csv": _MOVIES, "ratings": data}, 0.5, _LIMITS)


def movies_file(data: bytes) -> None:
    """A file is read as movies, ignored, or refused with a DataError."""
    found = _outcome({"movies": data, "ratings.csv": _RATINGS}, 1.0, _LIMITS)
    if not data.startswith(_GZIP):
        files = {"movies": data, "ratings.csv": _RATINGS}
        assert _outcome(files, 1.0, _SHORT_BLOCKS) == found


def parquet_movies(data: bytes) -> None:
    """A Parquet file is read as movies, ignored, or refused with a DataError."""
    _outcome({"movies": data, "ratings.csv": _RATINGS}, 1.0, _LIMITS)


def _outcome(files: dict[str, bytes], most_bad: float, limits: ReadLimits) -> object:
    """What a channel with these files is read as; for a refused one, the message."""
    folder = samples.folder("channel-of-tables")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return _outcome_of(Channel("training", folder), most_bad, limits)


def _outcome_of(channel: Channel, most_bad: float, limits: ReadLimits) -> object:
    try:
        found = read_dataset([channel], most_bad, limits=limits)
    except DataError as error:
        return str(error).encode(errors="replace").decode()
    _check_ratings(found.ratings)
    _check_movies(found)
    dropped = {reason: count for reason, count in found.dropped.items() if count}
    return _rows(found.ratings), found.movies.title, found.movies.genres, dropped


def _rows(ratings: RatingTable) -> list[object]:
    time = None if ratings.timestamp is None else ratings.timestamp.tolist()
    columns = (ratings.user_id, ratings.movie_id, ratings.half_stars)
    return [*(column.tolist() for column in columns), time]


def _check_ratings(ratings: RatingTable) -> None:
    for ids in (ratings.user_id, ratings.movie_id):
        assert np.all((ids >= 0) & (ids <= LARGEST_ID))
    assert np.all((ratings.half_stars >= 1) & (ratings.half_stars <= 10))
    if ratings.timestamp is not None:
        assert np.all(ratings.timestamp >= 0)
        assert np.all(ratings.timestamp <= LARGEST_TIMESTAMP)


def _check_movies(found: Dataset) -> None:
    movies = found.movies
    assert np.all(np.diff(movies.movie_id) > 0)
    assert len(movies.movie_id) == len(movies.title) == len(movies.genres)
    assert np.all(np.isin(found.ratings.movie_id, movies.movie_id))


def _ratings_files() -> Iterator[bytes]:
    yield _RATINGS
    yield b'\xef\xbb\xbfrating,"movieId",userId\r\n5,1,"7"\r\n0.5,3,8\r\n'
    yield b"1::1::4::964982703\n2::3::5::7\n"
    yield b"1\t1\t3\t881250949\n2\t3\t3\t891717742\n"
    yield b"userId,movieId,rating,timestamp\n1,1,4,2015-03-09T18:53:20Z\n1,9,4,\n"
    yield b'userId,movieId,rating\n1,"1\n",4\n2,3,x\n\n3,318,4.7\n1,1,1\x1a'
    yield b"userId,movieId,rating\n1,1,4\r2,3,4\n"
    yield b"userId,movieId,rating\n1,1.0,+4.50\n-1,1e3,4\n1,99999999999,5\n"
    yield b"userId,movieId,tag,timestamp\n1,1,x,1\n"


def _packed_ratings() -> Iterator[bytes]:
    yield gzip.compress(_RATINGS, mtime=0)
    yield gzip.compress(_RATINGS, compresslevel=0, mtime=0)
    yield gzip.compress(gzip.compress(_RATINGS, mtime=0), mtime=0)
    yield b"PK\x03\x04" + bytes(30)


def _parquet(columns: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="none", use_dictionary=False)
    return buffer.getvalue()


def _parquet_ratings() -> Iterator[bytes]:
    ids = pa.array([1, 1, 2], pa.int32())
    movies = pa.array([1, 3, 318], pa.int64())
    stars = pa.array([4.0, 0.5, 9.0], pa.float32())
    yield _parquet({"userId": ids, "movieId": movies, "rating": stars})
    times = pa.array([1, None, 3], pa.timestamp("us"))
    yield _parquet(
        {"userId": ids, "movieId": movies, "rating": stars, "timestamp": times}
    )
    days = pa.array([1, 2, None], pa.date32())
    yield _parquet(
        {"userId": stars, "movieId": movies, "rating": ids, "timestamp": days}
    )
    yield _parquet({"userId": pa.array(["x"]), "movieId": [1], "rating": [1]})


def _movies_files() -> Iterator[bytes]:
    yield _MOVIES
    yield b'title,movieId,genres\r\n"A, The (1990)",1,(no genres listed)\r\nB,3,\r\n'
    yield "1::Misérables, Les (1995)::Drama|IMAX\n3::B::\n".encode("latin-1")
    fields = "|".join(["1", "A (1995)", "01-Jan-1995", "", "u", *"0100000000000000010"])
    yield fields.encode() + b"\n" + fields.encode().replace(b"1|", b"3|", 1) + b"\n"
    yield b'movieId,title,genres\n1,"A ""x""\n(1990)",a|a||b\n3,B\x00,c\n1,A,\n'
    yield b"movieId\ttitle\tgenres\n1\tA\tDrama\n3\tB\t\n"


def _parquet_movies() -> Iterator[bytes]:
    yield _parquet(
        {"movieId": [1, 3], "title": ["A (1990)", None], "genres": ["a|b", ""]}
    )
    lists = pa.array([["a", "b"], None], pa.list_(pa.string()))
    yield _parquet({"movieId": [1, 3], "title": ["A", "B"], "genres": lists})


def pipe(data: bytes) -> None:
    """A pipe is read, or refused with a DataError.

    Cut into other blocks, it has the same rows, or it is refused too.
    """
    path = samples.folder("pipe") / "training_0"
    path.write_bytes(data)
    channel = Channel("training", path, is_pipe=True)
    of_long_blocks = _outcome_of(channel, 1.0, _LIMITS)
    of_short_blocks = _outcome_of(channel, 1.0, _SHORT_BLOCKS)
    # What is wrong within a broken gzip file may come before its end.
    if data.startswith(_GZIP):
        return
    if isinstance(of_long_blocks, str):
        assert isinstance(of_short_blocks, str)
    else:
        assert of_short_blocks == of_long_blocks


def _pipes() -> Iterator[bytes]:
    yield _RATINGS + _MOVIES
    yield _MOVIES.rstrip(b"\n") + _RATINGS
    yield _MOVIES + b"userId,movieId,tag,timestamp\n1,1,x,1\n" + _RATINGS + _RATINGS
    yield b"\xef\xbb\xbf" + _RATINGS + b"\xef\xbb\xbf" + _MOVIES
    yield gzip.compress(_RATINGS + _MOVIES, mtime=0)
    yield b"1::1::4::964982703\n2::3::5::7\n"
    yield b"PAR1"


def grammar(data: bytes) -> None:
    """A field is a number that Python reads too, or refused with a ValueError.

    A time that a request may have has the seconds of a timestamp.
    """
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(ValueError):
        whole = parse_id(text)
        assert whole == int(float(text.strip(" \t\x1a"))) or abs(whole) > 2**53
    with contextlib.suppress(ValueError):
        number = parse_number(text)
        assert number == float(text.strip(" \t\x1a"))
    with contextlib.suppress(ValueError):
        parse_time(text)
    if is_timestamp(text):
        assert 0 <= parse_time(text) < 2**32
    is_blank(text)
    line = lone_cr_line(data)
    assert (line is None) == (b"\r" not in data.replace(b"\r\n", b""))
    sniff(text)


def _fields() -> Iterator[bytes]:
    yield b" 318.0\t"
    yield b"-4.50"
    yield b"2015-03-09T18:53:20.5+01:30"
    yield b"0001-01-01T00:00:00+23:59"
    yield b"9999-12-31 23:59Z"
    yield b"userId,movieId,rating\n1,31,2.5\n"
    yield b"1::1193::5::978300760\r\n\r"


_WORDS = (b"userId", b"movieId", b"rating", b"timestamp", b"\r\n", b'"', b"::", b"\t")
_MOVIE_WORDS = (b"movieId", b"title", b"genres", b'"', b"\r\n", b"::", b"|")

TARGETS = [
    Target(ratings_file, _ratings_files, _WORDS, weight=5, most_bytes=300),
    Target(packed_ratings, _packed_ratings, weight=2, most_bytes=300),
    Target(parquet_ratings, _parquet_ratings, (b"PAR1",), weight=3),
    Target(movies_file, _movies_files, _MOVIE_WORDS, weight=4, most_bytes=300),
    Target(parquet_movies, _parquet_movies, (b"PAR1",), weight=2),
    Target(pipe, _pipes, (*_WORDS, *_MOVIE_WORDS), weight=4, most_bytes=400),
    Target(grammar, _fields, (b"T00:00", b"Z", b"+00:00"), weight=2, most_bytes=100),
]
