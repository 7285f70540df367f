from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.features import Column, FeatureMatrix, IdIndex, Part


def test_values_without_a_column_each_are_refused() -> None:
    columns = (Column("userId", Part.USER),)
    with pytest.raises(ValueError, match="with 1 columns"):
        FeatureMatrix(np.zeros((3, 2), dtype=np.float32), columns)


@given(ids=st.sets(st.integers(1, 50)), raw=st.lists(st.integers(-5, 60)))
def test_an_id_index_agrees_with_a_dict(ids: set[int], raw: list[int]) -> None:
    known = sorted(ids)
    place = dict(zip(known, range(len(known)), strict=True))
    expected = [place.get(value, -1) for value in raw]

    index = IdIndex(np.array(known, dtype=np.int64))
    asked = np.array(raw, dtype=np.int64)
    assert index.index(asked).tolist() == expected
