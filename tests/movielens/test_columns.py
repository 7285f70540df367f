from __future__ import annotations

from movielens.columns import GENRES, ML_100K_GENRES


def test_genres_are_in_alphabetical_order() -> None:
    assert tuple(sorted(GENRES)) == GENRES
    assert len(GENRES) == 18


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
