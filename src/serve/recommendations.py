"""Answers to questions: predictions by a user's own history, and the movies with the
best expected rating for a user.

All movies that may be recommended are scored in one pass, as the rows of any request
are. What is kept of it is what the first trees make of each movie, since they look at
nothing else: it is the same whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.columns import GENRES_COLUMN, MOVIE_ID, USER_ID
from movielens.errors import DataError, RequestError
from movielens.features.parts import Part
from movielens.model import Model
from movielens.queries import RatingQueries
from movielens.tables import MovieTable
from serve.forest import BegunForest, FlatForest
from serve.options import unknown
from serve.predicted_rows import PredictedRows, predict_rows
from serve.questions import HISTORY, History, Question, Wanted
from serve.rows import shown

# Whom a history is of: the id that came with it says nothing, since the user's ratings
# in training don't count.
_NOBODY = 0


@dataclass(frozen=True, eq=False)
class Candidates:
    """What recommendations are chosen from.

    Attributes:
        model: as trained.
        count: int64 (n_movies,), ratings of each movie among the training rows.
    """

    model: Model
    count: NDArray[np.int64]

    @classmethod
    def of(cls, model: Model) -> Self:
        """Those of a model."""
        return cls(model, model.spec.profiles.counts(len(model.spec.movies)))

    @property
    def movies(self) -> MovieTable:
        """The catalogue."""
        return self.model.movies

    def begun(self, model: Model, movie_index: NDArray[np.int64]) -> Model:
        """The model, or a view of it, for rows of these movies."""
        booster, regression = self._begun
        return replace(
            model,
            booster=model.booster if booster is None else booster.take(movie_index),
            regression=model.regression
            if regression is None
            else regression.take(movie_index),
        )

    @cached_property
    def _begun(self) -> tuple[BegunForest | None, BegunForest | None]:
        """What the trees that look at the movie alone say of all movies, where they are
        in the flat form.
        """
        spec, movie_id = self.model.spec, self.movies.movie_id.astype(np.int64)
        features = spec.transform(_rows(_NOBODY, movie_id, np.nan)).values
        columns = np.flatnonzero([column.part is Part.MOVIE for column in spec.columns])
        booster, regression = (
            forest.begun(features, columns) if isinstance(forest, FlatForest) else None
            for forest in (self.model.booster, self.model.regression)
        )
        return booster, regression

    @cached_property
    def _of_genre(self) -> Mapping[str, NDArray[np.int64]]:
        """Indexes of the movies of each genre, its name in lower case."""
        places: dict[str, list[int]] = {}
        for place, genres in enumerate(self.movies.genres):
            for genre in genres:
                places.setdefault(genre.lower(), []).append(place)
        return {genre: np.array(movies) for genre, movies in places.items()}

    def among(self, wanted: Wanted) -> NDArray[np.bool_]:
        """Which movies pass the filters, bool (n_movies,).

        Raises:
            RequestError: a genre that no movie has.
        """
        passed = self.count >= wanted.min_ratings
        if wanted.genres:
            of_any = np.zeros_like(passed)
            for genre in wanted.genres:
                of_any[self._of(genre)] = True
            passed &= of_any
        if wanted.year_from is not None or wanted.year_to is not None:
            year = self.movies.year
            low, high = (
                wanted.year_from or 1,
                9999 if wanted.year_to is None else wanted.year_to,
            )
            passed &= (year >= low) & (year <= high)  # an unknown year is 0
        return passed

    def _of(self, genre: str) -> NDArray[np.int64]:
        movies = self._of_genre.get(genre.lower())
        if movies is None:
            known = ", ".join(
                sorted({name for names in self.movies.genres for name in names})
            )
            raise RequestError(
                f"{GENRES_COLUMN}: no movie has {shown(genre)!r}, expected some of {known}"
            )
        return movies


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A question with its answer.

    Attributes:
        question: what was asked.
        knows_user: whether there are ratings of the user, from training or from the
            history.
        predictions: the one asked for, or those of the recommended movies, best first.
    """

    question: Question
    knows_user: bool
    predictions: PredictedRows


