from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from movielens.features import FeatureSpec
from movielens.tables import RatingTable
from tests.movielens.features.asking import (
    ROW,
    features_of,
    of_same_user,
    timestamps_of,
)


def test_days_are_counted_from_the_users_first_rating(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    time = timestamps_of(ratings)
    mine = time[of_same_user(ratings)]
    features = features_of(spec, ratings)
    days = (time[ROW] - mine.min()) / 86_400
    span = (mine.max() - mine.min()) / 86_400
    assert features["days_of_user"] == pytest.approx(days)
    assert features["log_span_of_user"] == pytest.approx(np.log1p(span))


def test_hours_and_weekdays_are_those_of_utc(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    when = datetime.fromtimestamp(timestamps_of(ratings)[ROW], UTC)
    features = features_of(spec, ratings)
    assert features["hour"] == when.hour
    # Weekdays are counted from that of 1 January 1970, a Thursday.
    assert features["weekday"] == (when.weekday() - 3) % 7
