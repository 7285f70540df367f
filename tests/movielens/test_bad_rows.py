from __future__ import annotations

import logging

import pytest

from movielens.bad_rows import BadRows
from movielens.errors import DataError


def test_without_a_share_the_first_bad_row_is_an_error() -> None:
    with pytest.raises(DataError, match="line 2"):
        BadRows().add(DataError("line 2"))


def test_bad_rows_are_counted_and_the_first_is_kept() -> None:
    bad_rows = BadRows(most=0.5)
    bad_rows.add(DataError("line 2"))
    bad_rows.add(DataError("line 7"))
    assert bad_rows.count == 2
    assert bad_rows.first == "line 2"


def test_the_first_five_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    bad_rows = BadRows(most=0.5)
    with caplog.at_level(logging.WARNING):
        for line in range(2, 9):
            bad_rows.add(DataError(f"line {line}"))
    assert caplog.messages == [f"dropped: line {line}" for line in range(2, 7)]


def test_more_than_the_allowed_share_is_an_error() -> None:
    bad_rows = BadRows(most=0.05, count=6, first="r.csv line 3")
    with pytest.raises(DataError) as caught:
        bad_rows.check(n_kept=97)
    assert str(caught.value) == (
        "6 of 103 rows can't be used (5.83 %, allowed are 5 %), "
        "the first: r.csv line 3: fix the data, or raise bad_row_share"
    )


def test_exactly_the_allowed_share_is_accepted() -> None:
    BadRows(most=0.5, count=3, first="r.csv line 3").check(n_kept=3)
