"""Us beside the notebook tutorial that this project began from, on the same rows of
ml-latest-small.

Two comparisons: making features (the tutorial builds a dict a row in a Python loop),
    and accuracy on the tutorial's
own split, where its features get the same learner with the settings usual for it,
evaluated rightly and then as the notebook does: the cut first character makes the first
prediction class 0, which shifts every column of its cross table, and the label column
is added to the total.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from rich.table import Table

from benchmarks.accuracy import fit_model
from benchmarks.results import ROOT, console, save
from movielens.channel import Channel
from movielens.columns import GENRES
from movielens.evaluation import Figures
from movielens.features import FeatureSpec
from movielens.predictions import Predictions
from movielens.ratings import RatingScale
from movielens.readers import Dataset, read_dataset
from movielens.tables import RatingTable
from train.evaluation import evaluate
from train.hyperparameters import Hyperparameters
from train.split import split_ratings

REPEATS = 5
TUTORIAL_ROUNDS, TUTORIAL_PARAMS = 30, {"max_depth": 6, "eta": 0.3}


def loop_features(
    ratings: RatingTable, genres_of: dict[int, tuple[str, ...]]
) -> pd.DataFrame:
    """The tutorial's way: a dict of ids, time and genre flags for each row, then a
    frame of all of them.
    """
    rows = []
    frame = pd.DataFrame(
        {
            "userId": ratings.user_id,
            "movieId": ratings.movie_id,
            "timestamp": ratings.timestamp,
        }
    )
    for user_id, movie_id, timestamp in frame.itertuples(index=False, name=None):
        features = {
            "userId": user_id,
            "movieId": movie_id,
            "timestamp": timestamp,
            **dict.fromkeys(GENRES, 0),
        }
        for genre in genres_of[movie_id]:
            features[genre] = 1
        rows.append(features)
    return pd.DataFrame(rows)


def as_published(predicted: np.ndarray, true_class: np.ndarray) -> dict[str, float]:
    """Shares by distance as the notebook computes them from classes 1 to n_classes."""
    predicted = predicted + 1
    predicted[0] = 0
    table = pd.crosstab(true_class + 1, predicted)
    total = int(table.index.to_numpy().sum() + table.iloc[:, :10].to_numpy().sum())
    counts = np.zeros(4, dtype=np.int64)
    for actual, *cells in table.iloc[:, :10].itertuples():
        for place, count in enumerate(cells, start=1):
            counts[min(abs(actual - place), 3)] += count
    return dict(zip(("0", "1", "2", "more"), (counts / total).tolist(), strict=True))


def time_features(data: Dataset) -> tuple[float, float]:
    """Median seconds for all rows, the loop's and ours, taken in turn."""
    genres_of = dict(
        zip(data.movies.movie_id.tolist(), data.movies.genres, strict=True)
    )
    spec, queries = FeatureSpec.fit(data.ratings, data.movies), data.ratings.queries()
    loop, ours = [], []
    for _ in range(REPEATS):
        loop.append(_seconds(lambda: loop_features(data.ratings, genres_of)))
        ours.append(_seconds(lambda: spec.transform(queries)))
    return statistics.median(loop), statistics.median(ours)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure_accuracy(data: Dataset) -> tuple[dict[str, Figures], dict[str, float]]:
    """Figures on the tutorial's test rows, and the tutorial's own way to compute them."""
    split = split_ratings(data.ratings, "tutorial", 0.3, 0)
    scale = RatingScale.of(data.ratings.rating)
    train_class, true_class = (
        scale.to_class(part.rating) for part in (split.train, split.test)
    )
    genres_of = dict(
        zip(data.movies.movie_id.tolist(), data.movies.genres, strict=True)
    )
    columns = ["userId", "movieId", "timestamp", *GENRES]
    frames = [
        loop_features(part, genres_of).reindex(columns=columns)
        for part in (split.train, split.test)
    ]
    params = {
        "objective": "multi:softprob",
        "num_class": len(scale.class_values),
        **TUTORIAL_PARAMS,
    }
    booster = xgboost.train(
        params, xgboost.DMatrix(frames[0], train_class), TUTORIAL_ROUNDS
    )
    tutorial = Predictions(
        booster.predict(xgboost.DMatrix(frames[1])), scale.class_values
    )
    scores = fit_model(split, data, Hyperparameters()).predict(split.test.queries())
    figures = {
        name: evaluate(s, true_class)
        for name, s in (("tutorial", tutorial), ("Halfstar", scores))
    }
    return figures, as_published(tutorial.class_index.copy(), true_class)


def main() -> None:
    """Measure, print the tables, write the JSON."""
    data = read_dataset([Channel("training", ROOT / "data" / "ml-latest-small")])
    loop, ours = time_features(data)
    figures, published = measure_accuracy(data)
    table = Table(
        "",
        "exact",
        "1 class off",
        "2 off",
        "more",
        "RMSE",
        "log-loss",
        title=f"{figures['tutorial'].n_rows:,} test rows, the tutorial's split",
    )
    shares: dict[str, tuple[dict[str, float], tuple[str, str]]] = {
        "tutorial, evaluated its way": (published, ("", "")),
        "tutorial, evaluated rightly": (
            figures["tutorial"].distance,
            (f"{figures['tutorial'].rmse:.3f}", f"{figures['tutorial'].log_loss:.3f}"),
        ),
        "Halfstar": (
            figures["Halfstar"].distance,
            (f"{figures['Halfstar'].rmse:.3f}", f"{figures['Halfstar'].log_loss:.3f}"),
        ),
    }
    for name, (distance, errors) in shares.items():
        table.add_row(
            name, *(f"{100 * share:.1f} %" for share in distance.values()), *errors
        )
    screen = console()
    screen.print(table)
    screen.print(
        f"features of {len(data.ratings):,} rows: the loop's {loop:.2f} s, all of ours {ours:.2f} s, "
        f"ratio {loop / ours:.2f}"
    )
    result: dict[str, Any] = {
        "features": {
            "rows": len(data.ratings),
            "loop_s": loop,
            "halfstar_s": ours,
            "ratio": loop / ours,
            "repeats": REPEATS,
        },
        "accuracy": {
            "tutorial_as_published": published,
            **{name: asdict(f) for name, f in figures.items()},
        },
    }
    save("tutorial", result, screen)


if __name__ == "__main__":
    main()
