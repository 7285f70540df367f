"""Splits: every row in one part, and in the right one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.channel import Channel
from movielens.errors import DataError
from movielens.readers import read_dataset
from movielens.tables import RatingTable
from train.hyperparameters import SplitName
from train.split import hold_out, split_ratings, without_tested

SPLITS: tuple[SplitName, ...] = ("tutorial", "random", "temporal", "user_temporal")


def pairs(table: RatingTable) -> list[tuple[int, int]]:
    return list(zip(table.user_id.tolist(), table.movie_id.tolist(), strict=True))


def test_the_tutorials_split_is_pandas_own(data_dir: Path) -> None:
    frame = pd.read_csv(data_dir / "ratings.csv")
    shuffled = frame.sample(frac=1, random_state=1729)
    ids = shuffled[["userId", "movieId"]].to_numpy()
    expected = [(user, movie) for user, movie in ids.tolist()]
    n_train = int(0.7 * len(frame))

    channel = Channel("training", data_dir)
    ratings = read_dataset([channel]).ratings
    split = split_ratings(ratings, "tutorial", 0.2, 1)
    assert len(split.train) == 70_585
    assert len(split.test) == 30_251
    assert pairs(split.train) == expected[:n_train]
    assert pairs(split.test) == expected[n_train:]


@pytest.mark.parametrize("name", SPLITS)
def test_every_row_is_in_one_part(ratings: RatingTable, name: SplitName) -> None:
    split = split_ratings(ratings, name, 0.25, 3)
    assert sorted(pairs(split.train) + pairs(split.test)) == sorted(pairs(ratings))
    assert len(split.test) > 0


def test_without_a_split_all_rows_train(ratings: RatingTable) -> None:
    split = split_ratings(ratings, "none", 0.25, 3)
    assert pairs(split.train) == pairs(ratings)
    assert len(split.test) == 0


@given(holdout=st.floats(0.05, 0.9), seed=st.integers(0, 2**31 - 1))
def test_a_random_split_is_seeded_and_has_the_size_asked_for(
    ratings: RatingTable, holdout: float, seed: int
) -> None:
    split = split_ratings(ratings, "random", holdout, seed)
    again = split_ratings(ratings, "random", holdout, seed)
    assert len(split.test) == round(holdout * len(ratings))
    assert pairs(split.test) == pairs(again.test)


def test_another_seed_makes_another_split(ratings: RatingTable) -> None:
    first = split_ratings(ratings, "random", 0.3, 1)
    second = split_ratings(ratings, "random", 0.3, 2)
    assert pairs(first.test) != pairs(second.test)


def test_held_out_rows_are_rising() -> None:
    kept, held_out = hold_out(100, 0.3, 1)
    together = [*kept, *held_out]
    assert len(held_out) == 30
    assert sorted(together) == list(range(100))
    assert kept.tolist() == sorted(kept)
    assert held_out.tolist() == sorted(held_out)


def test_temporal_tests_the_last_rows(ratings: RatingTable) -> None:
    split = split_ratings(ratings, "temporal", 0.25, 3)
    trained = split.train.timestamp
    tested = split.test.timestamp
    assert trained is not None
    assert tested is not None
    assert len(tested) == 100
    assert trained.max() <= tested.min()


def test_user_temporal_tests_the_last_rows_of_each_user(ratings: RatingTable) -> None:
    split = split_ratings(ratings, "user_temporal", 0.25, 3)
    assert split.train.timestamp is not None
    assert split.test.timestamp is not None
    for user in np.unique(ratings.user_id):
        n_rows = int((ratings.user_id == user).sum())
        trained = split.train.timestamp[split.train.user_id == user]
        tested = split.test.timestamp[split.test.user_id == user]
        assert len(tested) == int(0.25 * n_rows)
        if len(tested):
            assert trained.max() <= tested.min()


@pytest.mark.parametrize("name", ["temporal", "user_temporal"])
def test_temporal_splits_need_timestamps(ratings: RatingTable, name: SplitName) -> None:
    bare = RatingTable.of(ratings.user_id, ratings.movie_id, ratings.rating, None)
    with pytest.raises(DataError, match="needs a timestamp column"):
        split_ratings(bare, name, 0.2, 1)


def test_a_split_without_test_rows_is_refused(ratings: RatingTable) -> None:
    two_rows = ratings.take(np.arange(2))
    with pytest.raises(DataError, match="leaves 2 to train on and 0 to test:"):
        split_ratings(two_rows, "random", 0.1, 1)


def test_tested_pairs_are_left_out_whatever_was_rated(ratings: RatingTable) -> None:
    some = np.arange(0, len(ratings), 3)
    tested = RatingTable.of(
        ratings.user_id[some], ratings.movie_id[some], np.full(len(some), 5.0), None
    )
    train, n_tested = without_tested(ratings, tested)
    assert n_tested == len(some)
    others = np.setdiff1d(np.arange(len(ratings)), some)
    assert pairs(train) == pairs(ratings.take(others))

    unchanged, n_tested = without_tested(train, tested)
    assert n_tested == 0
    assert unchanged is train
    with pytest.raises(DataError, match="leave rows to train on"):
        without_tested(ratings, ratings)
