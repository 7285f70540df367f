"""The training rows as feature groups are fitted on them.

They have dense indexes, and residuals: what a plain bias model leaves unexplained.

The rows are first put into the order of their ids. Sums of floating-point numbers
depend on the order of their terms; features must not depend on the order of rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from movielens.columns import GENRES
from movielens.features.hashing import drawn, mixed
from movielens.features.matrix import IdIndex
from movielens.features.title_words import SimilarTitles, find_similar_titles
from movielens.features.workers import ONE_THREAD, Workers, parts_of
from movielens.pairs import pair_key
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable

SWEEPS = 12
USER_SHRINKAGE = 5.0
MOVIE_SHRINKAGE = 4.0
LATEST_KEPT = 1000
# In the place of a time that is unknown.
NO_TIME = -1
# Less than this is a rounding error.
LEAST_SPREAD = 1e-9
# Rows that a thread takes at once: few enough to stay in its cache.
BLOCK_ROWS = 65_536


class UserBlock(NamedTuple):
    """Some users, and their rows, which are by rising user.

    Attributes:
        users: a range of users.
        rows: the range of their rows.
    """

    users: slice
    rows: slice

    @property
    def n_users(self) -> int:
        """How many users it has."""
        return int(self.users.stop - self.users.start)

    def user_of_row(self, user_index: NDArray[np.int64]) -> NDArray[np.int64]:
        """The user of each of its rows, counted from its first: int64 (n_rows,)."""
        first = int(self.users.start)
        return user_index[self.rows] - first


def user_blocks(start: NDArray[np.int64], block_rows: int) -> list[UserBlock]:
    """Blocks of all users, each with about ``block_rows`` rows or with one user.

    Args:
        start: int64 (n_users + 1,), where the rows of each user begin.
        block_rows: as many as are worth a block of their own.
    """
    n_blocks = 1 + int(start[-1]) // block_rows
    return [
        UserBlock(slice(first, end), slice(int(start[first]), int(start[end])))
        for first, end in parts_of(start, n_blocks)
    ]


@dataclass(frozen=True, eq=False)
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

        IMAX is a format and says nothing of what kind of film it is, so it sets no
        flag. If nobody listed the genres of a movie, that doesn't mean that it has
        none: its flags are NaN, not 0.
        """
        listed = (*movies.genres, ())
        row_of = {genres: row for row, genres in enumerate(dict.fromkeys(listed))}
        distinct = np.array(
            [[genre in genres for genre in GENRES] for genres in row_of],
            dtype=np.float32,
        )
        distinct[~distinct.any(axis=1)] = np.nan
        flags = distinct[[row_of[genres] for genres in listed]]

        year = np.where(movies.year == 0, np.nan, movies.year)
        return cls(
            movies,
            IdIndex(movies.movie_id.astype(np.int64)),
            flags,
            np.append(year, np.nan).astype(np.float32),
        )

    def filled_years(self) -> NDArray[np.float64]:
        """Years, float64 (n_movies + 1,), with their mean where there is none.

        If no movie has a year, all are 0.
        """
        year = self.year.astype(np.float64)
        known = year[~np.isnan(year)]
        mean = float(known.mean()) if len(known) else 0.0
        return np.nan_to_num(year, nan=mean)

    @cached_property
    def similar_titles(self) -> SimilarTitles:
        """The movies with similar titles; all folds have the same."""
        return find_similar_titles(self.movies.title)


