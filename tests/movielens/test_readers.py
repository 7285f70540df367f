"""Every format and every fault, through real files in a channel directory."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movielens.assembly import drop_duplicates
from movielens.bad_rows import BadRows
from movielens.channel import Channel
from movielens.errors import DataError
from movielens.files import channel_files
from movielens.rating_rows import read_rating_file
from movielens.readers import Dataset, read_dataset
from movielens.tables import RatingTable

RATINGS_HEADER = "userId,movieId,rating,timestamp\n"
MOVIES = """movieId,title,genres
1,Toy Story (1995),Adventure|Children
3,"American President, The (1995)",Drama|IMAX
7,"Hyena Road",(no genres listed)
"""
RATINGS = RATINGS_HEADER + "1,1,4.0,964982703\n1,3,4.5,964981247\n2,7,0.5,1000\n"
ROWS = [(1, 1, 4.0, 964982703), (1, 3, 4.5, 964981247), (2, 7, 0.5, 1000)]
ML_1M_MOVIES = "1::Toy Story (1995)::Animation|Children's\n3::Misérables, Les: Part 2 (1995)::Drama\n"
EXPECTED_ID = "a whole number from 1 to 2147483647"
WHOLE_ROWS = [(1, 1, 4.0, 964982703), (2, 3, 5.0, 7)]

Write = Callable[[dict[str, str | bytes]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def files(contents: dict[str, str | bytes]) -> Path:
        for name, content in contents.items():
            path = tmp_path / "channel" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / "channel"

    return files


def read(directory: Path) -> Dataset:
    return read_dataset([Channel("training", directory)])


def rows(table: RatingTable) -> list[tuple[float, ...]]:
    columns = [table.user_id, table.movie_id, table.rating]
    columns += [] if table.timestamp is None else [table.timestamp]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def fault(directory: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(directory)
    return str(caught.value)


# What is read


def test_the_real_data_set(data_dir: Path) -> None:
    data = read(data_dir)
    assert (len(data.ratings), len(data.movies)) == (100_836, 9_742)
    assert data.files == ("training/ratings.csv", "training/movies.csv")
    assert data.dropped == {"duplicate": 0}
    assert rows(data.ratings.take(np.array([0, 100_835]))) == [
        (1, 1, 4.0, 964982703),
        (610, 170875, 3.0, 1493846415),
    ]
    assert data.movies.title[0] == "Toy Story (1995)"
    assert sum(not genres for genres in data.movies.genres) == 34
    assert int((data.movies.year == 0).sum()) == 12


def test_csv(write: Write) -> None:
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


@pytest.mark.parametrize(
    "ratings",
    [
        RATINGS.replace("\n", "\r\n"),
        "\ufeff" + RATINGS,
        RATINGS.rstrip("\n"),
        RATINGS.replace("\n", "\n\n"),
        RATINGS.partition("\n")[2],
        RATINGS.replace("1,1,4.0,964982703", '"1","1","4.0","964982703"'),
        gzip.compress(RATINGS.encode()),
        "x,timestamp,rating,movieId,userId\n,964982703,4.0,1,1\ny,964981247,4.5,3,1\n,1000,0.5,7,2\n",
        RATINGS.replace(",", "\t"),
        RATINGS.partition("\n")[2].replace(",", "::"),
    ],
    ids=[
        "crlf",
        "bom",
        "no last newline",
        "blank lines",
        "no header",
        "quoted",
        "gzip",
        "other order",
        "tabs",
        "colons",
    ],
)
def test_variants_of_ratings_read_the_same(write: Write, ratings: str | bytes) -> None:
    assert (
        rows(read(write({"any name": ratings, "movies.csv": MOVIES})).ratings) == ROWS
    )


@pytest.mark.parametrize(
    "movies",
    [MOVIES.replace("\n", "\r\n"), "\ufeff" + MOVIES, gzip.compress(MOVIES.encode())],
    ids=["crlf", "bom", "gzip"],
)
def test_variants_of_movies_read_the_same(write: Write, movies: str | bytes) -> None:
    first = read(write({"ratings.csv": RATINGS, "m": MOVIES})).movies
    second = read(write({"ratings.csv": RATINGS, "m": movies})).movies
    assert (first.title, first.genres, first.year.tolist()) == (
        second.title,
        second.genres,
        second.year.tolist(),
    )


def test_no_timestamps(write: Write) -> None:
    ratings = read(
        write({"r.csv": "userId,movieId,rating\n1,1,4\n2,3,5\n", "m.csv": MOVIES})
    ).ratings
    assert ratings.timestamp is None
    assert np.isnan(ratings.queries().timestamp).all()


def test_separate_channels(write: Write) -> None:
    base = write({"training/ratings.csv": RATINGS, "movies/movies.csv": MOVIES})
    data = read_dataset(
        [Channel("training", base / "training"), Channel("movies", base / "movies")]
    )
    assert rows(data.ratings) == ROWS
    assert data.files == ("training/ratings.csv", "movies/movies.csv")


def test_shards_are_read_by_name_whatever_their_packing(write: Write) -> None:
    first, second, third = ("{},{},{},{}\n".format(*row) for row in ROWS)
    base = write(
        {
            "m.csv": MOVIES,
            "r/part-0.csv": RATINGS_HEADER + first,
            "r/part-2.csv": RATINGS_HEADER + third,
        }
    )
    (base / "r" / "part-1.csv.gz").write_bytes(
        gzip.compress((RATINGS_HEADER + second).encode())
    )
    data = read(base)
    assert rows(data.ratings) == ROWS
    assert data.files[:3] == (
        "training/r/part-0.csv",
        "training/r/part-1.csv.gz",
        "training/r/part-2.csv",
    )


def test_parquet(write: Write) -> None:
    base = write({})
    base.mkdir()
    names = ("userId", "movieId", "rating", "timestamp")
    pq.write_table(
        pa.table(dict(zip(names, map(list, zip(*ROWS, strict=True)), strict=True))),
        base / "r.parquet",
    )
    movies = {
        "movieId": [3, 1, 7],
        "title": ["B (1995)", "A (2001)", "C"],
        "genres": ["Drama|IMAX", "Comedy", None],
    }
    pq.write_table(pa.table(movies), base / "m.parquet")
    data = read(base)
    assert rows(data.ratings) == ROWS
    assert data.movies.title == ("A (2001)", "B (1995)", "C")
    assert data.movies.genres == (("Comedy",), ("Drama", "IMAX"), ())


def test_ml_1m(write: Write) -> None:
    base = write(
        {
            "ratings.dat": "1::1::4::964982703\n2::3::5::7\n",
            "movies.dat": ML_1M_MOVIES.encode("latin-1"),
            "users.dat": "1::F::1::10::48067\n",
            "tags.dat": "15::2::excellent!::1215184630\n",
            "README": "SUMMARY\n=======\n",
        }
    )
    data = read(base)
    assert rows(data.ratings) == WHOLE_ROWS
    assert data.movies.title == ("Toy Story (1995)", "Misérables, Les: Part 2 (1995)")
    assert data.movies.genres[0] == ("Animation", "Children")
    assert data.files == ("training/ratings.dat", "training/movies.dat")


def test_ml_100k(write: Write) -> None:
    flags = ["0"] * 19
    flags[1] = flags[4] = "1"
    unknown = ["1"] + ["0"] * 18
    movies = (
        "1|Toy Story (1995)|01-Jan-1995||http://x|" + "|".join(flags) + "\n"
        "3|Café (1996)|||http://y|" + "|".join(unknown) + "\n"
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
    assert rows(data.ratings) == WHOLE_ROWS
    assert data.movies.title == ("Toy Story (1995)", "Café (1996)")
    assert data.movies.genres == (("Action", "Children"), ())
    assert data.files == ("training/u.data", "training/u.item")
    (base / "u.data").unlink()
    assert "training/u1.base" in read(base).files


def test_duplicates_keep_the_last_by_time_and_are_counted(write: Write) -> None:
    ratings = RATINGS_HEADER + "1,1,4.0,20\n2,1,1.0,5\n1,1,2.0,10\n2,1,3.0,5\n"
    data = read(write({"ratings.csv": ratings, "movies.csv": MOVIES}))
    assert rows(data.ratings) == [(1, 1, 4.0, 20), (2, 1, 3.0, 5)]
    assert data.dropped == {"duplicate": 2}


def test_a_movie_may_stand_twice_if_it_is_the_same(write: Write) -> None:
    data = read(write({"ratings.csv": RATINGS, "a.csv": MOVIES, "b.csv": MOVIES}))
    assert len(data.movies) == 3


def test_titles_may_hold_what_looks_like_a_line_end(write: Write) -> None:
    movies = MOVIES + '9,"Two\nlines\u2028here (2001)",Drama\n'
    assert (
        read(write({"ratings.csv": RATINGS, "movies.csv": movies})).movies.title[-1]
        == "Two lines here (2001)"
    )


def test_hidden_copies_are_passed_over(write: Write) -> None:
    hidden = {
        ".ipynb_checkpoints/ratings-checkpoint.csv": RATINGS,
        "._ratings.csv": RATINGS,
    }
    data = read(write({"ratings.csv": RATINGS, "movies.csv": MOVIES, **hidden}))
    assert data.dropped == {"duplicate": 0}


def test_colons_without_timestamps_are_ratings(write: Write) -> None:
    ratings = read(
        write(
            {
                "ratings.dat": "1::1::4\n2::3::5\n",
                "movies.dat": ML_1M_MOVIES.encode("latin-1"),
            }
        )
    ).ratings
    assert rows(ratings) == [(1, 1, 4.0), (2, 3, 5.0)]


def test_quoted_text_beside_ratings_may_hold_lines_and_odd_quotes(write: Write) -> None:
    ratings = 'userId,movieId,rating,note\n1,1,4.0,"two\nlines"\n1,3,4.5,6" screen\n2,7,0.5,\n'
    assert len(read(write({"ratings.csv": ratings, "movies.csv": MOVIES})).ratings) == 3


# What is refused


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x,1,4.0,5", "userId is 'x', expected a whole number from 1 to 2147483647"),
        ("0,1,4.0,5", "userId is '0'"),
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
        ("1,1,4.0,", "timestamp is ''"),
        ("1,1,4.0,-5", "timestamp is '-5'"),
        (
            "1,1,4.0,1537799250000",
            "timestamp is '1537799250000', expected whole seconds since 1970",
        ),
        ("1,1,4.0", "3 fields, expected 4 (userId,movieId,rating,timestamp)"),
        ("1,1,4.0,5,6", "5 fields, expected 4"),
    ],
)
@pytest.mark.parametrize("before", ["", "\n", "1,3,4.5,1\n"])
def test_a_bad_rating_is_located(
    write: Write, before: str, line: str, expected: str
) -> None:
    text = RATINGS + before + line + "\n3,3,9.9,5\n"
    message = fault(write({"ratings.csv": text, "movies.csv": MOVIES}))
    assert message.startswith(
        f"training/ratings.csv line {5 + bool(before)}: {expected}"
    )


def test_a_bad_rating_in_a_later_shard_and_in_gzip_is_located(write: Write) -> None:
    bad = gzip.compress((RATINGS_HEADER + "1,1,9.0,5\n").encode())
    message = fault(write({"a.csv": RATINGS, "b.csv.gz": bad, "movies.csv": MOVIES}))
    assert message.startswith("training/b.csv.gz line 2: rating is '9.0'")


def test_a_bad_value_in_parquet_has_its_row(write: Write) -> None:
    base = write({"movies.csv": MOVIES})
    pq.write_table(
        pa.table({"userId": [1, 2], "movieId": [1, 3], "rating": [4.0, None]}),
        base / "r.parquet",
    )
    assert fault(base).startswith("training/r.parquet row 2: rating is 'nan'")
    pq.write_table(
        pa.table({"userId": ["1"], "movieId": [1], "rating": [4.0]}), base / "r.parquet"
    )
    assert "userId holds string, expected numbers" in fault(base)
    (base / "r.parquet").write_bytes(b"PAR1 and no more")
    assert fault(base).startswith("training/r.parquet can't be read as Parquet")


def test_missing_columns_are_named_beside_the_header(write: Write) -> None:
    text = "userId,movieId,stars,timestamp\n1,1,4.0,5\n"
    message = fault(write({"ratings.csv": text, "movies.csv": MOVIES}))
    assert (
        message
        == "training/ratings.csv has no column rating, its header is userId,movieId,stars,timestamp"
    )
    message = fault(
        write({"ratings.csv": RATINGS, "movies.csv": "movieId,title\n1,A\n"})
    )
    assert (
        message
        == "training/movies.csv has no column genres, its header is movieId,title"
    )
    message = fault(
        write({"ratings.csv": "UserID,MovieID,Rating\n1,1,4.0\n", "movies.csv": MOVIES})
    )
    assert message.endswith(
        "has no column userId, movieId, rating, its header is UserID,MovieID,Rating"
    )


def test_a_table_of_users_is_passed_over(write: Write) -> None:
    files = {
        "ratings.csv": RATINGS,
        "movies.csv": MOVIES,
        "users.csv": "userId,gender,age\n1,F,25\n",
    }
    assert read(write(files)).files == ("training/ratings.csv", "training/movies.csv")


@pytest.mark.parametrize(
    ("movies", "expected"),
    [
        ("x,Title,Drama", "line 2: movieId is 'x', expected a whole number"),
        (
            "1,American President, The (1995),Drama",
            "line 2: 4 fields, expected 3; quote titles that hold a comma",
        ),
        (
            "1,A,Drama\n1,B,Drama",
            "line 3: movieId 1 stands twice, with another title or genres",
        ),
        ("", "has no rows"),
    ],
)
def test_a_bad_movie_is_located(write: Write, movies: str, expected: str) -> None:
    message = fault(
        write(
            {"ratings.csv": RATINGS, "movies.csv": f"movieId,title,genres\n{movies}\n"}
        )
    )
    assert message.startswith("training/movies.csv")
    assert expected in message


def test_text_that_is_not_utf8_has_its_line(write: Write) -> None:
    movies = MOVIES.encode() + "9,Café,Drama\n".encode("latin-1")
    message = fault(write({"ratings.csv": RATINGS, "movies.csv": movies}))
    assert message.startswith("training/movies.csv line 5: not UTF-8")


@pytest.mark.parametrize("row", [1, 50_000, 99_000, 100_836])
@pytest.mark.parametrize("column", range(5))
def test_an_open_quote_loses_no_rows(
    write: Write, data_dir: Path, row: int, column: int
) -> None:
    """Over several of Arrow's blocks, in each column, the last one being a column that
    nobody reads.
    """
    lines = [
        f"{line},note" for line in (data_dir / "ratings.csv").read_text().splitlines()
    ]
    fields = lines[row].split(",")
    lines[row] = ",".join(
        [*fields[:column], f'"{fields[column]}', *fields[column + 1 :]]
    )
    message = fault(
        write(
            {
                "ratings.csv": "\n".join(lines),
                "movies.csv": (data_dir / "movies.csv").read_bytes(),
            }
        )
    )
    assert message.startswith(f"training/ratings.csv line {row + 1}: ")
    assert "check the quotes" in message


@pytest.mark.parametrize("n_movies", [20, 20_000])
@pytest.mark.parametrize("row", ['1,"A,Drama', '1,A,"Drama', '1,"A" B,Drama'])
def test_a_movie_with_an_open_quote_is_located(
    write: Write, row: str, n_movies: int
) -> None:
    rest = "".join(f"{movie_id},B,Drama\n" for movie_id in range(2, n_movies))
    message = fault(
        write(
            {
                "ratings.csv": RATINGS,
                "movies.csv": f"movieId,title,genres\n{row}\n{rest}",
            }
        )
    )
    assert message.startswith("training/movies.csv line 2: ")
    assert "check the quotes" in message


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("genres", [1, 2], "row 1: genres is 1, expected text"),
        ("genres", [b"Drama", b"War"], "row 1: genres is b'Drama', expected text"),
        (
            "genres",
            [["Drama"], ["War", None]],
            "row 2: genres is ['War', None], expected text",
        ),
        ("title", [b"A", b"B"], "row 1: title is b'A', expected text"),
        ("movieId", [1.0, 3.0], "row 1: movieId is '1.0', expected a whole number"),
    ],
)
def test_movies_in_parquet_of_other_types_are_refused(
    write: Write, column: str, values: list[object], expected: str
) -> None:
    base = write({"ratings.csv": RATINGS})
    movies = {
        "movieId": [1, 3],
        "title": ["A", "B"],
        "genres": ["Drama", "War"],
        column: values,
    }
    pq.write_table(pa.table(movies), base / "m.parquet")
    assert fault(base).startswith(f"training/m.parquet {expected}")


def test_what_is_absent_is_told_with_what_is_there(
    write: Write, tmp_path: Path
) -> None:
    assert "is no directory" in fault(tmp_path / "nowhere")
    base = write(
        {
            "movies.csv": MOVIES,
            "ratings.csv": b"",
            "tags.csv": "userId,movieId,tag,timestamp\n1,1,fun,5\n",
        }
    )
    message = fault(base)
    assert message.startswith(
        "no ratings (userId,movieId,rating[,timestamp]) in channel training"
    )
    assert "training/ratings.csv (empty)" in message
    assert "training/tags.csv (begins with 'userId,movieId,tag,timestamp')" in message
    for header in (RATINGS_HEADER, RATINGS_HEADER.rstrip("\n")):
        (base / "ratings.csv").write_text(header)
        assert "training/ratings.csv has no rows" in fault(base)
    (base / "ratings.csv").write_text(RATINGS)
    (base / "movies.csv").unlink()
    assert "no movies (movieId,title,genres)" in fault(base)


def test_a_broken_gzip_file_is_named(write: Write) -> None:
    packed = gzip.compress(RATINGS.encode() * 50_000)
    message = fault(
        write({"ratings.csv.gz": packed[: len(packed) // 2], "movies.csv": MOVIES})
    )
    assert message.startswith("training/ratings.csv.gz is a broken gzip file")


def test_shards_with_and_without_timestamps_are_refused(write: Write) -> None:
    message = fault(
        write(
            {
                "a.csv": RATINGS,
                "b.csv": "userId,movieId,rating\n5,1,4.0\n",
                "movies.csv": MOVIES,
            }
        )
    )
    assert message.startswith("training/b.csv has no timestamp column")


# Rows left out


GOOD_AND_BAD = [
    *(
        "1,1,4.0,964982703",
        "x,1,4.0,5",
        "1,3,4.5,964981247",
        "1,1,4.7,5",
        "1,999,4.0,5",
        "1,1,4.0",
        '"2",7,0.5,1000',
    ),
    *("2,3,3.5,-1", "2,3,inf,5"),
]


@pytest.mark.parametrize("size", [30, 1 << 24])
def test_bad_rows_are_left_out_and_counted(
    write: Write, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("movielens.files.BLOCK_BYTES", size)
    base = write(
        {"r.csv": RATINGS_HEADER + "\n".join(GOOD_AND_BAD), "movies.csv": MOVIES}
    )
    known = np.array([1, 3, 7], np.int32)
    file = next(
        file for file in channel_files("training", base) if file.role == "ratings"
    )
    bad_rows = BadRows(most=0.9)
    assert rows(read_rating_file(file, known, bad_rows)) == ROWS
    assert (bad_rows.count, bad_rows.first) == (
        6,
        f"training/r.csv line 3: userId is 'x', expected {EXPECTED_ID}",
    )
    bad_rows.check(n_kept=3)
    with pytest.raises(
        DataError,
        match=r"6 of 103 rows can't be used \(5\.83 %, allowed are 5 %\), the first: training/r",
    ):
        BadRows(most=0.05, count=6, first=bad_rows.first).check(n_kept=97)


def test_bad_rows_of_parquet_are_left_out(write: Write) -> None:
    base = write({"movies.csv": MOVIES})
    pq.write_table(
        pa.table(
            {"userId": [1, 2, 3], "movieId": [1, 3, 99], "rating": [4.0, None, 3.0]}
        ),
        base / "r.parquet",
    )
    file = next(
        file for file in channel_files("training", base) if file.role == "ratings"
    )
    bad_rows = BadRows(most=0.9)
    assert rows(read_rating_file(file, np.array([1, 3, 7], np.int32), bad_rows)) == [
        (1, 1, 4.0)
    ]
    assert bad_rows.count == 2


def test_blocks_change_nothing(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(data_dir).ratings
    monkeypatch.setattr("movielens.files.BLOCK_BYTES", 99_991)
    parts = read(data_dir).ratings
    for column in ("user_id", "movie_id", "half_stars", "timestamp"):
        assert np.array_equal(getattr(whole, column), getattr(parts, column))


def test_a_quoted_text_over_the_end_of_a_block(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("movielens.files.BLOCK_BYTES", 40)
    ratings = (
        "userId,movieId,rating,note\n"
        + '1,1,4.0,"two\nlines, and\nthree"\n1,3,4.5,"a ""word"""\n2,7,0.5,\n'
    )
    assert rows(
        read(write({"ratings.csv": ratings, "movies.csv": MOVIES})).ratings
    ) == [row[:3] for row in ROWS]


