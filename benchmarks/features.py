"""What features cost: making rows, beside the tutorial's loop, and fitting each group.

The tutorial's loop makes ids, time and genre flags, an eighth of our columns or fewer.
Times of rows are medians, and the two take turns. Fitting is measured in seconds of
processor time.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from rich.table import Table

from benchmarks.data import read_data
from benchmarks.notebook import genres_by_movie, loop_features
from benchmarks.results import console, save
from movielens.features import FeatureSpec, IdIndex
from movielens.features.groups import GROUPS
from movielens.features.level import KnownMovies, Level
from movielens.features.training_rows import Catalogue, TrainingRows
from movielens.queries import RatingQueries
from movielens.ratings import RatingScale
from movielens.readers import Dataset
from movielens.tables import RatingTable

REPEATS = 7
# A call takes microseconds for one row, so it is made about so many times a row.
CALLS_OF_ONE_ROW = 1000


def kinds_of_rows(data: Dataset, spec: FeatureSpec) -> dict[str, RatingTable]:
    """One row, all movies asked for the user with most ratings, and all ratings."""
    users, counts = np.unique(data.ratings.user_id, return_counts=True)
    busiest = users[counts.argmax()]
    latest = 0 if data.ratings.timestamp is None else data.ratings.timestamp.max()
    movie_id = spec.movies.movie_id
    ones = np.ones(len(movie_id))
    return {
        "one row": data.ratings.take(np.array([7])),
        "all movies of a user": RatingTable.of(
            user_id=ones * busiest,
            movie_id=movie_id,
            rating=ones,
            timestamp=ones * latest,
        ),
        "all ratings": data.ratings,
    }


def measure_rows(data: Dataset) -> dict[str, dict[str, float]]:
    """For each kind: its rows, and median seconds of the loop and of ours."""
    genres_of = genres_by_movie(data.movies)
    spec = FeatureSpec.fit(data.ratings, data.movies)
    figures = {}
    for kind, rows in kinds_of_rows(data, spec).items():
        queries = rows.queries()
        loop = []
        ours = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            loop_features(rows, genres_of)
            loop.append(time.perf_counter() - started)
            ours.append(_seconds_a_call(spec, queries))
        figures[kind] = {
            "rows": len(rows),
            "loop": statistics.median(loop),
            "ours": statistics.median(ours),
        }
    return figures


def _seconds_a_call(spec: FeatureSpec, queries: RatingQueries) -> float:
    n_calls = 1 + CALLS_OF_ONE_ROW // len(queries)
    started = time.perf_counter()
    for _ in range(n_calls):
        spec.transform(queries)
    return (time.perf_counter() - started) / n_calls


def measure_fitting(data: Dataset) -> dict[str, float]:
    """Processor seconds to fit each group once, then all of them out of fold."""
    training_rows = TrainingRows.of(
        data.ratings,
        IdIndex.of(data.ratings.user_id),
        Catalogue.of(data.movies),
        RatingScale.of(data.ratings.rating),
    )
    seconds = {}
    fitted = []
    for name, group in GROUPS.items():
        started = time.process_time()
        fitted.append(group.fit(training_rows))
        seconds[name] = time.process_time() - started

    started = time.process_time()
    Level.fit(training_rows, KnownMovies.of(fitted, training_rows.bias))
    seconds["the level"] = time.process_time() - started

    started = time.process_time()
    FeatureSpec.fit(data.ratings, data.movies).transform_fitted(data.ratings)
    seconds["all, out of fold"] = time.process_time() - started
    return seconds


def main() -> None:
    """Measure, print the tables, write the JSON."""
    data = read_data()
    rows = measure_rows(data)
    fitting = measure_fitting(data)

    row_table = Table(
        *("", "rows", "the tutorial's loop", "Halfstar", "ratio"),
        title="features of rows",
    )
    for kind, figures in rows.items():
        loop = figures["loop"]
        ours = figures["ours"]
        row_table.add_row(
            kind,
            f"{figures['rows']:,}",
            f"{1e6 * loop:,.0f} µs",
            f"{1e6 * ours:,.1f} µs",
            f"{loop / ours:,.0f}",
        )

    fit_table = Table("group", "CPU s", title=f"fitting {len(data.ratings):,} ratings")
    for name, seconds in fitting.items():
        fit_table.add_row(name, f"{seconds:.3f}")

    screen = console()
    screen.print(row_table, fit_table)
    save("features", {"rows": rows, "fitting": fitting}, screen)


if __name__ == "__main__":
    main()
