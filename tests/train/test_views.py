"""Views: which features a round looks at, and that none is forgotten."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from movielens.features import Column, FeatureMatrix
from movielens.features.parts import Part
from train.blocks import FeatureBlocks
from train.schedule import Schedule
from train.views import Views

COLUMNS = (
    Column("knows_user", Part.USER),
    Column("knows_time", Part.USER),
    Column("year", Part.MOVIE),
    Column("movie_mean", Part.MOVIE),
    Column("user_mean", Part.USER),
    Column("bias", Part.USER),
    Column("hour", Part.MOMENT),
    Column("weekday", Part.MOMENT),
    Column("latest_gap_1", Part.MOMENT),
)
SCHEDULE = Schedule(COLUMNS, 0, 10, 20)
N_ROUNDS = 60


@pytest.fixture(scope="module")
def blocks() -> FeatureBlocks:
    values = np.random.default_rng(3).normal(size=(50, len(COLUMNS))).astype(np.float32)
    return FeatureBlocks.of(FeatureMatrix(values, COLUMNS))


def views(blocks: FeatureBlocks, share: float, seed: int = 1) -> Views:
    return Views((blocks,), np.arange(50) % 3, SCHEDULE, share, 16, seed)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.8, 1.0])
def test_each_feature_of_a_part_is_in_one_hand_or_two(
    blocks: FeatureBlocks, share: float
) -> None:
    dealt = views(blocks, share)
    for part, first in ((Part.MOVIE, 0), (Part.USER, 10), (Part.MOMENT, 20)):
        hands = {
            id(view): view.columns
            for view in (dealt.of(n) for n in range(first, first + 10))
        }
        allowed = SCHEDULE.columns(part).tolist()
        for hand in hands.values():
            assert len(hand) == max(1, int(share * len(allowed)))
            assert len(set(hand.tolist())) == len(hand)
        seen = Counter(column for hand in hands.values() for column in hand.tolist())
        assert set(seen) == set(allowed)
        assert max(seen.values()) <= 2


def test_a_matrix_has_the_columns_of_its_view(blocks: FeatureBlocks) -> None:
    view = views(blocks, 0.4).of(25)
    names = [COLUMNS[column].name for column in view.columns]
    assert view.matrices[0].feature_names == names
    assert view.share == 1.0


def test_bins_of_many_rows_are_those_of_some(
    blocks: FeatureBlocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.views.QUANTILE_ROWS", 10)
    made = np.arange(10, 50)  # as where features are made of a share of the rows
    view = views(blocks.among(made), 1.0).of(25)
    some = (
        blocks.among(made[::4]).of_columns(view.columns).matrix(np.arange(50) % 3, 16)
    )
    assert view.matrices[0].num_row() == 40
    for found, expected in zip(
        view.matrices[0].get_quantile_cut(), some.get_quantile_cut(), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_the_view_of_a_round_is_the_same_wherever_one_begins(
    blocks: FeatureBlocks,
) -> None:
    through, resumed = views(blocks, 0.4), views(blocks, 0.4)
    before = [through.of(n).columns.tolist() for n in range(N_ROUNDS)]
    assert [resumed.of(n).columns.tolist() for n in range(33, N_ROUNDS)] == before[33:]
    other = views(blocks, 0.4, seed=2)
    assert [other.of(n).columns.tolist() for n in range(N_ROUNDS)] != before


def test_features_made_anew_are_in_one_matrix_which_xgboost_draws_from(
    blocks: FeatureBlocks,
) -> None:
    drawn = views(replace(blocks, are_kept=False), 0.5)
    first, last = drawn.of(0), drawn.of(25)
    assert first.matrices[0] is last.matrices[0]
    assert first.columns.tolist() == list(range(len(COLUMNS)))
    assert [int(view.share * len(COLUMNS)) for view in (first, last)] == [1, 3]
    weights = last.matrices[0].get_float_info("feature_weights")
    assert np.flatnonzero(weights).tolist() == SCHEDULE.columns(Part.MOMENT).tolist()