@pytest.mark.parametrize("seed", [1, 2])
def test_unsorted_ratings_lose_only_duplicates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    user, movie, half_stars = (
        rng.integers(1, 40, 3000),
        rng.integers(1, 60, 3000),
        rng.integers(1, 11, 3000),
    )
    time = rng.integers(0, 5, 3000)
    last: dict[tuple[int, int], tuple[int, int]] = {}
    for row in np.lexsort((np.arange(3000), time)).tolist():
        last[int(user[row]), int(movie[row])] = (row, int(half_stars[row]))
    kept, n_dropped = drop_duplicates(RatingTable.of(user, movie, half_stars / 2, time))
    assert n_dropped == 3000 - len(last)
    expected = sorted((row, ids, value) for ids, (row, value) in last.items())
    found = zip(
        kept.user_id.tolist(),
        kept.movie_id.tolist(),
        kept.half_stars.tolist(),
        strict=True,
    )
    assert list(found) == [(*ids, value) for _, ids, value in expected]


# What always holds

USERS = st.integers(1, 2**31 - 1)
STARS = st.integers(1, 10).map(lambda k: k / 2)
TABLES = st.dictionaries(
    st.tuples(USERS, st.sampled_from([1, 3, 7])),
    st.tuples(STARS, st.integers(0, 2**32 - 1)),
    min_size=1,
    max_size=30,
)
PER_EXAMPLE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)


