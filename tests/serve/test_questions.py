"""Recommendations and users who bring their ratings along, from bodies to answers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from movielens.errors import RequestError
from movielens.features import FeatureSpec
from movielens.features.spec_arrays import spec_from_arrays, spec_to_arrays
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable
from serve.endpoint import MOST_QUESTIONS, Asked, answer, is_slow, may_question
from serve.served_model import ServedModel

CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"


def ask(served: ServedModel, question: object, attributes: str | None = None) -> Any:
    return json.loads(
        answer(
            served, Asked(JSON, None, attributes), json.dumps(question).encode()
        ).body
    )


def history_of(ratings: RatingTable, user: int) -> list[dict[str, Any]]:
    assert ratings.timestamp is not None
    rows = np.flatnonzero(ratings.user_id == user)
    columns = (
        ratings.movie_id[rows].tolist(),
        ratings.rating[rows].tolist(),
        ratings.timestamp[rows].tolist(),
    )
    return [
        dict(zip(("movieId", "rating", "timestamp"), entry, strict=True))
        for entry in zip(*columns, strict=True)
    ]


@pytest.fixture
def user(ratings: RatingTable) -> int:
    """The one of the users who has rated the fewest movies."""
    users, counts = np.unique(ratings.user_id, return_counts=True)
    return int(users[counts.argmin()])


def test_recommended_are_the_best_that_the_user_has_not_rated(
    served: ServedModel, ratings: RatingTable, movies: MovieTable, user: int
) -> None:
    rated = set(ratings.movie_id[ratings.user_id == user].tolist())
    others = [
        movie_id for movie_id in movies.movie_id.tolist() if movie_id not in rated
    ]
    assert rated
    assert len(others) > 2, rated
    predicted = [
        ask(served, {"userId": user, "movieId": movie_id}) for movie_id in others
    ]
    best = sorted(
        predicted, key=lambda record: (-record["expected_rating"], record["movieId"])
    )
    found = ask(served, {"userId": user, "recommend": 1000})
    assert (found["userId"], found["known_user"]) == (user, True)
    dropped = ("userId", "known_user", "known_movie")
    assert found["recommendations"] == [
        {k: v for k, v in record.items() if k not in dropped} for record in best
    ]
    assert (
        ask(served, {"userId": user, "recommend": 2})["recommendations"]
        == found["recommendations"][:2]
    )


def test_ratings_beyond_the_profile_are_excluded_too(
    ratings: RatingTable, movies: MovieTable
) -> None:
    complete = FeatureSpec.fit(ratings, movies)
    short = FeatureSpec.fit(ratings, movies, latest_kept=3)
    spec = spec_from_arrays(spec_to_arrays(short))
    for place, user_id in enumerate(spec.users.ids.tolist()):
        rated = movies.movie_id[spec.profiles.rated(place)].tolist()
        assert sorted(rated) == sorted(
            ratings.movie_id[ratings.user_id == user_id].tolist()
        )
    assert len(spec.profiles.rated(-1)) == 0
    counts = [(ratings.movie_id == movie_id).sum() for movie_id in movies.movie_id]
    assert (
        spec.profiles.counts(len(movies)).tolist()
        == complete.profiles.counts(len(movies)).tolist()
        == counts
    )


def test_filters(served: ServedModel, ratings: RatingTable, movies: MovieTable) -> None:
    def recommended(**filters: object) -> set[int]:
        found = ask(served, {"userId": 2, "recommend": 100, **filters})
        assert not found["known_user"]
        return {movie["movieId"] for movie in found["recommendations"]}

    def having(passes: Any) -> set[int]:
        return {
            int(movies.movie_id[place]) for place in range(len(movies)) if passes(place)
        }

    counts = [int((ratings.movie_id == movie_id).sum()) for movie_id in movies.movie_id]
    middle = sorted(counts)[len(counts) // 2]
    years = sorted(movies.year.tolist())
    assert recommended() == set(movies.movie_id.tolist())
    assert recommended(genres=None, year_from=None, min_ratings=None) == recommended()
    assert recommended(genres=["sci-fi", "IMAX"]) == having(
        lambda i: {"Sci-Fi", "IMAX"} & set(movies.genres[i])
    )
    assert recommended(min_ratings=middle) == having(lambda i: counts[i] >= middle)
    assert recommended(year_from=years[5]) == having(
        lambda i: movies.year[i] >= years[5]
    )
    assert recommended(year_to=years[5]) == having(
        lambda i: 0 < movies.year[i] <= years[5]
    )
    assert recommended(year_from=years[-1] + 1) == set()


def test_csv_asks_for_users_and_answers_a_line_each(
    served: ServedModel, user: int
) -> None:
    content_type = f"{CSV}; recommend=3; genres=Comedy|Sci-Fi; min_ratings=1"
    wanted = {"recommend": 3, "genres": ["Comedy", "Sci-Fi"], "min_ratings": 1}
    expected = [
        ask(served, {"userId": user, **wanted}),
        ask(served, {"userId": 2, "timestamp": 1.4e9, **wanted}),
    ]
    ids = [
        [movie["movieId"] for movie in found["recommendations"]] for found in expected
    ]
    body = f"{user},\n2,1400000000".encode()
    padded = [",".join(map(str, row)) + "," * (3 - len(row)) for row in ids]
    assert answer(served, Asked(content_type), body).body.decode() == "\n".join(padded)
    header, *lines = answer(
        served, Asked(content_type, f"{CSV}; verbose=true; header=present"), body
    ).body.split(b"\n")
    assert (
        header
        == b"movieId_1,expected_rating_1,movieId_2,expected_rating_2,movieId_3,expected_rating_3"
    )
    first = expected[0]["recommendations"][0]
    assert (
        lines[0]
        .decode()
        .startswith(f"{first['movieId']},{first['expected_rating']!r},")
    )
    named = answer(served, Asked(content_type), f"rating,userId\n3.0,{user}".encode())
    assert named.body == padded[0].encode()


def test_fields_are_empty_where_movies_run_out(
    served: ServedModel, movies: MovieTable
) -> None:
    content_type = f"{CSV}; recommend={len(movies) + 2}"
    assert answer(served, Asked(content_type), b"2").body.endswith(b",,")
    nothing = f"{CSV}; recommend=2; year_from=9999"
    assert answer(served, Asked(nothing), b"2").body == b","
    assert answer(served, Asked(nothing, f"{CSV}; verbose=true"), b"2").body == b",,,"


def test_a_history_is_what_training_would_have_seen(
    served: ServedModel, ratings: RatingTable, user: int
) -> None:
    query = {"movieId": int(ratings.movie_id[3]), "timestamp": 1.6e9}
    known = ask(served, {"userId": user, **query})
    brought = ask(served, {**query, "history": history_of(ratings, user)})
    assert brought["expected_rating"] == pytest.approx(
        known["expected_rating"], abs=0.2
    )
    assert (brought["userId"], brought["known_user"]) == (None, True)
    assert ask(
        served, {"userId": 10**9, **query, "history": history_of(ratings, user)}
    ) == brought | {"userId": 10**9}


def test_a_history_is_the_view_of_the_spec(
    served: ServedModel, movies: MovieTable
) -> None:
    entries = [
        {"movieId": int(movie_id), "rating": 4.5} for movie_id in movies.movie_id[:5]
    ]
    found = ask(served, {"movieId": int(movies.movie_id[8]), "history": entries})
    view = served.model.spec.with_user_history(5, movies.movie_id[:5], np.full(5, 4.5))
    queries = RatingQueries(
        np.array([5]), movies.movie_id[8:9].astype(np.int64), np.array([np.nan])
    )
    features = view.transform(queries).values
    features[:, 0] = 0  # the id, which says nothing of a user with a history
    probabilities = served.model.booster.inplace_predict(
        features, validate_features=False
    )
    assert list(found["probabilities"].values()) == [
        float(str(p)) for p in probabilities[0]
    ]


def test_neither_training_nor_history_is_recommended(
    served: ServedModel, ratings: RatingTable, movies: MovieTable, user: int
) -> None:
    rated = set(ratings.movie_id[ratings.user_id == user].tolist())
    brought = next(
        movie_id for movie_id in movies.movie_id.tolist() if movie_id not in rated
    )
    entries = [{"movieId": brought, "rating": 5}, {"movieId": 10**8, "rating": 1}]
    found = ask(served, {"userId": user, "recommend": 100, "history": entries})
    ids = {movie["movieId"] for movie in found["recommendations"]}
    assert ids == set(movies.movie_id.tolist()) - rated - {brought}
    of_nobody = ask(served, {"recommend": 100, "history": entries})
    assert {movie["movieId"] for movie in of_nobody["recommendations"]} == set(
        movies.movie_id.tolist()
    ) - {brought}


def test_an_empty_history_is_an_unknown_user(
    served: ServedModel, ratings: RatingTable
) -> None:
    pair = {"userId": 2, "movieId": int(ratings.movie_id[0])}
    assert ask(served, pair | {"history": []}) == ask(served, pair)
    assert not ask(served, pair | {"history": [{"movieId": 10**8, "rating": 5}]})[
        "known_user"
    ]


def test_questions_stand_among_pairs_in_their_order(
    served: ServedModel, user: int
) -> None:
    rows: list[dict[str, Any]] = [
        {"userId": user, "recommend": 2},
        {"userId": user, "movieId": 1},
        {"movieId": 1, "history": [{"movieId": 1, "rating": 3}]},
        {"movieId": 2, "history": [{"movieId": 1, "rating": 3}]},
        {"userId": 2, "movieId": 1},
    ]
    alone = [ask(served, row) for row in rows]
    assert ask(served, rows) == alone
    assert ask(served, {"instances": rows}) == {"predictions": alone}
    lines = "\n\n".join(map(json.dumps, rows)).encode()
    assert (
        list(map(json.loads, answer(served, Asked(LINES), lines).body.split(b"\n")))
        == alone
    )
    as_csv = answer(served, Asked(JSON, CSV), json.dumps(rows).encode()).body.split(
        b"\n"
    )
    assert as_csv[0].decode() == ",".join(
        str(movie["movieId"]) for movie in alone[0]["recommendations"]
    )
    assert [float(line) for line in as_csv[1:]] == [
        record["rating"] for record in alone[1:]
    ]


def test_a_bad_question_of_a_batch_keeps_its_place(
    served: ServedModel, user: int
) -> None:
    rows: list[Any] = [
        {"userId": user, "recommend": 1},
        {"userId": user, "movieId": 1},
        {"recommend": 1},
    ]
    rows += [
        {"userId": 1, "recommend": 1, "genres": ["Opera"]},
        {"movieId": 1, "history": [{"movieId": 1, "rating": 3.3}]},
    ]
    lines = "\n".join(map(json.dumps, rows)).encode()
    for asked, body in ((LINES, lines), (JSON, json.dumps(rows).encode())):
        text = answer(served, Asked(asked, LINES), body, lenient=True).body
        found = list(map(json.loads, text.split(b"\n")))
        assert ["error" in record for record in found] == [
            False,
            False,
            True,
            True,
            True,
        ]
        assert found[2]["error"]["message"].startswith("line 3: userId is missing")
        assert found[3]["error"]["message"].startswith(
            "row 4: genres: no movie has 'Opera', expected some of Action, "
        )
    csv = answer(
        served, Asked(f"{CSV}; recommend=1"), f"{user}\nx\n2".encode(), lenient=True
    ).body.split(b"\n")
    assert (
        csv[1]
        == b"\"error: line 2: userId is 'x', expected a whole number; send raw MovieLens ids\""
    )
    assert all(line.isdigit() for line in (csv[0], csv[2]))


def test_contributions_of_recommendations_add_up(
    served: ServedModel, user: int
) -> None:
    for movie in ask(served, {"userId": user, "recommend": 2}, "contributions=3")[
        "recommendations"
    ]:
        parts = movie["contributions"]
        total = (
            parts["base_rating"]
            + parts["others"]
            + sum(feature["stars"] for feature in parts["features"])
        )
        assert total == pytest.approx(movie["expected_rating"], abs=1e-4)


FAULTS: list[tuple[dict[str, Any], str]] = [
    (
        {"userId": 1, "recommend": 0},
        r"line 1: recommend is 0, expected how many movies, from 1 to 1000",
    ),
    ({"userId": 1, "recommend": True}, r"recommend is True"),
    ({"recommend": 1}, r"userId is missing, .* or a history"),
    ({"userId": "1", "recommend": 1}, r"userId is '1', .* as JSON numbers"),
    (
        {"userId": 1, "recommend": 1, "movieId": 1},
        r"unknown field 'movieId', expected some of userId, .*min_ratings",
    ),
    (
        {"userId": 1, "recommend": 1, "genres": "Comedy"},
        r"genres is 'Comedy', expected a list of genres",
    ),
    ({"userId": 1, "recommend": 1, "year_to": 1990.5}, r"year_to is 1990.5"),
    ({"userId": 1, "recommend": 1, "min_ratings": -1}, r"min_ratings is -1"),
    ({"userId": 1, "history": []}, r"movieId is missing"),
    ({"movieId": 1, "history": {}}, r"history is '\{…\}', expected a list of objects"),
    (
        {"movieId": 1, "history": [7]},
        r"history\[0\] is 7, expected an object with movieId and rating",
    ),
    (
        {"movieId": 1, "history": [{"movieId": 1, "rating": 3}] * 2},
        r"history\[1\].movieId 1 stands twice",
    ),
    ({"movieId": 1, "history": [{"movieId": 1}]}, r"history\[0\].rating is missing"),
    (
        {"movieId": 1, "history": [{"movieId": 1, "rating": 6}]},
        r"history\[0\].rating is 6, expected stars",
    ),
    (
        {"movieId": 1, "history": [{"movieId": 1, "rating": 3, "stars": 1}]},
        r"unknown field history\[0\].'stars'",
    ),
]


@pytest.mark.parametrize(("question", "message"), FAULTS)
def test_a_bad_question_is_refused(
    served: ServedModel, question: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        ask(served, question)


def test_bad_parameters_are_refused(served: ServedModel) -> None:
    for parameters, message in [
        ("recommend=x", "recommend is 'x'"),
        ("recommend=1; year_from=²", "year_from is '²'"),
    ]:
        with pytest.raises(RequestError, match=f"Content-Type: {message}"):
            answer(served, Asked(f"{CSV}; {parameters}"), b"1")
    with pytest.raises(
        RequestError,
        match="the header is 'timestamp,rating', expected userId and perhaps timestamp",
    ):
        answer(served, Asked(f"{CSV}; recommend=1"), b"timestamp,rating\n1,3")
    with pytest.raises(RequestError, match="no header in common"):
        answer(
            served,
            Asked(JSON, f"{CSV}; header=present"),
            b'{"userId": 1, "recommend": 1}',
        )


def test_unknown_ids_of_questions_are_refused_where_that_was_asked_for(
    served: ServedModel, user: int
) -> None:
    unknown = {"movieId": 10**8, "rating": 5}
    known = {"movieId": int(served.model.movies.movie_id[0]), "rating": 5}
    for question, message in [
        ({"userId": 2, "recommend": 1}, "row 1: userId 2 isn't known"),
        (
            {"recommend": 1, "history": [known, unknown]},
            "row 1: movieId 100000000 isn't known",
        ),
        (
            {"movieId": 10**8, "history": [known]},
            "row 1: movieId 100000000 isn't known",
        ),
    ]:
        with pytest.raises(RequestError, match=message):
            ask(served, question, "on_unknown=error")
    assert ask(served, {"userId": user, "recommend": 1}, "on_unknown=error")[
        "recommendations"
    ]
    assert ask(served, {"recommend": 1, "history": [known]}, "on_unknown=error")[
        "recommendations"
    ]


def test_questions_are_worked_on_in_threads_and_limited_in_number(
    served: ServedModel,
) -> None:
    question = b'{"userId": 1, "recommend": 1}'
    assert may_question(question)
    assert may_question(question.replace(b"recommend", b"\\u0072ecommend"))
    assert is_slow(Asked("Text/CSV; Recommend=1"))
    assert not is_slow(Asked(JSON))
    assert not may_question(b'{"userId": 1, "movieId": 1}')
    with pytest.raises(
        RequestError,
        match=f"{MOST_QUESTIONS + 1} rows with recommend or history are too many",
    ):
        answer(served, Asked(LINES), b"\n".join([question] * (MOST_QUESTIONS + 1)))
