"""Each user's own ratings, compact and by time, for the features that look at single
ratings of the user.

The latest `CAP` of a user are kept, which bounds the artifact and the work of a row; of
those before only the movies are, so that what a user has rated is known in full. A
rating without a time is never earlier than anything; it counts where time doesn't
matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.matrix import Floats
from movielens.features.training_rows import TrainingRows

NO_TIME = -1


@dataclass(frozen=True, slots=True, eq=False)
class Profiles:
    """Every user's own ratings, ordered by user, time and movie, and a last row that
    stands for none.

    Attributes:
        start: int64 (n_users + 2,), user u has the rows start[u] to start[u + 1]; the
            last one, who is unknown, none.
        movie_index: int32 (n_rows + 1,).
        class_index: uint8 (n_rows + 1,).
        residual: float32 (n_rows + 1,), rating less what the bias expects.
        time: int64 (n_rows + 1,), seconds since 1970, `NO_TIME` where the data has
            none.
        older_start: int64 (n_users + 2,), as ``start``, of what each user rated before
            these.
        older: int32 (n_older,), indexes of those movies.
    """

    CAP: ClassVar[int] = 1000

    start: NDArray[np.int64]
    movie_index: NDArray[np.int32]
    class_index: NDArray[np.uint8]
    residual: Floats
    time: NDArray[np.int64]
    older_start: NDArray[np.int64]
    older: NDArray[np.int32]

    @classmethod
    def of(cls, history: TrainingRows) -> Self:
        """The latest ratings of each user."""
        order, older = latest(history)
        count = np.bincount(history.user_index, minlength=history.n_users + 1)
        kept = np.minimum(count, cls.CAP)
        start, older_start = (
            np.concatenate([[0], np.cumsum(counts)]) for counts in (kept, count - kept)
        )
        return cls(
            start,
            np.append(history.movie_index[order], -1).astype(np.int32),
            np.append(history.class_index[order], 0).astype(np.uint8),
            np.append(history.residual[order], 0).astype(np.float32),
            np.append(_time(history)[order], NO_TIME),
            older_start,
            history.movie_index[older].astype(np.int32),
        )

    def rated(self, user_index: int) -> NDArray[np.int32]:
        """Indexes of all movies that the user has rated, in no order; none for user -1,
        who is unknown.
        """
        if user_index < 0:
            return self.movie_index[:0]
        bounds = slice(user_index, user_index + 2)
        (first, last), (older, end) = (
            self.start[bounds].tolist(),
            self.older_start[bounds].tolist(),
        )
        return np.concatenate([self.older[older:end], self.movie_index[first:last]])

    def counts(self, n_movies: int) -> NDArray[np.int64]:
        """How many ratings each movie has, int64 (n_movies,)."""
        of_older = np.bincount(self.older, minlength=n_movies)
        return np.bincount(self.movie_index[:-1], minlength=n_movies) + of_older


def latest(history: TrainingRows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which rows of a history `Profiles` keeps, in its order, and which are older than
    those.
    """
    order = np.lexsort((_time(history), history.user_index))
    end = np.cumsum(np.bincount(history.user_index, minlength=history.n_users + 1))
    # How many ratings of the same user come later.
    later = end[history.user_index[order]] - 1 - np.arange(len(order))
    return order[later < Profiles.CAP], order[later >= Profiles.CAP]


def _time(history: TrainingRows) -> NDArray[np.int64]:
    return np.where(np.isnan(history.timestamp), NO_TIME, history.timestamp).astype(
        np.int64
    )
