"""The movies that recommendations, and movies to rate, are chosen from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.columns import GENRES_COLUMN
from movielens.errors import RequestError
from movielens.model import Model
from movielens.tables import MovieTable
from serve.fields import shown
from serve.onboarding import Onboarding
from serve.questions import Wanted


@dataclass(frozen=True, eq=False)
class Candidates:
    """All movies of a model's catalogue.

    Attributes:
        model: as trained.
        n_ratings: int64 (n_movies,), the number of ratings of each movie in training.
    """

    model: Model
    n_ratings: NDArray[np.int64]

    @classmethod
    def of(cls, model: Model) -> Self:
        """The candidates of a model."""
        return cls(model, model.spec.profiles.counts(len(model.spec.movies)))

    @property
    def movies(self) -> MovieTable:
        """The catalogue."""
        return self.model.movies

    @cached_property
    def onboarding(self) -> Onboarding:
        """What the rating of each movie tells of its user."""
        return Onboarding.of(self.model.spec, self.n_ratings)

    @cached_property
    def _movies_by_genre(self) -> Mapping[str, NDArray[np.int64]]:
        """Indexes of the movies of each genre, its name in lower case."""
        indexes: dict[str, list[int]] = {}
        for index, genres in enumerate(self.movies.genres):
            for genre in genres:
                indexes.setdefault(genre.lower(), []).append(index)
        by_genre = {}
        for genre, movies in indexes.items():
            by_genre[genre] = np.array(movies, dtype=np.int64)
        return by_genre

    def passing(self, wanted: Wanted) -> NDArray[np.bool_]:
        """Which movies pass the filters, bool (n_movies,).

        Raises:
            RequestError: if no movie has one of the genres.
        """
        passes = self.n_ratings >= wanted.min_ratings
        if wanted.genres:
            has_a_genre = np.zeros_like(passes)
            for genre in wanted.genres:
                has_a_genre[self._movies_of(genre)] = True
            passes &= has_a_genre
        year = self.movies.year
        if wanted.year_from is not None or wanted.year_to is not None:
            passes &= year > 0  # an unknown year is 0
        if wanted.year_from is not None:
            passes &= year >= wanted.year_from
        if wanted.year_to is not None:
            passes &= year <= wanted.year_to
        return passes

    def _movies_of(self, genre: str) -> NDArray[np.int64]:
        movies = self._movies_by_genre.get(genre.lower())
        if movies is None:
            genres = {name for names in self.movies.genres for name in names}
            raise RequestError(
                f"{GENRES_COLUMN}: no movie has {shown(genre)!r}, "
                f"expected some of {', '.join(map(repr, sorted(genres)))}"
            )
        return movies
