from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from movielens.errors import DataError
from movielens.ratings import HALF_STARS, WHOLE_STARS, RatingScale


def stars(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize(
    ("ratings", "expected"),
    [
        (stars(1, 5, 3), WHOLE_STARS),
        (stars(1, 4.5), HALF_STARS),
        (stars(0.5), HALF_STARS),
    ],
)
def test_the_data_say_which_scale_it_is(
    ratings: NDArray[np.float32], expected: tuple[float, ...]
) -> None:
    assert RatingScale.of(ratings).class_values == expected


@given(st.sampled_from([WHOLE_STARS, HALF_STARS]), st.data())
def test_classes_and_ratings_are_inverse(
    values: tuple[float, ...], data: st.DataObject
) -> None:
    scale = RatingScale(values)
    rating = stars(*data.draw(st.lists(st.sampled_from(values))))
    classes = scale.to_class(rating)
    assert all(0 <= class_index < len(values) for class_index in classes)
    np.testing.assert_array_equal(scale.to_rating(classes), rating)


@pytest.mark.parametrize("value", [0.5, 4.5, 6, 0, np.nan])
def test_a_value_off_the_scale_is_named(value: Any) -> None:
    expected = r"rating .* is not among the training ratings' values 1\.0, 2\.0"
    with pytest.raises(DataError, match=expected):
        RatingScale(WHOLE_STARS).to_class(stars(1, value))


def test_other_scales_are_refused() -> None:
    with pytest.raises(ValueError, match="class values"):
        RatingScale((1.0, 2.0))
