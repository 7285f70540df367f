"""Us beside other recommenders on the same rows of ml-latest-small: exact hits, RMSE
and log-loss.

``python -m benchmarks.recommending [SPLIT ...] [-- NAME,...]``; all three splits and
all recommenders without. The others (`benchmarks.recommenders`) train in processes of
an environment of their own, one thread each, on ids, times, genres and years, and so
does XGBoost with the tutorial's features, here. Ours has the default hyperparameters.
The class is the likeliest one, or where there is but a number of stars the class
nearest to it; the stars are the number, or the mean of the distribution.
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

from benchmarks.accuracy import SPLITS, bootstrap, fit_model
from benchmarks.recommenders import RECOMMENDERS
from benchmarks.results import ROOT, as_number, as_share, console, save
from movielens.channel import Channel
from movielens.features.training_rows import Catalogue
from movielens.ratings import RatingScale
from movielens.readers import Dataset, read_dataset
from movielens.tables import RatingTable
from train.evaluation import SMALLEST_PROBABILITY
from train.hyperparameters import Hyperparameters, SplitName
from train.split import Split, split_ratings

# XGBoost on ids, time, genres and year. Of 30 rounds, as the tutorial had, 150 and 300,
# 150 have the lowest log-loss.
TUTORIAL: dict[str, Any] = {
    **{
        "features": ("ids",),
        "num_round": 150,
        "eta": 0.3,
        "max_depth": 6,
        "min_child_weight": 1.0,
        "gamma": 0.0,
    },
    **{
        "lambda_": 1.0,
        "colsample_bytree": 1.0,
        "colsample_bynode": 1.0,
        "max_bin": 256,
    },
    **{"movie_rounds": 0.0, "user_rounds": 0.0, "hidden_share": 0.0},
}
OURS: dict[str, dict[str, Any]] = {
    "XGBoost, the tutorial's features": TUTORIAL,
    "Halfstar": {},
}

PYTHON = ROOT / ".venv-recommenders" / "bin" / "python"


def write_rows(path: Path, data: Dataset, split: Split, scale: RatingScale) -> None:
    """What a recommender is given; users that training lacks come behind the others."""
    users = np.unique(split.train.user_id)
    later = np.setdiff1d(split.test.user_id, users)
    place = {int(user): index for index, user in enumerate([*users, *later])}
    catalogue = Catalogue.of(data.movies)

    def table(ratings: RatingTable) -> NDArray[np.int64]:
        user = np.array([place[int(user)] for user in ratings.user_id])
        movie = catalogue.index.index(ratings.movie_id)
        time = ratings.queries().timestamp.astype(np.int64)
        return np.column_stack([user, movie, time, scale.to_class(ratings.rating)])

    content = np.column_stack([catalogue.genre_flags, catalogue.year])[:-1].astype(
        np.float64
    )
    stars = np.array(scale.class_values)
    np.savez(
        path,
        train=table(split.train),
        test=table(split.test),
        content=content,
        stars=stars,
    )


def figures(
    answers: dict[str, Any], true_class: NDArray[np.int64], stars: NDArray[np.float64]
) -> dict[str, Any]:
    """Exact hits, RMSE and, where there are probabilities, log-loss, each with its
    bootstrap interval.
    """
    probabilities = answers.get("probabilities")
    expected = (
        probabilities @ stars if probabilities is not None else answers["expected"]
    )
    if probabilities is None:
        likeliest = np.abs(expected[:, None] - stars).argmin(axis=1)
    else:
        likeliest = probabilities.argmax(axis=1)
    result = {
        "exact": bootstrap((likeliest == true_class).astype(np.float64)),
        "rmse": bootstrap((expected - stars[true_class]) ** 2, root=True),
    }
    if probabilities is not None:
        own = probabilities[np.arange(len(true_class)), true_class].astype(np.float64)
        result["log_loss"] = bootstrap(-np.log(np.maximum(own, SMALLEST_PROBABILITY)))
    return result


def measure(name: SplitName, data: Dataset, others: list[str]) -> dict[str, Any]:
    """All recommenders on one split."""
    settings = Hyperparameters(split=name, nthread=1)
    split = split_ratings(data.ratings, name, settings.holdout, settings.seed)
    scale = RatingScale.of(data.ratings.rating)
    true_class, stars = scale.to_class(split.test.rating), np.array(scale.class_values)
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        rows, answers = Path(directory) / "rows.npz", Path(directory) / "answers.npz"
        write_rows(rows, data, split, scale)
        for other in others:
            started = time.monotonic()
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
            command = [
                str(PYTHON),
                str(ROOT / "benchmarks" / "recommenders.py"),
                other,
                str(rows),
                str(answers),
            ]
            subprocess.run(
                command, env=environment, check=True, stdout=subprocess.DEVNULL
            )
            with np.load(answers) as given:
                results[other] = figures(dict(given), true_class, stars)
            results[other]["seconds"] = time.monotonic() - started
    for who, chosen in OURS.items():
        started = time.monotonic()
        scores = fit_model(split, data, replace(settings, **chosen)).predict(
            split.test.queries()
        )
        answers_of = {
            "probabilities": scores.probabilities,
            "expected": scores.expected_rating,
        }
        results[who] = figures(answers_of, true_class, stars) | {
            "seconds": time.monotonic() - started
        }
    return results


def table(title: str, results: dict[str, Any]) -> Table:
    """One split for people."""
    out = Table("", "exact", "RMSE", "log-loss", "seconds", title=title)
    for who, f in results.items():
        loss = as_number(f["log_loss"]) if "log_loss" in f else ""
        out.add_row(
            who, as_share(f["exact"]), as_number(f["rmse"]), loss, f"{f['seconds']:.0f}"
        )
    return out


def main() -> None:
    """Measure what the command line names, print the tables, write the JSON."""
    data = read_dataset([Channel("training", ROOT / "data" / "ml-latest-small")])
    screen = console()
    splits, _, names = " ".join(sys.argv[1:]).partition("--")
    others = [
        name
        for name in RECOMMENDERS
        if name in (names.strip().split(",") if names else RECOMMENDERS)
    ]
    results = {}
    for split in (name for name in SPLITS if name in (splits.split() or SPLITS)):
        results[split] = measure(split, data, others)
        screen.print(table(split, results[split]))
    save("recommending", results, screen)


if __name__ == "__main__":
    main()
