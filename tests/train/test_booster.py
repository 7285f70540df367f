"""Boosting to finished boosters: which trees answer what, the average of several seeds,
and a regression that is stopped and resumed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from movielens import artifact
from movielens.channel import Channel
from movielens.evaluation import Figures
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.queries import RatingQueries
from movielens.ratings import RatingScale
from movielens.readers import read_dataset
from movielens.tables import RatingTable
from tests.train.conftest import (
    ASKED_BEFORE_BOOSTING,
    StopAfter,
    configure,
    model_files,
)
from train.blocks import FeatureBlocks
from train.booster import Boosters, IncompleteError, fit_booster, fit_boosters
from train.context import TrainingContext
from train.evaluation import evaluate
from train.hyperparameters import Hyperparameters
from train.job import TrainingJob, prepare
from train.model_surgery import LEAF_STEP
from train.objective import class_objective, regression_objective
from train.pipeline import train
from train.split import split_ratings
from train.stop import StoppedError, StopSignal
from train.weighting import user_weights

MakeJob = Callable[..., Path]
Lacking = Callable[[RatingQueries], RatingQueries]

CLASSES = Hyperparameters(
    num_round=10,
    movie_rounds=0.3,
    user_rounds=0.3,
    date_rounds=0.5,
    max_depth=3,
    min_child_weight=1,
    nthread=1,
    seed=5,
)
# With these, the first rounds of a chain don't depend on how many follow, and so few
# rows can be told apart in each of them.
WITHOUT_AXES = replace(CLASSES, axis_rounds=0)
# Those of the moment first, then of the movie, of the user and of the date.
N_ROUNDS = 21
REGRESSION = Hyperparameters(
    regression_rounds=40,
    movie_rounds=0.25,
    user_rounds=0.25,
    date_rounds=0.25,
    nthread=1,
    seed=5,
)


def whole(queries: RatingQueries) -> RatingQueries:
    return queries


def without_time(queries: RatingQueries) -> RatingQueries:
    never = np.full(len(queries), np.nan)
    return RatingQueries(queries.user_id, queries.movie_id, never)


def without_user(queries: RatingQueries) -> RatingQueries:
    nobody = np.full_like(queries.user_id, 10**9)
    return RatingQueries(nobody, queries.movie_id, queries.timestamp)


# Which trees answer what


def without_both(queries: RatingQueries) -> RatingQueries:
    return without_time(without_user(queries))


@pytest.mark.parametrize(
    ("lacking", "rounds"),
    [
        (whole, (0, 10)),
        (without_both, (10, 13)),
        (without_time, (13, 16)),
        (without_user, (16, 21)),
    ],
)
def test_rows_are_answered_by_the_chain_that_looks_at_all_that_is_known(
    spec: FeatureSpec,
    ratings: RatingTable,
    fitted_blocks: FeatureBlocks,
    lacking: Lacking,
    rounds: tuple[int, int],
) -> None:
    context = TrainingContext(WITHOUT_AXES)
    booster = fit_boosters(fitted_blocks, ratings.rating, spec.scale, context).classes

    features = spec.transform(lacking(ratings.queries())).values
    of_these_rounds = booster.inplace_predict(features, iteration_range=rounds)
    np.testing.assert_array_equal(booster.inplace_predict(features), of_these_rounds)

    first, end = rounds
    for fewer in ((first, end - 1), (first + 1, end)):
        assert not np.array_equal(
            of_these_rounds, booster.inplace_predict(features, iteration_range=fewer)
        )


@pytest.mark.parametrize("lacking", [whole, without_time, without_user, without_both])
def test_models_of_several_seeds_are_averaged(
    spec: FeatureSpec,
    ratings: RatingTable,
    fitted_blocks: FeatureBlocks,
    lacking: Lacking,
) -> None:
    features = spec.transform(lacking(ratings.queries())).values

    def margins(n_models: int, seed: int) -> NDArray[np.float32]:
        context = TrainingContext(replace(CLASSES, n_models=n_models, seed=seed))
        boosters = fit_boosters(fitted_blocks, ratings.rating, spec.scale, context)
        n_rounds = boosters.classes.num_boosted_rounds()
        assert n_rounds == n_models * N_ROUNDS
        found: NDArray[np.float32] = boosters.classes.inplace_predict(
            features, predict_type="margin"
        )
        return found

    apart = [margins(1, seed) for seed in (5, 6, 7)]
    # Leaves are rounded once, and once more after they are divided.
    rounding = 2 * N_ROUNDS * LEAF_STEP
    np.testing.assert_allclose(margins(3, 5), np.mean(apart, axis=0), atol=rounding)


# Stops


@pytest.mark.parametrize(
    ("stopped_after", "rounds", "as_if"),
    [
        # The movie's first two rounds answer everything.
        (1, 2, {"movie_rounds": 0.2, "user_rounds": 0, "date_rounds": 0}),
        # Two rounds of the user are fewer than those of the movie, and so is one of
        # all features: they don't answer yet.
        (5, 3, {"user_rounds": 0, "date_rounds": 0}),
        (8, 6, {"date_rounds": 0}),
    ],
)
def test_after_a_stop_the_chains_that_are_done_answer_for_the_others(
    spec: FeatureSpec,
    ratings: RatingTable,
    fitted_blocks: FeatureBlocks,
    stopped_after: int,
    rounds: int,
    as_if: dict[str, Any],
) -> None:
    def fitted(context: TrainingContext) -> Boosters:
        return fit_boosters(fitted_blocks, ratings.rating, spec.scale, context)

    stopped = fitted(TrainingContext(WITHOUT_AXES, StopAfter(stopped_after)))
    assert stopped.classes.num_boosted_rounds() == rounds
    assert stopped.branch_rounds == rounds

    others = fitted(TrainingContext(replace(WITHOUT_AXES, **as_if)))
    for lacking in (without_user, without_both):
        features = spec.transform(lacking(ratings.queries())).values
        np.testing.assert_array_equal(
            stopped.classes.inplace_predict(features),
            others.classes.inplace_predict(
                spec.transform(without_both(ratings.queries())).values
            ),
        )


def test_a_stopped_chain_answers_once_it_is_longer_than_its_stand_ins(
    spec: FeatureSpec, ratings: RatingTable, fitted_blocks: FeatureBlocks
) -> None:
    # Asked after each round, and once before each chain but the first.
    before_the_main_one = 3 + 1 + 3 + 1
    for n_rounds, n_main in ((2, 0), (3, 3)):
        context = TrainingContext(
            CLASSES, StopAfter(before_the_main_one + n_rounds - 1)
        )
        stopped = fit_boosters(fitted_blocks, ratings.rating, spec.scale, context)
        assert stopped.classes.num_boosted_rounds() - stopped.branch_rounds == n_main


def test_a_job_that_is_resumed_ends_with_the_same_booster(
    spec: FeatureSpec, ratings: RatingTable, fitted_blocks: FeatureBlocks
) -> None:
    def fitted(context: TrainingContext) -> Boosters:
        return fit_boosters(fitted_blocks, ratings.rating, spec.scale, context)

    never_stopped = fitted(TrainingContext(CLASSES))
    assert never_stopped.branch_rounds == N_ROUNDS - CLASSES.num_round
    for stopped_after in (2, 5, 12, 22):
        stopping = TrainingContext(CLASSES, StopAfter(stopped_after))
        fitted(stopping)
        resumed = fitted(TrainingContext(CLASSES, checkpoints=stopping.checkpoints))
        assert resumed.classes.save_raw() == never_stopped.classes.save_raw()


def test_without_the_rounds_of_the_date_the_movie_answers(
    spec: FeatureSpec, ratings: RatingTable, fitted_blocks: FeatureBlocks
) -> None:
    # Asked after each round, and once before each chain but the first.
    in_the_last_chain = 3 + 1 + 3 + 1 + 10 + 1 + 1
    stopping = TrainingContext(CLASSES, StopAfter(in_the_last_chain))
    stopped = fit_boosters(fitted_blocks, ratings.rating, spec.scale, stopping)
    assert stopping.checkpoints.stages["final-date"].n_rounds == 2
    assert stopped.classes.num_boosted_rounds() == 10 + 3 + 3
    dated = spec.transform(without_user(ratings.queries())).values
    undated = spec.transform(without_both(ratings.queries())).values
    np.testing.assert_array_equal(
        stopped.classes.inplace_predict(dated),
        stopped.classes.inplace_predict(undated),
    )


def test_branches_change_nothing_for_rows_of_which_all_is_known(
    spec: FeatureSpec, ratings: RatingTable, fitted_blocks: FeatureBlocks
) -> None:
    def booster(**shares: Any) -> xgboost.Booster:
        context = TrainingContext(replace(CLASSES, **shares))
        weight = user_weights(ratings.user_id, CLASSES.user_evenness)
        return fit_boosters(
            fitted_blocks, ratings.rating, spec.scale, context, weight=weight
        ).classes

    features = spec.transform(ratings.queries()).values
    np.testing.assert_array_equal(
        booster().inplace_predict(features),
        booster(movie_rounds=0, user_rounds=0, date_rounds=0).inplace_predict(features),
    )


# The regression


def test_the_regression_is_closer_the_more_is_known(
    spec: FeatureSpec, ratings: RatingTable, fitted_blocks: FeatureBlocks
) -> None:
    objective = regression_objective(REGRESSION, ratings.rating)
    fitted = fit_booster(objective, fitted_blocks, TrainingContext(REGRESSION))
    booster = fitted.booster
    assert fitted.branch_rounds == 30
    assert booster.num_boosted_rounds() == REGRESSION.regression_rounds + 30

    def error(queries: RatingQueries, first: int, end: int) -> float:
        """The error of these rounds, which shall be all that answer."""
        features = spec.transform(queries).values
        estimate = booster.inplace_predict(features)
        of_these = booster.inplace_predict(features, iteration_range=(first, end))
        np.testing.assert_array_equal(estimate, of_these)
        return float(np.sqrt(np.mean((estimate - ratings.rating) ** 2)))

    queries = ratings.queries()
    nothing = float(ratings.rating.std())
    of_all = error(queries, 0, 40)
    of_movie = error(without_both(queries), 40, 50)
    of_user = error(without_time(queries), 50, 60)
    assert nothing > of_movie > of_user > of_all
    assert nothing > error(without_user(queries), 60, 70)


def test_there_is_no_regression_unless_it_is_asked_for(
    spec: FeatureSpec, ratings: RatingTable, fitted_blocks: FeatureBlocks
) -> None:
    hyperparameters = replace(CLASSES, num_round=2)
    without = TrainingContext(hyperparameters)
    boosters = fit_boosters(fitted_blocks, ratings.rating, spec.scale, without)
    assert boosters.regression is None

    context = TrainingContext(replace(hyperparameters, regression_rounds=2))
    boosters = fit_boosters(fitted_blocks, ratings.rating, spec.scale, context)
    assert boosters.regression is not None


def test_a_stop_among_the_classes_leaves_the_regression_out(
    spec: FeatureSpec, ratings: RatingTable, fitted_blocks: FeatureBlocks
) -> None:
    hyperparameters = replace(CLASSES, regression_rounds=2)
    context = TrainingContext(hyperparameters, StopSignal(requested=True))
    boosters = fit_boosters(fitted_blocks, ratings.rating, spec.scale, context)
    assert boosters.classes.num_boosted_rounds() == 1
    assert boosters.regression is None


def test_a_regression_without_all_its_rounds_is_given_up(
    ratings: RatingTable, fitted_blocks: FeatureBlocks
) -> None:
    objective = regression_objective(REGRESSION, ratings.rating)
    context = TrainingContext(REGRESSION, StopSignal(requested=True))
    with pytest.raises(IncompleteError, match="before 40 rounds were done"):
        fit_booster(objective, fitted_blocks, context)


def test_a_stop_before_the_first_round_leaves_nothing(
    spec: FeatureSpec, ratings: RatingTable
) -> None:
    context = TrainingContext(CLASSES, StopSignal(requested=True))
    blocks = FeatureBlocks.fitted(spec, ratings, ratings.queries(), context)
    class_index = spec.scale.to_class(ratings.rating)
    objective = class_objective(CLASSES, class_index, spec.scale)
    with pytest.raises(StoppedError, match="before the features were done"):
        fit_booster(objective, blocks, context)


# Whole jobs with a regression

JOB = {
    "num_round": "4",
    "movie_rounds": "0.25",
    "user_rounds": "0.5",
    "max_depth": "3",
    "regression_rounds": "9",
    "checkpoint_rounds": "3",
    "nthread": "1",
    "features": "statistics,clock",
    "save_predictions": "true",
}
# One of the movie, two of the user, four of all features.
N_OF_CLASSES = 7
N_OF_REGRESSION = 2 + 4 + 9
# How often a job asks for a stop before the regression: before two chains and twice
# after the rounds of the classes, which a resumed job has done already.
ASKED_BEFORE_RESUMED = ASKED_BEFORE_BOOSTING + 4
ASKED_BEFORE_REGRESSION = ASKED_BEFORE_RESUMED + N_OF_CLASSES


def run(base_dir: Path, stop: StopSignal | None = None) -> dict[str, Any]:
    prepare(base_dir)
    evaluation = train(TrainingJob.at(base_dir), stop or StopSignal())
    assert evaluation is not None
    return asdict(evaluation.booster)


def predicted_rows(base_dir: Path) -> list[list[str]]:
    text = (base_dir / "output" / "data" / "predictions.csv").read_text()
    return [line.split(",") for line in text.splitlines()]


def test_a_stopped_regression_is_left_out_and_resumed(
    make_job: MakeJob, tmp_path: Path
) -> None:
    base_dir = make_job(JOB)
    (base_dir / "checkpoints").mkdir()
    never_stopped = tmp_path / "never-stopped"
    shutil.copytree(base_dir, never_stopped)
    assert run(never_stopped) == {
        "num_round": N_OF_CLASSES,
        "branch_rounds": 3,
        "regression_rounds": N_OF_REGRESSION,
        "stopped": False,
        "validation_losses": [],
    }

    among_its_rounds = ASKED_BEFORE_REGRESSION + 2
    among_later_rounds = ASKED_BEFORE_RESUMED + 3
    among_the_features = ASKED_BEFORE_BOOSTING - 2
    for times in (among_its_rounds, among_later_rounds, among_the_features):
        assert run(base_dir, StopAfter(times)) == {
            "num_round": N_OF_CLASSES,
            "branch_rounds": 3,
            "regression_rounds": 0,
            "stopped": True,
            "validation_losses": [],
        }
        assert artifact.load(base_dir / "model").regression is None

    run(base_dir)
    assert model_files(base_dir) == model_files(never_stopped)


def test_early_stopping_does_not_shorten_the_regression(make_job: MakeJob) -> None:
    base_dir = make_job({**JOB, "num_round": "8", "early_stopping_rounds": "2"})
    assert run(base_dir)["regression_rounds"] == N_OF_REGRESSION


def test_a_regression_changes_the_expected_rating_and_nothing_else(
    make_job: MakeJob, tmp_path: Path
) -> None:
    base_dir = make_job(JOB)
    without = tmp_path / "without"
    shutil.copytree(base_dir, without)
    configure(without, "hyperparameters", {**JOB, "regression_rounds": "0"})
    run(base_dir)
    run(without)
    assert model_files(base_dir)["booster.ubj"] == model_files(without)["booster.ubj"]

    rows = predicted_rows(base_dir)
    rows_without = predicted_rows(without)
    assert rows[0][4] == "expected_rating"
    assert [row[:4] for row in rows] == [row[:4] for row in rows_without]
    assert [row[4] for row in rows[1:]] != [row[4] for row in rows_without[1:]]


# Unknown users, on real data


@pytest.fixture(scope="module")
def later_users(data_dir: Path) -> tuple[Model, RatingTable]:
    """A small model of most ratings, and later ratings of users that it doesn't know.

    The last fifth by time is in neither of them.
    """
    data = read_dataset([Channel("training", data_dir)])
    earlier = split_ratings(data.ratings, "temporal", 0.2, seed=0).train
    split = split_ratings(earlier, "temporal", 0.2, seed=0)
    hyperparameters = Hyperparameters(
        num_round=30,
        eta=0.15,
        movie_rounds=0.8,
        user_rounds=0.0,
        date_rounds=1.0,
        nthread=1,
    )
    scale = RatingScale.of(data.ratings.rating)
    groups = ("statistics", "histograms", "era")
    spec = FeatureSpec.fit(split.train, data.movies, groups, scale)
    blocks = FeatureBlocks.of(spec.transform_fitted(split.train))
    boosters = fit_boosters(
        blocks,
        split.train.rating,
        scale,
        TrainingContext(hyperparameters),
        weight=user_weights(split.train.user_id, hyperparameters.user_evenness),
    )
    is_unknown = ~np.isin(split.test.user_id, split.train.user_id)
    test = split.test.take(np.flatnonzero(is_unknown))
    return Model(spec, boosters.classes), test


def test_a_timestamp_helps_with_users_whom_training_never_saw(
    later_users: tuple[Model, RatingTable],
) -> None:
    model, test = later_users
    true_class = model.spec.scale.to_class(test.rating)

    def figures(queries: RatingQueries) -> Figures:
        return evaluate(model.predict(queries), true_class)

    dated = figures(test.queries())
    undated = figures(without_time(test.queries()))
    assert dated.log_loss < undated.log_loss - 0.03
    assert dated.rmse < undated.rmse


def test_unknown_users_are_answered_better_than_by_biases(
    later_users: tuple[Model, RatingTable],
) -> None:
    model, test = later_users
    scale = model.spec.scale
    bias = model.spec.bias
    movie = model.spec.movie_index.index(test.queries().movie_id)
    by_biases = bias.mean + bias.movie[movie]
    nearest = np.clip(np.round(2 * by_biases), 1, 10) / 2

    predicted = model.predict(test.queries())
    figures = evaluate(predicted, scale.to_class(test.rating))
    assert figures.accuracy > np.mean(nearest == test.rating)
    assert figures.rmse < np.sqrt(np.mean((by_biases - test.rating) ** 2))
