"""Round after round: where a stage ends, what a checkpoint restores, and what is
logged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from movielens.features import FeatureSpec, Part
from movielens.ratings import HALF_STARS, RatingScale
from movielens.tables import RatingTable
from train.axes import Axes
from train.blocks import FeatureBlocks
from train.context import TrainingContext
from train.hyperparameters import Hyperparameters
from train.model_surgery import start_of
from train.objective import class_objective
from train.rounds import Boosting, _Progress, n_rounds_of
from train.schedule import Schedule
from train.stop import StopSignal
from train.views import Bins, Views

HYPERPARAMETERS = Hyperparameters(max_depth=3, nthread=1, eta=0.9)
ROWS = np.arange(400)
HALF = RatingScale(HALF_STARS)


@pytest.fixture(scope="module")
def label(spec: FeatureSpec, ratings: RatingTable) -> NDArray[np.int64]:
    return spec.scale.to_class(ratings.rating)


@pytest.fixture(params=[0, 2], ids=["no axes", "two rounds along axes"])
def boosting(
    request: pytest.FixtureRequest, spec: FeatureSpec, label: NDArray[np.int64]
) -> Boosting:
    """A new boosting, without any checkpoint."""
    objective = class_objective(HYPERPARAMETERS, label, spec.scale)
    return Boosting(
        objective.params,
        TrainingContext(HYPERPARAMETERS),
        axes=objective.axes,
        n_axis_rounds=request.param,
    )


@pytest.fixture
def make_views(label: NDArray[np.int64]) -> Callable[..., Views]:
    """Views of all features of some rows, and of rows held out."""

    def make(*parts: FeatureBlocks) -> Views:
        [blocks, *_] = parts
        columns = Schedule.of(blocks.columns, HYPERPARAMETERS).columns(Part.MOMENT)
        bins = Bins(parts, HYPERPARAMETERS.max_bin)
        return Views(bins, label, Part.MOMENT, columns, share=0.3, seed=1)

    return make


@pytest.fixture
def views(make_views: Callable[..., Views], fitted_blocks: FeatureBlocks) -> Views:
    return make_views(fitted_blocks)


def stopped(boosting: Boosting) -> Boosting:
    """The same boosting, which stops after each round."""
    stop = StopSignal(requested=True)
    return replace(boosting, context=replace(boosting.context, stop=stop))


def test_a_stage_ends_with_the_rounds_asked_for(
    boosting: Boosting, views: Views
) -> None:
    done = boosting.run("final", views, n_rounds=3)
    assert done.n_rounds == 3
    assert done.is_complete
    assert done.losses == ()
    assert boosting.context.checkpoints.stages["final"].complete


def test_a_stage_ends_when_the_loss_falls_no_more(
    boosting: Boosting,
    make_views: Callable[..., Views],
    fitted_blocks: FeatureBlocks,
) -> None:
    views = make_views(fitted_blocks.among(ROWS[::2]), fitted_blocks.among(ROWS[1::2]))
    done = boosting.run("search", views, n_rounds=40, patience=2)
    n_best = done.best.n_rounds
    assert done.best.booster.num_boosted_rounds() == n_best
    assert done.n_rounds < 40
    assert done.n_rounds == n_best + 2
    assert len(done.losses) == done.n_rounds
    assert done.losses[n_best - 1] == min(done.losses)


def test_rounds_along_axes_go_on_when_the_loss_falls_no_more(
    boosting: Boosting,
    make_views: Callable[..., Views],
    fitted_blocks: FeatureBlocks,
) -> None:
    views = make_views(fitted_blocks.among(ROWS[::2]), fitted_blocks.among(ROWS[1::2]))
    long = replace(boosting, n_axis_rounds=35)
    done = long.run("search", views, n_rounds=40, patience=1)
    along_axes = done.losses[:35]
    assert along_axes.index(min(along_axes)) < 30
    assert done.n_rounds > 35


def test_the_first_rounds_have_a_tree_for_each_class_and_axis(
    boosting: Boosting, views: Views
) -> None:
    booster = boosting.run("final", views, n_rounds=4).booster
    n_trees = [len(each.get_dump()) for each in booster]
    n_classes = boosting.params["num_class"]
    n_axes = boosting.n_axis_rounds * [n_classes * len(Axes.of(HALF))]
    assert n_trees == (n_axes + 4 * [n_classes])[:4]


def test_trees_along_axes_are_at_most_six_deep(
    boosting: Boosting, views: Views
) -> None:
    params = {
        **boosting.params,
        "max_depth": 9,
        "min_child_weight": 0,
        "gamma": 0,
        "lambda": 0,
    }
    deep = replace(boosting, params=params, n_axis_rounds=1)
    along_axes, of_classes = deep.run("final", views, n_rounds=2).booster
    assert depth_of(along_axes) == 6
    assert depth_of(of_classes) == 9


def depth_of(booster: xgboost.Booster) -> int:
    """The number of tabs before the deepest node."""
    lines = "\n".join(booster.get_dump()).split("\n")
    return max(len(line) - len(line.lstrip("\t")) for line in lines)


def test_margins_of_rows_held_out_are_those_of_the_booster(
    boosting: Boosting,
    make_views: Callable[..., Views],
    fitted_blocks: FeatureBlocks,
    label: NDArray[np.int64],
) -> None:
    """The last loss is the log-loss of what the booster answers."""
    held_out = fitted_blocks.among(ROWS[1::2])
    done = boosting.run(
        "race", make_views(fitted_blocks.among(ROWS[::2]), held_out), n_rounds=3
    )
    [(rows, features)] = held_out.make()
    probabilities = done.booster.inplace_predict(features.values)
    own = probabilities[np.arange(len(rows)), label[rows]]
    assert done.losses[-1] == pytest.approx(-np.log(own).mean(), rel=1e-5)


def test_without_patience_a_rising_loss_ends_nothing(
    boosting: Boosting,
    make_views: Callable[..., Views],
    fitted_blocks: FeatureBlocks,
) -> None:
    views = make_views(fitted_blocks.among(ROWS[::2]), fitted_blocks.among(ROWS[1::2]))
    done = boosting.run("race", views, n_rounds=20)
    assert done.losses.index(min(done.losses)) < 15
    assert done.n_rounds == 20


def test_a_stopped_stage_goes_on_to_the_same_model(
    boosting: Boosting, views: Views
) -> None:
    whole = boosting.run("never stopped", views, n_rounds=4).booster

    part = stopped(boosting).run("final", views, n_rounds=4)
    assert part.n_rounds == 1
    assert not part.is_complete
    reached = boosting.reached("final")
    assert reached is not None
    assert (reached.n_rounds, reached.is_complete) == (1, False)

    resumed = boosting.run("final", views, n_rounds=4)
    assert resumed.booster.save_raw() == whole.save_raw()
    reached = boosting.reached("final")
    assert reached is not None
    assert (reached.n_rounds, reached.is_complete) == (4, True)


def test_a_checkpoint_without_a_stage_has_reached_nothing(boosting: Boosting) -> None:
    assert boosting.reached("final") is None


def test_a_chain_begins_at_the_margins_of_another(
    boosting: Boosting, views: Views
) -> None:
    first = boosting.run("first", views, n_rounds=2).ubjson
    again = replace(boosting, start=start_of(first)).run("again", views, n_rounds=2)
    assert again.ubjson == first


def test_rounds_are_counted_in_ubjson(boosting: Boosting, views: Views) -> None:
    assert n_rounds_of(b"") == 0
    done = boosting.run("final", views, n_rounds=2)
    assert n_rounds_of(done.ubjson) == 2
    assert n_rounds_of(start_of(done.ubjson)) == 0


def test_progress_is_logged_about_ten_times(caplog: pytest.LogCaptureFixture) -> None:
    ticks: Any = iter(range(1000))
    progress = _Progress(0, 200, clock=lambda: float(next(ticks)))
    with caplog.at_level("INFO"):
        for n_done in range(1, 201):
            progress.report(n_done)
    assert len(caplog.messages) == 11
    assert caplog.messages[0].startswith("round 1 of 200, 1 rounds/s")
    assert caplog.messages[-1].startswith("round 200 of 200")
