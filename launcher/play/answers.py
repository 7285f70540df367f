"""What the page asks, and what it is told.

The page asks in JSON. Here its questions become those of the server of models, whose
own checks say what is wrong with ids, ratings and filters. Contributions of features
become reasons: features that are about the same thing are added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from launcher.errors import ConfigError, JobFailedError
from launcher.play.asking import Asks
from launcher.play.data import Movie, PlayData
from movielens.columns import GENRES, MOVIE_ID, RATING, USER_ID
from movielens.feature_words import (
    MOVIE,
    OF_THE_MOVIE,
    UNKNOWN,
    USER,
    Reason,
    reason_of,
)

# The most that a server of models names; all others move a rating very little.
_MOST_FEATURES = 100
_SHOWN_REASONS = 6
# A reason that adds less than this isn't worth a line.
_LEAST_STARS = 0.005
_MOST_RATED = 200

# A feature's value that says more than its reason alone.
_DETAILS = {
    MOVIE: ("movie_mean", "about {:.1f} stars on average"),
    USER: ("user_mean", "about {:.1f} stars on average"),
}
_FILTERS = ("genres", "year_from", "year_to", "min_ratings")


class WrongQuestionError(ConfigError):
    """The page asked something that isn't a question."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Answers the page's questions.

    Attributes:
        model: answers about ratings.
        data: answers about titles.
        source: what the model is, for the page's head.
    """

    model: Asks
    data: PlayData
    source: str

    def start(self) -> dict[str, Any]:
        """What the page needs to know once."""
        years = [movie.year for movie in self.data.movies.values() if movie.year]
        users = self.data.ratings.users.tolist()
        popular = [_movie(movie) for movie in self.data.popular(1)]
        return {
            "source": self.source,
            "n_movies": len(self.data.movies),
            "genres": list(GENRES),
            "years": [min(years), max(years)] if years else [],
            "users": [users[0], users[-1]] if users else [],
            "movie": popular[0] if popular else None,
        }

    def movies(self, text: str) -> list[dict[str, Any]]:
        """Movies by title."""
        return [_movie(movie) for movie in self.data.search(text)]

    def user(self, user_id: int) -> dict[str, Any]:
        """What the files say of a user."""
        rated = self.data.ratings.by_movie(user_id)
        favourites = [
            {**_movie(movie), "stars": stars}
            for movie, stars in self.data.favourites(user_id)
        ]
        mean = sum(rated.values()) / len(rated) if rated else None
        return {
            "user_id": user_id,
            "n_ratings": len(rated),
            "mean": mean,
            "favourites": favourites,
        }

    def predict(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The distribution of a rating, and why it is as it is.

        Raises:
            WrongQuestionError: it isn't a question.
            LauncherError: the model refused it, or can't be asked.
        """
        movie_id = _whole(asked, "movie_id")
        row = {**_who(asked), MOVIE_ID: movie_id}
        parameters = {"contributions": _MOST_FEATURES}
        answer = self.model.ask({"instances": [row], "parameters": parameters})
        (told,) = answer["predictions"]

        why = told["contributions"]
        reasons, rest = reasons_of(why["features"], told["known_user"])
        return {
            **_rated(told),
            "known_user": told["known_user"],
            "known_movie": told["known_movie"],
            "base": why["base_rating"],
            "reasons": reasons,
            "rest": rest + why["others"],
            "actual": self.data.rating(asked.get("user_id"), movie_id),
        }

    def recommend(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The movies that a user would like best.

        Raises:
            WrongQuestionError: it isn't a question.
            LauncherError: the model refused it, or can't be asked.
        """
        question = _who(asked)
        question["recommend"] = _whole(asked, "count")
        for name in _FILTERS:
            if asked.get(name):
                question[name] = asked[name]

        told = self.model.ask(question)
        return {
            "known_user": told["known_user"],
            "movies": [_rated(movie) for movie in told["recommendations"]],
        }

    def onboarding(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The movies that somebody new should be asked to rate first.

        Older servers can't be asked this; then they are the most rated ones.

        Raises:
            WrongQuestionError: it isn't a question.
            LauncherError: the model refused it, or can't be asked.
        """
        question = _who(asked)
        count = _whole(asked, "count")
        try:
            told = self.model.ask({**question, "onboarding": count})
        except JobFailedError as error:
            if "unknown field 'onboarding'" not in str(error):
                raise
            return {"movies": self._most_rated(question, count)}
        movies = [
            {"movie_id": movie[MOVIE_ID], "title": movie["title"]}
            for movie in told["onboarding"]
        ]
        return {"movies": movies}

    def _most_rated(
        self, question: Mapping[str, Any], count: int
    ) -> list[dict[str, Any]]:
        """The movies with the most ratings that aren't in the question's history."""
        rated = [rating[MOVIE_ID] for rating in question.get("history", ())]
        popular = self.data.popular(max(count, 0) + len(rated))
        others = [movie for movie in popular if movie.movie_id not in rated]
        return [
            {"movie_id": movie.movie_id, "title": movie.title}
            for movie in others[:count]
        ]


def reasons_of(
    features: Iterable[Mapping[str, Any]], knows_user: bool
) -> tuple[list[dict[str, Any]], float]:
    """The strongest reasons, and the stars of all others together.

    What isn't known moves a rating too: away from what such features add on average.

    Args:
        features: name, value and stars of each.
        knows_user: whether what features say of the user is about this user.
    """
    stars: dict[Reason, float] = {}
    values: dict[str, float | None] = {}
    for feature in features:
        reason = reason_of(feature["name"])
        is_of_user = reason not in OF_THE_MOVIE
        if feature["value"] is None or (is_of_user and not knows_user):
            reason = UNKNOWN
        stars[reason] = stars.get(reason, 0.0) + feature["stars"]
        values[feature["name"]] = feature["value"]

    strongest = sorted(stars, key=lambda reason: -abs(stars[reason]))
    shown = [
        reason
        for reason in strongest[:_SHOWN_REASONS]
        if abs(stars[reason]) >= _LEAST_STARS
    ]
    rest = sum(stars[reason] for reason in strongest if reason not in shown)
    return [_in_words(reason, stars[reason], values) for reason in shown], rest


def _in_words(
    reason: Reason, stars: float, values: Mapping[str, float | None]
) -> dict[str, Any]:
    words = reason.raises if stars >= 0 else reason.lowers
    feature, detail = _DETAILS.get(reason, ("", ""))
    value = values.get(feature)
    return {
        "about": reason.name,
        "words": words,
        "detail": "" if value is None else detail.format(value),
        "stars": stars,
    }


def _movie(movie: Movie) -> dict[str, Any]:
    return {
        "movie_id": movie.movie_id,
        "title": movie.title,
        "genres": list(movie.genres),
        "n_ratings": movie.n_ratings,
    }


def _rated(told: Mapping[str, Any]) -> dict[str, Any]:
    """A movie with its predicted rating, as the server of models tells it."""
    return {
        "movie_id": told[MOVIE_ID],
        "title": told["title"],
        "genres": told["genres"] or [],
        "rating": told[RATING],
        "expected": told["expected_rating"],
        "probabilities": [
            [float(stars), share] for stars, share in told["probabilities"].items()
        ],
    }


def _who(asked: Mapping[str, Any]) -> dict[str, Any]:
    """A user of the data, or somebody new with their own ratings."""
    if asked.get("user_id") is not None:
        return {USER_ID: _whole(asked, "user_id")}
    rated = asked.get("rated")
    if not isinstance(rated, list) or len(rated) > _MOST_RATED:
        raise WrongQuestionError(
            f"expected user_id, or rated: a list of at most {_MOST_RATED} pairs"
        )
    history: list[dict[str, Any]] = []
    for pair in rated:
        if not isinstance(pair, list) or len(pair) != 2:
            raise WrongQuestionError("expected pairs of movie id and stars in rated")
        movie_id, stars = pair
        history.append({MOVIE_ID: movie_id, RATING: stars})
    return {"history": history}


def _whole(asked: Mapping[str, Any], name: str) -> int:
    value = asked.get(name)
    if type(value) is not int:
        raise WrongQuestionError(f"{name} is {value!r}, expected a whole number")
    return value
