"""Accuracy on several splits of ml-latest-small, with bootstrap intervals.

``python -m benchmarks.accuracy [SPLIT ...] [NAME=VALUE ...]`` measures those splits, or
else all, with those hyperparameters, or else the default ones.

A split gets one model. Its test rows are asked with and without a timestamp, and
counted apart by whether training saw their user and their movie. Beside it there is the
plain bias model: mean + user + movie, shrunk.

On the split ``user_temporal`` the test rows of each user are also ranked by their
expected rating. Two figures say how good the order is, as means over the users with
more than ten test rows: NDCG@10 with the stars as gain, and the recall of ratings of 4
and more among the first ten.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.data import read_data, split_data
from benchmarks.results import Interval, as_number, as_percent, console, save
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.predictions import Predictions
from movielens.queries import RatingQueries
from movielens.ratings import RatingScale
from movielens.readers import Dataset
from movielens.tables import RatingTable
from train.blocks import FeatureBlocks
from train.booster import fit_boosters
from train.context import TrainingContext
from train.evaluation import SMALLEST_PROBABILITY, evaluate
from train.hiding import hide
from train.hyperparameters import Hyperparameters, SplitName
from train.split import Split
from train.weighting import user_weights

SPLITS: tuple[SplitName, ...] = ("tutorial", "user_temporal", "temporal")

RESAMPLES = 1000
RESAMPLING_SEED = 1

N_RANKED = 10
LIKED_STARS = 4.0


def fit_model(split: Split, data: Dataset, hyperparameters: Hyperparameters) -> Model:
    """The model that a job with these hyperparameters trains, without its decision."""
    scale = RatingScale.of(data.ratings.rating)
    spec = FeatureSpec.fit(split.train, data.movies, hyperparameters.features, scale)
    queries = split.train.queries()
    hidden = hide(queries, hyperparameters.hidden_share, hyperparameters.seed)
    blocks = FeatureBlocks.of(spec.transform_fitted(split.train, hidden))

    context = TrainingContext(hyperparameters)
    weight = user_weights(split.train.user_id, hyperparameters.user_evenness)
    boosters = fit_boosters(blocks, split.train.rating, scale, context, weight=weight)
    return Model(spec, boosters.classes, regression=boosters.regression)


def mean_interval(losses: NDArray[np.float64]) -> Interval:
    """The mean of losses, and its 95 % interval by resampling rows."""
    rng = np.random.default_rng(RESAMPLING_SEED)
    n_rows = len(losses)
    means = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, n_rows, n_rows)
        means.append(losses[rows].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    return float(losses.mean()), float(low), float(high)


def root_mean_interval(losses: NDArray[np.float64]) -> Interval:
    """The root of the mean of losses, and its 95 % interval by resampling rows."""
    mean, low, high = np.sqrt(mean_interval(losses))
    return float(mean), float(low), float(high)


def log_losses(
    probabilities: NDArray[np.float32], true_class: NDArray[np.int64]
) -> NDArray[np.float64]:
    """-ln p(true class) of each row.

    Args:
        probabilities: (n_rows, n_classes).
        true_class: (n_rows,).
    """
    rows = np.arange(len(true_class))
    probability = probabilities[rows, true_class].astype(np.float64)
    return -np.log(np.maximum(probability, SMALLEST_PROBABILITY))


def measure_rows(
    predictions: Predictions,
    test: RatingTable,
    scale: RatingScale,
    rows: NDArray[np.int64],
) -> dict[str, Any]:
    """Figures of some of the test rows.

    They are exact hits of the class, RMSE of the expected rating, log-loss, and the
    calibration error.
    """
    chosen = predictions.take(rows)
    true_class = scale.to_class(test.rating)[rows]
    is_exact = (chosen.class_index == true_class).astype(np.float64)
    errors = (chosen.expected_rating - test.rating[rows]).astype(np.float64)
    return {
        "rows": len(rows),
        "exact": mean_interval(is_exact),
        "rmse": root_mean_interval(errors**2),
        "log_loss": mean_interval(log_losses(chosen.probabilities, true_class)),
        "calibration_error": evaluate(chosen, true_class).calibration_error,
    }


def without_time(queries: RatingQueries) -> RatingQueries:
    """The same queries without timestamps."""
    no_time = np.full(len(queries), np.nan)
    return RatingQueries(queries.user_id, queries.movie_id, no_time)


def bias_model(model: Model, test: RatingTable) -> Predictions:
    """Predictions by mean + user + movie of the training rows.

    The two classes on either side of that sum share the probability so that their mean
    is the sum.
    """
    spec = model.spec
    queries = test.queries()
    user = spec.users.index(queries.user_id)
    movie = spec.movie_index.index(queries.movie_id)
    expected = spec.bias.mean + spec.bias.user[user] + spec.bias.movie[movie]

    values = np.array(model.class_values)
    lowest = values[0]
    step = values[1] - lowest
    on_scale = expected.clip(lowest, values[-1])
    distance = np.abs(on_scale[:, None] - values)
    shares = np.maximum(1 - distance / step, 0)
    return Predictions(shares.astype(np.float32), model.class_values)


def measure_ranking(predictions: Predictions, test: RatingTable) -> dict[str, Any]:
    """How well each user's test rows are ordered, as means over users."""
    discount = 1 / np.log2(np.arange(2, N_RANKED + 2))
    gains = []
    recalls = []
    for user_id in np.unique(test.user_id):
        rows = np.flatnonzero(test.user_id == user_id)
        if len(rows) <= N_RANKED:
            continue

        stars = test.rating[rows].astype(np.float64)
        order = np.argsort(-predictions.expected_rating[rows], kind="stable")
        ranked = stars[order[:N_RANKED]]
        best = np.sort(stars)[::-1][:N_RANKED]
        gains.append((ranked * discount).sum() / (best * discount).sum())

        n_liked = int((stars >= LIKED_STARS).sum())
        if n_liked:
            n_found = (ranked >= LIKED_STARS).sum()
            recalls.append(n_found / min(n_liked, N_RANKED))
    return {
        "users": len(gains),
        "ndcg": mean_interval(np.array(gains)),
        "recall": mean_interval(np.array(recalls)),
    }


