"""Halfstar beside the notebook tutorial, on the same rows of ml-latest-small.

1. Making features: the tutorial's loop over rows, beside all of ours.
2. Accuracy on the tutorial's own split. The tutorial's features get the same learner
   with the tutorial's settings. They are evaluated rightly, and also as the notebook
   does (`benchmarks.notebook.shares_as_published`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import xgboost
from rich.table import Table

from benchmarks import notebook
from benchmarks.accuracy import fit_model
from benchmarks.data import read_data, split_data
from benchmarks.results import console, save
from movielens.evaluation import Figures
from movielens.features import FeatureSpec
from movielens.predictions import Predictions
from movielens.ratings import RatingScale
from movielens.readers import Dataset
from movielens.tables import RatingTable
from train.evaluation import evaluate
from train.hyperparameters import Hyperparameters
from train.split import Split

REPEATS = 5


def time_features(data: Dataset) -> tuple[float, float]:
    """Median seconds for the features of all rows: the loop's, and ours.

    The two take turns.
    """
    genres_of = notebook.genres_by_movie(data.movies)
    spec = FeatureSpec.fit(data.ratings, data.movies)
    queries = data.ratings.queries()

    loop = []
    ours = []
    for _ in range(REPEATS):
        loop.append(_seconds(lambda: notebook.loop_features(data.ratings, genres_of)))
        ours.append(_seconds(lambda: spec.transform(queries)))
    return statistics.median(loop), statistics.median(ours)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure_accuracy(data: Dataset) -> tuple[dict[str, Figures], dict[str, float]]:
    """Figures on the tutorial's test rows, then the tutorial's as it computes them."""
    hyperparameters = Hyperparameters(split="tutorial")
    split = split_data(data, hyperparameters)
    scale = RatingScale.of(data.ratings.rating)
    true_class = scale.to_class(split.test.rating)

    tutorial = predict_as_tutorial(data, split, scale)
    model = fit_model(split, data, hyperparameters)
    ours = model.predict(split.test.queries())

    figures = {
        "tutorial": evaluate(tutorial, true_class),
        "Halfstar": evaluate(ours, true_class),
    }
    published = notebook.shares_as_published(tutorial.class_index, true_class)
    return figures, published


def predict_as_tutorial(data: Dataset, split: Split, scale: RatingScale) -> Predictions:
    """What the tutorial's features and learner predict for the test rows."""
    genres_of = notebook.genres_by_movie(data.movies)

    def matrix(ratings: RatingTable) -> xgboost.DMatrix:
        features = notebook.loop_features(ratings, genres_of)
        true_class = scale.to_class(ratings.rating)
        return xgboost.DMatrix(features.reindex(columns=notebook.COLUMNS), true_class)

    settings = dict(notebook.SETTINGS)
    n_rounds = settings.pop("num_round")
    settings["objective"] = "multi:softprob"
    settings["num_class"] = len(scale.class_values)
    booster = xgboost.train(settings, matrix(split.train), n_rounds)
    return Predictions(booster.predict(matrix(split.test)), scale.class_values)


def accuracy_table(figures: dict[str, Figures], published: dict[str, float]) -> Table:
    """A line for each way; unlike `evaluation_table`, one of them has shares alone."""
    n_rows = figures["tutorial"].n_rows
    table = Table(
        *("", "exact", "1 class off", "2 off", "more", "RMSE", "log-loss"),
        title=f"{n_rows:,} test rows, the tutorial's split",
    )
    table.add_row("tutorial, as published", *_percents(published))
    table.add_row("tutorial, evaluated rightly", *_cells(figures["tutorial"]))
    table.add_row("Halfstar", *_cells(figures["Halfstar"]))
    return table


def _cells(figures: Figures) -> list[str]:
    errors = [f"{figures.rmse:.3f}", f"{figures.log_loss:.3f}"]
    return _percents(figures.distance) + errors


def _percents(shares: dict[str, float]) -> list[str]:
    return [f"{100 * share:.1f} %" for share in shares.values()]


def main() -> None:
    """Measure, print the tables, write the JSON."""
    data = read_data()
    n_rows = len(data.ratings)
    loop, ours = time_features(data)
    figures, published = measure_accuracy(data)

    screen = console()
    screen.print(accuracy_table(figures, published))
    screen.print(
        f"features of {n_rows:,} rows: the loop's {loop:.2f} s, "
        f"all of ours {ours:.2f} s, ratio {loop / ours:.2f}"
    )
    results: dict[str, Any] = {
        "features": {
            "rows": n_rows,
            "loop_s": loop,
            "halfstar_s": ours,
            "ratio": loop / ours,
            "repeats": REPEATS,
        },
        "accuracy": {
            "tutorial_as_published": published,
            "tutorial": asdict(figures["tutorial"]),
            "Halfstar": asdict(figures["Halfstar"]),
        },
    }
    save("tutorial", results, screen)


if __name__ == "__main__":
    main()
