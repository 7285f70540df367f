"""Data of MovieLens's shape and any size: ``python -m benchmarks.synthetic 25000000
DIRECTORY``.

What makes real ratings hard is in it: a few movies that everybody rates and many that
    hardly anybody does, users with
20 ratings and with thousands, tastes of low rank that follow genres, habits in the use
of the scale, moods that last for a sitting, and ratings that come in bursts seconds
apart. Made user by user, a million ratings at a time, so that no size needs more memory
than another; the same numbers and seed give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from movielens.columns import GENRES

CHUNK = 1_000_000
# Of ml-25m: mean ratings a user, and how the number of movies grows between it and
# ml-latest-small.
RATINGS_PER_USER = 154
RANK = 6
FIRST_DAY, LAST_DAY = 822_873_600, 1_574_327_703
Ints = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """The movies, and how likely and how well each is rated.

    Attributes:
        flags: float64 (n_movies, 18), genres.
        year: int64 (n_movies,).
        chance: float64 (n_movies,), cumulative chance of being rated.
        liking: float64 (n_movies,), stars above the mean.
        taste: float64 (n_movies, RANK), what users' tastes are multiplied with.
    """

    flags: Numbers
    year: Ints
    chance: Numbers
    liking: Numbers
    taste: Numbers

    @classmethod
    def of(cls, n_ratings: int, rng: np.random.Generator) -> World:
        """As many movies as MovieLens has beside so many ratings."""
        n_movies = round(9_700 * (n_ratings / 100_000) ** 0.327)
        flags = (
            rng.random((n_movies, len(GENRES))) < rng.beta(0.6, 5, len(GENRES))
        ).astype(np.float64)
        # Popularity falls as a power of the rank, more slowly among the best known.
        weight = 1 / (np.arange(n_movies) + 15.0) ** 1.15
        chance = np.cumsum(rng.permutation(weight))
        by_genre = rng.normal(0, 0.35, (len(GENRES), RANK))
        taste = flags @ by_genre + rng.normal(0, 0.3, (n_movies, RANK))
        liking = rng.normal(0, 0.45, n_movies)
        return cls(
            flags,
            rng.integers(1925, 2020, n_movies),
            chance / chance[-1],
            liking,
            taste,
        )


def write(directory: Path, n_ratings: int, seed: int = 1, n_files: int = 1) -> None:
    """Write ``movies.csv`` and ratings, in one file or several of about one size, as
    GroupLens lays them out.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, n_ratings])
    world = World.of(n_ratings, rng)
    _write_movies(directory / "movies.csv", world)
    counts = _activity(n_ratings, len(world.liking), rng)
    ends = np.searchsorted(np.cumsum(counts), np.linspace(0, n_ratings, n_files + 1))
    for number, (first, last) in enumerate(itertools.pairwise(ends.tolist())):
        name = "ratings.csv" if n_files == 1 else f"ratings-{number:02d}.csv"
        last = len(counts) if number == n_files - 1 else last
        _write_ratings(directory / name, _chunks(world, counts, first, last, seed))


