from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.formats import (
    ML_100K_MOVIE_COLUMNS,
    MOVIE_COLUMNS,
    RATING_COLUMNS,
    FileLayout,
    header_role,
    sniff,
)

WITHOUT_TIME = RATING_COLUMNS[:3]
OTHER_ORDER = ("rating", "userId", "x", "movieId")
U_ITEM = "1|Toy Story (1995)|01-Jan-1995||http://x|" + "|".join("0" * 19) + "\n"


@pytest.mark.parametrize(
    ("head", "separator", "columns", "skip"),
    [
        ("userId,movieId,rating,timestamp\n1,1,4.0,5\n", ",", RATING_COLUMNS, 1),
        ("userId,movieId,rating\n", ",", WITHOUT_TIME, 1),
        ('"rating","userId","x","movieId"\r\n', ",", OTHER_ORDER, 1),
        ("userId\tmovieId\trating\n", "\t", WITHOUT_TIME, 1),
        ("1,1,4.0,5\n", ",", RATING_COLUMNS, 0),
        ("1,1,4.0\n", ",", WITHOUT_TIME, 0),
        ("1\t1\t4\t5\n", "\t", RATING_COLUMNS, 0),
        ("1::1::4::5\n", "::", RATING_COLUMNS, 0),
    ],
)
def test_ratings_are_recognised_by_their_first_line(
    head: str, separator: str, columns: tuple[str, ...], skip: int
) -> None:
    assert sniff(head) == FileLayout("ratings", separator, columns, skip)


@pytest.mark.parametrize(
    ("head", "separator", "columns", "skip"),
    [
        ("movieId,title,genres\n", ",", MOVIE_COLUMNS, 1),
        ("1::Toy Story (1995)::Animation|Children's\n", "::", MOVIE_COLUMNS, 0),
        (U_ITEM, "|", ML_100K_MOVIE_COLUMNS, 0),
        ("\n\r\nmovieId,title,genres\n", ",", MOVIE_COLUMNS, 3),
    ],
)
def test_movies_are_recognised_by_their_first_line(
    head: str, separator: str, columns: tuple[str, ...], skip: int
) -> None:
    assert sniff(head) == FileLayout("movies", separator, columns, skip)


OTHER_FILES = {
    "empty": "",
    "blank": "\n\n",
    "tags": "userId,movieId,tag,timestamp\n1,1,fun,5\n",
    "links": "movieId,imdbId,tmdbId\n1,0114709,862\n",
    "genome": "movieId,tagId,relevance\n",
    "ML-1M users": "1::F::1::10::48067\n",
    "ML-10M tags": "15::4973::excellent!::1215184630\n",
    "u.user": "1|24|M|technician|85711\n",
    "u.genre": "unknown|0\n",
    "u.info": "943 users\n",
    "README": "SUMMARY\n=======\n",
    "manifest": '[{"prefix": "s3://bucket/"}, "ratings.csv"]\n',
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_other_files_are_neither_ratings_nor_movies(name: str) -> None:
    assert sniff(OTHER_FILES[name]) is None


@pytest.mark.parametrize(
    ("header", "role"),
    [
        (("userId", "movieId", "stars"), "ratings"),
        (("UserID", "MovieID", "Rating"), "ratings"),
        (("movieId", "title"), "movies"),
        (("movieId", "imdbId"), None),
        (("title",), None),
    ],
)
def test_a_header_without_a_needed_column_keeps_its_role(
    header: tuple[str, ...], role: str | None
) -> None:
    assert header_role(header) == role


@given(st.text(max_size=200))
def test_any_text_has_a_layout_or_none(head: str) -> None:
    layout = sniff(head)
    assert layout is None or len(layout.columns) >= 2
