"""How wrong predictions are for kinds of rows: cold and warm users, genres, years.

Each row is put into one of a list of bins, and a bin has the errors of its rows. All of
it is done on an evenly spread part of the test rows, so that it takes no longer for
millions of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.columns import GENRES
from movielens.features import IdIndex
from movielens.model import Model
from movielens.predictions import Predictions
from movielens.report_numbers import Bin
from movielens.tables import RatingTable

MOST_ROWS = 200_000

# Ratings of a user or of a movie among the training rows: where a bin begins.
_COUNT_BINS = (0, 1, 5, 10, 20, 50, 100, 200, 500, 1_000)
# Years of movies: where a bin begins. A movie without a year has year 0.
_FIRST_DECADE = 1930
_LAST_DECADE = 2020
_BEGIN = np.datetime64(0, "s")  # 1970
# A normal distribution has 95 % of its values within so many standard deviations.
_95_PERCENT = 1.96
# Beyond this, counting by id takes too much memory.
_MOST_COUNTED_ID = 50_000_000

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedRows:
    """Some of the test rows and how wrong their predictions are.

    Attributes:
        ratings: of the rows.
        error: float64 (n_rows,), expected less true rating, in stars.
        is_exact: bool (n_rows,), whether the class is right.
        movie_index: int64 (n_rows,), places in the model's catalogue, -1 if unknown.
        model: what predicted.
    """

    ratings: RatingTable
    error: Floats
    is_exact: NDArray[np.bool_]
    movie_index: Integers
    model: Model

    @classmethod
    def of(
        cls,
        model: Model,
        test: RatingTable,
        predictions: Predictions,
        most: int = MOST_ROWS,
    ) -> EvaluatedRows:
        """At most so many of the test rows, evenly spread.

        Args:
            model: what predicted.
            test: the rows, at least one.
            predictions: of these rows.
            most: how many rows are looked at.
        """
        step = math.ceil(len(test) / most)
        rows = np.arange(0, len(test), step)
        ratings = test.take(rows)
        predicted = predictions.take(rows)
        return cls(
            ratings=ratings,
            error=predicted.expected_rating - ratings.rating,
            is_exact=predicted.rating == ratings.rating,
            movie_index=model.movie_index(ratings.movie_id.astype(np.int64)),
            model=model,
        )

    def __len__(self) -> int:
        return len(self.ratings)

    def by_user_count(self, train: RatingTable) -> list[Bin]:
        """By how many training ratings the row's user has."""
        counts = _counts(train.user_id, self.ratings.user_id)
        return self._by_count(counts)

    def by_movie_count(self, train: RatingTable) -> list[Bin]:
        """By how many training ratings the row's movie has."""
        counts = _counts(train.movie_id, self.ratings.movie_id)
        return self._by_count(counts)

    def by_genre(self) -> list[Bin]:
        """By genre; a row counts in each of its movie's genres."""
        flags = self.model.spec.catalogue.genre_flags == 1
        known = self.movie_index >= 0
        bins = [
            self._bin(genre, known & flags[self.movie_index, place])
            for place, genre in enumerate(GENRES)
        ]
        return [each for each in bins if each.n_rows]

    def by_movie_year(self) -> list[Bin]:
        """By the decade in the movie's title."""
        year = self.model.movies.year[self.movie_index].astype(np.int64)
        year[self.movie_index < 0] = 0
        starts = [0, 1, *range(_FIRST_DECADE, _LAST_DECADE + 1, 10)]
        labels = ["no year", f"before {_FIRST_DECADE}"]
        labels += [f"{decade}s" for decade in starts[2:-1]]
        labels.append(f"{_LAST_DECADE} on")
        return self._by_value(year, starts, labels)

    def by_rating_year(self) -> list[Bin]:
        """By the year of the rating; nothing for data without timestamps."""
        if self.ratings.timestamp is None:
            return []
        seconds = self.ratings.timestamp.astype("timedelta64[s]")
        moment = _BEGIN + seconds
        years_after = moment.astype("datetime64[Y]").astype(np.int64)
        year = 1970 + years_after

        years = range(int(year.min()), int(year.max()) + 1)
        labels = [str(each) for each in years]
        return self._by_value(year, years, labels)

    def _by_count(self, counts: Integers) -> list[Bin]:
        labels = [_range_label(low, high) for low, high in pairwise(_COUNT_BINS)]
        labels.append(f"{_COUNT_BINS[-1]:,} and more")
        return self._by_value(counts, _COUNT_BINS, labels)

    def _by_value(
        self, value: Integers, starts: Sequence[int], labels: Sequence[str]
    ) -> list[Bin]:
        """By bins that begin at ``starts``; bins without rows are left out."""
        after = np.searchsorted(np.array(starts), value, side="right")
        place = after - 1
        bins: list[Bin] = []
        for index, label in enumerate(labels):
            bins.append(self._bin(label, place == index))
        return [each for each in bins if each.n_rows]

    def _bin(self, label: str, chosen: NDArray[np.bool_]) -> Bin:
        n_rows = int(np.count_nonzero(chosen))
        if not n_rows:
            return Bin(label, 0, 0.0, (0.0, 0.0), 0.0)
        squares = self.error[chosen] ** 2
        mean = float(squares.mean())
        margin = _95_PERCENT * float(squares.std()) / math.sqrt(n_rows)
        return Bin(
            label,
            n_rows,
            math.sqrt(mean),
            (math.sqrt(max(mean - margin, 0.0)), math.sqrt(mean + margin)),
            float(self.is_exact[chosen].mean()),
        )


def _range_label(low: int, high: int) -> str:
    """Whole numbers from ``low`` up to but without ``high``."""
    last = high - 1
    return str(low) if low == last else f"{low} to {last}"


def _counts(ids: NDArray[Any], asked: NDArray[Any]) -> Integers:
    """How often each of the ids that are asked for is among ``ids``, int64."""
    highest = max(int(ids.max()), int(asked.max()))
    if highest <= _MOST_COUNTED_ID:
        of_id = np.bincount(ids, minlength=highest + 1)
        return of_id.take(asked)

    index = IdIndex.of(asked)
    place = index.index(ids)
    found = place[place >= 0]
    of_place = np.bincount(found, minlength=len(index))
    return of_place.take(index.index(asked))
