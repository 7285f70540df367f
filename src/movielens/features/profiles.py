"""Each user's own ratings, by time, for the features that look at single ones.

A number of latest ratings are kept for each user, which bounds the artifact and the
work of a row. Of the ratings before those only the movies are kept, so that all movies
that a user has rated are known. A rating without a time is never earlier than another;
it counts where time doesn't matter.

If no ratings are kept at all, those movies aren't kept by user either. They belong to
the unknown user then, in the order of the movies, so that they can still be counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.matrix import Floats
from movielens.features.training_rows import NO_TIME, TrainingRows, starts_of

# The place of the unknown user, after all others.
_UNKNOWN_USER = -1


@dataclass(frozen=True, slots=True, eq=False)
class Profiles:
    """Every user's own ratings by user, time and movie, with a last row for none.

    Attributes:
        start: int64 (n_users + 2,), user u has the rows start[u] to start[u + 1]; the
            last user, who is unknown, has none.
        movie_index: int32 (n_rows + 1,).
        class_index: uint8 (n_rows + 1,).
        residual: float32 (n_rows + 1,), rating less what the bias expects.
        time: int64 (n_rows + 1,), seconds since 1970, `NO_TIME` where the data has
            none.
        older_start: int64 (n_users + 2,), like ``start``, of what each user rated
            before these.
        older: int32 (n_older,), indexes of those movies.
    """

    start: NDArray[np.int64]
    movie_index: NDArray[np.int32]
    class_index: NDArray[np.uint8]
    residual: Floats
    time: NDArray[np.int64]
    older_start: NDArray[np.int64]
    older: NDArray[np.int32]

    @classmethod
    def of(cls, training: TrainingRows) -> Self:
        """The latest ratings of each user, ``training.latest_kept`` at most."""
        rows, older_rows = training.latest
        count = training.user_counts()
        n_kept = np.minimum(count, training.latest_kept)
        n_older = count - n_kept
        older = training.movie_index[older_rows]
        if training.latest_kept == 0:
            older = np.sort(older)
            n_older = np.zeros_like(count)
            n_older[_UNKNOWN_USER] = len(older)

        movie_index = np.append(training.movie_index[rows], -1)
        class_index = np.append(training.class_index[rows], 0)
        residual = np.append(training.residual[rows], 0)
        return cls(
            start=starts_of(n_kept),
            movie_index=movie_index.astype(np.int32),
            class_index=class_index.astype(np.uint8),
            residual=residual.astype(np.float32),
            time=np.append(training.time()[rows], NO_TIME),
            older_start=starts_of(n_older),
            older=older.astype(np.int32),
        )

    def rated(self, user_index: int) -> NDArray[np.int32]:
        """Indexes of all movies that the user has rated, in no order.

        The unknown user, -1, has rated none. Nor has anybody if no ratings are kept.
        """
        if user_index < 0:
            return self.movie_index[:0]
        bounds = slice(user_index, user_index + 2)
        older = slice(*self.older_start[bounds].tolist())
        kept = slice(*self.start[bounds].tolist())
        return np.concatenate([self.older[older], self.movie_index[kept]])

    def counts(self, n_movies: int) -> NDArray[np.int64]:
        """How many ratings each movie has, int64 (n_movies,)."""
        of_latest = np.bincount(self.movie_index[:-1], minlength=n_movies)
        of_older = np.bincount(self.older, minlength=n_movies)
        return of_latest + of_older