@PER_EXAMPLE
@given(
    table=TABLES,
    separator=st.sampled_from([",", "\t", "::"]),
    end=st.sampled_from(["\n", "\r\n"]),
    packed=st.booleans(),
)
def test_what_is_written_is_read(
    write: Write,
    table: dict[tuple[int, int], tuple[float, int]],
    separator: str,
    end: str,
    packed: bool,
) -> None:
    expected = [(*ids, *values) for ids, values in table.items()]
    text = "".join(separator.join(map(str, row)) + end for row in expected).encode()
    base = write({"r": gzip.compress(text) if packed else text, "movies.csv": MOVIES})
    assert rows(read(base).ratings) == expected


@PER_EXAMPLE
@given(
    data=st.binary(max_size=200)
    | st.text('0123456789.,\n\r:\t|-"userIdmovratng ', max_size=80).map(str.encode)
)
def test_any_bytes_read_or_are_refused(write: Write, data: bytes) -> None:
    for content in (data, RATINGS.encode() + data):
        try:
            read(write({"ratings.csv": content, "movies.csv": MOVIES}))
        except DataError as error:
            assert "training" in str(error)  # noqa: PT017 - either outcome is right, any other exception is not
        try:
            read(write({"ratings.csv": RATINGS, "movies.csv": MOVIES.encode() + data}))
        except DataError as error:
            assert "training" in str(error)  # noqa: PT017
        write({"movies.csv": MOVIES})
