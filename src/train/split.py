"""Which rows train and which rows test: each split is a pure function of the table and
a seed.

Rows keep the order of the file within both parts, except in the tutorial's split, which
keeps the tutorial's order.
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
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Training and test rows; ``test`` is empty where everything trains."""

    train: RatingTable
    test: RatingTable


def split_ratings(
    ratings: RatingTable, name: SplitName, holdout: float, seed: int
) -> Split:
    """Set test rows apart.

    Raises:
        DataError: if nothing is left to train on or to test, or the split needs
            timestamps that the data doesn't have.
    """
    if name == "none":
        return Split(ratings, ratings.take(np.empty(0, dtype=np.int64)))
    train, test = _SPLITS[name](ratings, holdout, seed)
    if not len(train) or not len(test):
        raise DataError(
            f"split {name} of {len(ratings)} ratings leaves {len(train)} to train on and {len(test)} to test: "
            "send more ratings, or another holdout, or split=none"
        )
    return Split(ratings.take(train), ratings.take(test))


def hold_out(n_rows: int, share: float, seed: int) -> tuple[Rows, Rows]:
    """A seeded random ``share`` of the rows, as (kept, held out), each rising."""
    shuffled = np.random.default_rng(seed).permutation(n_rows)
    n_held = round(share * n_rows)
    return np.sort(shuffled[n_held:]), np.sort(shuffled[:n_held])


def _tutorial(ratings: RatingTable, _holdout: float, _seed: int) -> tuple[Rows, Rows]:
    """The tutorial's own call, on row numbers instead of rows."""
    shuffled = (
        pd.Series(np.arange(len(ratings)))
        .sample(frac=1, random_state=TUTORIAL_SEED)
        .to_numpy()
    )
    n_train = int(TUTORIAL_SHARE * len(ratings))
    return shuffled[:n_train], shuffled[n_train:]


def _random(ratings: RatingTable, holdout: float, seed: int) -> tuple[Rows, Rows]:
    return hold_out(len(ratings), holdout, seed)


def _temporal(ratings: RatingTable, holdout: float, _seed: int) -> tuple[Rows, Rows]:
    """The last rows by time; rows of one second stay in file order."""
    by_time = np.argsort(_timestamp(ratings), kind="stable")
    n_train = len(ratings) - round(holdout * len(ratings))
    return np.sort(by_time[:n_train]), np.sort(by_time[n_train:])


def _user_temporal(
    ratings: RatingTable, holdout: float, _seed: int
) -> tuple[Rows, Rows]:
    """The last rows of each user, rounded down, so that whoever tests has trained too."""
    order = np.lexsort((_timestamp(ratings), ratings.user_id))
    _, first, count = np.unique(
        ratings.user_id[order], return_index=True, return_counts=True
    )
    rank = np.arange(len(ratings)) - np.repeat(first, count)
    n_train = count - np.floor(holdout * count).astype(np.int64)
    trains = rank < np.repeat(n_train, count)
    return np.sort(order[trains]), np.sort(order[~trains])


def _timestamp(ratings: RatingTable) -> NDArray[np.uint32]:
    if ratings.timestamp is None:
        raise DataError(
            "a temporal split needs a timestamp column, the ratings have none: add it, or use split=random"
        )
    return ratings.timestamp


_SPLITS: dict[SplitName, Callable[[RatingTable, float, int], tuple[Rows, Rows]]] = {
    "tutorial": _tutorial,
    "random": _random,
    "temporal": _temporal,
    "user_temporal": _user_temporal,
}
