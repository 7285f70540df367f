"""Answers to questions: predictions that a history is part of, and lists of movies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from movielens.errors import DataError, RequestError
from movielens.model import Model
from movielens.queries import RatingQueries
from serve.candidates import Candidates
from serve.onboarding import ToRate
from serve.predicted_rows import PredictedRows, predict_rows
from serve.questions import HISTORY, History, Question, Wanted
from serve.unknown_ids import unknown_in_question

# The user of a history. The user id of the request says nothing then, because the
# ratings that training has of this user don't count. Training has no ids below 0.
_HISTORY_USER = -1


@dataclass(frozen=True, slots=True, eq=False)
class QuestionAnswer:
    """A question with its answer.

    Attributes:
        question: what was asked.
        knows_user: whether the user has ratings, in training or in the history.
        rows: the one prediction asked for, or the recommended movies, best first; none
            if movies to rate were asked for.
        to_rate: these movies, None if they weren't asked for.
    """

    question: Question
    knows_user: bool
    rows: PredictedRows
    to_rate: ToRate | None = None


class _Asked(NamedTuple):
    """Whom a question is about.

    Attributes:
        model: knows the history, if the question has one.
        user_id: of the user in that model.
        knows_user: whether it has ratings of the user.
    """

    model: Model
    user_id: int
    knows_user: bool


@dataclass(slots=True, eq=False)
class QuestionAnswerer:
    """Answers the questions of one request.

    Questions with the same history that follow each other share the work on it.

    Attributes:
        model: as trained.
        candidates: of the model.
        refuse_unknown: whether users and movies that training didn't know are errors.
    """

    model: Model
    candidates: Candidates
    refuse_unknown: bool = False
    _latest: tuple[History, Model] | None = None

    def answer(self, question: Question) -> QuestionAnswer:
        """The answer.

        Raises:
            RequestError: if the history has a rating off the model's scale, no movie
                has one of the genres, or an unknown id is refused.
        """
        asked = self._asked(question)
        wanted = question.wanted
        if wanted is not None and wanted.is_onboarding:
            rows = predict_rows(asked.model, RatingQueries.none())
            to_rate = self._choose_to_rate(question, wanted)
            return QuestionAnswer(question, asked.knows_user, rows, to_rate)
        if wanted is None:
            movie_id = np.array([question.movie_id], dtype=np.int64)
            queries = _queries(asked.user_id, movie_id, question.timestamp)
            rows = predict_rows(asked.model, queries)
        else:
            rows = self._recommend(asked, question, wanted)
        return QuestionAnswer(question, asked.knows_user, rows)

    def check(self, question: Question) -> None:
        """Raise what `answer` would, without the predictions."""
        self._asked(question)
        if question.wanted is not None:
            self.candidates.passing(question.wanted)

    def _asked(self, question: Question) -> _Asked:
        if question.history is None and question.user_id is not None:
            model, user_id = self.model, question.user_id
        else:
            model = self._model_with(question.history or ())
            user_id = _HISTORY_USER
        knows_user = bool(model.knows_user(np.array([user_id]))[0])
        if self.refuse_unknown:
            fault = unknown_in_question(self.model, question, knows_user)
            if fault is not None:
                raise RequestError(fault)
        return _Asked(model, user_id, knows_user)

    def _recommend(
        self, asked: _Asked, question: Question, wanted: Wanted
    ) -> PredictedRows:
        """The candidates with the highest expected rating."""
        chosen = self._choose(question, wanted)
        movie_id = self.model.movies.movie_id[chosen].astype(np.int64)
        queries = _queries(asked.user_id, movie_id, question.timestamp)
        predicted = predict_rows(asked.model, queries)
        # The catalogue is sorted by movie id, so equals are too.
        order = np.argsort(-predicted.predicted.expected_rating, kind="stable")
        return predicted.take(order[: wanted.count])

    def _choose_to_rate(self, question: Question, wanted: Wanted) -> ToRate:
        """Those candidates whose ratings would tell most of the user."""
        if question.history is None:
            rated = self._rated_in_training(question)
        else:
            rated = self._brought(question)
        chosen = self._choose(question, wanted)
        return self.candidates.onboarding.choose(chosen, rated, wanted.count)

    def _choose(self, question: Question, wanted: Wanted) -> NDArray[np.int64]:
        """Indexes of the movies to choose from.

        They pass the filters, and the user has rated them neither in training nor in
        the history.
        """
        passes = self.candidates.passing(wanted)
        passes[self._rated_in_training(question)] = False
        passes[self._brought(question)] = False
        return np.flatnonzero(passes)

    def _rated_in_training(self, question: Question) -> NDArray[np.int64]:
        """Indexes of the movies that the user has rated in training."""
        if question.user_id is None:
            return np.empty(0, dtype=np.int64)
        spec = self.model.spec
        user_id = np.array([question.user_id])
        user_index = int(spec.users.index(user_id)[0])
        rated = spec.profiles.rated(user_index)
        return rated.astype(np.int64)

    def _brought(self, question: Question) -> NDArray[np.int64]:
        """Indexes of the movies of the history that the catalogue lists."""
        movie_id = _column(question.history or (), "movie_id", np.int64)
        index = self.model.movie_index(movie_id)
        return index[index >= 0]

    def _model_with(self, history: History) -> Model:
        """The model with that history as the ratings of `_HISTORY_USER`.

        Ratings of movies that the catalogue doesn't list are left out.
        """
        if self._latest is not None and self._latest[0] == history:
            return self._latest[1]
        movie_id = _column(history, "movie_id", np.int64)
        stars = _column(history, "rating", np.float64)
        seconds = _column(history, "timestamp", np.float64)
        is_listed = self.model.movie_index(movie_id) >= 0
        try:
            # A rating must be on the scale even if its movie is left out.
            self.model.spec.scale.to_class(stars)
            spec = self.model.spec.with_user_history(
                _HISTORY_USER,
                movie_id[is_listed],
                stars[is_listed],
                seconds[is_listed],
            )
        except DataError as error:
            raise RequestError(f"{HISTORY}: {error}") from None
        model = replace(self.model, spec=spec)
        self._latest = (history, model)
        return model


def _queries(
    user_id: int, movie_id: NDArray[np.int64], timestamp: float
) -> RatingQueries:
    """Rows of one user at one time."""
    n_rows = len(movie_id)
    return RatingQueries(np.full(n_rows, user_id), movie_id, np.full(n_rows, timestamp))


def _column(
    history: History, name: str, dtype: type[np.int64 | np.float64]
) -> NDArray[Any]:
    return np.array([getattr(rating, name) for rating in history], dtype=dtype)
