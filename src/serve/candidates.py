"""The movies that recommendations, and movies to rate, are chosen from.

All candidates are scored in one pass. The first trees of a model look at nothing but
the movie, so their sums are the same for all who are answered by them. They are
computed once, when the first question comes, and kept. Unknown users with a timestamp
are answered by other trees (`train.schedule`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.columns import GENRES_COLUMN
from movielens.errors import RequestError
from movielens.features.era import KNOWS_NOT_DATE_ALONE
from movielens.features.parts import Part
from movielens.model import Booster, Model
from movielens.queries import RatingQueries
from movielens.tables import MovieTable
from serve.fields import shown
from serve.forest import FlatForest, ResumedForest
from serve.onboarding import Onboarding
from serve.questions import Wanted

# Features of a movie are the same for every user, so any will do. Training has no ids
# below 0. Without a time, the first trees answer.
_ANY_USER = -1


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

    def resume(
        self,
        model: Model,
        movie_index: NDArray[np.int64],
        *,
        knows_date_alone: bool,
    ) -> Model:
        """A model that leaves out the trees that look at the movie alone.

        Their sums are known already. It predicts rows of just these movies, in this
        order, to the same bits.

        Args:
            model: this model, or one with another user's history.
            movie_index: int64 (n_rows,), the place of each row's movie in `movies`.
            knows_date_alone: whether the user is unknown and the time given. Then the
                model is the same as before.
        """
        if knows_date_alone:
            return model
        booster, regression = self._resumed
        return replace(
            model,
            booster=_of_rows(booster, movie_index) or model.booster,
            regression=_of_rows(regression, movie_index) or model.regression,
        )

    @cached_property
    def onboarding(self) -> Onboarding:
        """What the rating of each movie tells of its user."""
        return Onboarding.of(self.model.spec, self.n_ratings)

    @cached_property
    def _resumed(self) -> tuple[ResumedForest | None, ResumedForest | None]:
        """The trees after those that look at the movie alone, for all movies.

        None for the booster or the regression if its trees aren't in the flat form.
        """
        spec = self.model.spec
        movie_id = self.movies.movie_id.astype(np.int64)
        n_movies = len(movie_id)
        queries = RatingQueries(
            np.full(n_movies, _ANY_USER), movie_id, np.full(n_movies, np.nan)
        )
        features = spec.transform(queries).values
        of_the_movie = [
            column.part is Part.MOVIE or column.name == KNOWS_NOT_DATE_ALONE
            for column in spec.columns
        ]
        columns = np.flatnonzero(of_the_movie)

        def resumed(trees: Booster | None) -> ResumedForest | None:
            if not isinstance(trees, FlatForest):
                return None
            return trees.resumed(features, columns)

        return resumed(self.model.booster), resumed(self.model.regression)

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


def _of_rows(
    trees: ResumedForest | None, rows: NDArray[np.int64]
) -> ResumedForest | None:
    return None if trees is None else trees.take(rows)
