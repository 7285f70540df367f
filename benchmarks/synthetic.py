"""Data of MovieLens's shape and any size.

``python -m benchmarks.synthetic 25000000 DIRECTORY``. It has what makes real ratings
hard:

- a few movies that everybody rates, and many that hardly anybody does;
- users with 20 ratings, and users with thousands;
- tastes of low rank that follow genres;
- users who use the scale in their own way, and moods that last for a sitting;
- ratings that come in bursts, seconds apart.

It is made user by user, a million ratings at a time, so a larger size takes no more
memory. The same numbers and seed give the same bytes.
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

CHUNK_RATINGS = 1_000_000
CHUNK_SEED = 7

# Of ml-25m, but the growth of the number of movies, which is that from ml-latest-small.
RATINGS_PER_USER = 154
FIRST_SECOND = 822_873_600
LAST_SECOND = 1_574_327_703
MOVIES_AT_100_000 = 9_700
MOVIES_GROWTH = 0.327

MIN_RATINGS_OF_A_USER = 20
TASTE_RANK = 6
MEAN_STARS = 3.55
WHOLE_STARS_SHARE = 0.35  # of the users, who never give a half star

RATINGS_PER_SITTING = 40
SECONDS_BETWEEN_RATINGS = 12.0
SECONDS_BETWEEN_SITTINGS = 20 * 86_400.0

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Movies:
    """The movies, and how often and how well each is rated.

    Attributes:
        flags: float64 (n_movies, 18), genres.
        year: int64 (n_movies,).
        chance: float64 (n_movies,), cumulative chance of being rated.
        liking: float64 (n_movies,), stars above the mean.
        taste: float64 (n_movies, TASTE_RANK), to be multiplied with users' tastes.
    """

    flags: Floats
    year: Ints
    chance: Floats
    liking: Floats
    taste: Floats

    @classmethod
    def draw(cls, n_ratings: int, rng: np.random.Generator) -> Movies:
        """As many movies as a MovieLens set with that many ratings has."""
        n_movies = round(MOVIES_AT_100_000 * (n_ratings / 100_000) ** MOVIES_GROWTH)
        n_genres = len(GENRES)
        genre_share = rng.random((n_movies, n_genres))
        flags = (genre_share < rng.beta(0.6, 5, n_genres)).astype(np.float64)

        # Popularity falls as a power of the rank, more slowly among the best known.
        popularity = 1 / (np.arange(n_movies) + 15.0) ** 1.15
        chance = np.cumsum(rng.permutation(popularity))

        taste_of_genre = rng.normal(0, 0.35, (n_genres, TASTE_RANK))
        own_taste = rng.normal(0, 0.3, (n_movies, TASTE_RANK))
        liking = rng.normal(0, 0.45, n_movies)
        return cls(
            flags=flags,
            year=rng.integers(1925, 2020, n_movies),
            chance=chance / chance[-1],
            liking=liking,
            taste=flags @ taste_of_genre + own_taste,
        )


def write(directory: Path, n_ratings: int, seed: int = 1, n_files: int = 1) -> None:
    """Write ``movies.csv`` and the ratings, laid out as GroupLens does.

    With several files the ratings are spread over ``ratings-00.csv`` and so on, all of
    about the same size.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, n_ratings])
    movies = Movies.draw(n_ratings, rng)
    _write_movies(directory / "movies.csv", movies)

    counts = _ratings_of_users(n_ratings, len(movies.liking), rng)
    if n_files == 1:
        names = ["ratings.csv"]
    else:
        names = [f"ratings-{number:02d}.csv" for number in range(n_files)]
    ends = np.linspace(0, n_ratings, n_files + 1)
    bounds = np.searchsorted(np.cumsum(counts), ends).tolist()
    bounds[-1] = len(counts)
    for name, (first, last) in zip(names, itertools.pairwise(bounds), strict=True):
        chunks = _chunks(movies, counts, first, last, seed)
        _write_ratings(directory / name, chunks)


