from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from movielens.errors import DataError
from movielens.files import ReadLimits, channel_files
from movielens.movie_rows import read_movie_file, year_of
from tests.movielens.samples import MOVIES, RATINGS, Write, fault, read

HEADER = "movieId,title,genres\n"


@pytest.mark.parametrize(
    ("title", "year"),
    [
        ("Toy Story (1995)", 1995),
        ("Babylon 5", 0),
        ("Fawlty Towers (1975-1979)", 1975),
        ("Doctor Who (2005\u2013)", 2005),
        ("(500) Days of Summer (2009)", 2009),
        ("1984 (1956)", 1956),
        ("Remake (1956) (2001)", 2001),
    ],
)
def test_the_year_is_the_last_one_in_the_title(title: str, year: int) -> None:
    assert year_of(title) == year


def test_a_movie_may_be_there_twice_if_it_is_the_same(write: Write) -> None:
    data = read(write({"ratings.csv": RATINGS, "a.csv": MOVIES, "b.csv": MOVIES}))
    assert len(data.movies) == 3


def test_titles_may_have_line_ends_of_any_kind(write: Write) -> None:
    movies = MOVIES + '9,"Two\nlines\u2028here (2001)",Drama\n'
    data = read(write({"ratings.csv": RATINGS, "movies.csv": movies}))
    assert data.movies.title[-1] == "Two lines here (2001)"


@pytest.mark.parametrize(
    ("movies", "expected"),
    [
        ("x,Title,Drama", "line 2: movieId is 'x', expected a whole number"),
        (
            "1,American President, The (1995),Drama",
            "line 2: 4 fields, expected 3; quote titles that have a comma",
        ),
        (
            "1,A,Drama\n1,B,Drama",
            "line 3: movieId 1 is there twice, with another title or other genres",
        ),
    ],
)
def test_a_bad_movie_is_located(write: Write, movies: str, expected: str) -> None:
    base = write({"ratings.csv": RATINGS, "movies.csv": f"{HEADER}{movies}\n"})
    assert fault(base).startswith(f"training/movies.csv {expected}")


def test_text_that_is_not_utf8_has_its_line(write: Write) -> None:
    movies = MOVIES.encode() + "9,Café,Drama\n".encode("latin-1")
    message = fault(write({"ratings.csv": RATINGS, "movies.csv": movies}))
    assert message.startswith("training/movies.csv line 5: not UTF-8")


@pytest.mark.parametrize("n_movies", [20, 20_000])
@pytest.mark.parametrize("row", ['1,"A,Drama', '1,A,"Drama', '1,"A" B,Drama'])
def test_a_movie_with_an_open_quote_is_located(
    write: Write, row: str, n_movies: int
) -> None:
    others = [f"{movie_id},B,Drama\n" for movie_id in range(2, n_movies)]
    movies = HEADER + row + "\n" + "".join(others)
    message = fault(write({"ratings.csv": RATINGS, "movies.csv": movies}))
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
        ("movieId", [1.0, 3.5], "row 2: movieId is '3.5', expected a whole number"),
        ("movieId", [1.0, None], "row 2: movieId is 'None', expected a whole number"),
        ("movieId", [True, False], "row 1: movieId is 'True', expected a whole number"),
    ],
)
def test_parquet_columns_of_other_types_are_refused(
    write: Write, column: str, values: list[object], expected: str
) -> None:
    base = write({"ratings.csv": RATINGS})
    movies: dict[str, list[object]] = {
        "movieId": [1, 3],
        "title": ["A", "B"],
        "genres": ["Drama", "War"],
    }
    movies[column] = values
    pq.write_table(pa.table(movies), base / "m.parquet")
    assert fault(base).startswith(f"training/m.parquet {expected}")


def test_genres_in_parquet_may_be_lists(write: Write) -> None:
    base = write({"ratings.csv": RATINGS})
    movies = {
        "movieId": [1, 3, 7],
        "title": ["A", "B", None],
        "genres": [["Drama", "War"], [], None],
    }
    pq.write_table(pa.table(movies), base / "m.parquet")
    assert read(base).movies.genres == (("Drama", "War"), (), ())
    assert read(base).movies.title == ("A", "B", "")


