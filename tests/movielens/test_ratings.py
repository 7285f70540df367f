from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.errors import DataError
from movielens.ratings import HALF_STARS, WHOLE_STARS, RatingScale


def stars(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_the_scale_is_read_off_the_data() -> None:
    assert RatingScale.of(stars(1, 5, 3)).class_values == WHOLE_STARS
    assert RatingScale.of(stars(1, 4.5)).class_values == HALF_STARS
    assert RatingScale.of(stars(0.5)).class_values == HALF_STARS


@given(st.sampled_from([WHOLE_STARS, HALF_STARS]), st.data())
def test_classes_and_ratings_are_inverse(
    values: tuple[float, ...], data: st.DataObject
) -> None:
    scale = RatingScale(values)
    rating = stars(*data.draw(st.lists(st.sampled_from(values))))
    classes = scale.to_class(rating)
    assert all(0 <= k < len(values) for k in classes)
    np.testing.assert_array_equal(scale.to_rating(classes), rating)


@pytest.mark.parametrize("value", [0.5, 4.5, 6, 0, np.nan])
def test_values_off_the_scale_are_named(value: float) -> None:
    with pytest.raises(
        DataError,
        match=r"rating .* is not among the training ratings' values 1\.0, 2\.0",
    ):
        RatingScale(WHOLE_STARS).to_class(stars(1, value))


def test_only_the_known_scales_exist() -> None:
    with pytest.raises(ValueError, match="class values"):
        RatingScale((1.0, 2.0))
