from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from movielens import artifact
from movielens.errors import RequestError
from movielens.model import Model
from movielens.predictions import DECISIONS, Decision
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from serve.answers import Frame
from serve.codec import RENDERERS
from serve.contributions import contributions, in_stars, on_scale
from serve.endpoint import BLOCK_ROWS, Asked, answer, plan
from serve.options import Options
from serve.predicted_rows import predict_rows
from serve.rows import Shape
from serve.served_model import ServedModel, load
from tests.examples import EVALUATION

CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"


def bodies(rows: list[tuple[object, object]]) -> dict[str, bytes]:
    """The same rows in every format."""
    records = [json.dumps({"userId": user, "movieId": movie}) for user, movie in rows]
    return {
        CSV: "\n".join(f"{user},{movie}" for user, movie in rows).encode(),
        JSON: f"[{','.join(records)}]".encode(),
        LINES: "\n".join(records).encode(),
    }


# Options


def test_options_are_found_among_whatever_else_is_there() -> None:
    assert Options.parse("") == Options()
    assert Options.parse(
        "trace-id=7;verbose, Contributions=3 ; on_unknown=error"
    ) == Options(True, 3, True)
    assert Options.parse("contributions") == Options(contributions=5)


@pytest.mark.parametrize(
    "text",
    [
        "verbose=perhaps",
        "contributions=-1",
        "contributions=101",
        "on_unknown=",
        "verbose=²",
    ],
)
def test_an_option_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(
        RequestError,
        match=f"custom attribute {text.partition('=')[0]} is '.*', expected ",
    ):
        Options.parse(text)


def test_headers_are_looked_at_once() -> None:
    asked = Asked(CSV, "application/json; q=0.5, text/csv; verbose=true")
    assert plan(asked, b"1") is plan(Asked(CSV, asked.accept), b"1")


@pytest.mark.parametrize(
    "row",
    [b"1,2", b"4,10\n", b"2,3,1450000000", b"9,9,0\r\n", b"0001, 2", b"1,2,", b'"1",2'],
)
def test_one_row_is_answered_as_among_others(served: ServedModel, row: bytes) -> None:
    for decision in DECISIONS:
        of = replace(served, model=replace(served.model, decision=decision))
        (alone,) = answer(of, Asked(CSV), row).body.split(b"\n")
        assert [alone] * 2 == answer(
            of, Asked(CSV), row.strip() + b"\n" + row
        ).body.split(b"\n")
        assert alone == answer(of, Asked(CSV, None, "verbose"), row).body.split(b",")[0]
        assert json.loads(answer(of, Asked(CSV, JSON), row).body)[0]["rating"] == float(
            alone
        )


def test_verbose_csv_by_attribute(served: ServedModel) -> None:
    by_accept = answer(served, Asked(CSV, "text/csv; verbose=true"), b"1,2")
    assert answer(served, Asked(CSV, None, "verbose"), b"1,2").body == by_accept.body


def test_unknown_ids_are_refused_where_that_was_asked_for(
    served: ServedModel, ratings: RatingTable
) -> None:
    user, movie = int(ratings.user_id[0]), int(ratings.movie_id[0])
    asked = Asked(CSV, None, "on_unknown=error")
    assert answer(served, asked, f"{user},{movie}".encode()).status == 200
    with pytest.raises(RequestError, match="row 2: userId 2 isn't known"):
        answer(served, asked, f"{user},{movie}\n2,{movie}".encode())
    with pytest.raises(RequestError, match="row 1: movieId 0 isn't known"):
        answer(served, asked, f"{user},0".encode())
    lines = answer(
        served, asked, f"{user},0\n{user},{movie}\n2,{movie}".encode(), lenient=True
    ).body.split(b"\n")
    assert [line.startswith(b'"error: row') for line in lines] == [True, False, True]


# The decision of the model


def class_by_hand(decision: Decision, answered: dict[str, Any]) -> float:
    """Stars, step by step over the probabilities of an answer."""
    stars = sorted(map(float, answered["probabilities"]))
    probabilities = [answered["probabilities"][str(value)] for value in stars]
    if decision == "mode":
        return stars[probabilities.index(max(probabilities))]
    if decision == "mean":
        return min(stars, key=lambda value: abs(value - answered["expected_rating"]))
    half = sum(probabilities) / 2
    return next(
        value
        for place, value in enumerate(stars)
        if sum(probabilities[: place + 1]) >= half
    )