@pytest.mark.parametrize("ids", [[1.0, 3.0, 7.0], [1, 3, 7], ["1", "3.0", "+7"]])
def test_ids_in_parquet_may_be_of_any_type_that_holds_them(
    write: Write, ids: list[object]
) -> None:
    base = write({"ratings.csv": RATINGS})
    movies = {"movieId": ids, "title": ["A", "B", "C"], "genres": ["War", "War", ""]}
    pq.write_table(pa.table(movies), base / "m.parquet")
    assert read(base).movies.movie_id.tolist() == [1, 3, 7]


def test_whole_floats_and_0_are_ids(write: Write) -> None:
    movies = HEADER + "0,Zero,Drama\n1.0,One,Drama\n +3 ,Three,Drama\n"
    ratings = "userId,movieId,rating\n0,0,4.0\n1,3,2\n"
    data = read(write({"ratings.csv": ratings, "movies.csv": movies}))
    assert data.movies.movie_id.tolist() == [0, 1, 3]
    assert data.ratings.movie_id.tolist() == [0, 3]


@pytest.mark.parametrize("last", ["   ", "\x1a", "\t\n", " \r\n\n\x1a"])
def test_blank_lines_of_movies_are_skipped(write: Write, last: str) -> None:
    movies = HEADER + "1,A,Drama\n  \n3,B,War\n7,C,War\n" + last
    data = read(write({"ratings.csv": RATINGS, "movies.csv": movies}))
    assert len(data.movies) == 3


# How much is read


def packed_movies(directory: Path, n_rows: int, title: str, genres: object) -> None:
    columns = {
        "movieId": [1] * n_rows,
        "title": [title] * n_rows,
        "genres": [genres] * n_rows,
    }
    pq.write_table(pa.table(columns), directory / "m.parquet")


def test_more_text_than_the_limit_is_refused(write: Write) -> None:
    base = write({"movies.csv": MOVIES})
    [file] = channel_files("training", base)
    assert len(read_movie_file(file, ReadLimits(movie_bytes=len(MOVIES)))) == 3
    expected = f"movies.csv holds more than {len(MOVIES) - 1} bytes of text, the limit"
    with pytest.raises(DataError, match=expected):
        read_movie_file(file, ReadLimits(movie_bytes=len(MOVIES) - 1))


def test_more_rows_of_parquet_than_the_limit_are_refused(write: Write) -> None:
    base = write({"ratings.csv": RATINGS})
    packed_movies(base, 3_000_000, "A", "War")
    assert fault(base) == (
        "training/m.parquet holds 3000000 values in a column, "
        "the limit for movies is 1000000: keep each movie once"
    )


def test_more_listed_genres_than_the_limit_are_refused(write: Write) -> None:
    base = write({"ratings.csv": RATINGS})
    packed_movies(base, 1000, "A", ["War"] * 2000)
    assert "holds 2000000 values in a column" in fault(base)


@pytest.mark.parametrize("genres", ["War", ["War"]])
@pytest.mark.parametrize("n_rows", [1, 20_000])
def test_text_that_parquet_repeats_counts_each_time(
    write: Write, genres: object, n_rows: int
) -> None:
    base = write({"ratings.csv": RATINGS})
    packed_movies(base, n_rows, "A" * 10_000, genres)
    [file] = [file for file in channel_files("training", base) if file.role == "movies"]
    assert file.path.stat().st_size < 50_000
    if n_rows == 1:
        assert len(read_movie_file(file)) == 1
        return
    with pytest.raises(DataError, match="holds more than 67108864 bytes of text"):
        read_movie_file(file)


def test_text_in_lists_of_parquet_counts_each_time(write: Write) -> None:
    base = write({"ratings.csv": RATINGS})
    packed_movies(base, 20_000, "A", ["War" * 3_000])
    assert "holds more than 67108864 bytes of text" in fault(base)
