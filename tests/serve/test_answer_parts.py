from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.body_memory import kinds, measure
from serve.endpoint import AnswerRules, answer
from serve.negotiation import RequestHeaders
from serve.resources import BODY_FACTOR, WORKER_MIB
from serve.served_model import ServedModel

BODY_MIB = 6
# What a worker has itself before it gets a body.
OWN_MIB = 24

KINDS = {kind.name: kind for kind in kinds()}
WORST = [
    "CSV with a header",
    "CSV of one character, in a batch",
    "CSV of blank lines, in a batch",
    "CSV of an open quote over lines",
    "CSV in one line of short fields",
    "CSV of 90,000 columns",
    "JSON of empty lists",
    "JSON of empty lists, in a batch",
    "JSON with a question",
    "JSON of questions, in a batch",
    "JSON of a history",
    "JSON of many fields",
    "JSON of many parameters",
    "JSON of brackets",
    "JSON of one text",
    "JSON of instances twice",
    "JSON Lines in one line of many fields",
    "JSON Lines of blank lines, in a batch",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", WORST)
def test_no_body_takes_more_than_a_worker_may(served: ServedModel, name: str) -> None:
    most = WORKER_MIB + BODY_FACTOR * BODY_MIB - OWN_MIB
    found = measure(served, KINDS[name], BODY_MIB, seconds=0.5, most_mib=most)
    assert found.status in (200, 400)
    assert found.mib <= most


@pytest.mark.slow
def test_a_body_ten_times_as_long_takes_little_more(served: ServedModel) -> None:
    for name in ("CSV with a header, in a batch", "JSON of objects, in a batch"):
        most = WORKER_MIB + BODY_FACTOR * 10 * BODY_MIB - OWN_MIB
        found = measure(served, KINDS[name], 10 * BODY_MIB, 0.5, most)
        assert found.status in (200, 400)
        assert found.mib <= most


def test_a_long_answer_to_one_question_has_several_parts(served: ServedModel) -> None:
    rules = replace(AnswerRules(lenient=True), block_rows=2)
    body = b'{"userId":1,"recommend":5}\n' * 9
    headers = RequestHeaders("application/jsonlines")
    response = answer(served, headers, body, rules)
    assert response.more is not None
    parts = [response.body, *response.more]
    assert len(parts) == 5
    assert len(b"".join(parts).split(b"\n")) == 9


def test_a_few_questions_are_answered_at_a_time(served: ServedModel) -> None:
    """Each takes as long as thousands of rows."""
    rules = AnswerRules(lenient=True, block_slow=3)
    question = b'{"userId":1,"recommend":2}\n'
    row = b'{"userId":1,"movieId":2}\n'
    headers = RequestHeaders("application/jsonlines")

    response = answer(served, headers, 7 * question + row, rules)
    assert response.more is not None
    parts = [response.body, *response.more]
    assert [part.count(b"userId") for part in parts] == [3, 3, 2]

    few = answer(served, headers, 3 * question + 20 * row, rules)
    assert few.more is None


def test_a_few_explained_rows_are_answered_at_a_time(served: ServedModel) -> None:
    rules = AnswerRules(block_slow=3)
    body = b"[" + b",".join([b'{"userId":1,"movieId":2}'] * 7) + b"]"
    headers = RequestHeaders("application/json", attributes="contributions=2")
    response = answer(served, headers, body, rules)
    assert response.more is not None
    parts = [response.body, *response.more]
    assert [part.count(b"userId") for part in parts] == [3, 3, 1]