def _activity(n_ratings: int, n_movies: int, rng: np.random.Generator) -> Ints:
    """How many ratings each user gives: 20 at least, log-normal, the sum as asked."""
    n_users = max(1, n_ratings // RATINGS_PER_USER)
    spread = np.minimum(rng.lognormal(3.9, 1.2, n_users), n_movies / 8)
    least = min(20, n_ratings // n_users)
    counts: Ints = least + np.floor(
        spread * (n_ratings - least * n_users) / spread.sum()
    ).astype(np.int64)
    counts[: n_ratings - counts.sum()] += 1
    return counts


def _chunks(
    world: World, counts: Ints, first: int, last: int, seed: int
) -> Iterator[pa.Table]:
    """The ratings of a range of users, a million at a time; each user's depend on
    nobody else's chunk.
    """
    while first < last:
        end = int(np.searchsorted(np.cumsum(counts[first:last]), CHUNK)) + first + 1
        end = min(end, last)
        rng = np.random.default_rng([seed, 7, first])
        yield _ratings(world, counts[first:end], first + 1, rng)
        first = end


def _ratings(
    world: World, counts: Ints, first_id: int, rng: np.random.Generator
) -> pa.Table:
    n_users = len(counts)
    user, movie = _pairs(world, counts, rng)
    taste = rng.normal(0, 0.6, (n_users, RANK))
    level = rng.normal(0, 0.4, n_users)
    time, mood = _sittings(counts, rng)
    wanted = (
        3.55
        + level[user]
        + world.liking[movie]
        + np.einsum("ij,ij->i", taste[user], world.taste[movie])
    )
    wanted += mood + rng.normal(0, 0.75, len(user))
    # Some users never give a half star.
    step = np.where(rng.random(n_users) < 0.35, 1.0, 0.5)[user]
    rating = np.clip(np.round(wanted / step) * step, step, 5)
    return pa.table(
        {
            "userId": (user + first_id).astype(np.int32),
            "movieId": (movie + 1).astype(np.int32),
            "rating": rating,
            "timestamp": time,
        }
    )


def _pairs(world: World, counts: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Users and the movies they rate, no pair twice, by user and movie."""
    n_movies = len(world.liking)
    found = np.empty(0, dtype=np.int64)
    lacking, well_known = counts, 0.9
    while lacking.sum():
        user = np.repeat(np.arange(len(counts)), lacking)
        movie = np.minimum(
            np.searchsorted(world.chance, rng.random(len(user))), n_movies - 1
        )
        # Whoever has seen what is well known turns to the rest.
        rest = rng.random(len(user)) > well_known
        well_known *= 0.6
        movie[rest] = rng.integers(0, n_movies, int(rest.sum()))
        found = np.unique(np.concatenate([found, user * n_movies + movie]))
        lacking = counts - np.bincount(found // n_movies, minlength=len(counts))
    return found // n_movies, found % n_movies


def _sittings(counts: Ints, rng: np.random.Generator) -> tuple[Ints, Numbers]:
    """When each rating was given, int64 seconds since 1970, and the mood of its
    sitting, in stars.

    A user's ratings come in sittings of about 40, seconds apart; the order within the
    file is not that of time.
    """
    user = np.repeat(np.arange(len(counts)), counts)
    n_rows = len(user)
    begins = rng.random(n_rows) < 1 / 40
    start = np.cumsum(counts) - counts
    begins[start] = True
    sitting = np.cumsum(begins) - 1
    day = np.where(
        begins, rng.exponential(20 * 86_400.0, n_rows), rng.exponential(12.0, n_rows)
    )
    elapsed = np.cumsum(day)
    elapsed -= (elapsed - day)[start][user]
    joined = rng.uniform(FIRST_DAY, LAST_DAY, len(counts))
    time = np.minimum(joined[user] + elapsed, LAST_DAY + elapsed / 1e4).astype(np.int64)
    mood = rng.normal(0, 0.3, sitting[-1] + 1)[sitting]
    # Shuffled within each user.
    order = np.lexsort((rng.random(n_rows), user))
    return time[order], mood[order]


def _write_ratings(path: Path, chunks: Iterator[pa.Table]) -> None:
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as file:
        file.write(b"userId,movieId,rating,timestamp\n")
        for chunk in chunks:
            pa_csv.write_csv(chunk, file, options)


def _write_movies(path: Path, world: World) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("movieId", "title", "genres"))
        for place, (flags, year) in enumerate(
            zip(world.flags, world.year, strict=True), start=1
        ):
            genres = "|".join(
                genre for genre, flag in zip(GENRES, flags, strict=True) if flag
            )
            rows.writerow(
                (place, f"Movie, {place} ({year})", genres or "(no genres listed)")
            )


def main() -> None:
    """Write a data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n_ratings", type=int)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--files",
        type=int,
        default=1,
        help="how many files the ratings are spread over",
    )
    arguments = parser.parse_args()
    write(arguments.directory, arguments.n_ratings, arguments.seed, arguments.files)


if __name__ == "__main__":
    main()
