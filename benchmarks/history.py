"""What a history sent along is worth, beside training on the same ratings and beside
knowing nothing of the user.

On the tutorial's split of ml-latest-small every fifth user is taken out of training
altogether. The test rows of these users are asked of a model that was trained without
them: as rows of an unknown user, and with the user's ratings among the training rows as
the history of the request. A second model, which was trained with them, says what there
was to win. Its third column is the first's, asked by ids alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.accuracy import figures, fit_model, without_time
from benchmarks.results import ROOT, as_number, as_share, console, save
from movielens.channel import Channel
from movielens.model import Model
from movielens.predictions import Predictions
from movielens.queries import RatingQueries
from movielens.readers import read_dataset
from movielens.tables import RatingTable
from train.hyperparameters import Hyperparameters
from train.split import Split, split_ratings

ONE_USER_IN, SEED = 5, 1
# Whom the server takes for the user of a history.
NOBODY = 0


def by_history(model: Model, queries: RatingQueries, known: RatingTable) -> Predictions:
    """Each row predicted for a user of whom nothing but the ``known`` ratings of the
    same user is known.
    """
    assert known.timestamp is not None
    probabilities = np.empty((len(queries), len(model.class_values)), dtype=np.float32)
    for user in np.unique(queries.user_id):
        rows, own = (
            np.flatnonzero(queries.user_id == user),
            np.flatnonzero(known.user_id == user),
        )
        seconds = known.timestamp[own].astype(np.float64)
        view = model.spec.with_user_history(
            NOBODY, known.movie_id[own], known.rating[own], seconds
        )
        asked = queries.take(rows)
        asked = RatingQueries(
            np.full(len(rows), NOBODY), asked.movie_id, asked.timestamp
        )
        probabilities[rows] = replace(model, spec=view).predict(asked).probabilities
    return Predictions(probabilities, model.class_values)


def choose_users(ratings: RatingTable) -> NDArray[np.int32]:
    """Every fifth user, drawn by a seed."""
    users = np.unique(ratings.user_id)
    return np.random.default_rng(SEED).choice(
        users, len(users) // ONE_USER_IN, replace=False
    )


def main() -> None:
    """Train twice, print the table, write the JSON."""
    data = read_dataset([Channel("training", ROOT / "data" / "ml-latest-small")])
    settings = Hyperparameters(nthread=1)
    split = split_ratings(data.ratings, settings.split, settings.holdout, settings.seed)
    users = choose_users(data.ratings)
    is_chosen = np.isin(split.train.user_id, users)
    known = split.train.take(np.flatnonzero(is_chosen))
    test = split.test.take(np.flatnonzero(np.isin(split.test.user_id, users)))
    without = fit_model(
        Split(split.train.take(np.flatnonzero(~is_chosen)), split.test), data, settings
    )
    with_them = fit_model(split, data, settings)
    rows = np.arange(len(test))
    results: dict[str, Any] = {
        "users": len(users),
        "history_rows": len(known),
        "rows": len(test),
    }
    table = Table(
        "",
        "exact",
        "RMSE",
        "log-loss",
        title=f"{len(test):,} test rows of {len(users)} users",
    )
    for times, queries in (
        ("", test.queries()),
        (", no timestamp", without_time(test.queries())),
    ):
        for name, scores in (
            ("unknown", without.predict(queries)),
            ("by history", by_history(without, queries, known)),
            ("known by training", with_them.predict(queries)),
        ):
            found = results[name + times] = figures(
                scores, test, without.spec.scale, rows
            )
            table.add_row(
                name + times,
                as_share(found["exact"]),
                as_number(found["rmse"]),
                as_number(found["log_loss"]),
            )
    screen = console()
    screen.print(table)
    save("history", results, screen)


if __name__ == "__main__":
    main()
