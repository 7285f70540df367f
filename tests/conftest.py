"""Real data for every test: the whole of ml-latest-small, and a small table drawn from
a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from container.job_folder import make_job_folder
from movielens.tables import MovieTable, RatingTable

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """ml-latest-small as it is distributed."""
    return ROOT / "data" / "ml-latest-small"


@pytest.fixture(scope="session")
def movies() -> MovieTable:
    """Thirteen movies: every kind of genre list and year that `FeatureSpec` treats on
    purpose.
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
    year = rng.integers(1930, 2018, len(genres)).astype(np.int16)
    year[2] = 0
    movie_id = np.sort(
        rng.choice(np.arange(1, 900), len(genres), replace=False)
    ).astype(np.int32)
    return MovieTable(
        movie_id,
        tuple(f"Movie {i} ({y})" for i, y in enumerate(year)),
        tuple(genres),
        year,
    )


@pytest.fixture(scope="session")
def ratings(movies: MovieTable) -> RatingTable:
    """400 ratings of 40 users on the half-star scale, in no order, no pair twice; taste
    depends on user and movie.
    """
    rng = np.random.default_rng(11)
    pair = rng.permutation(40 * len(movies))[:400]
    user, movie = pair // len(movies), pair % len(movies)
    stars = np.clip(
        np.round(2 * (2.7 + (user % 5) / 2 - (movie % 3) / 2 + rng.normal(0, 0.6, 400)))
        / 2,
        0.5,
        5,
    )
    return RatingTable.of(
        user_id=(user * 3 + 1).astype(np.int32),
        movie_id=movies.movie_id[movie],
        rating=stars.astype(np.float32),
        timestamp=rng.integers(9e8, 15e8, 400).astype(np.uint32),
    )


@pytest.fixture(scope="session")
def small_data(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ratings of the first users of ml-latest-small and the whole of its
    movies.csv, as a channel directory.
    """
    channel = tmp_path_factory.mktemp("small")
    header, *lines = (data_dir / "ratings.csv").read_text().splitlines()
    chosen = [line for line in lines if int(line.split(",")[0]) <= 20]
    (channel / "ratings.csv").write_text("\n".join([header, *chosen, ""]))
    (channel / "movies.csv").write_bytes((data_dir / "movies.csv").read_bytes())
    return channel


MakeJob = Callable[..., Path]


@pytest.fixture
def make_job(tmp_path: Path, small_data: Path) -> MakeJob:
    """Lay out ``/opt/ml`` under the test's own directory, with the small data as its
    one channel.
    """

    def make(hyperparameters: Mapping[str, str] | None = None, **files: str) -> Path:
        base_dir = tmp_path / "ml"
        channel = make_job_folder(base_dir, small_data, hyperparameters or {})
        for name, text in files.items():
            (channel / f"{name}.csv").write_text(text)
        return base_dir

    return make