def test_the_rating_of_every_answer_is_what_the_model_decides(
    model: Model, ratings: RatingTable, tmp_path: Path
) -> None:
    rows = list(
        zip(ratings.user_id[:60].tolist(), ratings.movie_id[:60].tolist(), strict=True)
    )
    rated = [
        {"movieId": rows[0][1], "rating": 4.5},
        {"movieId": rows[1][1], "rating": 1},
    ]
    questions = json.dumps(
        [{"movieId": rows[2][1], "history": rated}, {"history": rated, "recommend": 5}]
    ).encode()
    chosen = []
    for decision in DECISIONS:
        model_dir = tmp_path / decision
        model_dir.mkdir()
        artifact.save(replace(model, decision=decision), EVALUATION, model_dir)
        served = load(model_dir)
        answers = json.loads(answer(served, Asked(JSON), bodies(rows)[JSON]).body)
        with_history, recommended = json.loads(
            answer(served, Asked(JSON), questions).body
        )
        for record in (*answers, with_history, *recommended["recommendations"]):
            assert record["rating"] == class_by_hand(decision, record)
        csv = answer(served, Asked(CSV), bodies(rows)[CSV]).body.decode().split("\n")
        chosen.append([record["rating"] for record in answers])
        assert list(map(float, csv)) == chosen[-1]
    assert len(set(map(tuple, chosen))) == len(DECISIONS)


# Contributions


def test_contributions_add_up_to_the_expected_rating(
    served: ServedModel, ratings: RatingTable
) -> None:
    rows = list(
        zip(ratings.user_id[:20].tolist(), ratings.movie_id[:20].tolist(), strict=True)
    )
    body = bodies([*rows, (-1, -1)])[JSON]
    for count in (1, 4):
        for record in json.loads(
            answer(served, Asked(JSON, None, f"contributions={count}"), body).body
        ):
            found = record["contributions"]
            assert len(found["features"]) == count
            total = (
                found["base_rating"]
                + sum(feature["stars"] for feature in found["features"])
                + found["others"]
            )
            assert total == pytest.approx(record["expected_rating"], abs=1e-4)
            strength = [abs(feature["stars"]) for feature in found["features"]]
            assert strength == sorted(strength, reverse=True)
            assert {feature["name"] for feature in found["features"]} <= set(
                served.model.spec.names
            )


@pytest.mark.parametrize("has_regression", [False, True])
def test_contributions_of_trees_behind_gates_add_up(
    gated: Model, ratings: RatingTable, has_regression: bool
) -> None:
    model = gated if has_regression else replace(gated, regression=None)
    booster, regression = model.booster, model.regression
    assert isinstance(booster, xgboost.Booster)
    assert isinstance(regression, xgboost.Booster | None)
    known = ratings.take(np.arange(40)).queries()
    for user in (known.user_id, np.full(len(known), -1)):
        for time in (known.timestamp, np.full(len(known), np.nan)):
            queries = RatingQueries(user, known.movie_id, time)
            features, expected = (
                model.spec.transform(queries),
                model.predict(queries).expected_rating,
            )
            found = contributions(
                booster, regression, features, model.class_values, len(features.names)
            )
            stars = np.array(
                [[feature["stars"] for feature in row["features"]] for row in found]
            )
            assert np.all(np.isfinite(stars))
            totals = np.array([row["base_rating"] for row in found]) + stars.sum(axis=1)
            np.testing.assert_allclose(totals, expected, atol=1e-4)


def test_an_estimate_beyond_the_scale_is_shortened() -> None:
    parts = np.array([[0.5, 2.0, 3.5], [1.0, -0.5, 3.5], [0.0, 0.0, 3.5]])
    base, stars = on_scale(parts, (1.0, 5.0))
    assert base.tolist() == [3.5, 3.5, 3.5]
    np.testing.assert_allclose(stars, [[0.3, 1.2], [1, -0.5], [0, 0]])


