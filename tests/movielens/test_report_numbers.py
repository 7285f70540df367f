from __future__ import annotations

import json

import pytest

from movielens.report_numbers import ReportNumbers
from tests.examples import NUMBERS


def test_what_is_written_is_read() -> None:
    text = json.dumps(NUMBERS.to_json())
    assert ReportNumbers.from_json(json.loads(text)) == NUMBERS


@pytest.mark.parametrize("member", list(NUMBERS.to_json()))
def test_nothing_may_be_missing_or_of_another_kind(member: str) -> None:
    value = NUMBERS.to_json()
    with pytest.raises((TypeError, ValueError, KeyError)):
        ReportNumbers.from_json({**value, member: [["a", "b", "c"]]})
    del value[member]
    with pytest.raises(KeyError):
        ReportNumbers.from_json(value)
