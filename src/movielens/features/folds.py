"""Folds and samples of training rows, by hashes of their ids.

A row is always in the same fold, whatever the order of rows is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from movielens.features.hashing import Hashes, drawn, mixed
from movielens.tables import RatingTable

# The more folds there are, the more a training row's features are like those of a new
# row, which are made from all rows.
FEWEST_FOLDS = 8
MOST_FOLDS = 24
# A fold shall have some hundred rows at least.
FOLD_ROWS = 500
# A spec is fitted for each fold, so large data has fewer: this many rows are fitted in
# all, unless the fewest folds have more.
FITTED_ROWS = 4_000_000


def n_folds_of(ratings: RatingTable) -> int:
    """How many folds the rows are divided into."""
    n_rows = max(1, len(ratings))
    n_folds = min(MOST_FOLDS, n_rows // FOLD_ROWS, FITTED_ROWS // n_rows)
    return max(FEWEST_FOLDS, n_folds)


def fold_of(ratings: RatingTable) -> NDArray[np.int64]:
    """The fold of each row, int64 (n_rows,), 0 to n_folds - 1."""
    n_folds = np.uint64(n_folds_of(ratings))
    fold = _hashes(ratings) % n_folds
    return fold.astype(np.int64)


def sample_of(ratings: RatingTable, most: int) -> NDArray[np.bool_]:
    """Which rows are in a random sample of about ``most``, bool (n_rows,).

    If there are no more rows than that, all are. Other bits of the hashes decide than
    those that the folds depend on.
    """
    share = min(1.0, most / max(len(ratings), 1))
    return drawn(_hashes(ratings), share)


def _hashes(ratings: RatingTable) -> Hashes:
    return mixed(ratings.user_id, ratings.movie_id)
