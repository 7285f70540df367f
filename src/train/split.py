"""Which rows train and which rows test. Each split is a pure function of the table and
a seed.

In both parts the rows keep the order of the file. Only the tutorial's split keeps the
tutorial's order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from movielens.errors import DataError
from movielens.tables import RatingTable
from train.hyperparameters import SplitName

TUTORIAL_SEED = 1729
TUTORIAL_SHARE = 0.7

# Positions of rows.
Rows = NDArray[np.int64]
# Of training rows, then of test rows.
TwoParts = tuple[Rows, Rows]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Training and test rows.

    Attributes:
        train: rows to train on.
        test: rows to test on; empty if all rows train.
    """

    train: RatingTable
    test: RatingTable


def split_ratings(
    ratings: RatingTable, name: SplitName, holdout: float, seed: int
) -> Split:
    """Set test rows apart.

    Args:
        ratings: all rows.
        name: the kind of split; `train.hyperparameters.Hyperparameters` has the
            meanings.
        holdout: share of the rows to test on.
        seed: of the random splits.

    Raises:
        DataError: if no rows are left to train on or to test on, or if the split needs
            timestamps that the data doesn't have.
    """
    if name == "none":
        no_rows = np.empty(0, dtype=np.int64)
        return Split(ratings, ratings.take(no_rows))
    train, test = _SPLITS[name](ratings, holdout, seed)
    if not len(train) or not len(test):
        raise DataError(
            f"split {name} of {len(ratings)} ratings leaves {len(train)} to train on "
            f"and {len(test)} to test: send more ratings, or another holdout, or "
            "split=none"
        )
    return Split(ratings.take(train), ratings.take(test))


def without_tested(
    ratings: RatingTable, tested: RatingTable
) -> tuple[RatingTable, int]:
    """The ratings that aren't tested too, and how many were left out.

    A user's rating of a movie is tested if the pair is in ``tested``, whatever its
    stars and time are.

    Raises:
        DataError: if no rows are left to train on.
    """
    is_tested = np.isin(ratings.pair, tested.pair)
    if is_tested.all():
        raise DataError(
            f"all {len(ratings)} ratings are in the channel validation too: "
            "leave rows to train on"
        )
    n_tested = int(np.count_nonzero(is_tested))
    if not n_tested:
        return ratings, 0
    return ratings.take(np.flatnonzero(~is_tested)), n_tested


def hold_out(n_rows: int, share: float, seed: int) -> TwoParts:
    """Hold out a random ``share`` of the rows.

    Returns:
        Positions of the rows kept and of those held out, each rising.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(n_rows)
    n_held_out = round(share * n_rows)
    held_out = shuffled[:n_held_out]
    kept = shuffled[n_held_out:]
    return np.sort(kept), np.sort(held_out)


def _tutorial(ratings: RatingTable, _holdout: float, _seed: int) -> TwoParts:
    """The tutorial's own call, on positions instead of rows."""
    n_train = int(TUTORIAL_SHARE * len(ratings))
    in_order = pd.Series(np.arange(len(ratings)))
    shuffled = in_order.sample(frac=1, random_state=TUTORIAL_SEED)
    rows = shuffled.to_numpy()
    return rows[:n_train], rows[n_train:]


def _random(ratings: RatingTable, holdout: float, seed: int) -> TwoParts:
    return hold_out(len(ratings), holdout, seed)


def _temporal(ratings: RatingTable, holdout: float, _seed: int) -> TwoParts:
    """The last rows by time test; rows of the same second stay in the file's order."""
    by_time = np.argsort(_timestamp(ratings), kind="stable")
    n_train = len(ratings) - round(holdout * len(ratings))
    train = by_time[:n_train]
    test = by_time[n_train:]
    return np.sort(train), np.sort(test)


def _user_temporal(ratings: RatingTable, holdout: float, _seed: int) -> TwoParts:
    """The last rows of each user test.

    Their number is rounded down, so every user who tests has training rows too.
    """
    by_user_and_time = np.lexsort((_timestamp(ratings), ratings.user_id))
    _, first, n_rows = np.unique(
        ratings.user_id[by_user_and_time], return_index=True, return_counts=True
    )
    n_train = n_rows - np.floor(holdout * n_rows).astype(np.int64)

    # For each sorted row: which of its user's rows it is, counted from 0.
    place = np.arange(len(ratings)) - np.repeat(first, n_rows)
    is_train = place < np.repeat(n_train, n_rows)
    train = by_user_and_time[is_train]
    test = by_user_and_time[~is_train]
    return np.sort(train), np.sort(test)


def _timestamp(ratings: RatingTable) -> NDArray[np.uint32]:
    if ratings.timestamp is None:
        raise DataError(
            "a temporal split needs a timestamp column, the ratings have none: add it, "
            "or use split=random"
        )
    return ratings.timestamp


_SPLITS: dict[SplitName, Callable[[RatingTable, float, int], TwoParts]] = {
    "tutorial": _tutorial,
    "random": _random,
    "temporal": _temporal,
    "user_temporal": _user_temporal,
}
