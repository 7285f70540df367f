from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens import artifact
from movielens.errors import RequestError
from movielens.model import Model
from movielens.predictions import DECISIONS, Decision
from movielens.tables import RatingTable
from serve.endpoint import AnswerRules, answer
from serve.errors import HttpError
from serve.negotiation import RequestHeaders
from serve.response import Response
from serve.served_model import ServedModel, load
from tests.examples import EVALUATION

CSV = "text/csv"
JSON = "application/json"
LINES = "application/jsonlines"

BATCH = AnswerRules(lenient=True)


def bodies(rows: list[tuple[object, object]]) -> dict[str, bytes]:
    """The same rows in every format."""
    pairs = [f"{user},{movie}" for user, movie in rows]
    records = [json.dumps({"userId": user, "movieId": movie}) for user, movie in rows]
    return {
        CSV: "\n".join(pairs).encode(),
        JSON: f"[{','.join(records)}]".encode(),
        LINES: "\n".join(records).encode(),
    }


def rated_pairs(ratings: RatingTable, count: int) -> list[tuple[object, object]]:
    users = ratings.user_id[:count].tolist()
    return list(zip(users, ratings.movie_id[:count].tolist(), strict=True))


@pytest.mark.parametrize(
    "row",
    [b"1,2", b"4,10\n", b"2,3,1450000000", b"9,9,0\r\n", b"0001, 2", b"1,2,", b'"1",2'],
)
@pytest.mark.parametrize("decision", DECISIONS)
def test_a_row_is_answered_alone_as_among_others(
    served: ServedModel, row: bytes, decision: Decision
) -> None:
    deciding = replace(served, model=replace(served.model, decision=decision))

    def ask(headers: RequestHeaders, body: bytes) -> bytes:
        return answer(deciding, headers, body).body

    alone = ask(RequestHeaders(CSV), row)
    twice = ask(RequestHeaders(CSV), row.strip() + b"\n" + row)
    verbose = ask(RequestHeaders(CSV, None, "verbose"), row)
    (record,) = json.loads(ask(RequestHeaders(CSV, JSON), row))
    assert twice.split(b"\n") == [alone, alone]
    assert verbose.split(b",")[0] == alone
    assert record["rating"] == float(alone)


def test_verbose_is_a_parameter_or_an_attribute(served: ServedModel) -> None:
    by_accept = answer(served, RequestHeaders(CSV, f"{CSV}; verbose=true"), b"1,2")
    by_attribute = answer(served, RequestHeaders(CSV, None, "verbose"), b"1,2")
    assert by_attribute.body == by_accept.body
    assert len(by_accept.body.split(b",")) > 2


# Unknown ids


def test_unknown_ids_are_refused_if_the_client_wants_that(
    served: ServedModel, ratings: RatingTable
) -> None:
    user, movie = int(ratings.user_id[0]), int(ratings.movie_id[0])
    headers = RequestHeaders(CSV, None, "on_unknown=error")
    assert answer(served, headers, f"{user},{movie}".encode()).status == 200
    with pytest.raises(RequestError, match="row 2: userId 2 isn't known"):
        answer(served, headers, f"{user},{movie}\n2,{movie}".encode())
    with pytest.raises(RequestError, match="row 1: movieId 0 isn't known"):
        answer(served, headers, f"{user},0".encode())


def test_unknown_ids_of_a_batch_keep_their_places(
    served: ServedModel, ratings: RatingTable
) -> None:
    user, movie = int(ratings.user_id[0]), int(ratings.movie_id[0])
    headers = RequestHeaders(CSV, None, "on_unknown=error")
    body = f"{user},0\n{user},x\n{user},{movie}\n2,{movie}".encode()
    lines = answer(served, headers, body, BATCH).body.decode().split("\n")
    assert lines[0].startswith('"error: row 1: movieId 0')
    assert lines[1].startswith("\"error: line 2: movieId is 'x'")
    assert 0.5 <= float(lines[2]) <= 5
    assert lines[3].startswith('"error: row 4: userId 2')


# The decision of the model


