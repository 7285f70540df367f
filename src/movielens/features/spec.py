"""The one featurizer: fitted on training rows, then the same for a training row and for
a request.

A `FeatureSpec` is the catalogue, the ids that training saw and a tuple of fitted
groups; `transform` hands their tables to the extension once and then the rows, so that
a row costs the same whether it comes from a file of millions or alone over HTTP. What
isn't known is NaN or the mean of all: an unknown user or movie, a movie without listed
genres or year, a query without a timestamp.

No statistic of a training row may see that row's own rating. `transform_fitted` puts
the training rows into folds, by a hash of their ids, and computes each fold's features
with a spec fitted on the other folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.columns import GENRES, TIMESTAMP
from movielens.errors import DataError
from movielens.features.blend import Blend
from movielens.features.groups import (
    DEFAULT_GROUPS,
    GROUPS,
    FeatureGroup,
    group_arrays,
    group_from_arrays,
)
from movielens.features.hashing import drawn, mixed
from movielens.features.kernels import GroupTables, Tables, known_tables, plan_of
from movielens.features.matrix import FeatureMatrix, IdIndex
from movielens.features.parts import Column, part_of
from movielens.features.profiles import Profiles
from movielens.features.training_rows import Bias, Catalogue, TrainingRows
from movielens.queries import RatingQueries
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable

if TYPE_CHECKING:
    from movielens.features._rows import Plan

Arrays = Mapping[str, NDArray[Any]]

# The more folds, the more a training row's features are like those of a new row, which
# are made from all rows. Each is fitted anew, so that large data has the fewest; nor
# shall there be fewer than some hundred rows in one.
FEWEST_FOLDS, MOST_FOLDS = 8, 24
FOLD_ROWS, FITTED_ROWS = 500, 4_000_000
FITTED_BLOCK = 262_144
# 1 or NaN: whether training saw the user, and whether of such a user the time is given.
KNOWS_USER, KNOWS_TIME = "knows_user", "knows_time"
BASE_NAMES = (
    KNOWS_USER,
    KNOWS_TIME,
    TIMESTAMP,
    *(f"genre_{genre}" for genre in GENRES),
    "year",
)
_SEPARATOR = "\n"
_PROFILE_FIELDS = tuple(field.name for field in fields(Profiles))


@dataclass(frozen=True, eq=False)
class FeatureSpec:
    """The fitted recipe.

    Attributes:
        users: the users with ratings in the training rows.
        catalogue: the movies that training read.
        scale: of the rating classes.
        bias: of the training rows.
        profiles: the users' own ratings.
        groups: fitted, in the order of their columns.
    """

    users: IdIndex
    catalogue: Catalogue
    scale: RatingScale
    bias: Bias
    profiles: Profiles
    groups: tuple[FeatureGroup, ...]

    @classmethod
    def fit(
        cls,
        ratings: RatingTable,
        movies: MovieTable,
        groups: tuple[str, ...] = DEFAULT_GROUPS,
        scale: RatingScale | None = None,
    ) -> Self:
        """Learn from the training rows alone; ``movies`` is the whole catalogue, which
        carries no rating.

        ``scale`` is that of the whole data, where it may have values that the training
        rows lack.
        """
        scale = scale or RatingScale.of(ratings.rating)
        return cls._fit(
            ratings, IdIndex.of(ratings.user_id), Catalogue.of(movies), scale, groups
        )

    @classmethod
    def _fit(
        cls,
        ratings: RatingTable,
        users: IdIndex,
        catalogue: Catalogue,
        scale: RatingScale,
        groups: tuple[str, ...],
    ) -> Self:
        history = TrainingRows.of(ratings, users, catalogue, scale)
        fitted = tuple(GROUPS[name].fit(history) for name in groups)
        return cls(users, catalogue, scale, history.bias, Profiles.of(history), fitted)

    def with_user_history(
        self,
        user_id: int,
        movie_id: NDArray[np.signedinteger[Any]],
        rating: NDArray[np.floating[Any]],
        timestamp: NDArray[np.floating[Any]] | None = None,
    ) -> Self:
        """A view that knows one user, by the given ratings instead of any from
        training; movies are as trained.

        The user's features are what they would be if training had seen these ratings
        and no movie had changed by it: a user's own training rows give the very
        features of the spec itself. Other users are unknown to the view.

        Args:
            user_id: the raw id by which rows ask for the user.
            movie_id: (n_ratings,), raw ids of the catalogue, no two alike, in any
                order.
            rating: (n_ratings,), stars on the model's scale.
            timestamp: (n_ratings,), seconds since 1970, NaN where unknown; None where
                all are.

        Raises:
            DataError: a movie that the catalogue doesn't list or that comes twice, or a
                rating off the scale.
        """
        movie_id = np.asarray(movie_id, dtype=np.int64)
        movie_index = self.movie_index.index(movie_id)
        if np.any(movie_index < 0):
            raise DataError(
                f"history: movie {movie_id[movie_index < 0][0]} is not in the catalogue: leave it out"
            )
        if np.any(
            np.diff(np.sort(movie_index)) == 0
        ):  # np.unique would first import numpy.ma, in a request
            raise DataError("history: a movie comes twice: send its last rating")
        users = IdIndex(np.array([user_id] if len(movie_id) else [], dtype=np.int64))
        user = np.zeros(len(movie_id), dtype=np.int64)
        time = (
            np.full(len(movie_id), np.nan)
            if timestamp is None
            else np.asarray(timestamp, dtype=np.float64)
        )
        stars = np.asarray(rating, dtype=np.float64)
        history = TrainingRows.of_users(
            user,
            movie_index,
            stars,
            time,
            len(users),
            self.catalogue,
            self.scale,
            self.bias,
        )
        groups = tuple(group.with_users(history) for group in self.groups)
        return replace(self, users=users, profiles=Profiles.of(history), groups=groups)

    @property
    def movies(self) -> MovieTable:
        """The catalogue as a table."""
        return self.catalogue.movies

    @property
    def movie_index(self) -> IdIndex:
        """From raw movie ids to places in `movies`."""
        return self.catalogue.index

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The features in their order, with what each depends on."""
        return tuple(Column(name, part_of(name)) for name in self.names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for each feature."""
        return (*self._terms, *(blend.name for blend in self._blends))

    @cached_property
    def _terms(self) -> tuple[str, ...]:
        return (*BASE_NAMES, *(name for group in self.groups for name in group.names()))

    @cached_property
    def _blends(self) -> tuple[Blend, ...]:
        return Blend.among(self._terms)

    def transform(self, queries: RatingQueries) -> FeatureMatrix:
        """Features of any rows, known ids or not, float32 (n_rows, n_features).

        Raises:
            BuildError: if the extension that makes them wasn't built.
        """
        return FeatureMatrix(self.values(queries), self.columns)

    def values(self, queries: RatingQueries) -> NDArray[np.float32]:
        """The same without their names."""
        values = np.empty((len(queries), len(self.names)), dtype=np.float32)
        self._plan.transform_into(
            queries.user_id, queries.movie_id, queries.timestamp, values
        )
        return values

    def row(self, user_id: int, movie_id: int, timestamp: float) -> NDArray[np.float32]:
        """The same of one row, (1, n_features), from int64 and a float64 that is NaN
        where it is unknown.
        """
        values = np.empty((1, len(self.names)), dtype=np.float32)
        self._plan.transform_row(user_id, movie_id, timestamp, values)
        return values

    @cached_property
    def _plan(self) -> Plan:
        return plan_of(*self.tables())

    def tables(self) -> tuple[Tables, list[GroupTables]]:
        """What the extension makes the features from: the tables that all columns may
        need, and those of each group.
        """
        return known_tables(
            self.users, self.catalogue, self.profiles, self.scale.class_values
        ), [
            ("base", len(BASE_NAMES), {}),
            *(
                (group.name, len(group.names()), group.tables())
                for group in self.groups
            ),
            *(("blend", 1, blend.tables()) for blend in self._blends),
        ]

    def transform_fitted(
        self, ratings: RatingTable, queries: RatingQueries | None = None
    ) -> FeatureMatrix:
        """All blocks of `transform_fitted_blocks` in one matrix, its rows those of
        ``ratings``.
        """
        values = np.empty((len(ratings), len(self.names)), dtype=np.float32)
        for rows, block in self.transform_fitted_blocks(ratings, queries):
            values[rows] = block.values
        return FeatureMatrix(values, self.columns)

    def transform_fitted_blocks(
        self,
        ratings: RatingTable,
        queries: RatingQueries | None = None,
        wanted: NDArray[np.bool_] | None = None,
    ) -> Iterator[tuple[NDArray[np.int64], FeatureMatrix]]:
        """Features of the rows that this spec was fitted on, each computed without the
        row itself.

        A block has rows of one fold: their positions in ``ratings``, int64, rising, and
            their features.

        Args:
            ratings: the rows given to `fit`.
            queries: the same rows as the model shall see them, where something is
                hidden from it.
            wanted: bool (n_rows,), the rows whose features are made; a fold without any
                is not fitted.

        Raises:
            DataError: if all rows are of one fold, so that there are no others.
        """
        queries = ratings.queries() if queries is None else queries
        fold = fold_of(ratings)
        if len(np.unique(fold)) < 2:
            raise DataError(
                f"{len(ratings)} training rows are too few to learn from each other: send more ratings"
            )
        groups = tuple(group.name for group in self.groups)
        for held in range(n_folds_of(ratings)):
            others = np.flatnonzero(fold != held)
            rows = np.flatnonzero(
                fold == held if wanted is None else (fold == held) & wanted
            )
            if len(rows):
                spec = self._fit(
                    ratings.take(others), self.users, self.catalogue, self.scale, groups
                )
                for first in range(0, len(rows), FITTED_BLOCK):
                    some = rows[first : first + FITTED_BLOCK]
                    yield some, spec.transform(queries.take(some))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What `from_arrays` needs, as arrays without objects: text is UTF-8 bytes, a
        line a movie.
        """
        arrays: dict[str, NDArray[Any]] = {
            "user_id": self.users.ids,
            "movie_id": self.movies.movie_id,
            "title": _pack(self.movies.title),
            "genres": _pack(["|".join(genres) for genres in self.movies.genres]),
            "year": self.movies.year,
            "class_values": np.array(self.scale.class_values),
            "bias_mean": np.array([self.bias.mean]),
            "bias_movie": self.bias.movie,
            "bias_user": self.bias.user,
            **{
                f"profiles.{name}": getattr(self.profiles, name)
                for name in _PROFILE_FIELDS
            },
            "groups": _pack([group.name for group in self.groups]),
        }
        for group in self.groups:
            arrays |= group_arrays(group)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The spec that `to_arrays` was called on; raises KeyError or ValueError where
        the arrays aren't its.
        """
        lines = _unpack(arrays["genres"])
        genres = {line: tuple(line.split("|")) if line else () for line in set(lines)}
        of_movies = tuple(map(genres.__getitem__, lines))
        movies = MovieTable(
            arrays["movie_id"], _unpack(arrays["title"]), of_movies, arrays["year"]
        )
        names = [name for name in _unpack(arrays["groups"]) if name]
        groups = tuple(group_from_arrays(name, arrays) for name in names)
        scale = RatingScale(tuple(arrays["class_values"].tolist()))
        bias = Bias(
            float(arrays["bias_mean"][0]), arrays["bias_user"], arrays["bias_movie"]
        )
        profiles = Profiles(*(arrays[f"profiles.{name}"] for name in _PROFILE_FIELDS))
        return cls(
            IdIndex(arrays["user_id"]),
            Catalogue.of(movies),
            scale,
            bias,
            profiles,
            groups,
        )


def n_folds_of(ratings: RatingTable) -> int:
    """Into how many folds so many rows are put."""
    n_rows = max(1, len(ratings))
    return max(
        FEWEST_FOLDS, min(MOST_FOLDS, n_rows // FOLD_ROWS, FITTED_ROWS // n_rows)
    )


def fold_of(ratings: RatingTable) -> NDArray[np.int64]:
    """The fold of each row, int64 (n_rows,), 0 to n_folds - 1, by a hash of its ids: no
    order of rows changes it.
    """
    return (
        mixed(ratings.user_id, ratings.movie_id) % np.uint64(n_folds_of(ratings))
    ).astype(np.int64)


def sample_of(ratings: RatingTable, most: int) -> NDArray[np.bool_]:
    """About ``most`` of the rows, bool (n_rows,), all where there are no more; by other
    bits than the folds.
    """
    return drawn(
        mixed(ratings.user_id, ratings.movie_id), min(1.0, most / max(len(ratings), 1))
    )


def _pack(lines: tuple[str, ...] | list[str]) -> NDArray[np.uint8]:
    return np.frombuffer(_SEPARATOR.join(lines).encode(), dtype=np.uint8)


def _unpack(packed: NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(packed.tobytes().decode().split(_SEPARATOR))
