"""What a history in the request is worth, and which ratings are worth asking for.

A fifth of the users of ml-latest-small is taken out of training. Their test rows, by
the default split, are then predicted in these ways:

- unknown: by a model trained without these users, as rows of unknown users;
- by history: by the same model, with some of the user's training ratings as the
  request's history: the latest before the row, random ones, those with the highest
  gain by `serve.onboarding`, or all;
- known by training: by a model trained with these users, which shows what there was to
  win.

Then lists of movies to ask about are compared (`benchmarks.onboarding`).

The timestamps are those of the data. The three ways are also asked without a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import (
    RESAMPLES,
    RESAMPLING_SEED,
    fit_model,
    log_losses,
    measure_rows,
    without_time,
)
from benchmarks.data import read_data, split_data
from benchmarks.onboarding import MOST_ASKED, MOST_RATED, STOPS, Lists, Stop, ask
from benchmarks.results import Interval, as_number, as_percent, console, save
from movielens.model import Model
from movielens.predictions import Predictions
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from train.hyperparameters import Hyperparameters
from train.split import Split

ONE_USER_IN = 5
SEED = 1
COUNTS = (1, 3, 5, 10, 20)
LATEST = "the latest before"

UNKNOWN = "unknown"
BY_HISTORY = "by history"
KNOWN = "known by training"

# The id by which the server asks for the user of a history.
HISTORY_USER = 0

Rows = NDArray[np.int64]
# From the rows of a user's ratings to those that are sent.
Choose = Callable[[Rows], Rows]
Figures = dict[str, Any]


@dataclass(frozen=True, eq=False)
class NewUsers:
    """Users whom the model doesn't know.

    Attributes:
        model: trained without them.
        known: their ratings that may be sent along.
        test: their ratings that are predicted.
    """

    model: Model
    known: RatingTable
    test: RatingTable

    def ids(self) -> list[int]:
        """Those who have something to predict."""
        ids: list[int] = np.unique(self.test.user_id).tolist()
        return ids

    def own(self, user_id: int) -> Rows:
        """The rows of a user in ``known``."""
        return np.flatnonzero(self.known.user_id == user_id)

    def predict(self, queries: RatingQueries, choose: Choose) -> Predictions:
        """Predict each row for a user of whom only the chosen ratings are known."""
        features = self._no_features(queries)
        for user_id in self.ids():
            rows = np.flatnonzero(queries.user_id == user_id)
            sent = choose(self.own(user_id))
            features[rows] = self._features(queries.take(rows), sent)
        return self.model.predict_features(features)

    def predict_by_latest(self, queries: RatingQueries, count: int) -> Predictions:
        """Predict each row by the latest ratings of its user before it."""
        features = self._no_features(queries)
        timestamp = self.known.timestamp
        assert timestamp is not None
        for user_id in self.ids():
            own = self.own(user_id)
            own = own[np.argsort(timestamp[own], kind="stable")]
            rows = np.flatnonzero(queries.user_id == user_id)
            n_before = np.searchsorted(timestamp[own], queries.timestamp[rows])
            # Rows between the same two ratings share a history.
            for end in np.unique(n_before).tolist():
                alike = rows[n_before == end]
                sent = own[max(0, end - count) : end]
                features[alike] = self._features(queries.take(alike), sent)
        return self.model.predict_features(features)

    def _no_features(self, queries: RatingQueries) -> NDArray[np.float32]:
        """Room for the features of these rows."""
        return np.empty((len(queries), len(self.model.spec.names)), np.float32)

    def _features(self, queries: RatingQueries, sent: Rows) -> NDArray[np.float32]:
        """The features of rows of a user who sends these ratings."""
        assert self.known.timestamp is not None
        spec = self.model.spec.with_user_history(
            HISTORY_USER,
            self.known.movie_id[sent],
            self.known.rating[sent],
            self.known.timestamp[sent].astype(np.float64),
        )
        asked = replace(queries, user_id=np.full(len(queries), HISTORY_USER))
        return spec.values(asked)

    def measure(self, predictions: Predictions) -> Figures:
        """Figures of all test rows."""
        all_rows = np.arange(len(self.test))
        return measure_rows(predictions, self.test, self.model.spec.scale, all_rows)

    def losses(self, predictions: Predictions) -> NDArray[np.float64]:
        """The log-loss of each test row."""
        true_class = self.model.spec.scale.to_class(self.test.rating)
        return log_losses(predictions.probabilities, true_class)


def choose_users(ratings: RatingTable) -> NDArray[np.int32]:
    """The ids of a fifth of the users, drawn by a seed."""
    users = np.unique(ratings.user_id)
    rng = np.random.default_rng(SEED)
    return rng.choice(users, len(users) // ONE_USER_IN, replace=False)


def choices(new: NewUsers, lists: Lists) -> dict[str, Callable[[int], Choose]]:
    """Ways to choose so many ratings of a user, whatever the row."""
    index = new.model.movie_index(new.known.movie_id.astype(np.int64))
    shuffled = np.random.default_rng(SEED).permutation(len(new.known))
    # Whoever has rated a movie knows it.
    certain = replace(lists.onboarding, share=np.ones(len(lists.n_ratings)))
    nothing = np.empty(0, dtype=np.int64)

    def random_ones(count: int) -> Choose:
        return lambda own: own[np.argsort(shuffled[own])[:count]]

    def most_telling(count: int) -> Choose:
        def choose(own: Rows) -> Rows:
            found = certain.choose(np.sort(index[own]), nothing, count)
            return own[np.isin(index[own], found.movie_index)]

        return choose

    return {"random ones": random_ones, "the most telling": most_telling}


def measure_ways(new: NewUsers, knows_them: Model) -> dict[str, Figures]:
    """Unknown, by the whole history, and known; with and without a time."""
    results = {}
    timed = new.test.queries()
    for suffix, queries in (("", timed), (", no timestamp", without_time(timed))):
        ways = {
            UNKNOWN: new.model.predict(queries),
            BY_HISTORY: new.predict(queries, lambda own: own),
            KNOWN: knows_them.predict(queries),
        }
        for way, predictions in ways.items():
            results[way + suffix] = new.measure(predictions)
    return results


def measure_curve(new: NewUsers, lists: Lists) -> dict[str, dict[str, Figures]]:
    """Figures by the way to choose ratings, then by their number."""
    queries = new.test.queries()
    curve: dict[str, dict[str, Figures]] = {LATEST: {}}
    for count in COUNTS:
        predictions = new.predict_by_latest(queries, count)
        curve[LATEST][str(count)] = new.measure(predictions)
    for way, of_count in choices(new, lists).items():
        curve[way] = {}
        for count in COUNTS:
            predictions = new.predict(queries, of_count(count))
            curve[way][str(count)] = new.measure(predictions)
    return curve


def measure_lists(new: NewUsers, lists: Lists) -> dict[str, dict[str, Figures]]:
    """Figures by list, then by when asking stopped.

    ``gain`` is by how much the log-loss is lower than that of the most rated movies.
    """
    results: dict[str, dict[str, Figures]] = {}
    losses: dict[tuple[str, str], NDArray[np.float64]] = {}
    for name in lists.by_name():
        results[name] = {}
        for stop in STOPS:
            figures, lost = _measure_list(new, lists, name, stop)
            losses[name, stop.name] = lost
            other = losses[MOST_RATED, stop.name]
            figures["gain"] = user_interval(other - lost, new.test.user_id)
            results[name][stop.name] = figures
    return results


def _measure_list(
    new: NewUsers, lists: Lists, name: str, stop: Stop
) -> tuple[Figures, NDArray[np.float64]]:
    """Figures of one list, and the log-loss of each test row."""
    index = new.model.movie_index(new.known.movie_id.astype(np.int64))
    asks = lists.by_name()[name]
    n_asked: list[int] = []
    n_answered: list[int] = []

    def choose(own: Rows) -> Rows:
        known = frozenset(index[own].tolist())
        answers = ask(asks(known), known, stop)
        n_asked.append(answers.n_asked)
        n_answered.append(len(answers.places))
        return own[np.isin(index[own], answers.places)]

    predictions = new.predict(new.test.queries(), choose)
    figures = new.measure(predictions)
    figures["asked"] = float(np.median(n_asked))
    figures["answered"] = float(np.mean(n_answered))
    return figures, new.losses(predictions)


def user_interval(
    differences: NDArray[np.float64], user_id: NDArray[np.integer[Any]]
) -> Interval:
    """The mean over rows, and its 95 % interval by resampling users."""
    _, user = np.unique(user_id, return_inverse=True)
    total = np.bincount(user, differences)
    count = np.bincount(user)
    rng = np.random.default_rng(RESAMPLING_SEED)
    drawn = rng.integers(0, len(total), (RESAMPLES, len(total)))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(differences.mean()), float(low), float(high)


def curve_table(
    title: str,
    ways: Mapping[str, Figures],
    curve: Mapping[str, Mapping[str, Figures]],
) -> Table:
    """A line for each way to be known."""
    table = Table(*("", "exact", "RMSE", "log-loss"), title=title)
    lines = dict(ways)
    for way, by_count in curve.items():
        for count, figures in by_count.items():
            lines[f"{count}: {way}"] = figures
    for name, figures in lines.items():
        table.add_row(
            name,
            as_percent(figures["exact"]),
            as_number(figures["rmse"]),
            as_number(figures["log_loss"]),
        )
    return table


def lists_table(results: Mapping[str, Mapping[str, Figures]]) -> Table:
    """A line for each list and each time to stop."""
    table = Table(
        *("asked until", "list", "asked", "answered", "RMSE", "log-loss", "gain"),
        title=f"Lists to ask, of up to {MOST_ASKED} movies",
    )
    for stop in STOPS:
        for name, by_stop in results.items():
            figures = by_stop[stop.name]
            table.add_row(
                stop.name,
                name,
                f"{figures['asked']:.0f}",
                f"{figures['answered']:.1f}",
                as_number(figures["rmse"]),
                as_number(figures["log_loss"]),
                "" if name == MOST_RATED else as_number(figures["gain"]),
            )
    return table


def report(new: NewUsers, knows_them: Model, screen: Console) -> Figures:
    """Measure everything and print the tables."""
    lists = Lists.of(new.model.spec)
    ways = measure_ways(new, knows_them)
    curve = measure_curve(new, lists)
    n_users = len(np.unique(new.known.user_id))
    title = f"{len(new.test):,} test rows of {n_users} users"
    screen.print(curve_table(title, ways, curve))
    compared = measure_lists(new, lists)
    screen.print(lists_table(compared))
    return {
        "users": n_users,
        "history_rows": len(new.known),
        "rows": len(new.test),
        **ways,
        "curve": curve,
        "lists": compared,
    }


def main() -> None:
    """Train twice, print the tables, write the JSON."""
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
    screen = console()
    new = NewUsers(without_users, known, test)
    save("history", report(new, with_users, screen), screen)


if __name__ == "__main__":
    main()
