"""What features cost: rows of three kinds beside the tutorial's loop, and fitting by
group.

The loop makes ids, time and genre flags, an eighth of our columns or fewer. Medians,
the two taken in turn; fitting is measured in seconds of the processor.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from rich.table import Table

from benchmarks.results import ROOT, console, save
from benchmarks.tutorial import loop_features
from movielens.channel import Channel
from movielens.features import FeatureSpec, IdIndex
from movielens.features.groups import GROUPS
from movielens.features.training_rows import Catalogue, TrainingRows
from movielens.queries import RatingQueries
from movielens.ratings import RatingScale
from movielens.readers import Dataset, read_dataset
from movielens.tables import RatingTable

REPEATS = 7


def kinds_of_rows(data: Dataset, spec: FeatureSpec) -> dict[str, RatingTable]:
    """One row, all movies asked of the user with most ratings, and the data's own rows."""
    users, counts = np.unique(data.ratings.user_id, return_counts=True)
    movie_id = spec.movies.movie_id
    latest = data.ratings.timestamp.max() if data.ratings.timestamp is not None else 0
    same = np.ones(len(movie_id))
    whole = RatingTable.of(same * users[counts.argmax()], movie_id, same, same * latest)
    return {
        "one row": data.ratings.take(np.array([7])),
        "all movies of a user": whole,
        "all ratings": data.ratings,
    }


def measure_rows(data: Dataset) -> dict[str, dict[str, float]]:
    """Rows, and median seconds of the loop and of ours, of each kind."""
    genres_of = dict(
        zip(data.movies.movie_id.tolist(), data.movies.genres, strict=True)
    )
    spec = FeatureSpec.fit(data.ratings, data.movies)
    figures = {}
    for kind, rows in kinds_of_rows(data, spec).items():
        queries, calls = rows.queries(), 1 + 1000 // len(rows)
        loop, ours = [], []
        for _ in range(REPEATS):
            started = time.perf_counter()
            loop_features(rows, genres_of)
            loop.append(time.perf_counter() - started)
            ours.append(_seconds_a_call(spec, queries, calls))
        figures[kind] = {
            "rows": len(rows),
            "loop": statistics.median(loop),
            "ours": statistics.median(ours),
        }
    return figures


def _seconds_a_call(spec: FeatureSpec, queries: RatingQueries, calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        spec.transform(queries)
    return (time.perf_counter() - started) / calls


def measure_fitting(data: Dataset) -> dict[str, float]:
    """Seconds of the processor for fitting each group once, and for all training rows
    out of fold.
    """
    users, catalogue = IdIndex.of(data.ratings.user_id), Catalogue.of(data.movies)
    training = TrainingRows.of(
        data.ratings, users, catalogue, RatingScale.of(data.ratings.rating)
    )
    figures = {}
    for name, group in GROUPS.items():
        started = time.process_time()
        group.fit(training)
        figures[name] = time.process_time() - started
    started = time.process_time()
    FeatureSpec.fit(data.ratings, data.movies).transform_fitted(data.ratings)
    return figures | {"all, out of fold": time.process_time() - started}


def main() -> None:
    """Measure, print the tables, write the JSON."""
    data = read_dataset([Channel("training", ROOT / "data" / "ml-latest-small")])
    rows, fitting = measure_rows(data), measure_fitting(data)
    table = Table(
        "", "rows", "the tutorial's loop", "Halfstar", "ratio", title="features of rows"
    )
    for kind, seconds in rows.items():
        cells = (f"{seconds['loop'] * 1e6:,.0f} µs", f"{seconds['ours'] * 1e6:,.1f} µs")
        table.add_row(
            kind,
            f"{seconds['rows']:,}",
            *cells,
            f"{seconds['loop'] / seconds['ours']:,.0f}",
        )
    fits = Table("group", "CPU s", title=f"fitting {len(data.ratings):,} ratings")
    for name, seconds_of_fit in fitting.items():
        fits.add_row(name, f"{seconds_of_fit:.3f}")
    screen = console()
    screen.print(table, fits)
    save("features", {"rows": rows, "fitting": fitting}, screen)


if __name__ == "__main__":
    main()
