"""Data for every test: ml-latest-small, and a small random table from a seed."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from playwright.sync_api import Browser

from container.job_folder import make_job_folder
from movielens.model import Model
from movielens.tables import MovieTable, RatingTable
from tests.browser import chromium
from tests.small_models import train_small

# How long an example takes depends on how busy the machine is.
hypothesis.settings.register_profile(
    "steady", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")

# A shell lets what it starts in the background ignore Ctrl-C, and so would the jobs of
# our tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """ml-latest-small as it is distributed."""
    return ROOT / "data" / "ml-latest-small"


@pytest.fixture(scope="session")
def movies() -> MovieTable:
    """Thirteen movies of three series, with every kind of genres and year that features
    depend on.
    """
    rng = np.random.default_rng(7)
    genres: list[tuple[str, ...]] = [
        (),
        ("IMAX",),
        ("Action", "IMAX"),
        ("Film-Noir",),
        ("Anime", "Comedy"),
    ]
    genres += [("Comedy", "Drama"), ("Sci-Fi",)] * 4

    series = ("Alien", "Jaws", "Rocky")
    names = [f"{series[n % 3]} {1 + n // 3}" for n in range(len(genres))]

    years = rng.integers(1930, 2018, len(genres)).astype(np.int16)
    years[2] = 0
    movie_ids = rng.choice(np.arange(1, 900), len(genres), replace=False)
    return MovieTable(
        movie_id=np.sort(movie_ids).astype(np.int32),
        title=tuple(f"{name} ({y})" for name, y in zip(names, years, strict=True)),
        genres=tuple(genres),
        year=years,
    )


@pytest.fixture(scope="session")
def ratings(movies: MovieTable) -> RatingTable:
    """400 ratings of 40 users in random order, each pair once, in half stars.

    The stars depend on user and movie, with some noise.
    """
    rng = np.random.default_rng(11)
    n_users, n_ratings = 40, 400
    pair = rng.permutation(n_users * len(movies))[:n_ratings]
    user = pair // len(movies)
    movie = pair % len(movies)

    noise = rng.normal(0, 0.6, n_ratings)
    taste = 2.7 + (user % 5) / 2 - (movie % 3) / 2 + noise
    half_stars = np.round(2 * taste)
    stars = np.clip(half_stars / 2, 0.5, 5)
    return RatingTable.of(
        user_id=user * 3 + 1,
        movie_id=movies.movie_id[movie],
        rating=stars.astype(np.float32),
        timestamp=rng.integers(900_000_000, 1_500_000_000, n_ratings),
    )


@pytest.fixture(scope="session")
def small_model(ratings: RatingTable, movies: MovieTable) -> Model:
    """A model of twelve rounds on the small table."""
    return train_small(ratings, movies, 12)


@pytest.fixture(scope="session")
def small_data(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel directory: ratings of 20 users of ml-latest-small, and all movies."""
    channel = tmp_path_factory.mktemp("small")
    for name in ("ratings.csv", "movies.csv"):
        shutil.copyfile(data_dir / name, channel / name)

    ratings = channel / "ratings.csv"
    header, *lines = ratings.read_text().splitlines()
    first_users = []
    for line in lines:
        user_id = int(line.partition(",")[0])
        if user_id <= 20:
            first_users.append(line)
    ratings.write_text("\n".join([header, *first_users, ""]))
    return channel


MakeJob = Callable[..., Path]


@pytest.fixture
def make_job(tmp_path: Path, small_data: Path) -> MakeJob:
    """Makes the directories of ``/opt/ml``, with the small data as the only channel."""

    def make(hyperparameters: Mapping[str, str] | None = None, **files: str) -> Path:
        base_dir = tmp_path / "ml"
        channel = make_job_folder(base_dir, small_data, hyperparameters or {})
        for name, text in files.items():
            (channel / f"{name}.csv").write_text(text)
        return base_dir

    return make


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of one module."""
    with chromium() as opened:
        yield opened