def class_by_hand(decision: Decision, answered: dict[str, Any]) -> float:
    """Stars, step by step from the probabilities of an answer."""
    stars = sorted(map(float, answered["probabilities"]))
    probabilities = [answered["probabilities"][str(value)] for value in stars]
    if decision == "mode":
        return stars[probabilities.index(max(probabilities))]
    if decision == "mean":
        return min(stars, key=lambda value: abs(value - answered["expected_rating"]))
    half = sum(probabilities) / 2
    total = 0.0
    for value, probability in zip(stars, probabilities, strict=True):
        total += probability
        if total >= half:
            return value
    raise AssertionError("the probabilities don't reach half of their sum")


def test_the_rating_of_every_answer_is_what_the_model_decides(
    model: Model, ratings: RatingTable, tmp_path: Path
) -> None:
    body = bodies(rated_pairs(ratings, 60))
    movies = ratings.movie_id[:3].tolist()
    history = [
        {"movieId": movies[0], "rating": 4.5},
        {"movieId": movies[1], "rating": 1},
    ]
    questions = [
        {"movieId": movies[2], "history": history},
        {"history": history, "recommend": 5},
    ]
    chosen = []
    for decision in DECISIONS:
        model_dir = tmp_path / decision
        model_dir.mkdir()
        artifact.save(replace(model, decision=decision), EVALUATION, model_dir)
        served = load(model_dir)

        def ask(body: bytes, served: ServedModel = served) -> Any:
            return json.loads(answer(served, RequestHeaders(JSON), body).body)

        records = ask(body[JSON])
        with_history, recommended = ask(json.dumps(questions).encode())
        for record in (*records, with_history, *recommended["recommendations"]):
            assert record["rating"] == class_by_hand(decision, record)
        ratings_in_json = [record["rating"] for record in records]
        csv = answer(served, RequestHeaders(CSV), body[CSV]).body.decode()
        assert list(map(float, csv.split("\n"))) == ratings_in_json
        chosen.append(tuple(ratings_in_json))
    assert len(set(chosen)) == len(DECISIONS)


# Contributions


@pytest.mark.parametrize("count", [1, 4])
def test_contributions_add_up_to_the_expected_rating(
    served: ServedModel, ratings: RatingTable, count: int
) -> None:
    body = bodies([*rated_pairs(ratings, 20), (-1, -1)])[JSON]
    headers = RequestHeaders(JSON, None, f"contributions={count}")
    for record in json.loads(answer(served, headers, body).body):
        found = record["contributions"]
        named = found["features"]
        assert len(named) == count
        assert {feature["name"] for feature in named} <= set(served.model.spec.names)
        stars = sum(feature["stars"] for feature in named)
        total = found["base_rating"] + stars + found["others"]
        assert total == pytest.approx(record["expected_rating"], abs=1e-4)


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
    good_rows = [row for place, row in enumerate(rows) if place not in bad]
    headers = RequestHeaders(content_type, accept)
    text = answer(served, headers, bodies(rows)[content_type], BATCH).body
    expected = answer(served, headers, bodies(good_rows)[content_type]).body
    assert not text.endswith(b"\n")
    if accept == JSON:
        items, expected_items = json.loads(text), json.loads(expected)
    else:
        items, expected_items = text.split(b"\n"), expected.split(b"\n")
    good = [item for place, item in enumerate(items) if place not in bad]
    assert good == expected_items
    for place in bad:
        assert f"line {place + 1}: " in str(items[place])


# Long answers


SMALL_BLOCKS = AnswerRules(block_rows=16)


@pytest.mark.parametrize(
    "accept", ["text/csv", "text/csv; verbose=true; header=present", JSON, LINES]
)
@pytest.mark.parametrize("n_rows", [16, 17, 32, 40])
def test_a_long_answer_comes_in_parts(
    served: ServedModel, ratings: RatingTable, accept: str, n_rows: int
) -> None:
    body = bodies(rated_pairs(ratings, n_rows))[CSV]
    headers = RequestHeaders(CSV, accept)
    in_parts = answer(served, headers, body, SMALL_BLOCKS)
    at_once = answer(served, headers, body)
    assert at_once.more is None
    assert (in_parts.more is not None) == (n_rows > SMALL_BLOCKS.block_rows)
    assert in_parts.whole() == at_once


def test_instances_in_parts_are_whole_json(served: ServedModel) -> None:
    instances = {"instances": [{"userId": 1, "movieId": 2}] * 17}
    body = json.dumps(instances).encode()
    response = answer(served, RequestHeaders(JSON), body, SMALL_BLOCKS)
    assert response.more is not None
    assert len(json.loads(response.whole().body)["predictions"]) == 17


