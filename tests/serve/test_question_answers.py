"""Lists of movies, and users who send their own ratings, from bodies to answers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from movielens.errors import RequestError
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable
from serve.endpoint import AnswerRules, answer
from serve.negotiation import RequestHeaders
from serve.served_model import ServedModel

CSV = "text/csv"
JSON = "application/json"
LINES = "application/jsonlines"

BATCH = AnswerRules(lenient=True)
NO_MOVIE = 10**8


def ask(served: ServedModel, question: object, attributes: str | None = None) -> Any:
    headers = RequestHeaders(JSON, None, attributes)
    return json.loads(answer(served, headers, json.dumps(question).encode()).body)


def recommended(served: ServedModel, question: dict[str, Any]) -> list[int]:
    """Ids of the recommended movies."""
    found = ask(served, question)["recommendations"]
    return [movie["movieId"] for movie in found]


def history_of(ratings: RatingTable, user: int) -> list[dict[str, Any]]:
    assert ratings.timestamp is not None
    history = []
    for row in np.flatnonzero(ratings.user_id == user):
        rating = {
            "movieId": int(ratings.movie_id[row]),
            "rating": float(ratings.rating[row]),
            "timestamp": int(ratings.timestamp[row]),
        }
        history.append(rating)
    return history


@pytest.fixture
def user(ratings: RatingTable) -> int:
    """The user who has rated the fewest movies."""
    users, counts = np.unique(ratings.user_id, return_counts=True)
    return int(users[counts.argmin()])


@pytest.fixture
def rated(ratings: RatingTable, user: int) -> set[int]:
    """The movies that this user has rated."""
    movies: list[int] = ratings.movie_id[ratings.user_id == user].tolist()
    return set(movies)


def test_recommended_are_the_best_that_the_user_has_not_rated(
    served: ServedModel, movies: MovieTable, user: int, rated: set[int]
) -> None:
    unrated = [each for each in movies.movie_id.tolist() if each not in rated]
    assert rated
    assert len(unrated) > 2
    predicted = [ask(served, {"userId": user, "movieId": each}) for each in unrated]
    best = sorted(
        predicted, key=lambda record: (-record["expected_rating"], record["movieId"])
    )
    expected = []
    for record in best:
        for name in ("userId", "known_user", "known_movie"):
            del record[name]
        expected.append(record)
    found = ask(served, {"userId": user, "recommend": 1000})
    assert (found["userId"], found["known_user"]) == (user, True)
    assert found["recommendations"] == expected
    best_two = ask(served, {"userId": user, "recommend": 2})
    assert best_two["recommendations"] == expected[:2]


def test_filters_leave_movies_out(served: ServedModel, movies: MovieTable) -> None:
    question = {"userId": 2, "recommend": 100}
    assert not ask(served, question)["known_user"]
    assert set(recommended(served, question)) == set(movies.movie_id.tolist())
    comedies = recommended(served, question | {"genres": ["COMEDY"]})
    assert set(comedies) == {
        movie_id
        for movie_id, genres in zip(movies.movie_id, movies.genres, strict=True)
        if "Comedy" in genres
    }
    no_year = {"year_from": None, "genres": None, "min_ratings": None}
    assert len(recommended(served, question | no_year)) == len(movies)


def test_csv_asks_for_users_and_answers_a_line_each(
    served: ServedModel, user: int
) -> None:
    content_type = f"{CSV}; recommend=3; genres=Comedy|Sci-Fi; min_ratings=1"
    wanted = {"recommend": 3, "genres": ["Comedy", "Sci-Fi"], "min_ratings": 1}
    records = [
        ask(served, {"userId": user, **wanted}),
        ask(served, {"userId": 2, "timestamp": 1.4e9, **wanted}),
    ]
    expected = []
    for record in records:
        fields = [str(movie["movieId"]) for movie in record["recommendations"]]
        expected.append(",".join(fields + [""] * (3 - len(fields))))

    def lines_of(headers: RequestHeaders, body: str) -> list[str]:
        return answer(served, headers, body.encode()).body.decode().split("\n")

    users = f"{user},\n2,1400000000"
    assert lines_of(RequestHeaders(content_type), users) == expected
    named = f"rating,userId\n3.0,{user}"
    assert lines_of(RequestHeaders(content_type), named) == expected[:1]

    verbose = RequestHeaders(content_type, f"{CSV}; verbose=true; header=present")
    header, line, _ = lines_of(verbose, users)
    names = "movieId_{0},expected_rating_{0}"
    assert header == ",".join(names.format(number) for number in (1, 2, 3))
    best = records[0]["recommendations"][0]
    assert line.startswith(f"{best['movieId']},{best['expected_rating']!r},")


def test_fields_are_empty_if_movies_run_out(
    served: ServedModel, movies: MovieTable
) -> None:
    def line(content_type: str, accept: str | None = None) -> bytes:
        return answer(served, RequestHeaders(content_type, accept), b"2").body

    too_many = f"{CSV}; recommend={len(movies) + 2}"
    assert line(too_many).endswith(b",,")
    nothing = f"{CSV}; recommend=2; year_from=9999"
    assert line(nothing) == b","
    assert line(nothing, f"{CSV}; verbose=true") == b",,,"


# Histories


def test_a_history_counts_as_if_training_had_seen_it(
    served: ServedModel, ratings: RatingTable, user: int
) -> None:
    query = {"movieId": int(ratings.movie_id[3]), "timestamp": 1.6e9}
    brought = query | {"history": history_of(ratings, user)}
    by_training = ask(served, query | {"userId": user})
    by_history = ask(served, brought)
    assert by_history["expected_rating"] == pytest.approx(
        by_training["expected_rating"], abs=0.2
    )
    assert by_history["known_user"]
    assert by_history["userId"] is None
    of_somebody = ask(served, brought | {"userId": 10**9})
    assert of_somebody == by_history | {"userId": 10**9}


def test_a_history_is_the_view_of_the_spec(
    served: ServedModel, movies: MovieTable
) -> None:
    history = [
        {"movieId": int(movie_id), "rating": 4.5} for movie_id in movies.movie_id[:5]
    ]
    found = ask(served, {"movieId": int(movies.movie_id[8]), "history": history})
    view = served.model.spec.with_user_history(5, movies.movie_id[:5], np.full(5, 4.5))
    queries = RatingQueries(
        np.array([5]), movies.movie_id[8:9].astype(np.int64), np.array([np.nan])
    )
    features = view.transform(queries).values
    features[:, 0] = 0  # the user id, which says nothing of a user with a history
    probabilities = served.model.booster.inplace_predict(
        features, validate_features=False
    )
    expected = [float(str(probability)) for probability in probabilities[0]]
    assert list(found["probabilities"].values()) == expected


def test_movies_of_training_and_history_are_not_recommended(
    served: ServedModel, movies: MovieTable, user: int, rated: set[int]
) -> None:
    catalogue = set(movies.movie_id.tolist())
    brought = min(catalogue - rated)
    history = [{"movieId": brought, "rating": 5}, {"movieId": NO_MOVIE, "rating": 1}]
    question = {"recommend": 100, "history": history}
    of_user = recommended(served, question | {"userId": user})
    assert set(of_user) == catalogue - rated - {brought}
    assert set(recommended(served, question)) == catalogue - {brought}


def test_a_history_that_says_nothing_is_an_unknown_user(
    served: ServedModel, ratings: RatingTable
) -> None:
    pair = {"userId": 2, "movieId": int(ratings.movie_id[0])}
    assert ask(served, pair | {"history": []}) == ask(served, pair)
    unlisted = [{"movieId": NO_MOVIE, "rating": 5}]
    assert not ask(served, pair | {"history": unlisted})["known_user"]


def test_a_rating_off_the_scale_is_refused_even_of_an_unlisted_movie(
    served: ServedModel,
) -> None:
    for movie_id in (1, NO_MOVIE):
        history = [{"movieId": movie_id, "rating": 3.3}]
        with pytest.raises(RequestError, match="row 1: history: "):
            ask(served, {"movieId": 1, "history": history})


# Movies to rate


def to_rate(
    served: ServedModel, question: dict[str, Any], attributes: str | None = None
) -> list[int]:
    """Ids of the movies to rate."""
    found = ask(served, question, attributes)["onboarding"]
    return [movie["movieId"] for movie in found]


def test_somebody_without_an_id_is_asked_for_ratings(
    served: ServedModel, movies: MovieTable, ratings: RatingTable
) -> None:
    found = ask(served, {"onboarding": 3})
    assert (found["userId"], found["known_user"]) == (None, False)
    first, *_ = listed = found["onboarding"]
    assert len(listed) == 3
    assert set(first) == {"movieId", "title", "genres", "rated_share", "gain"}
    place = movies.movie_id.tolist().index(first["movieId"])
    assert first["title"] == movies.title[place]
    assert first["genres"] == list(movies.genres[place])
    n_raters = int((ratings.movie_id == first["movieId"]).sum())
    n_users = len(np.unique(ratings.user_id))
    assert first["rated_share"] == pytest.approx(n_raters / n_users)
    assert all(movie["gain"] > 0 for movie in listed)
    assert set(to_rate(served, {"onboarding": 100})) == set(movies.movie_id.tolist())


def test_movies_to_rate_go_on_from_the_history(
    served: ServedModel, movies: MovieTable
) -> None:
    first, second, *_ = to_rate(served, {"onboarding": 13})
    history = [{"movieId": first, "rating": 1}, {"movieId": NO_MOVIE, "rating": 5}]
    before = ask(served, {"onboarding": 13})["onboarding"]
    after = ask(served, {"onboarding": 13, "history": history})
    assert after["known_user"]
    ids = [movie["movieId"] for movie in after["onboarding"]]
    assert set(ids) == set(movies.movie_id.tolist()) - {first}
    gain_before = {movie["movieId"]: movie["gain"] for movie in before}
    gain_after = {movie["movieId"]: movie["gain"] for movie in after["onboarding"]}
    assert gain_after[ids[0]] < gain_before[first]
    # The stars say nothing of what is left to ask.
    liked = [{"movieId": first, "rating": 5}]
    assert to_rate(served, {"onboarding": 13, "history": liked}) == ids
    assert second in ids


def test_a_known_user_is_asked_about_what_they_have_not_rated(
    served: ServedModel, movies: MovieTable, user: int, rated: set[int]
) -> None:
    catalogue = set(movies.movie_id.tolist())
    found = ask(served, {"userId": user, "onboarding": 100})
    assert found["known_user"]
    ids = [movie["movieId"] for movie in found["onboarding"]]
    assert set(ids) == catalogue - rated
    brought = min(catalogue - rated)
    history = [{"movieId": brought, "rating": 3}]
    question = {"userId": user, "onboarding": 100, "history": history}
    assert set(to_rate(served, question)) == catalogue - rated - {brought}
    # What training knew of the ratings counts as if it were sent.
    own = [{"movieId": each, "rating": 3} for each in sorted(rated)]
    assert to_rate(served, {"onboarding": 100, "history": own}) == ids


def test_filters_leave_movies_to_rate_out(
    served: ServedModel, movies: MovieTable
) -> None:
    comedies = to_rate(served, {"onboarding": 100, "genres": ["comedy"]})
    for movie_id, genres in zip(movies.movie_id.tolist(), movies.genres, strict=True):
        assert (movie_id in comedies) == ("Comedy" in genres)
    assert to_rate(served, {"onboarding": 2, "year_from": 9999}) == []
    with pytest.raises(RequestError, match="row 1: genres: no movie has 'Opera'"):
        to_rate(served, {"onboarding": 2, "genres": ["Opera"]})


def test_csv_asks_for_movies_to_rate_a_line_each(
    served: ServedModel, user: int
) -> None:
    content_type = f"{CSV}; onboarding=3; min_ratings=1"
    wanted = {"onboarding": 3, "min_ratings": 1}
    records = [ask(served, {"userId": each, **wanted}) for each in (user, -1)]
    expected = []
    for record in records:
        fields = [str(movie["movieId"]) for movie in record["onboarding"]]
        expected.append(",".join(fields + [""] * (3 - len(fields))))
    body = f"{user}\n-1".encode()
    found = answer(served, RequestHeaders(content_type), body).body.decode()
    assert found.split("\n") == expected

    verbose = RequestHeaders(content_type, f"{CSV}; verbose=true; header=present")
    header, _, line = answer(served, verbose, body).body.decode().split("\n")
    assert header == ",".join(f"movieId_{place},gain_{place}" for place in (1, 2, 3))
    first, *_ = records[1]["onboarding"]
    assert line.startswith(f"{first['movieId']},{first['gain']!r},")


def test_movies_to_rate_are_answered_beside_other_questions(
    served: ServedModel, user: int
) -> None:
    rows: list[dict[str, Any]] = [
        {"onboarding": 2},
        {"userId": user, "movieId": 1},
        {"userId": user, "recommend": 2},
        {"onboarding": 2, "history": [{"movieId": 1, "rating": 3}]},
    ]
    alone = [ask(served, row) for row in rows]
    assert ask(served, rows, "contributions=3")[0] == alone[0]
    assert ask(served, rows) == alone
    lines = "\n".join(map(json.dumps, [*rows, {"onboarding": 0}])).encode()
    in_lines = answer(served, RequestHeaders(LINES), lines, BATCH).body.split(b"\n")
    *good, bad = map(json.loads, in_lines)
    assert good == alone
    assert bad["error"]["message"].startswith("line 5: onboarding is 0, expected how")


def test_unknown_ids_beside_movies_to_rate_are_refused_if_the_client_wants_that(
    served: ServedModel, user: int
) -> None:
    strict = "on_unknown=error"
    assert to_rate(served, {"onboarding": 1}, strict)
    assert to_rate(served, {"userId": user, "onboarding": 1}, strict)
    with pytest.raises(RequestError, match="row 1: userId 2 isn't known"):
        to_rate(served, {"userId": 2, "onboarding": 1}, strict)
    unknown = [{"movieId": NO_MOVIE, "rating": 5}]
    with pytest.raises(RequestError, match=f"row 1: movieId {NO_MOVIE} isn't known"):
        to_rate(served, {"onboarding": 1, "history": unknown}, strict)


# Several rows


def test_questions_and_pairs_are_answered_in_their_order(
    served: ServedModel, user: int
) -> None:
    history = [{"movieId": 1, "rating": 3}]
    rows: list[dict[str, Any]] = [
        {"userId": user, "recommend": 2},
        {"userId": user, "movieId": 1},
        {"movieId": 1, "history": history},
        {"movieId": 2, "history": history},
        {"userId": 2, "movieId": 1},
    ]
    alone = [ask(served, row) for row in rows]
    assert ask(served, rows) == alone
    assert ask(served, {"instances": rows}) == {"predictions": alone}

    lines = "\n\n".join(map(json.dumps, rows)).encode()
    in_lines = answer(served, RequestHeaders(LINES), lines).body.split(b"\n")
    assert [json.loads(line) for line in in_lines] == alone

    headers = RequestHeaders(JSON, CSV)
    text = answer(served, headers, json.dumps(rows).encode()).body.decode()
    first, *others = text.split("\n")
    movies = [str(movie["movieId"]) for movie in alone[0]["recommendations"]]
    assert first == ",".join(movies)
    assert list(map(float, others)) == [record["rating"] for record in alone[1:]]


@pytest.mark.parametrize("content_type", [LINES, JSON])
def test_a_bad_question_of_a_batch_keeps_its_place(
    served: ServedModel, user: int, content_type: str
) -> None:
    rows: list[Any] = [
        {"userId": user, "recommend": 1},
        {"userId": user, "movieId": 1},
        {"recommend": 1},
        {"userId": 1, "recommend": 1, "genres": ["Opera"]},
        {"movieId": 1, "history": [{"movieId": 1, "rating": 3.3}]},
    ]
    if content_type == LINES:
        body = "\n".join(map(json.dumps, rows)).encode()
    else:
        body = json.dumps(rows).encode()
    headers = RequestHeaders(content_type, LINES)
    lines = answer(served, headers, body, BATCH).body.split(b"\n")
    records = [json.loads(line) for line in lines]
    messages = [record.get("error", {}).get("message", "") for record in records]
    assert messages[:2] == ["", ""]
    assert messages[2].startswith("line 3: userId is missing")
    assert messages[3].startswith("row 4: genres: no movie has 'Opera', expected some")
    assert messages[4].startswith("row 5: history: ")


def test_a_bad_user_of_a_batch_keeps_its_place(served: ServedModel, user: int) -> None:
    headers = RequestHeaders(f"{CSV}; recommend=1")
    body = f"{user}\nx\n2".encode()
    lines = answer(served, headers, body, BATCH).body.decode().split("\n")
    assert lines[0].isdigit()
    assert lines[1].startswith("\"error: line 2: userId is 'x', expected a whole")
    assert lines[2].isdigit()


# Options


def test_contributions_of_recommendations_add_up(
    served: ServedModel, user: int
) -> None:
    found = ask(served, {"userId": user, "recommend": 2}, "contributions=3")
    assert len(found["recommendations"]) == 2
    for movie in found["recommendations"]:
        parts = movie["contributions"]
        stars = sum(feature["stars"] for feature in parts["features"])
        total = parts["base_rating"] + stars + parts["others"]
        assert total == pytest.approx(movie["expected_rating"], abs=1e-4)


def test_unknown_ids_of_questions_are_refused_if_the_client_wants_that(
    served: ServedModel, user: int
) -> None:
    unknown = {"movieId": NO_MOVIE, "rating": 5}
    known = {"movieId": int(served.model.movies.movie_id[0]), "rating": 5}
    no_movie = f"row 1: movieId {NO_MOVIE} isn't known"
    refused: list[tuple[dict[str, Any], str]] = [
        ({"userId": 2, "recommend": 1}, "row 1: userId 2 isn't known"),
        ({"recommend": 1, "history": [known, unknown]}, no_movie),
        ({"movieId": NO_MOVIE, "history": [known]}, no_movie),
    ]
    for question, message in refused:
        with pytest.raises(RequestError, match=message):
            ask(served, question, "on_unknown=error")
    accepted: list[dict[str, Any]] = [
        {"userId": user, "recommend": 1},
        {"recommend": 1, "history": [known]},
    ]
    for question in accepted:
        assert ask(served, question, "on_unknown=error")["recommendations"]
