"""Halfstar beside other recommenders, on the same rows of ml-latest-small.

``python -m benchmarks.recommending [SPLIT ...] [-- NAME,...]`` measures those splits
and recommenders, or else all. Without any of the others, it needs no environment of
theirs: ``-- Halfstar``.

The others (`benchmarks.recommenders`) train in processes of an environment of their
own, with one thread each, on ids, times, genres and years. XGBoost gets the tutorial's
features, here. Ours has the default hyperparameters.

Exact hits are of the most likely class; where a recommender gives a number of stars, of
the class nearest to it. RMSE is of that number, or of the mean of the distribution.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks import notebook
from benchmarks.accuracy import (
    SPLITS,
    fit_model,
    log_losses,
    mean_interval,
    root_mean_interval,
)
from benchmarks.data import read_data, split_data
from benchmarks.recommenders import RECOMMENDERS
from benchmarks.results import ROOT, as_number, as_percent, console, save
from movielens.features.training_rows import Catalogue
from movielens.ratings import RatingScale
from movielens.readers import Dataset
from movielens.tables import RatingTable
from train.hyperparameters import Hyperparameters, SplitName
from train.split import Split

PYTHON = ROOT / ".venv-recommenders" / "bin" / "python"

# XGBoost on the tutorial's features, without what our defaults add for our own. Of 30
# rounds, as the tutorial had, 150 and 300, 150 have the lowest log-loss.
TUTORIAL_FEATURES: dict[str, Any] = {
    **notebook.SETTINGS,
    "features": notebook.FEATURES,
    "num_round": 150,
    "min_child_weight": 1.0,
    "gamma": 0.0,
    "lambda_": 1.0,
    "colsample_bytree": 1.0,
    "colsample_bynode": 1.0,
    "max_bin": 256,
    "movie_rounds": 0.0,
    "user_rounds": 0.0,
    "hidden_share": 0.0,
}
OURS: dict[str, dict[str, Any]] = {
    "XGBoost, the tutorial's features": TUTORIAL_FEATURES,
    "Halfstar": {},
}
EVERYTHING = (*RECOMMENDERS, *OURS)


def write_rows(path: Path, data: Dataset, split: Split, scale: RatingScale) -> None:
    """Write what a recommender is given; see `benchmarks.recommenders`.

    Users whom training lacks are numbered after the others.
    """
    known = np.unique(split.train.user_id)
    unknown = np.setdiff1d(split.test.user_id, known)
    user_ids = [*known.tolist(), *unknown.tolist()]
    user_index = {user_id: index for index, user_id in enumerate(user_ids)}
    catalogue = Catalogue.of(data.movies)

    def table(ratings: RatingTable) -> NDArray[np.int64]:
        users = [user_index[user_id] for user_id in ratings.user_id.tolist()]
        columns = [
            np.array(users),
            catalogue.index.index(ratings.movie_id),
            ratings.queries().timestamp.astype(np.int64),
            scale.to_class(ratings.rating),
        ]
        return np.column_stack(columns)

    # The catalogue's last row is the unknown movie.
    content = np.column_stack([catalogue.genre_flags, catalogue.year])[:-1]
    np.savez(
        path,
        train=table(split.train),
        test=table(split.test),
        content=content.astype(np.float64),
        stars=np.array(scale.class_values),
    )


def figures_of(
    answers: dict[str, Any], true_class: NDArray[np.int64], stars: NDArray[np.float64]
) -> dict[str, Any]:
    """Exact hits, RMSE and, where there are probabilities, log-loss, with intervals."""
    probabilities = answers.get("probabilities")
    if probabilities is None:
        expected = answers["expected"]
        predicted = np.abs(expected[:, None] - stars).argmin(axis=1)
    else:
        expected = probabilities @ stars
        predicted = probabilities.argmax(axis=1)

    is_exact = (predicted == true_class).astype(np.float64)
    errors = expected - stars[true_class]
    figures = {
        "exact": mean_interval(is_exact),
        "rmse": root_mean_interval(errors**2),
    }
    if probabilities is not None:
        figures["log_loss"] = mean_interval(log_losses(probabilities, true_class))
    return figures


def measure(name: SplitName, data: Dataset, names: list[str]) -> dict[str, Any]:
    """Figures of those recommenders on one split, ours last."""
    hyperparameters = Hyperparameters(split=name, nthread=1)
    split = split_data(data, hyperparameters)
    scale = RatingScale.of(data.ratings.rating)
    true_class = scale.to_class(split.test.rating)
    stars = np.array(scale.class_values)

    results = {}
    with tempfile.TemporaryDirectory() as directory:
        rows = Path(directory) / "rows.npz"
        write_rows(rows, data, split, scale)
        for other in [name for name in RECOMMENDERS if name in names]:
            started = time.monotonic()
            answers = ask_other(other, rows)
            figures = figures_of(answers, true_class, stars)
            results[other] = figures | {"seconds": time.monotonic() - started}

    for ours in [name for name in OURS if name in names]:
        changed = replace(hyperparameters, **OURS[ours])
        started = time.monotonic()
        model = fit_model(split, data, changed)
        predictions = model.predict(split.test.queries())
        answers = {"probabilities": predictions.probabilities}
        figures = figures_of(answers, true_class, stars)
        results[ours] = figures | {"seconds": time.monotonic() - started}
    return results


def ask_other(name: str, rows: Path) -> dict[str, Any]:
    """Train another recommender and ask it about the test rows, in its environment."""
    script = ROOT / "benchmarks" / "recommenders.py"
    answers = rows.with_name("answers.npz")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    subprocess.run(
        [PYTHON, script, name, rows, answers],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with np.load(answers) as arrays:
        return dict(arrays)


def recommender_table(title: str, results: dict[str, Any]) -> Table:
    """One split: a line for each recommender.

    It has intervals, which the evaluation of a job doesn't have.
    """
    table = Table(*("", "exact", "RMSE", "log-loss", "seconds"), title=title)
    for name, figures in results.items():
        has_loss = "log_loss" in figures
        table.add_row(
            name,
            as_percent(figures["exact"]),
            as_number(figures["rmse"]),
            as_number(figures["log_loss"]) if has_loss else "",
            f"{figures['seconds']:.0f}",
        )
    return table


def chosen() -> tuple[list[str], list[str]]:
    """What the command line names: before ``--``, and the recommenders, or else all."""
    before, _, names = " ".join(sys.argv[1:]).partition("--")
    return before.split(), names.strip().split(",") if names else list(EVERYTHING)


def main() -> None:
    """Measure what the command line names, print the tables, write the JSON."""
    splits, names = chosen()

    data = read_data()
    screen = console()
    results = {}
    for split in SPLITS:
        if split in (splits or SPLITS):
            results[split] = measure(split, data, names)
            screen.print(recommender_table(split, results[split]))
    save("recommending", results, screen)


if __name__ == "__main__":
    main()
