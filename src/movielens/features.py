"""The one featurizer: fitted on training rows, then the same for a training row and for a request.

A `FeatureSpec` holds the catalogue as dense columns and the ids that training saw; `transform` is a lookup by id and a
gather, so that a row costs the same whether it comes from a file of millions or alone over HTTP. What isn't known is
NaN, which XGBoost sends its own way: an unknown user or movie, a movie without listed genres or year, a query without
a timestamp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.columns import GENRES, MOVIE_ID, TIMESTAMP, USER_ID
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable

Arrays = Mapping[str, NDArray[Any]]

FEATURE_NAMES = (USER_ID, MOVIE_ID, TIMESTAMP, *(f"genre_{genre}" for genre in GENRES), "year")
_SEPARATOR = "\n"


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMatrix:
    """Feature values with their names.

    Attributes:
        values: float32 (n_rows, n_features), C order, NaN where unknown.
        names: one a column.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.values.dtype != np.float32 or self.values.shape[1:] != (len(self.names),):
            raise ValueError(f"values are {self.values.dtype}{self.values.shape}, names {len(self.names)}")

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class IdIndex:
    """Raw ids to dense indexes.

    Attributes:
        ids: int64 (n_ids,), rising.
    """

    ids: NDArray[np.int64]

    @classmethod
    def of(cls, raw: NDArray[np.signedinteger[Any]]) -> Self:
        """The index of the ids among ``raw``, each as often as it may occur."""
        return cls(np.unique(raw).astype(np.int64))

    def index(self, raw: NDArray[np.signedinteger[Any]]) -> NDArray[np.int64]:
        """The place of each raw id, int64 (n_rows,), 0 to n_ids - 1, and -1 where the id is unknown."""
        if not len(self.ids):
            return np.full(len(raw), -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.ids, raw), len(self.ids) - 1)
        return np.where(self.ids[place] == raw, place, -1)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSpec:
    """The fitted recipe.

    Attributes:
        users: the users with ratings in the training rows.
        movies: the catalogue that training read.
        movie_features: float32 (n_movies + 1, 1 + n_genres + 1): id, genre flags, year; the last row, all NaN, stands
            for every unknown movie, which is why index -1 needs no branch.
    """

    users: IdIndex
    movies: MovieTable
    movie_index: IdIndex
    movie_features: NDArray[np.float32]

    names = FEATURE_NAMES

    @classmethod
    def fit(cls, ratings: RatingTable, movies: MovieTable) -> Self:
        """Learn from the training rows alone; ``movies`` is the whole catalogue, which carries no rating."""
        return cls._of(IdIndex.of(ratings.user_id), movies)

    @classmethod
    def _of(cls, users: IdIndex, movies: MovieTable) -> Self:
        return cls(users, movies, IdIndex.of(movies.movie_id), _movie_features(movies))

    def transform(self, queries: RatingQueries) -> FeatureMatrix:
        """Features of any rows, known ids or not, float32 (n_rows, n_features)."""
        values = np.empty((len(queries), len(self.names)), dtype=np.float32)
        values[:, 0] = np.where(self.users.index(queries.user_id) < 0, np.nan, queries.user_id)
        movie_features = self.movie_features[self.movie_index.index(queries.movie_id)]
        values[:, 1] = movie_features[:, 0]
        values[:, 2] = queries.timestamp
        values[:, 3:] = movie_features[:, 1:]
        return FeatureMatrix(values, self.names)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What `from_arrays` needs, as arrays without objects: text is UTF-8 bytes, a line a movie."""
        return {
            "user_id": self.users.ids,
            "movie_id": self.movies.movie_id,
            "title": _pack(self.movies.title),
            "genres": _pack(["|".join(genres) for genres in self.movies.genres]),
            "year": self.movies.year,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The spec that `to_arrays` was called on; raises KeyError or ValueError where the arrays aren't its."""
        genres = tuple(tuple(line.split("|")) if line else () for line in _unpack(arrays["genres"]))
        movies = MovieTable(arrays["movie_id"], _unpack(arrays["title"]), genres, arrays["year"])
        return cls._of(IdIndex(arrays["user_id"]), movies)


def _movie_features(movies: MovieTable) -> NDArray[np.float32]:
    """A row a movie and one more for the unknown.

    IMAX is a format that says nothing of a film's kind, so it sets no flag. A movie whose genres nobody listed isn't a
    movie of no genre: its flags are NaN, not 0.
    """
    column = {genre: place for place, genre in enumerate(GENRES, start=1)}
    features = np.zeros((len(movies) + 1, len(GENRES) + 2), dtype=np.float32)
    features[:-1, 0] = movies.movie_id
    for row, genres in enumerate(movies.genres):
        flags = [column[genre] for genre in genres if genre in column]
        features[row, flags if flags else slice(1, -1)] = 1 if flags else np.nan
    features[:-1, -1] = np.where(movies.year == 0, np.nan, movies.year)
    features[-1] = np.nan
    return features


def _pack(lines: tuple[str, ...] | list[str]) -> NDArray[np.uint8]:
    return np.frombuffer(_SEPARATOR.join(lines).encode(), dtype=np.uint8)


def _unpack(packed: NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(packed.tobytes().decode().split(_SEPARATOR))
