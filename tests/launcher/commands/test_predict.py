"""Commands that ask endpoints, which give answers written here.

Real endpoints are in tests/launcher/local.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.launcher.commands.conftest import IMAGE_AND_ROLE
from tests.launcher.conftest import ACCOUNT, REGION, AwsServer, Launcher

PREDICTION = {
    "userId": 1,
    "movieId": 318,
    "title": "Shawshank Redemption, The (1994)",
    "rating": 5.0,
    "expected_rating": 4.512,
}
RECOMMENDATION = {
    "movieId": 858,
    "title": "",
    "genres": ["Crime", "Drama"],
    "expected_rating": 4.4,
}


@pytest.fixture
def deployed(launcher: Launcher, trained: str) -> Launcher:
    """The command line, with an endpoint in service."""
    assert launcher(*IMAGE_AND_ROLE, "deploy", "--job", trained).code == 0
    return launcher


def let_answer(aws: AwsServer, answer: Any) -> None:
    """What the server's endpoints will answer next."""
    post_results(aws, {"Body": json.dumps(answer), "ContentType": "application/json"})


def post_results(aws: AwsServer, result: dict[str, str]) -> None:
    """What the server's endpoints will answer next, with its type."""
    given = {"account_id": ACCOUNT, "region": REGION, "results": [result]}
    path = "/moto-api/static/sagemaker/endpoint-results"
    aws.post(path, json.dumps(given).encode())


@pytest.mark.parametrize(
    "command", [("predict", "1:318"), ("recommend", "1"), ("onboarding",)]
)
def test_without_an_endpoint_there_are_no_answers(
    launcher: Launcher, command: tuple[str, ...]
) -> None:
    result = launcher(*command)
    assert result.code == 1
    assert result.err == (
        "launcher: there is no endpoint halfstar: run `launcher deploy`\n"
    )


def test_predictions_are_a_table_with_titles(
    deployed: Launcher, aws: AwsServer
) -> None:
    let_answer(aws, {"predictions": [PREDICTION]})
    header, line = deployed("predict", "1:318").out.splitlines()
    assert header.split() == ["userId", "movieId", "title", "rating", "expected"]
    assert line.endswith("318  Shawshank Redemption, The (1994)     5.0      4.51")


def test_predictions_as_json_are_the_endpoints_own(
    deployed: Launcher, aws: AwsServer
) -> None:
    let_answer(aws, {"predictions": [PREDICTION]})
    assert deployed("predict", "1:318", "--json").json == [PREDICTION]


def test_an_answer_that_is_no_json_is_no_bug(
    deployed: Launcher, aws: AwsServer
) -> None:
    result = {"Body": "<html>", "ContentType": "text/plain"}
    post_results(aws, result)
    said = deployed("predict", "1:318")
    assert said.code == 1
    assert "endpoint halfstar answered '<html>', expected JSON" in said.err


def test_a_web_page_in_place_of_an_answer_is_no_bug(
    deployed: Launcher, aws: AwsServer
) -> None:
    post_results(aws, {"Body": "<html>", "ContentType": "text/html"})
    said = deployed("predict", "1:318")
    assert said.code == 1
    assert "gives an answer that isn't AWS's (status 200, text/html" in said.err


@pytest.mark.parametrize("user", ["1_0", "१", "1.5", "9223372036854775808"])
def test_a_user_is_a_raw_id(launcher: Launcher, user: str) -> None:
    said = launcher("recommend", user)
    assert said.code == 2
    assert "Invalid value for 'USER'" in said.err


def test_recommendations_are_numbered(deployed: Launcher, aws: AwsServer) -> None:
    let_answer(aws, {"known_user": False, "recommendations": [RECOMMENDATION]})
    result = deployed("recommend", "1")
    assert "user 1 isn't known" in result.err
    line = result.out.splitlines()[1]
    assert line.split() == ["1", "858", "(unknown)", "4.40", "Crime,", "Drama"]


@pytest.mark.parametrize(
    ("command", "field"),
    [(("recommend", "1"), "recommendations"), (("onboarding",), "onboarding")],
)
def test_that_no_movie_is_left_is_said(
    deployed: Launcher, aws: AwsServer, command: tuple[str, ...], field: str
) -> None:
    let_answer(aws, {"known_user": True, field: []})
    said = deployed(*command, "--year-from", "2090")
    assert said.code == 0
    assert "no movie is left: ask with fewer conditions" in said.err


def test_movies_to_rate_are_numbered(deployed: Launcher, aws: AwsServer) -> None:
    movie = {"movieId": 356, "title": "Big", "rated_share": 0.443, "gain": 0.0477}
    let_answer(aws, {"known_user": False, "onboarding": [movie]})
    header, line = deployed("onboarding", "318:4.5", "-n", "1").out.splitlines()
    assert header.split() == ["movieId", "title", "rated", "by", "gain"]
    assert line.split() == ["1", "356", "Big", "44%", "0.048"]
