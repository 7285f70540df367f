from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from launcher.play.data import PlayData, search_words
from movielens.errors import DataError
from movielens.readers import Dataset
from movielens.tables import MovieTable, RatingTable

TITLES = (
    "Godfather, The (1972)",
    "The Godfather Trilogy: 1972-1990 (1992)",
    "Amélie (Fabuleux destin d'Amélie Poulain, Le) (2001)",
    "Ocean's Eleven (2001)",
    "Aguirre: The Wrath of God (1972)",
    "Untitled",
)


@pytest.fixture(scope="module")
def known() -> PlayData:
    """Six movies; movie 1 has two ratings, movie 4 has one."""
    movies = MovieTable(
        movie_id=np.arange(1, 7, dtype=np.int32),
        title=TITLES,
        genres=(("Crime",),) * 6,
        year=np.array([1972, 1992, 2001, 2001, 1972, 0], dtype=np.int16),
    )
    ratings = RatingTable.of(
        np.array([7, 8, 7]),
        np.array([1, 1, 4]),
        np.array([4.5, 3.0, 5.0]),
        None,
    )
    return PlayData.of(Dataset(ratings, movies, (), {}))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("godfather", [1, 2]),
        ("the god", [1, 2, 5]),
        ("THE  Godfather, 1972", [1, 2]),
        ("amelie", [3]),
        ("poulain am", [3]),
        ("oceans", [4]),
        ("ocean's", [4]),
        ("2001", [4, 3]),
        ("odfather", []),
        ("", []),
        ("(?!", []),
    ],
)
def test_movies_are_found_by_the_words_of_their_titles(
    known: PlayData, text: str, found: list[int]
) -> None:
    assert [movie.movie_id for movie in known.search(text)] == found


def test_no_more_are_found_than_asked_for(known: PlayData) -> None:
    assert len(known.search("the", count=1)) == 1


def test_articles_come_first_as_they_are_said() -> None:
    assert search_words("Promesse, La (1996)") == " la promesse 1996"
    assert search_words("Leaving Las Vegas (1995)") == " leaving las vegas 1995"


def test_the_most_rated_movies_are_popular(known: PlayData) -> None:
    assert [movie.movie_id for movie in known.popular(2)] == [1, 4]
    assert known.movies[1].n_ratings == 2
    assert known.movies[6].year is None


def test_a_users_ratings_are_known(known: PlayData) -> None:
    favourites = [(movie.movie_id, stars) for movie, stars in known.favourites(7)]
    assert favourites == [(4, 5.0), (1, 4.5)]
    assert known.rating(7, 1) == 4.5
    assert known.rating(8, 4) is None
    assert known.rating(None, 1) is None
    assert known.favourites(99) == known.favourites(7**20) == []
    assert known.ratings.by_movie(7) == {1: 4.5, 4: 5.0}


def test_files_are_read_as_a_job_reads_them(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\n1,10,4\n1,10,x\n")
    (tmp_path / "movies.csv").write_text(
        "movieId,title,genres\n10,GoldenEye (1995),Action\n"
    )
    read = PlayData.read(tmp_path, most_bad=1.0)
    assert read.ratings.by_movie(1) == {10: 4.0}
    assert read.ratings.users.tolist() == [1]
    with pytest.raises(DataError, match=r"ratings\.csv line 3"):
        PlayData.read(tmp_path)