def measure(data: Dataset, hyperparameters: Hyperparameters) -> dict[str, Any]:
    """All figures of the split that these hyperparameters name."""
    return measure_split(split_data(data, hyperparameters), data, hyperparameters)


def measure_split(
    split: Split, data: Dataset, hyperparameters: Hyperparameters
) -> dict[str, Any]:
    """All figures of one split: by predictor, then by part of the test rows."""
    started = time.process_time()
    model = fit_model(split, data, hyperparameters)
    seconds = time.process_time() - started

    predictors = predict(model, split.test)
    parts = parts_of_test_rows(split)
    result: dict[str, Any] = {"training_cpu_seconds": seconds}
    for name, predictions in predictors.items():
        result[name] = {
            part: measure_rows(predictions, split.test, model.spec.scale, rows)
            for part, rows in parts.items()
        }
    if hyperparameters.split == "user_temporal":
        result["ranking"] = {
            name: measure_ranking(predictions, split.test)
            for name, predictions in predictors.items()
        }
    return result


def predict(model: Model, test: RatingTable) -> dict[str, Predictions]:
    """What each predictor says of the test rows."""
    queries = test.queries()
    predictors = {
        "Halfstar": model.predict(queries),
        "Halfstar, no timestamp": model.predict(without_time(queries)),
        "bias model": bias_model(model, test),
    }
    if model.regression is not None:
        classes_alone = replace(model, regression=None)
        predictors["Halfstar, no regression"] = classes_alone.predict(queries)
    return predictors


def parts_of_test_rows(split: Split) -> dict[str, NDArray[np.int64]]:
    """The test rows by what training saw of them; parts without rows are left out."""
    knows_user = np.isin(split.test.user_id, split.train.user_id)
    knows_movie = np.isin(split.test.movie_id, split.train.movie_id)
    masks = {
        "all": np.ones(len(split.test), dtype=bool),
        "both known": knows_user & knows_movie,
        "unknown user": ~knows_user,
        "unknown movie": ~knows_movie,
    }
    return {part: np.flatnonzero(mask) for part, mask in masks.items() if mask.any()}


def accuracy_table(name: str, result: dict[str, Any]) -> Table:
    """One split: a line for each predictor and part.

    It has intervals, which the evaluation of a job doesn't have.
    """
    table = Table(
        *("", "rows", "exact", "RMSE", "log-loss", "calibration error"), title=name
    )
    for predictor, parts in result.items():
        if predictor in ("training_cpu_seconds", "ranking"):
            continue
        for part, figures in parts.items():
            cells = [
                f"{predictor}, {part}",
                f"{figures['rows']:,}",
                as_percent(figures["exact"]),
                as_number(figures["rmse"]),
            ]
            # The bias model has no real distribution to judge.
            if predictor != "bias model":
                cells.append(as_number(figures["log_loss"]))
                cells.append(f"{figures['calibration_error']:.3f}")
            table.add_row(*cells)
    return table


def main() -> None:
    """Measure what the command line names, print the tables, write the JSON."""
    options = [argument for argument in sys.argv[1:] if "=" in argument]
    values = dict(option.split("=", 1) for option in options)
    names = [argument for argument in sys.argv[1:] if "=" not in argument]
    splits = [split for split in SPLITS if split in (names or SPLITS)]

    data = read_data()
    screen = console()
    results = {}
    for name in splits:
        hyperparameters = Hyperparameters.parse(
            {"split": name, "nthread": "1", **values}
        )
        result = measure(data, hyperparameters)
        results[name] = result

        screen.print(accuracy_table(name, result))
        seconds = result["training_cpu_seconds"]
        screen.print(f"features and training: {seconds:.0f} s of one core")
        for predictor, ranking in result.get("ranking", {}).items():
            ndcg, *_ = ranking["ndcg"]
            recall, *_ = ranking["recall"]
            screen.print(f"{predictor}: NDCG@10 {ndcg:.3f}, recall@10 {recall:.3f}")
    save("accuracy", results, screen)


if __name__ == "__main__":
    main()