def test_stars_are_the_difference_that_one_feature_makes() -> None:
    """Where only one feature moves the margins, it gets the whole difference."""
    parts = np.zeros((1, 3, 3))
    parts[0, :, 1] = [1.0, -0.5, 2.0]
    parts[0, :, 2] = [0.3, 0.2, -0.1]
    base, stars = in_stars(parts, np.array([1.0, 2.0, 3.0]))

    def expected(margins: Any) -> float:
        return float(np.exp(margins) @ [1.0, 2.0, 3.0] / np.exp(margins).sum())

    assert base[0] == pytest.approx(expected(parts[0, :, 2]))
    assert stars[0].tolist() == [
        0,
        pytest.approx(expected(parts[0].sum(axis=1)) - base[0], abs=1e-9),
    ]


# Bad rows of a batch


@pytest.mark.parametrize("content_type", [CSV, JSON, LINES])
@pytest.mark.parametrize("accept", [CSV, JSON, LINES])
def test_a_bad_row_of_a_batch_is_an_error_in_its_place(
    served: ServedModel, content_type: str, accept: str
) -> None:
    rows: list[tuple[object, object]] = [
        (1, 2),
        (1, "x"),
        (4, 10),
        ("", 1),
        (7, 8),
        (1, 2.5),
    ]
    bad = {1, 3, 5}
    good = [row for place, row in enumerate(rows) if place not in bad]
    text = answer(
        served, Asked(content_type, accept), bodies(rows)[content_type], lenient=True
    ).body
    expected = answer(
        served, Asked(content_type, accept), bodies(good)[content_type]
    ).body
    assert not text.endswith(b"\n")
    if accept == JSON:
        items, wanted = json.loads(text), json.loads(expected)
    else:
        items, wanted = text.split(b"\n"), expected.split(b"\n")
    assert [item for place, item in enumerate(items) if place not in bad] == wanted
    for place in bad:
        assert f"line {place + 1}: " in str(items[place])


def test_a_bad_row_below_a_header_and_in_any_encoding(served: ServedModel) -> None:
    body = b"movieId,userId\n2,1\n\n\xff,1\n10,4"
    lines = answer(served, Asked(CSV), body, lenient=True).body.split(b"\n")
    assert lines[0::2] == answer(served, Asked(CSV), b"1,2\n4,10").body.split(b"\n")
    assert lines[1].startswith(b'"error: line 4: byte 0xff')


@pytest.mark.parametrize(
    ("content_type", "body"), [(CSV, b""), (JSON, b"{"), (JSON, b"7"), (LINES, b" \n")]
)
def test_what_is_no_rows_at_all_is_refused(
    served: ServedModel, content_type: str, body: bytes
) -> None:
    with pytest.raises(RequestError):
        answer(served, Asked(content_type), body, lenient=True)


# Long answers


@pytest.mark.parametrize(
    "accept", ["text/csv", "text/csv; verbose=true; header=present", JSON, LINES]
)
@pytest.mark.parametrize("n_rows", [BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS])
def test_a_long_answer_comes_in_parts(
    served: ServedModel, accept: str, n_rows: int
) -> None:
    body = b"1,2\n4,10\n" * (n_rows // 2) + b"1,3\n" * (n_rows % 2)
    response = answer(served, Asked(CSV, accept), body)
    assert (response.more is not None) == (n_rows > BLOCK_ROWS)
    queries = RatingQueries(
        np.append(np.resize([1, 4], n_rows // 2 * 2), [1] * (n_rows % 2)).astype(
            np.int64
        ),
        np.append(np.resize([2, 10], n_rows // 2 * 2), [3] * (n_rows % 2)).astype(
            np.int64
        ),
        np.full(n_rows, np.nan),
    )
    name, *parameters = accept.split("; ")
    given = dict(parameter.split("=") for parameter in parameters)
    assert response.whole().body == RENDERERS[name](
        predict_rows(served.model, queries), Shape.LIST, given
    )


def test_instances_in_parts_are_whole_json(served: ServedModel) -> None:
    body = json.dumps(
        {"instances": [{"userId": 1, "movieId": 2}] * (BLOCK_ROWS + 1)}
    ).encode()
    assert (
        len(json.loads(answer(served, Asked(JSON), body).whole().body)["predictions"])
        == BLOCK_ROWS + 1
    )
    nothing = predict_rows(served.model, RatingQueries.none())
    assert RENDERERS[JSON].frame(Shape.OBJECT, {}, nothing) == Frame(b"", b"", b"")