def test_very_long_answers_come_in_parts_by_default(served: ServedModel) -> None:
    rules = AnswerRules()
    body = b"1,2\n" * (rules.block_rows + 1)
    response = answer(served, RequestHeaders(CSV), body)
    assert response.more is not None
    assert len(response.whole().body.split(b"\n")) == rules.block_rows + 1


@pytest.mark.parametrize("content_type", [CSV, JSON, LINES])
@pytest.mark.parametrize("accept", [CSV, f"{CSV}; verbose=true", JSON, LINES])
@pytest.mark.parametrize("option", ["", "on_unknown=error", "contributions=2"])
def test_faults_and_questions_come_in_parts_too(
    served: ServedModel, content_type: str, accept: str, option: str
) -> None:
    rows: list[tuple[object, object]] = [(1, 2), (1, "x"), (4, 10), (2, 2)] * 9
    body = bodies(rows)[content_type]
    if content_type == LINES:
        body = body.replace(
            b'{"userId": 2, "movieId": 2}', b'{"userId": 1, "recommend": 3}'
        )
    headers = RequestHeaders(content_type, accept, option)
    small = replace(SMALL_BLOCKS, lenient=True)
    in_parts = answer(served, headers, body, small)
    assert in_parts.more is not None
    assert in_parts.whole() == answer(served, headers, body, BATCH).whole()


def test_an_answer_in_parts_can_be_measured(
    served: ServedModel, ratings: RatingTable
) -> None:
    body = bodies(rated_pairs(ratings, 40))[CSV]
    for rules in (SMALL_BLOCKS, replace(SMALL_BLOCKS, lenient=True)):
        whole = answer(served, RequestHeaders(CSV), body, rules).whole()
        measured = answer(served, RequestHeaders(CSV), body, rules).measured()
        assert measured.headers == ((b"content-length", b"%d" % len(whole.body)),)
        assert measured.more is not None
        assert measured.whole().body == whole.body


@pytest.mark.parametrize("kept_bytes", [0, 2**20])
def test_a_bad_row_is_found_before_the_answer_begins(
    served: ServedModel, ratings: RatingTable, kept_bytes: int
) -> None:
    rules = replace(SMALL_BLOCKS, kept_bytes=kept_bytes, short_bytes=0)
    good = bodies(rated_pairs(ratings, 60))[CSV]
    whole = answer(served, RequestHeaders(CSV), good).body
    assert answer(served, RequestHeaders(CSV), good, rules).whole().body == whole
    with pytest.raises(RequestError, match="line 61: movieId is 'x'"):
        answer(served, RequestHeaders(CSV), good + b"\n1,x", rules)
    unknown = RequestHeaders(CSV, None, "on_unknown=error")
    with pytest.raises(RequestError, match="row 61: userId -1"):
        answer(served, unknown, good + b"\n-1,2", rules)


# Questions


def test_a_request_may_have_so_many_questions(served: ServedModel) -> None:
    question = b'{"userId": 1, "recommend": 1}'
    rules = AnswerRules(most_questions=2)
    headers = RequestHeaders(LINES)
    assert answer(served, headers, b"\n".join([question] * 2), rules).status == 200
    three = b"\n".join([question] * 3)
    with pytest.raises(
        RequestError, match="3 rows with recommend, onboarding or history are too many"
    ):
        answer(served, headers, three, rules)
    batch = replace(rules, lenient=True)
    assert answer(served, headers, three, batch).status == 200


def test_questions_have_no_header_in_common(served: ServedModel) -> None:
    headers = RequestHeaders(JSON, f"{CSV}; header=present")
    with pytest.raises(RequestError, match="no header in common"):
        answer(served, headers, b'{"userId": 1, "recommend": 1}')


# What else a request may say


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, b"[[1, 2], [4, 10]]"),
        (JSON, b'{"instances": [[1, 2], [4, 10]], "signature_name": "x"}'),
        (LINES, b"[1, 2]\n[4.0, 10]\n"),
        (CSV, b"1.0,2.0\n4.0,10.0"),
        (f"{CSV}; charset=us-ascii", b"1,2\n4,10"),
        (f"{CSV}; charset=iso-8859-1", b"1,2\n4,10"),
    ],
)
def test_the_same_rows_have_the_same_answer(
    served: ServedModel, content_type: str, body: bytes
) -> None:
    expected = answer(served, RequestHeaders(CSV), b"1,2\n4,10")
    found = answer(served, RequestHeaders(content_type, CSV), body)
    assert found == expected


