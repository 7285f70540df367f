from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from movielens.queries import RatingQueries

IDS: Any = np.array([1, 2])
TIMES = np.array([np.nan, 5.0])


def test_columns_of_other_types_are_refused() -> None:
    with pytest.raises(ValueError, match=r"movie_id is int32\(2,\)"):
        RatingQueries(IDS, IDS.astype(np.int32), TIMES)
    with pytest.raises(ValueError, match=r"timestamp is int64\(2,\)"):
        RatingQueries(IDS, IDS, IDS)


def test_columns_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="of one length"):
        RatingQueries(IDS, IDS[:1], TIMES)
    table = np.ones((2, 2), dtype=np.int64)
    with pytest.raises(ValueError, match="of one length"):
        RatingQueries(table, table, np.ones((2, 2)))


def test_rows_are_taken_in_the_given_order() -> None:
    taken = RatingQueries(IDS, IDS, TIMES).take(np.array([1, 0, 1]))
    assert taken.user_id.tolist() == [2, 1, 2]
    assert len(taken) == 3
    assert len(RatingQueries.none()) == 0
