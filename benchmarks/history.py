"""What a history in the request is worth.

A fifth of the users of ml-latest-small is taken out of training. Their test rows, by
the default split, are then predicted in three ways:

- unknown: by a model trained without these users, as rows of unknown users;
- by history: by the same model, with the user's training ratings as the request's
  history;
- known by training: by a model trained with these users, which shows what there was to
  win.

Each way is asked with timestamps and without.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.accuracy import fit_model, measure_rows, without_time
from benchmarks.data import read_data, split_data
from benchmarks.results import as_number, as_percent, console, save
from movielens.model import Model
from movielens.predictions import Predictions
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from train.hyperparameters import Hyperparameters
from train.split import Split

ONE_USER_IN = 5
SEED = 1

# The id by which the server asks for the user of a history.
HISTORY_USER = 0


def predict_by_history(
    model: Model, queries: RatingQueries, known: RatingTable
) -> Predictions:
    """Predict each row for a new user of whom only the ``known`` ratings are known."""
    assert known.timestamp is not None
    shape = (len(queries), len(model.class_values))
    probabilities = np.empty(shape, dtype=np.float32)
    for user_id in np.unique(queries.user_id):
        own = np.flatnonzero(known.user_id == user_id)
        spec = model.spec.with_user_history(
            HISTORY_USER,
            known.movie_id[own],
            known.rating[own],
            known.timestamp[own].astype(np.float64),
        )
        rows = np.flatnonzero(queries.user_id == user_id)
        asked = replace(queries.take(rows), user_id=np.full(len(rows), HISTORY_USER))
        predictions = replace(model, spec=spec).predict(asked)
        probabilities[rows] = predictions.probabilities
    return Predictions(probabilities, model.class_values)


def choose_users(ratings: RatingTable) -> NDArray[np.int32]:
    """The ids of a fifth of the users, drawn by a seed."""
    users = np.unique(ratings.user_id)
    rng = np.random.default_rng(SEED)
    return rng.choice(users, len(users) // ONE_USER_IN, replace=False)


def main() -> None:
    """Train twice, print the table, write the JSON."""
    data = read_data()
    hyperparameters = Hyperparameters(nthread=1)
    split = split_data(data, hyperparameters)

    users = choose_users(data.ratings)
    is_chosen = np.isin(split.train.user_id, users)
    known = split.train.take(np.flatnonzero(is_chosen))
    others = split.train.take(np.flatnonzero(~is_chosen))
    test = split.test.take(np.flatnonzero(np.isin(split.test.user_id, users)))

    without_users = fit_model(Split(others, split.test), data, hyperparameters)
    with_users = fit_model(split, data, hyperparameters)

    results: dict[str, Any] = {
        "users": len(users),
        "history_rows": len(known),
        "rows": len(test),
    }
    table = Table(
        *("", "exact", "RMSE", "log-loss"),
        title=f"{len(test):,} test rows of {len(users)} users",
    )
    all_rows = np.arange(len(test))
    timed = test.queries()
    for suffix, queries in (("", timed), (", no timestamp", without_time(timed))):
        ways = {
            "unknown": without_users.predict(queries),
            "by history": predict_by_history(without_users, queries, known),
            "known by training": with_users.predict(queries),
        }
        for way, predictions in ways.items():
            figures = measure_rows(
                predictions, test, without_users.spec.scale, all_rows
            )
            name = way + suffix
            results[name] = figures
            table.add_row(
                name,
                as_percent(figures["exact"]),
                as_number(figures["rmse"]),
                as_number(figures["log_loss"]),
            )
    screen = console()
    screen.print(table)
    save("history", results, screen)


if __name__ == "__main__":
    main()
