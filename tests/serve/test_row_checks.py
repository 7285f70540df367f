from __future__ import annotations

import json

import pytest

from movielens.errors import RequestError
from serve.endpoint import answer
from serve.negotiation import RequestHeaders
from serve.served_model import ServedModel

JSON = "application/json"
CSV_WITH_HEADER = "text/csv; header=present"

GOOD = [1, 2]
BAD = [1, "x"]
UNKNOWN = [-1, 2]
QUESTION = {"userId": 1, "recommend": 1}
BAD_QUESTION = {"userId": 1, "recommend": 1, "genres": ["no such genre"]}

# What is wrong with a request, in the order in which it is looked for.
IN_ORDER = [
    (BAD, {}, "line "),
    (GOOD, {"no such option": 1}, "unknown parameter"),
    (UNKNOWN, {}, "row "),
    (QUESTION, {}, "rows with recommend, onboarding or history have no header"),
    (BAD_QUESTION, {}, "row "),
]


@pytest.mark.parametrize("first", range(len(IN_ORDER) - 1))
def test_what_is_wrong_is_found_in_a_fixed_order(
    served: ServedModel, first: int
) -> None:
    later = IN_ORDER[first:]
    # The row that counts comes last.
    instances = [row for row, _, _ in reversed(later)]
    parameters: dict[str, object] = {"on_unknown": "error"}
    for _, each, _ in later:
        parameters |= each
    body = json.dumps({"instances": instances, "parameters": parameters}).encode()
    with pytest.raises(RequestError) as raised:
        answer(served, RequestHeaders(JSON, CSV_WITH_HEADER), body)
    assert str(raised.value).startswith(IN_ORDER[first][2])


def test_a_question_that_cannot_be_answered_is_found_first(
    served: ServedModel,
) -> None:
    body = json.dumps([QUESTION, GOOD, BAD_QUESTION]).encode()
    with pytest.raises(RequestError, match="row 3: genres: no movie has"):
        answer(served, RequestHeaders(JSON), body)


def test_a_bad_body_is_worse_than_a_bad_row(served: ServedModel) -> None:
    with pytest.raises(RequestError, match="line 2: a quote is left open"):
        answer(served, RequestHeaders("text/csv"), b'1,x\n"')