def _ratings_of_users(n_ratings: int, n_movies: int, rng: np.random.Generator) -> Ints:
    """How many ratings each user gives: at least 20, log-normal, the sum as asked."""
    n_users = max(1, n_ratings // RATINGS_PER_USER)
    least = min(MIN_RATINGS_OF_A_USER, n_ratings // n_users)
    n_left = n_ratings - least * n_users

    weight = np.minimum(rng.lognormal(3.9, 1.2, n_users), n_movies / 8)
    more = np.floor(weight * n_left / weight.sum()).astype(np.int64)
    counts: Ints = least + more
    n_rounded_away = n_ratings - counts.sum()
    counts[:n_rounded_away] += 1
    return counts


def _chunks(
    movies: Movies, counts: Ints, first: int, last: int, seed: int
) -> Iterator[pa.Table]:
    """The ratings of the users from ``first`` to ``last``, about a million at a time.

    A chunk has a seed of its own, so it doesn't depend on the others.
    """
    while first < last:
        n_before = np.cumsum(counts[first:last])
        n_users = int(np.searchsorted(n_before, CHUNK_RATINGS)) + 1
        end = min(first + n_users, last)
        rng = np.random.default_rng([seed, CHUNK_SEED, first])
        yield _ratings(movies, counts[first:end], first + 1, rng)
        first = end


def _ratings(
    movies: Movies, counts: Ints, first_id: int, rng: np.random.Generator
) -> pa.Table:
    """The ratings of some users, whose ids rise from ``first_id``."""
    n_users = len(counts)
    user, movie = _pairs(movies, counts, rng)
    n_rows = len(user)

    user_taste = rng.normal(0, 0.6, (n_users, TASTE_RANK))
    user_level = rng.normal(0, 0.4, n_users)
    seconds, mood = _sittings(counts, rng)
    match = np.einsum("ij,ij->i", user_taste[user], movies.taste[movie])
    noise = rng.normal(0, 0.75, n_rows)
    stars = MEAN_STARS + user_level[user] + movies.liking[movie] + match
    stars += mood + noise

    gives_whole_stars = rng.random(n_users) < WHOLE_STARS_SHARE
    step = np.where(gives_whole_stars, 1.0, 0.5)[user]
    rating = np.clip(np.round(stars / step) * step, step, 5)
    return pa.table(
        {
            "userId": (user + first_id).astype(np.int32),
            "movieId": (movie + 1).astype(np.int32),
            "rating": rating,
            "timestamp": seconds,
        }
    )


def _pairs(movies: Movies, counts: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Users and the movies they rate, each pair once, sorted by user and movie."""
    n_users = len(counts)
    n_movies = len(movies.liking)
    pairs = np.empty(0, dtype=np.int64)
    n_missing = counts
    well_known_share = 0.9
    while n_missing.sum():
        user = np.repeat(np.arange(n_users), n_missing)
        n_drawn = len(user)
        by_chance = np.searchsorted(movies.chance, rng.random(n_drawn))
        movie = np.minimum(by_chance, n_movies - 1)

        # Users who have seen the well-known movies turn to the rest.
        is_rest = rng.random(n_drawn) > well_known_share
        movie[is_rest] = rng.integers(0, n_movies, int(is_rest.sum()))
        well_known_share *= 0.6

        pairs = np.unique(np.concatenate([pairs, user * n_movies + movie]))
        n_missing = counts - np.bincount(pairs // n_movies, minlength=n_users)
    return pairs // n_movies, pairs % n_movies


def _sittings(counts: Ints, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """When each rating was given, and the mood of its sitting.

    A user gives ratings in sittings of about 40, seconds apart. Within the file they
    are in random order.

    Returns int64 seconds since 1970, and stars, of each rating.
    """
    user = np.repeat(np.arange(len(counts)), counts)
    n_rows = len(user)
    first_row = np.cumsum(counts) - counts

    begins_sitting = rng.random(n_rows) < 1 / RATINGS_PER_SITTING
    begins_sitting[first_row] = True
    sitting = np.cumsum(begins_sitting) - 1

    between_sittings = rng.exponential(SECONDS_BETWEEN_SITTINGS, n_rows)
    between_ratings = rng.exponential(SECONDS_BETWEEN_RATINGS, n_rows)
    pause = np.where(begins_sitting, between_sittings, between_ratings)
    elapsed = np.cumsum(pause)
    elapsed -= (elapsed - pause)[first_row][user]  # counted from the user's first row

    joined = rng.uniform(FIRST_SECOND, LAST_SECOND, len(counts))
    latest = LAST_SECOND + elapsed / 1e4
    seconds = np.minimum(joined[user] + elapsed, latest).astype(np.int64)
    mood = rng.normal(0, 0.3, sitting[-1] + 1)[sitting]

    shuffled_by_user = np.lexsort((rng.random(n_rows), user))
    return seconds[shuffled_by_user], mood[shuffled_by_user]


def _write_ratings(path: Path, chunks: Iterator[pa.Table]) -> None:
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as file:
        file.write(b"userId,movieId,rating,timestamp\n")
        for chunk in chunks:
            pa_csv.write_csv(chunk, file, options)


def _write_movies(path: Path, movies: Movies) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("movieId", "title", "genres"))
        for index, year in enumerate(movies.year.tolist()):
            movie_id = index + 1
            flags = movies.flags[index]
            genres = [genre for genre, flag in zip(GENRES, flags, strict=True) if flag]
            title = f"Movie, {movie_id} ({year})"
            writer.writerow((movie_id, title, "|".join(genres) or "(no genres listed)"))


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
