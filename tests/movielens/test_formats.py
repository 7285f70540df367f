from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.columns import GENRES, ML_100K_GENRES
from movielens.formats import (
    ML_100K_MOVIE_COLUMNS,
    MOVIE_COLUMNS,
    RATING_COLUMNS,
    Layout,
    header_role,
    sniff,
)

U_ITEM = "1|Toy Story (1995)|01-Jan-1995||http://x|" + "|".join("0" * 19) + "\n"


@pytest.mark.parametrize(
    ("head", "layout"),
    [
        (
            "userId,movieId,rating,timestamp\n1,1,4.0,5\n",
            Layout("ratings", ",", RATING_COLUMNS, 1),
        ),
        ("userId,movieId,rating\n", Layout("ratings", ",", RATING_COLUMNS[:3], 1)),
        (
            '"rating","userId","x","movieId"\r\n',
            Layout("ratings", ",", ("rating", "userId", "x", "movieId"), 1),
        ),
        ("userId\tmovieId\trating\n", Layout("ratings", "\t", RATING_COLUMNS[:3], 1)),
        ("1,1,4.0,5\n", Layout("ratings", ",", RATING_COLUMNS, 0)),
        ("1,1,4.0\n", Layout("ratings", ",", RATING_COLUMNS[:3], 0)),
        ("1\t1\t4\t5\n", Layout("ratings", "\t", RATING_COLUMNS, 0)),
        ("1::1::4::5\n", Layout("ratings", "::", RATING_COLUMNS, 0)),
        ("movieId,title,genres\n", Layout("movies", ",", MOVIE_COLUMNS, 1)),
        (
            "1::Toy Story (1995)::Animation|Children's\n",
            Layout("movies", "::", MOVIE_COLUMNS, 0),
        ),
        (U_ITEM, Layout("movies", "|", ML_100K_MOVIE_COLUMNS, 0)),
        ("\n\r\nmovieId,title,genres\n", Layout("movies", ",", MOVIE_COLUMNS, 3)),
    ],
)
def test_the_first_line_tells_the_layout(head: str, layout: Layout) -> None:
    assert sniff(head) == layout


@pytest.mark.parametrize(
    "head",
    [
        "",
        "\n\n",
        "userId,movieId,tag,timestamp\n1,1,fun,5\n",
        "movieId,imdbId,tmdbId\n1,0114709,862\n",
        "movieId,tagId,relevance\n",
        "1::F::1::10::48067\n",
        "1|24|M|technician|85711\n",
        "unknown|0\n",
        "943 users\n",
        "SUMMARY\n=======\n",
        '[{"prefix": "s3://bucket/"}, "ratings.csv"]\n',
    ],
    ids=[
        "empty",
        "blank",
        "tags",
        "links",
        "genome",
        "ML-1M users",
        "u.user",
        "u.genre",
        "u.info",
        "README",
        "manifest",
    ],
)
def test_what_lies_beside_is_neither(head: str) -> None:
    assert sniff(head) is None


def test_a_header_that_lacks_a_column_keeps_its_role() -> None:
    assert header_role(("userId", "movieId", "stars")) == "ratings"
    assert header_role(("movieId", "title")) == "movies"


def test_the_genres_of_ml_100k_are_in_its_own_order() -> None:
    assert ML_100K_GENRES[:6] == (
        "unknown",
        "Action",
        "Adventure",
        "Animation",
        "Children's",
        "Comedy",
    )
    assert len(ML_100K_GENRES) == 19
    assert tuple(sorted(GENRES)) == GENRES
    assert len(GENRES) == 18


@given(st.text(max_size=200))
def test_any_text_has_a_layout_or_none(head: str) -> None:
    layout = sniff(head)
    assert layout is None or len(layout.columns) >= 2