def test_another_charset_is_refused_where_it_matters(served: ServedModel) -> None:
    headers = RequestHeaders(f"{CSV}; charset=iso-8859-1")
    body = "userId,movieId,title\n1,2,Amélie".encode("latin-1")
    for rules in (AnswerRules(), BATCH):
        with pytest.raises(HttpError, match="charset 'iso-8859-1' isn't supported"):
            answer(served, headers, body, rules)


def test_a_date_is_a_timestamp_in_every_format(served: ServedModel) -> None:
    expected = answer(served, RequestHeaders(CSV, JSON), b"1,2,1425927200").body
    for content_type, body in (
        (CSV, b"1,2,2015-03-09T18:53:20Z"),
        (JSON, b'[{"userId": 1, "movieId": 2, "timestamp": "2015-03-09T18:53:20Z"}]'),
        (LINES, b'[1, 2, "2015-03-09 18:53:20"]'),
    ):
        assert answer(served, RequestHeaders(content_type, JSON), body).body == expected


def test_the_body_may_hold_the_options(served: ServedModel) -> None:
    def ask(parameters: dict[str, object], attributes: str = "") -> bytes:
        body = {"instances": [[1, 2]], "parameters": parameters}
        headers = RequestHeaders(JSON, CSV, attributes)
        return answer(served, headers, json.dumps(body).encode()).body

    plain, verbose = ask({}), ask({}, "verbose")
    assert plain != verbose
    assert ask({"verbose": True}) == verbose
    assert ask({"verbose": False}, "verbose") == plain
    assert ask({"on_unknown": "predict"}, "verbose") == verbose
    with pytest.raises(RequestError, match="row 1: "):
        ask({"on_unknown": "error"})
    explained = {"instances": [[1, 2]], "parameters": {"contributions": 2}}
    body = json.dumps(explained).encode()
    (record,) = json.loads(answer(served, RequestHeaders(JSON), body).body)[
        "predictions"
    ]
    assert len(record["contributions"]["features"]) == 2


def test_every_record_of_a_batch_has_one_answer(served: ServedModel) -> None:
    body = b'1,2\nuserId,movieId\n\n4,10\n1,"2\n4,10\r1,2\n1,2\n\n'
    lines = answer(served, RequestHeaders(CSV), body, BATCH).body.split(b"\n")
    good = answer(served, RequestHeaders(CSV), b"1,2\n4,10\n1,2").body.split(b"\n")
    assert [lines[place] for place in (0, 3, 6)] == good
    assert len(lines) == 7
    for place in (1, 2, 4, 5):
        assert lines[place].startswith(b'"error: line %d: ' % (place + 1))


rows_or_not = st.sampled_from(
    [b"1,2", b"4", b"[1, 2]", b"{}", b",", b'"', b"x", b"0x1", b".5", b"\xff", b"\0"]
)
ends_and_blanks = st.sampled_from(
    [b"\n", b"\r\n", b"\r", b" ", b"\t", b"\x1a", b"\x1d", "\u2028".encode()]
)


@pytest.fixture(scope="session")
def answer_batch(served: ServedModel) -> Callable[[str, bytes], Response]:
    def ask(content_type: str, body: bytes) -> Response:
        return answer(served, RequestHeaders(content_type, CSV), body, BATCH)

    return ask


@pytest.mark.parametrize("content_type", [CSV, f"{CSV}; recommend=1", LINES])
@given(st.lists(rows_or_not | ends_and_blanks, max_size=20).map(b"".join))
def test_a_batch_has_as_many_answers_as_lines(
    answer_batch: Callable[[str, bytes], Response], content_type: str, body: bytes
) -> None:
    response = answer_batch(content_type, body)
    if response.status == 204:
        assert not body.strip(b" \t\r\n\x1a")
        return
    *ended, last = body.split(b"\n")
    lines = [line.removesuffix(b"\r") for line in ended] + [last]
    while not lines[-1].strip(b" \t\x1a"):
        lines.pop()
    assert response.status == 200
    assert len(response.body.split(b"\n")) == len(lines)
