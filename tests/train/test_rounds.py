"""Round after round: where a stage ends, what a checkpoint restores, and what is
logged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from movielens.features import FeatureSpec
from movielens.tables import RatingTable
from train.blocks import FeatureBlocks
from train.context import TrainingContext
from train.hyperparameters import Hyperparameters
from train.objective import class_objective
from train.rounds import Boosting, _Progress, n_rounds_of
from train.schedule import Schedule
from train.stop import StopSignal

HYPERPARAMETERS = Hyperparameters(
    max_depth=3, nthread=1, eta=0.9, movie_rounds=0, user_rounds=0
)
ROWS = np.arange(400)


@pytest.fixture(scope="module")
def label(spec: FeatureSpec, ratings: RatingTable) -> NDArray[np.int64]:
    return spec.scale.to_class(ratings.rating)


@pytest.fixture
def boosting(spec: FeatureSpec, label: NDArray[np.int64]) -> Boosting:
    """A new boosting, without any checkpoint."""
    objective = class_objective(HYPERPARAMETERS, label, len(spec.scale.class_values))
    schedule = Schedule.of(spec.columns, HYPERPARAMETERS, n_rounds=40)
    return Boosting(objective.params, TrainingContext(HYPERPARAMETERS), schedule)


def stopped(boosting: Boosting) -> Boosting:
    """The same boosting, which stops after each round."""
    stop = StopSignal(requested=True)
    return replace(boosting, context=replace(boosting.context, stop=stop))


def test_a_stage_ends_with_the_rounds_asked_for(
    boosting: Boosting, fitted_blocks: FeatureBlocks, label: NDArray[np.int64]
) -> None:
    done = boosting.run("final", fitted_blocks, label, n_rounds=3)
    assert done.booster.num_boosted_rounds() == 3
    assert done.losses == ()
    assert boosting.context.checkpoints.stages["final"].complete


def test_a_stage_ends_when_the_loss_falls_no_more(
    boosting: Boosting, fitted_blocks: FeatureBlocks, label: NDArray[np.int64]
) -> None:
    done = boosting.run(
        "search",
        fitted_blocks.among(ROWS[::2]),
        label,
        n_rounds=40,
        held_out=fitted_blocks.among(ROWS[1::2]),
        patience=2,
    )
    n_rounds = done.booster.num_boosted_rounds()
    n_best = done.best.num_boosted_rounds()
    assert n_rounds < 40
    assert n_rounds == n_best + 2
    assert len(done.losses) == n_rounds
    assert done.losses[n_best - 1] == min(done.losses)


def test_a_stopped_stage_goes_on_to_the_same_model(
    boosting: Boosting, fitted_blocks: FeatureBlocks, label: NDArray[np.int64]
) -> None:
    whole = boosting.run("never stopped", fitted_blocks, label, n_rounds=4).booster

    part = stopped(boosting).run("final", fitted_blocks, label, n_rounds=4)
    assert part.booster.num_boosted_rounds() == 1
    assert boosting.completed("final") is None

    resumed = boosting.run("final", fitted_blocks, label, n_rounds=4)
    assert resumed.booster.save_raw() == whole.save_raw()
    completed = boosting.completed("final")
    assert completed is not None
    assert completed.booster.num_boosted_rounds() == 4


def test_the_longest_booster_is_among_the_stages_asked_for(
    boosting: Boosting, fitted_blocks: FeatureBlocks, label: NDArray[np.int64]
) -> None:
    assert boosting.longest(["final", "final1"]) is None
    boosting.run("final", fitted_blocks, label, n_rounds=1)
    boosting.run("final1", fitted_blocks, label, n_rounds=2)
    boosting.run("regression", fitted_blocks, label, n_rounds=3)
    longest = boosting.longest(["final", "final1"])
    assert longest is not None
    assert longest.num_boosted_rounds() == 2


def test_rounds_are_counted_in_ubjson(
    boosting: Boosting, fitted_blocks: FeatureBlocks, label: NDArray[np.int64]
) -> None:
    assert n_rounds_of(b"") == 0
    done = boosting.run("final", fitted_blocks, label, n_rounds=2)
    assert n_rounds_of(bytes(done.booster.save_raw("ubj"))) == 2


def test_progress_is_logged_about_ten_times(caplog: pytest.LogCaptureFixture) -> None:
    ticks: Any = iter(range(1000))
    progress = _Progress(0, 200, clock=lambda: float(next(ticks)))
    with caplog.at_level("INFO"):
        for n_done in range(1, 201):
            progress.report(n_done)
    assert len(caplog.messages) == 11
    assert caplog.messages[0].startswith("round 1 of 200, 1 rounds/s")
    assert caplog.messages[-1].startswith("round 200 of 200")
