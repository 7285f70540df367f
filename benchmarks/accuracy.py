"""Accuracy on several splits of ml-latest-small, each figure with its bootstrap
interval.

One model a split, trained with the default hyperparameters or with those given. Its
test rows are asked with and without a timestamp, and told apart by whether training saw
their user and movie. Beside it stands the plain bias model (mean + user + movie,
shrunk). On the split by each user's time the test rows of each user are ranked by their
expected rating as well: NDCG@10 with the stars as gain, and the recall of ratings of 4
and more among the first ten, over users with more than ten test rows.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.results import ROOT, Interval, as_number, as_share, console, save
from movielens.channel import Channel
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.predictions import Predictions
from movielens.queries import RatingQueries
from movielens.ratings import RatingScale
from movielens.readers import Dataset, read_dataset
from movielens.tables import RatingTable
from train.blocks import FeatureBlocks
from train.booster import fit_boosters
from train.context import TrainingContext
from train.evaluation import SMALLEST_PROBABILITY, evaluate
from train.hiding import hide
from train.hyperparameters import Hyperparameters, SplitName
from train.split import Split, split_ratings

SPLITS: tuple[SplitName, ...] = ("tutorial", "user_temporal", "temporal")
RESAMPLES, SEED, BEST, LIKED = 1000, 1, 10, 4.0


def fit_model(split: Split, data: Dataset, settings: Hyperparameters) -> Model:
    """The model that a job with these settings trains, but for its decision."""
    scale = RatingScale.of(data.ratings.rating)
    spec = FeatureSpec.fit(split.train, data.movies, settings.features, scale)
    features = spec.transform_fitted(
        split.train, hide(split.train.queries(), settings.hidden_share, settings.seed)
    )
    boosters = fit_boosters(
        FeatureBlocks.of(features),
        split.train.rating,
        scale,
        TrainingContext(settings),
    )
    return Model(spec, boosters.classes, regression=boosters.regression)


def bootstrap(losses: NDArray[np.float64], *, root: bool = False) -> Interval:
    """Mean (or root mean) of losses, and its 95 % interval by resampling rows: value,
    low, high.
    """
    rng, finish = np.random.default_rng(SEED), np.sqrt if root else np.positive
    means = [
        losses[rng.integers(0, len(losses), len(losses))].mean()
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(finish(means), [0.025, 0.975])
    return float(finish(losses.mean())), float(low), float(high)


def figures(
    scores: Predictions, test: RatingTable, scale: RatingScale, rows: NDArray[np.int64]
) -> dict[str, Any]:
    """Exact hits of the likeliest class, RMSE of the expected rating, log-loss,
    calibration error of some rows.
    """
    true_class = scale.to_class(test.rating)
    probability = scores.probabilities[np.arange(len(test)), true_class].astype(
        np.float64
    )
    chosen = scores.take(rows)
    return {
        "rows": len(rows),
        "exact": bootstrap((scores.class_index == true_class)[rows].astype(np.float64)),
        "rmse": bootstrap(
            (scores.expected_rating - test.rating)[rows].astype(np.float64) ** 2,
            root=True,
        ),
        "log_loss": bootstrap(
            -np.log(np.maximum(probability, SMALLEST_PROBABILITY))[rows]
        ),
        "calibration_error": evaluate(chosen, true_class[rows]).calibration_error,
    }


def without_time(queries: RatingQueries) -> RatingQueries:
    """The same rows, not saying when."""
    return RatingQueries(
        queries.user_id, queries.movie_id, np.full(len(queries), np.nan)
    )


def bias_model(model: Model, test: RatingTable) -> Predictions:
    """Mean + user + movie of the training rows.

    The two classes on either side share the probability, so that its mean is that sum.
    """
    queries, bias = test.queries(), model.spec.bias
    user, movie = (
        model.spec.users.index(queries.user_id),
        model.spec.movie_index.index(queries.movie_id),
    )
    expected = bias.mean + bias.user[user] + bias.movie[movie]
    values = np.array(model.class_values)
    apart = np.abs(expected.clip(values[0], values[-1])[:, None] - values)
    step = values[1] - values[0]
    shares = np.maximum(1 - apart / step, 0).astype(np.float32)
    return Predictions(shares, model.class_values)


def ranking(scores: Predictions, test: RatingTable) -> dict[str, Any]:
    """How well each user's test rows are ordered: NDCG@10 and recall@10, means over
    users.
    """
    gains, recalls = [], []
    discount = 1 / np.log2(np.arange(2, BEST + 2))
    for user in np.unique(test.user_id):
        rows = np.flatnonzero(test.user_id == user)
        if len(rows) <= BEST:
            continue
        stars = test.rating[rows].astype(np.float64)
        first = np.argsort(-scores.expected_rating[rows], kind="stable")[:BEST]
        gains.append(
            (stars[first] * discount).sum()
            / (np.sort(stars)[::-1][:BEST] * discount).sum()
        )
        if liked := (stars >= LIKED).sum():
            recalls.append((stars[first] >= LIKED).sum() / min(liked, BEST))
    return {
        "users": len(gains),
        "ndcg": bootstrap(np.array(gains)),
        "recall": bootstrap(np.array(recalls)),
    }


def measure(
    name: SplitName, data: Dataset, settings: Hyperparameters
) -> dict[str, Any]:
    """All figures of one split."""
    split = split_ratings(data.ratings, name, settings.holdout, settings.seed)
    started = time.process_time()
    model = fit_model(split, data, settings)
    seconds = time.process_time() - started
    test, queries = split.test, split.test.queries()
    user, movie = (
        np.isin(test.user_id, split.train.user_id),
        np.isin(test.movie_id, split.train.movie_id),
    )
    parts = {
        "all": user | True,
        "both known": user & movie,
        "unknown user": ~user,
        "unknown movie": ~movie,
    }
    predictors = {
        "Halfstar": model.predict(queries),
        "Halfstar, no timestamp": model.predict(without_time(queries)),
        "bias model": bias_model(model, test),
    }
    if model.regression is not None:
        predictors["Halfstar, no regression"] = replace(model, regression=None).predict(
            queries
        )
    rows = {part: np.flatnonzero(mask) for part, mask in parts.items() if mask.any()}
    result: dict[str, Any] = {
        who: {
            part: figures(scores, test, model.spec.scale, chosen)
            for part, chosen in rows.items()
        }
        for who, scores in predictors.items()
    }
    result["training_cpu_seconds"] = seconds
    if name == "user_temporal":
        result["ranking"] = {
            who: ranking(scores, test) for who, scores in predictors.items()
        }
    return result


def table(name: str, result: dict[str, Any]) -> Table:
    """One split for people."""
    out = Table(
        "", "rows", "exact", "RMSE", "log-loss", "calibration error", title=name
    )
    for who, parts in result.items():
        if not isinstance(parts, dict) or "all" not in parts:
            continue
        for part, f in parts.items():
            bare = who == "bias model"
            out.add_row(
                f"{who}, {part}",
                f"{f['rows']:,}",
                as_share(f["exact"]),
                as_number(f["rmse"]),
                "" if bare else as_number(f["log_loss"]),
                "" if bare else f"{f['calibration_error']:.3f}",
            )
    return out


def main() -> None:
    """Measure the splits named on the command line (all without) with the
    hyperparameters given as NAME=VALUE.

    Prints the tables and writes the JSON.
    """
    given = dict(argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument)
    chosen = [argument for argument in sys.argv[1:] if "=" not in argument] or SPLITS
    data = read_dataset([Channel("training", ROOT / "data" / "ml-latest-small")])
    screen = console()
    results = {}
    for name in (split for split in SPLITS if split in chosen):
        results[name] = measure(
            name, data, Hyperparameters.parse({"split": name, "nthread": "1", **given})
        )
        screen.print(table(name, results[name]))
        screen.print(
            f"features and training: {results[name]['training_cpu_seconds']:.0f} s of one core"
        )
        for who, ranked in results[name].get("ranking", {}).items():
            screen.print(
                f"{who}: NDCG@10 {ranked['ndcg'][0]:.3f}, recall@10 {ranked['recall'][0]:.3f}"
            )
    save("accuracy", results, screen)


if __name__ == "__main__":
    main()
