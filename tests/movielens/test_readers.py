"""Whole channels: every published format, several hosts, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movielens.channel import Channel
from movielens.errors import DataError, HalfstarError
from movielens.files import ReadLimits
from movielens.readers import Dataset, read_dataset
from tests.movielens.hosts import read_on_hosts
from tests.movielens.samples import (
    ML_1M_MOVIES,
    ML_1M_RATINGS,
    ML_1M_ROWS,
    MOVIES,
    RATINGS,
    RATINGS_HEADER,
    ROWS,
    Write,
    fault,
    read,
    rows,
)

# Formats


def test_ml_latest_small_is_read(data_dir: Path) -> None:
    data = read(data_dir)
    assert len(data.ratings) == 100_836
    assert len(data.movies) == 9_742
    assert data.files == ("training/ratings.csv", "training/movies.csv")
    assert data.dropped == {"duplicate": 0}
    assert rows(data.ratings.take(np.array([0, 100_835]))) == [
        (1, 1, 4.0, 964982703),
        (610, 170875, 3.0, 1493846415),
    ]
    assert data.movies.title[0] == "Toy Story (1995)"
    assert sum(not genres for genres in data.movies.genres) == 34
    assert int((data.movies.year == 0).sum()) == 12


def test_csv_is_read(write: Write) -> None:
    data = read(write({"ratings.csv": RATINGS, "movies.csv": MOVIES}))
    assert rows(data.ratings) == ROWS
    assert data.movies.movie_id.tolist() == [1, 3, 7]
    assert data.movies.title == (
        "Toy Story (1995)",
        "American President, The (1995)",
        "Hyena Road",
    )
    assert data.movies.genres == (("Adventure", "Children"), ("Drama", "IMAX"), ())
    assert data.movies.year.tolist() == [1995, 1995, 0]


def test_ml_1m_is_read(write: Write) -> None:
    base = write(
        {
            "ratings.dat": ML_1M_RATINGS,
            "movies.dat": ML_1M_MOVIES.encode("latin-1"),
            "users.dat": "1::F::1::10::48067\n",
            "tags.dat": "15::2::excellent!::1215184630\n",
            "README": "SUMMARY\n=======\n",
        }
    )
    data = read(base)
    assert rows(data.ratings) == ML_1M_ROWS
    assert data.movies.title == ("Toy Story (1995)", "Misérables, Les: Part 2 (1995)")
    assert data.movies.genres[0] == ("Animation", "Children")
    assert data.files == ("training/ratings.dat", "training/movies.dat")


def test_ml_100k_is_read_without_its_ready_made_splits(write: Write) -> None:
    action_and_childrens = ["0"] * 19
    action_and_childrens[1] = action_and_childrens[4] = "1"
    unknown = ["1"] + ["0"] * 18
    movies = (
        f"1|Toy Story (1995)|01-Jan-1995||http://x|{'|'.join(action_and_childrens)}\n"
        f"3|Café (1996)|||http://y|{'|'.join(unknown)}\n"
    )
    base = write(
        {
            "u.data": "1\t1\t4\t964982703\n2\t3\t5\t7\n",
            "u1.base": "1\t1\t4\t964982703\n",
            "u1.test": "2\t3\t5\t7\n",
            "ua.base": "2\t3\t5\t7\n",
            "u.item": movies.encode("latin-1"),
            "u.genre": "unknown|0\nAction|1\n",
            "u.user": "1|24|M|technician|85711\n",
            "u.info": "943 users\n",
        }
    )
    data = read(base)
    assert rows(data.ratings) == ML_1M_ROWS
    assert data.movies.title == ("Toy Story (1995)", "Café (1996)")
    assert data.movies.genres == (("Action", "Children"), ())
    assert data.files == ("training/u.data", "training/u.item")

    (base / "u.data").unlink()
    assert "training/u1.base" in read(base).files


def test_parquet_is_read(write: Write) -> None:
    base = write({})
    users, movies, stars, times = zip(*ROWS, strict=True)
    ratings = {"userId": users, "movieId": movies, "rating": stars, "timestamp": times}
    pq.write_table(pa.table(ratings), base / "r.parquet")
    catalogue = {
        "movieId": [3, 1, 7],
        "title": ["B (1995)", "A (2001)", "C"],
        "genres": ["Drama|IMAX", "Comedy", None],
    }
    pq.write_table(pa.table(catalogue), base / "m.parquet")

    data = read(base)
    assert rows(data.ratings) == ROWS
    assert data.movies.title == ("A (2001)", "B (1995)", "C")
    assert data.movies.genres == (("Comedy",), ("Drama", "IMAX"), ())


def test_ratings_need_no_timestamps(write: Write) -> None:
    text = "userId,movieId,rating\n1,1,4\n2,3,5\n"
    ratings = read(write({"r.csv": text, "m.csv": MOVIES})).ratings
    assert ratings.timestamp is None
    assert np.isnan(ratings.queries().timestamp).all()


def test_ratings_with_colons_need_no_timestamps(write: Write) -> None:
    movies = ML_1M_MOVIES.encode("latin-1")
    base = write({"ratings.dat": "1::1::4\n2::3::5\n", "movies.dat": movies})
    assert rows(read(base).ratings) == [(1, 1, 4.0), (2, 3, 5.0)]


WITHOUT_HEADER = RATINGS.removeprefix(RATINGS_HEADER)
OTHER_ORDER = """x,timestamp,rating,movieId,userId
,964982703,4.0,1,1
y,964981247,4.5,3,1
,1000,0.5,7,2
"""
RATING_VARIANTS: dict[str, str | bytes] = {
    "crlf": RATINGS.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + RATINGS,
    "no last line end": RATINGS.rstrip("\n"),
    "blank lines": RATINGS.replace("\n", "\n\n"),
    "no header": WITHOUT_HEADER,
    "quoted": RATINGS.replace("1,1,4.0,964982703", '"1","1","4.0","964982703"'),
    "gzip": gzip.compress(RATINGS.encode()),
    "other order": OTHER_ORDER,
    "tabs": RATINGS.replace(",", "\t"),
    "colons": WITHOUT_HEADER.replace(",", "::"),
}


@pytest.mark.parametrize("variant", RATING_VARIANTS)
def test_variants_of_ratings_are_read_alike(write: Write, variant: str) -> None:
    ratings = RATING_VARIANTS[variant]
    base = write({"any name": ratings, "movies.csv": MOVIES})
    assert rows(read(base).ratings) == ROWS


MOVIE_VARIANTS: dict[str, str | bytes] = {
    "crlf": MOVIES.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + MOVIES,
    "gzip": gzip.compress(MOVIES.encode()),
}


@pytest.mark.parametrize("variant", MOVIE_VARIANTS)
def test_variants_of_movies_are_read_alike(write: Write, variant: str) -> None:
    base = write({"ratings.csv": RATINGS, "movies": MOVIES})
    plain = read(base).movies
    write({"movies": MOVIE_VARIANTS[variant]})
    other = read(base).movies
    assert other.title == plain.title
    assert other.genres == plain.genres
    assert other.year.tolist() == plain.year.tolist()


# Several files


def test_channels_are_read_together(write: Write) -> None:
    base = write({"training/ratings.csv": RATINGS, "movies/movies.csv": MOVIES})
    channels = [
        Channel("training", base / "training"),
        Channel("movies", base / "movies"),
    ]
    data = read_dataset(channels)
    assert rows(data.ratings) == ROWS
    assert data.files == ("training/ratings.csv", "movies/movies.csv")


def test_shards_are_read_by_name_even_if_packed_differently(write: Write) -> None:
    shards = [RATINGS_HEADER + "{},{},{},{}\n".format(*row) for row in ROWS]
    base = write(
        {
            "m.csv": MOVIES,
            "r/part-0.csv": shards[0],
            "r/part-1.csv.gz": gzip.compress(shards[1].encode()),
            "r/part-2.csv": shards[2],
        }
    )
    data = read(base)
    assert rows(data.ratings) == ROWS
    assert data.files[:3] == (
        "training/r/part-0.csv",
        "training/r/part-1.csv.gz",
        "training/r/part-2.csv",
    )


def test_an_earlier_catalogue_makes_movies_optional(write: Write) -> None:
    earlier = read(write({"ratings.csv": RATINGS, "movies.csv": MOVIES})).movies
    base = write({"movies.csv": ""})
    channels = [Channel("training", base)]
    data = read_dataset(channels, movies=earlier)
    assert data.movies.title == earlier.title

    write({"movies.csv": "movieId,title,genres\n3,Another (1996),Drama\n"})
    data = read_dataset(channels, movies=earlier)
    assert data.movies.movie_id.tolist() == [1, 3, 7]
    assert data.movies.title[1] == "Another (1996)"


def test_small_blocks_read_the_same(data_dir: Path) -> None:
    channels = [Channel("training", data_dir)]
    whole = read_dataset(channels).ratings
    in_blocks = read_dataset(channels, limits=ReadLimits(block_bytes=99_991)).ratings
    for column in ("user_id", "movie_id", "half_stars", "timestamp"):
        np.testing.assert_array_equal(
            getattr(in_blocks, column), getattr(whole, column)
        )


# Several hosts


def assert_same(found: Dataset | HalfstarError, expected: Dataset) -> None:
    assert isinstance(found, Dataset), found
    assert rows(found.ratings) == rows(expected.ratings)
    assert found.movies.title == expected.movies.title
    assert found.files == expected.files
    assert found.dropped == expected.dropped


@pytest.fixture
def shards(write: Write) -> Path:
    files = {
        f"ratings-{number}.csv": RATINGS_HEADER + "{},{},{},{}\n".format(*row)
        for number, row in enumerate(ROWS)
    }
    return write({"movies.csv": MOVIES, **files})


def test_hosts_with_the_same_files_read_what_one_host_reads(shards: Path) -> None:
    alone = read(shards)
    for n_hosts in (2, 3, 6):
        channels = [[Channel("training", shards)]] * n_hosts
        for found in read_on_hosts(channels):
            assert_same(found, alone)


def test_hosts_with_other_files_each_read_what_one_host_reads(
    shards: Path, tmp_path: Path
) -> None:
    alone = read(shards)
    channels = []
    for rank, names in enumerate(
        (["ratings-2.csv"], ["movies.csv", "ratings-0.csv"], ["ratings-1.csv"])
    ):
        directory = tmp_path / f"host-{rank}"
        directory.mkdir()
        for name in names:
            (directory / name).write_bytes((shards / name).read_bytes())
        channels.append([Channel("training", directory, is_sharded=True)])
    for found in read_on_hosts(channels):
        assert_same(found, alone)


def test_the_error_of_one_host_is_raised_by_all(shards: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ratings.csv").write_text(RATINGS_HEADER + "1,1,9.0,5\n")
    channels = [
        [Channel("training", shards)],
        [Channel("training", elsewhere, is_sharded=True)],
    ]
    first, second = read_on_hosts(channels)
    assert isinstance(first, DataError)
    assert "training/ratings.csv line 2: rating is '9.0'" in str(first)
    assert str(second) == str(first)


def test_bad_rows_of_all_hosts_are_counted(write: Write) -> None:
    bad_row = "1,1,9.0,5\n"
    base = write(
        {
            "movies.csv": MOVIES,
            "a.csv": RATINGS + bad_row,
            "b.csv": RATINGS_HEADER + "2,1,1.0,5\n" + bad_row,
        }
    )
    channels = [[Channel("training", base)]] * 2
    for found in read_on_hosts(channels, most_bad=0.5):
        assert isinstance(found, Dataset)
        assert found.dropped == {"duplicate": 0, "bad_row": 2}
    for refused in read_on_hosts(channels, most_bad=0.1):
        assert isinstance(refused, DataError)
        assert "2 of 6 rows can't be used" in str(refused)
        assert "the first: training/a.csv line 5" in str(refused)


# What is refused


def test_an_absent_file_is_reported_with_the_files_that_are_there(
    write: Write, tmp_path: Path
) -> None:
    assert "is no directory" in fault(tmp_path / "nowhere")
    tags = "userId,movieId,tag,timestamp\n1,1,fun,5\n"
    base = write({"movies.csv": MOVIES, "ratings.csv": b"", "tags.csv": tags})
    message = fault(base)
    assert message.startswith(
        "no ratings (userId,movieId,rating[,timestamp]) in channel training"
    )
    assert "training/ratings.csv (empty)" in message
    assert "training/tags.csv (begins with 'userId,movieId,tag,timestamp')" in message

    write({"ratings.csv": RATINGS})
    (base / "movies.csv").unlink()
    assert "no movies (movieId,title,genres)" in fault(base)


@pytest.mark.parametrize("header", [RATINGS_HEADER, RATINGS_HEADER.rstrip("\n")])
def test_ratings_without_rows_are_refused(write: Write, header: str) -> None:
    base = write({"movies.csv": MOVIES, "ratings.csv": header})
    assert "training/ratings.csv has no rows" in fault(base)


def test_movies_without_rows_are_refused(write: Write) -> None:
    header = "movieId,title,genres\n"
    message = fault(write({"ratings.csv": RATINGS, "movies.csv": header}))
    assert message.startswith("training/movies.csv has no rows")


def test_a_missing_column_is_named_with_the_header(write: Write) -> None:
    stars = "userId,movieId,stars,timestamp\n1,1,4.0,5\n"
    assert fault(write({"ratings.csv": stars, "movies.csv": MOVIES})) == (
        "training/ratings.csv has no column rating, "
        "its header is userId,movieId,stars,timestamp"
    )
    no_genres = "movieId,title\n1,A\n"
    assert fault(write({"ratings.csv": RATINGS, "movies.csv": no_genres})) == (
        "training/movies.csv has no column genres, its header is movieId,title"
    )
    capitals = "UserID,MovieID,Rating\n1,1,4.0\n"
    assert fault(write({"ratings.csv": capitals, "movies.csv": MOVIES})).endswith(
        "has no column userId, movieId, rating, its header is UserID,MovieID,Rating"
    )


# What always holds

IDS = st.integers(1, 2**31 - 1)
STARS = st.integers(1, 10).map(lambda half_stars: half_stars / 2)
TIMES = st.integers(0, 2**32 - 1)
TABLES = st.dictionaries(
    keys=st.tuples(IDS, st.sampled_from([1, 3, 7])),
    values=st.tuples(STARS, TIMES),
    min_size=1,
    max_size=30,
)
ONE_DIRECTORY_FOR_ALL = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)


@ONE_DIRECTORY_FOR_ALL
@given(
    table=TABLES,
    separator=st.sampled_from([",", "\t", "::"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    is_packed=st.booleans(),
)
def test_what_is_written_is_read(
    write: Write,
    table: dict[tuple[int, int], tuple[float, int]],
    separator: str,
    line_end: str,
    is_packed: bool,
) -> None:
    expected = [(*ids, *values) for ids, values in table.items()]
    lines = [separator.join(str(value) for value in row) for row in expected]
    text = "".join(line + line_end for line in lines).encode()
    content = gzip.compress(text) if is_packed else text
    base = write({"r": content, "movies.csv": MOVIES})
    assert rows(read(base).ratings) == expected


ALMOST_CSV = st.text('0123456789.,\n\r:\t|-"userIdmovratng ', max_size=80)


def outcome(directory: Path) -> str:
    """``read``, or the message of the DataError with which a channel is refused."""
    try:
        read(directory)
    except DataError as error:
        return str(error)
    return "read"


def is_read_or_refused(directory: Path) -> bool:
    said = outcome(directory)
    return said == "read" or "training" in said


@ONE_DIRECTORY_FOR_ALL
@given(data=st.binary(max_size=200) | ALMOST_CSV.map(str.encode))
def test_any_bytes_are_read_or_refused(write: Write, data: bytes) -> None:
    base = write({"movies.csv": MOVIES})
    for ratings in (data, RATINGS.encode() + data):
        write({"ratings.csv": ratings})
        assert is_read_or_refused(base)

    write({"ratings.csv": RATINGS, "movies.csv": MOVIES.encode() + data})
    assert is_read_or_refused(base)