@dataclass(slots=True, eq=False)
class Answerer:
    """Answers the questions of one request; those that follow each other with the same
    history share its view.

    Attributes:
        model: as trained.
        candidates: of the model.
        strict: whether users and movies that training didn't know are errors.
    """

    model: Model
    candidates: Candidates
    strict: bool = False
    _view: tuple[History, Model] | None = None

    def answer(self, question: Question) -> Answer:
        """The answer.

        Raises:
            RequestError: a rating off the model's scale, a genre that no movie has, or
                what ``strict`` refuses.
        """
        model, user_id = self.model, question.user_id
        if question.history is not None or user_id is None:
            model, user_id = self._model_of(question.history or ()), _NOBODY
        knows_user = bool(model.knows_user(np.array([user_id]))[0])
        if self.strict:
            self._refuse_unknown(question, knows_user)
        if question.wanted is None:
            queries = _rows(user_id, np.array([question.movie_id]), question.timestamp)
            return Answer(question, knows_user, predict_rows(model, queries))
        chosen = self._choice(question, question.wanted)
        queries = _rows(user_id, self.model.movies.movie_id[chosen], question.timestamp)
        predictions = predict_rows(
            self.candidates.begun(model, chosen), queries
        )._replace(model=model)
        # By movie id where two are as good, which is the catalogue's order.
        best = np.argsort(-predictions.predictions.expected_rating, kind="stable")[
            : question.wanted.count
        ]
        return Answer(question, knows_user, predictions.take(best))

    def _choice(self, question: Question, wanted: Wanted) -> NDArray[np.int64]:
        """Indexes of the movies to choose from: the user has rated none of them, in
        training or in the history.
        """
        chosen, spec = self.candidates.among(wanted), self.model.spec
        if question.user_id is not None:
            user_index = int(spec.users.index(np.array([question.user_id]))[0])
            chosen[spec.profiles.rated(user_index)] = False
        rated = self.model.movie_index(
            _column(question.history or (), "movie_id", np.int64)
        )
        chosen[rated[rated >= 0]] = False
        return np.flatnonzero(chosen)

    def _model_of(self, history: History) -> Model:
        """The model's view of `_NOBODY` with that history; movies that the catalogue
        doesn't list say nothing of it.
        """
        if self._view is None or self._view[0] != history:
            movie_id = _column(history, "movie_id", np.int64)
            known = self.model.movie_index(movie_id) >= 0
            stars, seconds = (
                _column(history, name, np.float64) for name in ("rating", "timestamp")
            )
            try:
                self.model.spec.scale.to_class(
                    stars
                )  # whether the movies are known or not
                spec = self.model.spec.with_user_history(
                    _NOBODY, movie_id[known], stars[known], seconds[known]
                )
            except DataError as error:
                raise RequestError(f"{HISTORY}: {error}") from None
            self._view = history, replace(self.model, spec=spec)
        return self._view[1]

    def _refuse_unknown(self, question: Question, knows_user: bool) -> None:
        asked = [] if question.movie_id is None else [question.movie_id]
        movies = [*asked, *(rating.movie_id for rating in question.history or ())]
        index = self.model.movie_index(np.array(movies, dtype=np.int64))
        if question.history is None and not knows_user:
            raise RequestError(unknown(USER_ID, question.user_id))
        if (index < 0).any():
            raise RequestError(unknown(MOVIE_ID, movies[int(index.argmin())]))


def _rows(user_id: int, movie_id: NDArray[Any], timestamp: float) -> RatingQueries:
    movies = movie_id.astype(np.int64)
    return RatingQueries(
        np.full(len(movies), user_id), movies, np.full(len(movies), timestamp)
    )


def _column(
    history: History, name: str, dtype: type[np.int64 | np.float64]
) -> NDArray[Any]:
    return np.array([getattr(rating, name) for rating in history], dtype=dtype)
