"""Answers about a model that is really served."""

from __future__ import annotations

from typing import Any

import pytest

from launcher.errors import JobFailedError
from launcher.play.answers import Answers, WrongQuestionError, reasons_of
from launcher.play.data import PlayData
from movielens.tables import RatingTable


def feature(name: str, stars: float, value: float | None = 1.0) -> dict[str, Any]:
    return {"name": name, "stars": stars, "value": value}


def test_a_prediction_is_the_base_and_its_reasons(
    answers: Answers, ratings: RatingTable
) -> None:
    user, movie = int(ratings.user_id[0]), int(ratings.movie_id[0])
    told = answers.predict({"user_id": user, "movie_id": movie})
    reasons = sum(reason["stars"] for reason in told["reasons"])
    total = told["base"] + reasons + told["rest"]
    assert total == pytest.approx(told["expected"], abs=1e-4)
    assert sum(share for _, share in told["probabilities"]) == pytest.approx(
        1, abs=1e-5
    )
    assert told["actual"] == float(ratings.rating[0])
    assert told["known_user"]


def test_somebody_new_is_known_by_their_ratings(
    answers: Answers, ratings: RatingTable
) -> None:
    movies = sorted({*ratings.movie_id.tolist()})
    nobody = answers.predict({"rated": [], "movie_id": movies[0]})
    rated = [[movie, 5] for movie in movies[1:6]]
    somebody = answers.predict({"rated": rated, "movie_id": movies[0]})
    assert (nobody["known_user"], somebody["known_user"]) == (False, True)
    assert somebody["expected"] > nobody["expected"]
    assert nobody["actual"] is None


def test_nothing_is_said_of_a_user_who_is_not_known(
    answers: Answers, ratings: RatingTable
) -> None:
    told = answers.predict({"rated": [], "movie_id": int(ratings.movie_id[0])})
    about = {reason["about"] for reason in told["reasons"]}
    assert about <= {"the movie's ratings", "popularity", "genres", "what isn't known"}


def test_recommendations_leave_out_what_was_rated_and_follow_the_filters(
    answers: Answers,
) -> None:
    first = answers.recommend({"rated": [], "count": 3})["movies"]
    assert len(first) == 3
    best = first[0]["movie_id"]
    after = answers.recommend({"rated": [[best, 4.5]], "count": 13})["movies"]
    assert best not in [movie["movie_id"] for movie in after]

    asked = {"rated": [], "count": 13, "genres": ["Sci-Fi"], "min_ratings": 1}
    for movie in answers.recommend(asked)["movies"]:
        assert "Sci-Fi" in movie["genres"]
    future = {"rated": [], "count": 1, "year_from": 2100, "year_to": None}
    assert answers.recommend(future)["movies"] == []


def test_somebody_new_is_asked_about_what_they_have_not_rated(
    answers: Answers,
) -> None:
    first = answers.onboarding({"rated": [], "count": 3})["movies"]
    assert len(first) == 3
    assert set(first[0]) == {"movie_id", "title"}
    rated = [[first[0]["movie_id"], 2.5]]
    after = answers.onboarding({"rated": rated, "count": 100})["movies"]
    assert len(after) == 12
    assert first[0] not in after
    with pytest.raises(WrongQuestionError):
        answers.onboarding({"rated": []})


class OldServer:
    """Refuses movies to rate, as a server from before there were any."""

    def ask(self, question: dict[str, Any]) -> Any:
        assert "onboarding" in question
        raise JobFailedError(
            "line 1: unknown field 'onboarding', expected some of userId, movieId"
        )


def test_an_old_server_has_the_most_rated_movies_rated_first(
    play_data: PlayData,
) -> None:
    answers = Answers(OldServer(), play_data, "an old server")
    first, second, third = play_data.popular(3)
    asked = {"rated": [[second.movie_id, 4.5]], "count": 2}
    movies = answers.onboarding(asked)["movies"]
    assert [movie["title"] for movie in movies] == [first.title, third.title]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"movie_id": 1},
        {"movie_id": "1", "rated": []},
        {"movie_id": True, "rated": []},
        {"movie_id": 1, "user_id": 1.5},
        {"movie_id": 1, "rated": {}},
        {"movie_id": 1, "rated": [[1]]},
        {"movie_id": 1, "rated": [[1, 2]] * 201},
    ],
)
def test_what_is_no_question_is_refused(
    answers: Answers, asked: dict[str, Any]
) -> None:
    with pytest.raises(WrongQuestionError):
        answers.predict(asked)


def test_a_refusal_has_the_models_words(answers: Answers) -> None:
    with pytest.raises(JobFailedError, match="rating is 7"):
        answers.predict({"movie_id": 1, "rated": [[1, 7]]})


def test_features_about_the_same_are_one_reason() -> None:
    reasons, rest = reasons_of(
        [
            feature("movie_mean", 0.3, 4.26),
            feature("movie_bias", 0.1),
            feature("user_mean", -0.2, 3.04),
            feature("hour", 0.05, None),
            feature("year", 0.001),
        ],
        knows_user=True,
    )
    assert [reason["stars"] for reason in reasons] == pytest.approx([0.4, -0.2, 0.05])
    assert [reason["words"] for reason in reasons] == [
        "others rate this movie well",
        "this user tends to give few stars",
        "what isn't known of user and moment speaks for more stars",
    ]
    assert [reason["detail"] for reason in reasons] == [
        "about 4.3 stars on average",
        "about 3.0 stars on average",
        "",
    ]
    assert rest == pytest.approx(0.001)


def test_the_page_begins_with_what_the_files_have(
    answers: Answers, ratings: RatingTable
) -> None:
    start = answers.start()
    users = sorted({*ratings.user_id.tolist()})
    assert start["users"] == [users[0], users[-1]]
    assert start["n_movies"] == 13
    counts = [int((ratings.movie_id == each).sum()) for each in ratings.movie_id]
    assert start["movie"]["n_ratings"] == max(counts)
    assert "Comedy" in start["genres"]
    assert answers.user(users[0])["n_ratings"] > 0
    assert answers.user(10**9)["mean"] is None
