"""Views: which features a round looks at, and that none is forgotten."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from movielens.features import Column, FeatureMatrix, Part
from train.bins import Cuts
from train.blocks import FeatureBlocks
from train.hyperparameters import Hyperparameters
from train.quantised_matrix import Weight
from train.schedule import Schedule
from train.views import QUANTILE_ROWS, Bins, Views

COLUMNS = (
    Column("knows", Part.MOMENT),
    Column("lacks", Part.MOMENT),
    Column("year", Part.MOVIE),
    Column("movie_mean", Part.MOVIE),
    Column("user_mean", Part.USER),
    Column("bias", Part.USER),
    Column("hour", Part.MOMENT),
    Column("weekday", Part.MOMENT),
    Column("latest_gap_1", Part.MOMENT),
    Column("era_half_stars", Part.DATE),
)
N_FEATURES = len(COLUMNS)
N_ROUNDS = 60
N_ROWS = 50
LABEL = np.arange(N_ROWS) % 3
SCHEDULE = Schedule.of(COLUMNS, Hyperparameters())
# Any round has views alike.
ROUND = 5


@pytest.fixture(scope="module")
def blocks() -> FeatureBlocks:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)
    return FeatureBlocks.of(FeatureMatrix(values, COLUMNS))


def bins_of(*parts: FeatureBlocks, quantile_rows: int = QUANTILE_ROWS) -> Bins:
    return Bins(parts, max_bin=16, quantile_rows=quantile_rows)


def views(
    bins: Bins,
    share: float,
    seed: int = 1,
    part: Part = Part.MOMENT,
    weight: Weight | None = None,
) -> Views:
    allowed = SCHEDULE.columns(part)
    return Views(bins, LABEL, part, allowed, share, seed, weight)


def test_all_chains_have_views_of_the_same_bins(blocks: FeatureBlocks) -> None:
    bins = bins_of(blocks)
    cuts = views(bins, 0.4).of(0).cuts
    view = views(bins, 1.0, part=Part.DATE).of(0)
    assert view.cuts is cuts
    assert view.columns.tolist() == SCHEDULE.columns(Part.DATE).tolist()


def test_rows_to_train_on_have_weights_and_rows_held_out_have_none(
    blocks: FeatureBlocks,
) -> None:
    trained = np.arange(20)
    bins = bins_of(blocks.among(trained), blocks.among(np.arange(20, N_ROWS)))
    weight = np.arange(N_ROWS, dtype=np.float32)
    of_trained, of_held_out = views(bins, 1.0, weight=weight).of(ROUND).matrices
    assert of_trained.get_weight().tolist() == trained.tolist()
    assert not len(of_held_out.get_weight())


def columns_of(views: Views, n_round: int) -> list[int]:
    return [int(column) for column in views.of(n_round).columns]


@pytest.mark.parametrize("part", Part)
@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.8, 1.0])
def test_each_feature_of_a_part_is_in_one_hand_or_two(
    blocks: FeatureBlocks, share: float, part: Part
) -> None:
    dealt = views(bins_of(blocks), share, part=part)
    hands = {tuple(columns_of(dealt, n_round)) for n_round in range(10)}

    allowed = SCHEDULE.columns(part).tolist()
    size = max(1, int(share * len(allowed)))
    for hand in hands:
        assert len(hand) == size
        assert len(set(hand)) == size
    seen = Counter(column for hand in hands for column in hand)
    assert set(seen) == set(allowed)
    assert max(seen.values()) <= 2


def test_a_matrix_has_the_columns_of_its_view(blocks: FeatureBlocks) -> None:
    view = views(bins_of(blocks), 0.4).of(ROUND)
    expected = [COLUMNS[column].name for column in view.columns]
    assert view.matrices[0].feature_names == expected


def test_bins_of_many_rows_are_those_of_some(blocks: FeatureBlocks) -> None:
    made = np.arange(10, N_ROWS)  # features of a share of the rows
    bins = bins_of(blocks.among(made), quantile_rows=10)
    view = views(bins, 1.0).of(ROUND)
    assert view.matrices[0].num_row() == len(made)

    [(_, every_fourth)] = blocks.among(made[::4]).make()
    expected = Cuts.of(every_fourth, max_bin=16)
    np.testing.assert_array_equal(view.cuts.start, expected.start)
    np.testing.assert_array_equal(view.cuts.value, expected.value)


def test_a_round_has_the_same_view_wherever_a_run_begins(
    blocks: FeatureBlocks,
) -> None:
    from_the_start = views(bins_of(blocks), 0.4)
    expected = [columns_of(from_the_start, n_round) for n_round in range(N_ROUNDS)]
    resumed = views(bins_of(blocks), 0.4)
    for n_round in range(33, N_ROUNDS):
        assert columns_of(resumed, n_round) == expected[n_round]


def test_another_seed_deals_other_hands(blocks: FeatureBlocks) -> None:
    first = views(bins_of(blocks), 0.4, seed=1)
    second = views(bins_of(blocks), 0.4, seed=2)
    rounds = range(N_ROUNDS)
    dealt_first = [columns_of(first, n_round) for n_round in rounds]
    dealt_second = [columns_of(second, n_round) for n_round in rounds]
    assert dealt_first != dealt_second
