"""The one featurizer: fitted on training rows, then the same for a training row and for a request.

A `FeatureSpec` is the catalogue, the ids that training saw and a tuple of fitted groups; `transform` looks ids up and
gathers from the groups' tables, so that a row costs the same whether it comes from a file of millions or alone over
HTTP. What isn't known is NaN or the mean of all: an unknown user or movie, a movie without listed genres or year, a
query without a timestamp.

No statistic of a training row may see that row's own rating. `transform_fitted` puts the training rows into folds, by
a hash of their ids, and computes each fold's features with a spec fitted on the other folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.columns import GENRES, MOVIE_ID, TIMESTAMP, USER_ID
from movielens.errors import DataError
from movielens.features.groups import GROUPS, FeatureGroup, group_arrays, group_from_arrays
from movielens.features.history import Catalogue, History
from movielens.features.matrix import FeatureMatrix, IdIndex, Rows
from movielens.queries import RatingQueries
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable

Arrays = Mapping[str, NDArray[Any]]

N_FOLDS = 8
BASE_NAMES = (USER_ID, MOVIE_ID, TIMESTAMP, *(f"genre_{genre}" for genre in GENRES), "year")
_SEPARATOR = "\n"


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSpec:
    """The fitted recipe.

    Attributes:
        users: the users with ratings in the training rows.
        catalogue: the movies that training read.
        scale: of the rating classes.
        groups: fitted, in the order of their columns.
    """

    users: IdIndex
    catalogue: Catalogue
    scale: RatingScale
    groups: tuple[FeatureGroup, ...]

    @classmethod
    def fit(
        cls,
        ratings: RatingTable,
        movies: MovieTable,
        groups: tuple[str, ...] = tuple(GROUPS),
        scale: RatingScale | None = None,
    ) -> Self:
        """Learn from the training rows alone; ``movies`` is the whole catalogue, which carries no rating.

        ``scale`` is that of the whole data, where it may have values that the training rows lack.
        """
        scale = scale or RatingScale.of(ratings.rating)
        return cls._fit(ratings, IdIndex.of(ratings.user_id), Catalogue.of(movies), scale, groups)

    @classmethod
    def _fit(
        cls, ratings: RatingTable, users: IdIndex, catalogue: Catalogue, scale: RatingScale, groups: tuple[str, ...]
    ) -> Self:
        history = History.of(ratings, users, catalogue, scale)
        return cls(users, catalogue, scale, tuple(GROUPS[name].fit(history) for name in groups))

    @property
    def movies(self) -> MovieTable:
        """The catalogue as a table."""
        return self.catalogue.movies

    @property
    def movie_index(self) -> IdIndex:
        """From raw movie ids to places in `movies`."""
        return self.catalogue.index

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each feature."""
        return (*BASE_NAMES, *(name for group in self.groups for name in group.names()))

    def transform(self, queries: RatingQueries) -> FeatureMatrix:
        """Features of any rows, known ids or not, float32 (n_rows, n_features)."""
        rows = Rows(self.users.index(queries.user_id), self.movie_index.index(queries.movie_id), queries.timestamp)
        blocks = [
            np.where(rows.user_index < 0, np.nan, queries.user_id),
            np.where(rows.movie_index < 0, np.nan, queries.movie_id),
            queries.timestamp,
            self.catalogue.genre_flags[rows.movie_index],
            self.catalogue.year[rows.movie_index],
            *(group.transform(rows, self.catalogue) for group in self.groups),
        ]
        return FeatureMatrix(np.column_stack(blocks).astype(np.float32), self.names)

    def transform_fitted(self, ratings: RatingTable, queries: RatingQueries | None = None) -> FeatureMatrix:
        """Features of the rows that this spec was fitted on, each computed without the row itself.

        Args:
            ratings: the rows given to `fit`.
            queries: the same rows as the model shall see them, where something is hidden from it.

        Raises:
            DataError: if all rows are of one fold, so that there are no others.
        """
        queries = ratings.queries() if queries is None else queries
        fold = fold_of(ratings)
        if len(np.unique(fold)) < 2:
            raise DataError(f"{len(ratings)} training rows are too few to learn from each other: send more ratings")
        groups = tuple(group.name for group in self.groups)
        values = np.empty((len(ratings), len(self.names)), dtype=np.float32)
        for held in range(N_FOLDS):
            others, rows = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
            if len(rows):
                spec = self._fit(ratings.take(others), self.users, self.catalogue, self.scale, groups)
                values[rows] = spec.transform(queries.take(rows)).values
        return FeatureMatrix(values, self.names)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What `from_arrays` needs, as arrays without objects: text is UTF-8 bytes, a line a movie."""
        arrays: dict[str, NDArray[Any]] = {
            "user_id": self.users.ids,
            "movie_id": self.movies.movie_id,
            "title": _pack(self.movies.title),
            "genres": _pack(["|".join(genres) for genres in self.movies.genres]),
            "year": self.movies.year,
            "class_values": np.array(self.scale.class_values),
            "groups": _pack([group.name for group in self.groups]),
        }
        for group in self.groups:
            arrays |= group_arrays(group)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The spec that `to_arrays` was called on; raises KeyError or ValueError where the arrays aren't its."""
        genres = tuple(tuple(line.split("|")) if line else () for line in _unpack(arrays["genres"]))
        movies = MovieTable(arrays["movie_id"], _unpack(arrays["title"]), genres, arrays["year"])
        names = [name for name in _unpack(arrays["groups"]) if name]
        groups = tuple(group_from_arrays(name, arrays) for name in names)
        scale = RatingScale(tuple(arrays["class_values"].tolist()))
        return cls(IdIndex(arrays["user_id"]), Catalogue.of(movies), scale, groups)


def fold_of(ratings: RatingTable) -> NDArray[np.int64]:
    """The fold of each row, int64 (n_rows,), 0 to N_FOLDS - 1, by a hash of its ids: no order or sharding changes it.

    The mixing is the finalizer of SplitMix64 (Steele, Lea and Flood 2014).
    """
    key = ratings.user_id.astype(np.uint64) << np.uint64(32) | ratings.movie_id.astype(np.uint64)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((key ^ (key >> np.uint64(31))) % np.uint64(N_FOLDS)).astype(np.int64)


def _pack(lines: tuple[str, ...] | list[str]) -> NDArray[np.uint8]:
    return np.frombuffer(_SEPARATOR.join(lines).encode(), dtype=np.uint8)


def _unpack(packed: NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(packed.tobytes().decode().split(_SEPARATOR))