@dataclass(frozen=True, slots=True, eq=False)
class Bias:
    """The rating that a user and a movie lead one to expect: mean + user + movie.

    The bias of a user is the sum of what the mean and the movies leave unexplained of
    the user's n ratings, over n + shrinkage; that of a movie likewise.

    Attributes:
        mean: of all ratings, in stars.
        user: float64 (n_users + 1,), in stars, 0 for the unknown user.
        movie: float64 (n_movies + 1,), likewise.
        user_shrinkage, movie_shrinkage: in ratings.
    """

    mean: float
    user: NDArray[np.float64]
    movie: NDArray[np.float64]
    user_shrinkage: float = USER_SHRINKAGE
    movie_shrinkage: float = MOVIE_SHRINKAGE

    @classmethod
    def fit(
        cls,
        user: NDArray[np.int64],
        movie: NDArray[np.int64],
        rating: NDArray[np.float64],
        n_users: int,
        n_movies: int,
        workers: Workers = ONE_THREAD,
        block_rows: int = BLOCK_ROWS,
        sweeps: int = SWEEPS,
    ) -> Bias:
        """Fit movies and users in turn, ``sweeps`` times.

        Args:
            user, movie: int64 (n_rows,), dense indexes, by rising user.
            rating: float64 (n_rows,), stars.
            n_users, n_movies: how many the indexes may name.
            workers: the threads that share the users.
            block_rows: how many rows a thread takes at once.
            sweeps: how often.
        """
        mean = float(rating.mean())
        bias = Bias(mean, np.zeros(n_users + 1), np.zeros(n_movies + 1))
        user_count = np.bincount(user, minlength=n_users + 1)
        movie_count = np.bincount(movie, minlength=n_movies + 1)
        user_weight = user_count + bias.user_shrinkage
        movie_weight = movie_count + bias.movie_shrinkage

        of_user = bias.user
        of_movie = bias.movie
        centred = rating - mean
        # What the users leave unexplained.
        unexplained = centred.copy()

        def fit_users(block: UserBlock) -> None:
            users, rows = block
            left = centred[rows] - of_movie[movie[rows]]
            own_user = block.user_of_row(user)
            of_user[users] = _means(own_user, left, user_weight[users])
            unexplained[rows] = centred[rows] - of_user[user[rows]]

        blocks = user_blocks(starts_of(user_count), block_rows)
        for _ in range(sweeps):
            of_movie = _means(movie, unexplained, movie_weight)
            workers.map(fit_users, blocks)
        return replace(bias, user=of_user, movie=of_movie)

    def with_users(
        self,
        user: NDArray[np.int64],
        movie: NDArray[np.int64],
        rating: NDArray[np.float64],
        n_users: int,
    ) -> Bias:
        """The same movies with other users, who have these ratings."""
        unexplained = rating - self.mean - self.movie[movie]
        count = np.bincount(user, minlength=n_users + 1)
        of_user = _means(user, unexplained, count + self.user_shrinkage)
        return replace(self, user=of_user)

    def leverage(
        self, of_user: NDArray[np.float64], of_movie: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """How much of a rating is in the two biases that it is compared with.

        Args:
            of_user, of_movie: float64 (n_rows,), numbers of ratings.
        """
        leverage = 1 / (of_user + self.user_shrinkage)
        leverage += 1 / (of_movie + self.movie_shrinkage)
        return leverage


def starts_of(count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each begins if they come one after the other: int64 (n + 1,)."""
    start = np.zeros(len(count) + 1, dtype=np.int64)
    np.cumsum(count, out=start[1:])
    return start


def _means(
    index: NDArray[np.int64],
    values: NDArray[np.float64],
    weight: NDArray[np.floating[Any]],
) -> NDArray[np.float64]:
    """The sum of the values of each index over its weight."""
    return np.bincount(index, values, len(weight)) / weight


# No slots, so that what is made once is kept.
@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Training rows by rising user and movie.

    Attributes:
        user_index, movie_index, class_index: int64 (n_rows,).
        rating: float64 (n_rows,), stars.
        residual: float64 (n_rows,), rating less what `Bias` expects.
        timestamp: float64 (n_rows,), seconds since 1970, NaN where the data has none.
        n_users: users that the indexes may name, whether they have rows here or not.
        catalogue: the movies.
        scale: of the classes.
        bias: fitted on these rows.
        latest_kept: how many of each user's latest ratings features may look at one by
            one.
        workers: the threads that fit groups on these rows.
        block_rows: how many rows a thread takes at once.
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
    latest_kept: int = LATEST_KEPT
    workers: Workers = ONE_THREAD
    block_rows: int = BLOCK_ROWS

    @classmethod
    def of(
        cls,
        ratings: RatingTable,
        users: IdIndex,
        catalogue: Catalogue,
        scale: RatingScale,
        latest_kept: int = LATEST_KEPT,
        workers: Workers = ONE_THREAD,
        block_rows: int = BLOCK_ROWS,
    ) -> TrainingRows:
        """Index the rows and fit the bias."""
        return cls.of_users(
            _indexed(users, ratings.user_id, workers, block_rows),
            _indexed(catalogue.index, ratings.movie_id, workers, block_rows),
            ratings.rating.astype(np.float64),
            ratings.queries().timestamp,
            len(users),
            catalogue,
            scale,
            None,
            latest_kept,
            workers,
            block_rows,
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
        latest_kept: int = LATEST_KEPT,
        workers: Workers = ONE_THREAD,
        block_rows: int = BLOCK_ROWS,
    ) -> TrainingRows:
        """Rows of indexed users, in any order.

        If ``bias`` is given, its movies stay as they are and only the users are fitted.
        """
        key = pair_key(user_index, movie_index)
        # Files as they are distributed are in order, which saves sorting.
        is_in_order = np.all(key[1:] > key[:-1])
        order = slice(None) if is_in_order else np.argsort(key, kind="stable")
        user = user_index[order]
        movie = movie_index[order]
        stars = rating[order]

        if bias is None:
            n_movies = len(catalogue.index)
            bias = Bias.fit(user, movie, stars, n_users, n_movies, workers, block_rows)
        else:
            bias = bias.with_users(user, movie, stars, n_users)
        return cls(
            user_index=user,
            movie_index=movie,
            class_index=scale.to_class(stars),
            rating=stars,
            residual=stars - bias.mean - bias.user[user] - bias.movie[movie],
            timestamp=timestamp[order],
            n_users=n_users,
            catalogue=catalogue,
            scale=scale,
            bias=bias,
            latest_kept=latest_kept,
            workers=workers,
            block_rows=block_rows,
        )

    @property
    def n_movies(self) -> int:
        """How many movies the indexes may name."""
        return len(self.catalogue.index)

    def class_shares(self) -> NDArray[np.float64]:
        """The share of each class among all rows, float64 (n_classes,)."""
        n_classes = len(self.scale.class_values)
        counts = np.bincount(self.class_index, minlength=n_classes)
        return counts / len(self.class_index)

    def per_user(
        self, values: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Sums of ``values``, or counts, by user: float64 (n_users + 1,)."""
        sums = np.bincount(self.user_index, values, self.n_users + 1)
        return sums.astype(np.float64)

    def per_movie(
        self, values: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Sums of ``values``, or counts, by movie: float64 (n_movies + 1,)."""
        sums = np.bincount(self.movie_index, values, self.n_movies + 1)
        return sums.astype(np.float64)

    def standardised(self, of_movie: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far each movie's number is from the mean, in standard deviations.

        Both are over all ratings. If all ratings have the same number, nothing is
        divided.

        Args:
            of_movie: float64 (n_movies + 1,), a number of each movie.
        """
        share = self.per_movie() / len(self.movie_index)
        away = of_movie - (share * of_movie).sum()
        spread = float(np.sqrt((share * away**2).sum()))
        standardised: NDArray[np.float64]
        standardised = away / (spread if spread > LEAST_SPREAD else 1.0)
        return standardised

    @cached_property
    def latest(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows of each user's latest ratings, and those of the older ones.

        Both are int64 positions, by rising user and then by time. The latest ones are
        ``latest_kept`` a user at most.
        """
        time = self.time()
        order = np.empty(len(time), dtype=np.int64)
        is_latest = np.empty(len(time), dtype=np.bool_)

        def sort(block: UserBlock) -> None:
            rows = block.rows
            user = self.user_index[rows]
            # The rows of each user stay where they are as a whole.
            n_later = self.start[user + 1] - 1 - np.arange(rows.start, rows.stop)
            order[rows] = rows.start + np.lexsort((time[rows], user))
            is_latest[rows] = n_later < self.latest_kept

        self.workers.map(sort, self.blocks)
        return order[is_latest], order[~is_latest]

    @cached_property
    def start(self) -> NDArray[np.int64]:
        """Where each user's rows begin, int64 (n_users + 2,)."""
        return starts_of(self.user_counts())

    @cached_property
    def blocks(self) -> list[UserBlock]:
        """All users and their rows, for threads to share."""
        return user_blocks(self.start, self.block_rows)

    def user_counts(self) -> NDArray[np.int64]:
        """How many ratings each user has, int64 (n_users + 1,)."""
        return np.bincount(self.user_index, minlength=self.n_users + 1)

    def time(self) -> NDArray[np.int64]:
        """Whole seconds since 1970, int64 (n_rows,); `NO_TIME` where unknown."""
        has_time = ~np.isnan(self.timestamp)
        return np.where(has_time, self.timestamp, NO_TIME).astype(np.int64)

    def of_some_users(self, most: int) -> TrainingRows:
        """Rows of a random subset of users, about ``most`` in all.

        If there are no more rows than that, all of them.
        """
        share = min(1.0, most / max(len(self.user_index), 1))
        if share == 1:
            return self
        users = np.arange(self.n_users + 1)
        is_drawn = drawn(mixed(users, users), share)
        return self._take(is_drawn[self.user_index])

    def with_fewer_pairs(self, most: int) -> TrainingRows:
        """A sample in which users have about ``most`` pairs of own ratings in all.

        Rows are left out at random, of the users with most of them: there is a number
        of rows that each user keeps at most, on average. If there are no more pairs
        than ``most``, all rows stay.
        """
        counts = self.per_user()
        if (counts**2).sum() <= most:
            return self

        low = 1.0
        high = float(counts.max())
        while high - low > 1:
            cap = (low + high) / 2
            if (np.minimum(counts, cap) ** 2).sum() > most:
                high = cap
            else:
                low = cap
        share = np.minimum(1.0, low / np.maximum(counts, 1))
        hashes = mixed(self.user_index, self.movie_index)
        return self._take(drawn(hashes, share[self.user_index]))

    def _take(self, chosen: NDArray[np.bool_]) -> TrainingRows:
        """The chosen rows; the bias stays that of all."""
        return replace(
            self,
            user_index=self.user_index[chosen],
            movie_index=self.movie_index[chosen],
            class_index=self.class_index[chosen],
            rating=self.rating[chosen],
            residual=self.residual[chosen],
            timestamp=self.timestamp[chosen],
        )


def _indexed(
    index: IdIndex,
    ids: NDArray[np.signedinteger[Any]],
    workers: Workers,
    block_rows: int,
) -> NDArray[np.int64]:
    """The places of raw ids, int64 (n_rows,)."""
    places = np.empty(len(ids), dtype=np.int64)

    def find(first: int) -> None:
        rows = slice(first, first + block_rows)
        places[rows] = index.index(ids[rows])

    workers.map(find, range(0, len(ids), block_rows))
    return places
