"""The training rows as feature groups are fitted on them: dense indexes, and what a
plain bias model leaves unexplained.

The rows are put into the order of their ids first. Floating point sums depend on the
order of their terms, features must not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from movielens.columns import GENRES
from movielens.features.hashing import drawn, mixed
from movielens.features.matrix import IdIndex
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable

SWEEPS = 12
USER_SHRINKAGE = 5.0
MOVIE_SHRINKAGE = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """What is known of movies without any rating.

    Attributes:
        movies: the table.
        index: from raw movie ids.
        genre_flags: float32 (n_movies + 1, 18), NaN where nobody listed genres, and in
            the last row.
        year: float32 (n_movies + 1,), NaN where the title has none, and in the last
            row.
    """

    movies: MovieTable
    index: IdIndex
    genre_flags: NDArray[np.float32]
    year: NDArray[np.float32]

    @classmethod
    def of(cls, movies: MovieTable) -> Catalogue:
        """Flags and years of all movies.

        IMAX is a format that says nothing of a film's kind, so it sets no flag. A movie
        whose genres nobody listed isn't a movie of no genre: its flags are NaN, not 0.
        """
        listed = (*movies.genres, ())
        row_of = {names: row for row, names in enumerate(dict.fromkeys(listed))}
        distinct = np.array(
            [[genre in names for genre in GENRES] for names in row_of], dtype=np.float32
        )
        distinct[~distinct.any(axis=1)] = np.nan
        flags = distinct[[row_of[names] for names in listed]]
        year = np.append(
            np.where(movies.year == 0, np.nan, movies.year), np.nan
        ).astype(np.float32)
        return cls(movies, IdIndex(movies.movie_id.astype(np.int64)), flags, year)

    def filled_years(self) -> NDArray[np.float64]:
        """Years, float64 (n_movies + 1,), the mean of all where there is none; 0 where
        no movie has one.
        """
        year = self.year.astype(np.float64)
        known = year[~np.isnan(year)]
        return np.nan_to_num(year, nan=float(known.mean()) if len(known) else 0)


@dataclass(frozen=True, slots=True, eq=False)
class Bias:
    """The rating that a user and a movie lead one to expect: mean + user + movie.

    Each user's and each movie's share is the sum of what the others leave of its n
    ratings over n + shrinkage, found for all movies and for all users in turn, `SWEEPS`
    times.

    Attributes:
        mean: of all ratings, in stars.
        user: float64 (n_users + 1,), 0 for who is unknown.
        movie: float64 (n_movies + 1,), likewise.
    """

    mean: float
    user: NDArray[np.float64]
    movie: NDArray[np.float64]

    def of_users(
        self,
        user: NDArray[np.int64],
        movie: NDArray[np.int64],
        rating: NDArray[np.float64],
        n: int,
    ) -> Bias:
        """The same movies, other users: ``n`` of them, with these ratings."""
        return Bias(
            self.mean,
            _user_step(user, rating - self.mean - self.movie[movie], n),
            self.movie,
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """Training rows by rising user and movie.

    Attributes:
        user_index, movie_index, class_index: int64 (n_rows,).
        rating: float64 (n_rows,), stars.
        residual: float64 (n_rows,), rating less what `Bias` expects.
        timestamp: float64 (n_rows,), NaN where the data has none.
        n_users: users that the indexes may name, whether they have rows here or not.
        catalogue: the movies.
        scale: of the classes.
        bias: fitted on these rows.
    """

    user_index: NDArray[np.int64]
    movie_index: NDArray[np.int64]
    class_index: NDArray[np.int64]
    rating: NDArray[np.float64]
    residual: NDArray[np.float64]
    timestamp: NDArray[np.float64]
    n_users: int
    catalogue: Catalogue
    scale: RatingScale
    bias: Bias

    @classmethod
    def of(
        cls,
        ratings: RatingTable,
        users: IdIndex,
        catalogue: Catalogue,
        scale: RatingScale,
    ) -> TrainingRows:
        """Index the rows and fit the bias."""
        user_index, movie_index = (
            users.index(ratings.user_id),
            catalogue.index.index(ratings.movie_id),
        )
        rating, timestamp = (
            ratings.rating.astype(np.float64),
            ratings.queries().timestamp,
        )
        return cls.of_users(
            user_index,
            movie_index,
            rating,
            timestamp,
            len(users),
            catalogue,
            scale,
            None,
        )

    @classmethod
    def of_users(
        cls,
        user_index: NDArray[np.int64],
        movie_index: NDArray[np.int64],
        rating: NDArray[np.float64],
        timestamp: NDArray[np.float64],
        n_users: int,
        catalogue: Catalogue,
        scale: RatingScale,
        bias: Bias | None,
    ) -> TrainingRows:
        """Rows of users in any order; where ``bias`` is given, its movies stand and
        only the users' is fitted.
        """
        key = user_index << 32 | movie_index
        # Files as they are distributed are in order, which saves sorting.
        order = (
            slice(None)
            if np.all(key[1:] > key[:-1])
            else np.argsort(key, kind="stable")
        )
        user_index, movie_index, rating = (
            user_index[order],
            movie_index[order],
            rating[order],
        )
        if bias is None:
            bias = _fit_bias(
                user_index, movie_index, rating, n_users, len(catalogue.index)
            )
        else:
            bias = bias.of_users(user_index, movie_index, rating, n_users)
        residual = rating - bias.mean - bias.user[user_index] - bias.movie[movie_index]
        classes = scale.to_class(rating)
        return cls(
            user_index,
            movie_index,
            classes,
            rating,
            residual,
            timestamp[order],
            n_users,
            catalogue,
            scale,
            bias,
        )

    @property
    def n_movies(self) -> int:
        """Movies that the indexes may name."""
        return len(self.catalogue.index)

    def class_shares(self) -> NDArray[np.float64]:
        """The share of each class among all rows, float64 (n_classes,)."""
        return np.bincount(
            self.class_index, minlength=len(self.scale.class_values)
        ) / len(self.class_index)

    def of_some_users(self, most: int) -> TrainingRows:
        """The rows of so many users that they are about ``most``; all where there are
        no more.
        """
        users = np.arange(self.n_users + 1)
        share = min(1.0, most / max(len(self.user_index), 1))
        return (
            self
            if share == 1
            else self._take(drawn(mixed(users, users), share)[self.user_index])
        )

    def with_fewer_pairs(self, most: int) -> TrainingRows:
        """Fewer rows of the users with most, so that all pairs of ratings of one user
        are about ``most``.

        Each user keeps at most about as many rows as the others; all where the pairs
        are no more.
        """
        counts = np.bincount(self.user_index, minlength=self.n_users + 1).astype(
            np.float64
        )
        if (counts**2).sum() <= most:
            return self
        low, high = 1.0, counts.max()
        while high - low > 1:
            cap = (low + high) / 2
            low, high = (
                (low, cap)
                if (np.minimum(counts, cap) ** 2).sum() > most
                else (cap, high)
            )
        share = np.minimum(1.0, low / np.maximum(counts, 1))
        return self._take(
            drawn(mixed(self.user_index, self.movie_index), share[self.user_index])
        )

    def _take(self, chosen: NDArray[np.bool_]) -> TrainingRows:
        columns = (
            "user_index",
            "movie_index",
            "class_index",
            "rating",
            "residual",
            "timestamp",
        )
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})

    def per_user(
        self, values: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Sums of ``values`` (of ones: counts) by user, float64 (n_users + 1,)."""
        return np.bincount(self.user_index, values, self.n_users + 1).astype(np.float64)

    def per_movie(
        self, values: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Sums of ``values`` (of ones: counts) by movie, float64 (n_movies + 1,)."""
        return np.bincount(
            self.movie_index, values, len(self.catalogue.index) + 1
        ).astype(np.float64)


def _fit_bias(
    user: NDArray[np.int64],
    movie: NDArray[np.int64],
    rating: NDArray[np.float64],
    n_users: int,
    n_movies: int,
) -> Bias:
    mean = float(rating.mean())
    centred = rating - mean
    of_user, of_movie = np.zeros(n_users + 1), np.zeros(n_movies + 1)
    movie_weight = np.bincount(movie, minlength=n_movies + 1) + MOVIE_SHRINKAGE
    for _ in range(SWEEPS):
        of_movie = (
            np.bincount(movie, centred - of_user[user], n_movies + 1) / movie_weight
        )
        of_user = _user_step(user, centred - of_movie[movie], n_users)
    return Bias(mean, of_user, of_movie)


def _user_step(
    user: NDArray[np.int64], unexplained: NDArray[np.float64], n_users: int
) -> NDArray[np.float64]:
    weight = np.bincount(user, minlength=n_users + 1) + USER_SHRINKAGE
    return np.bincount(user, unexplained, n_users + 1) / weight
