"""Jobs that something happens to, and the model that they have to end with."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from container.job_folder import make_job_folder
from tests.faults.jobs import TEMPORARY, Jobs
from tests.train.conftest import model_files

# Random rows and columns, two stages and an early stop: all that a job has to go on
# from in the right place.
HYPERPARAMETERS = {
    "num_round": "8",
    "regression_rounds": "4",
    "early_stopping_rounds": "4",
    "checkpoint_rounds": "3",
    "max_depth": "3",
    "subsample": "0.6",
    "colsample_bytree": "0.5",
    "nthread": "1",
    "features": "statistics,clock",
}

CopyJob = Callable[[], Path]


@pytest.fixture(scope="session")
def jobs() -> Iterator[Jobs]:
    """Starts jobs."""
    started = Jobs()
    yield started
    started.kill_all()


@pytest.fixture(scope="session")
def new_job(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base directory of a job that hasn't run yet and keeps checkpoints."""
    base_dir = tmp_path_factory.mktemp("new") / "ml"
    channel = make_job_folder(base_dir, small_data, HYPERPARAMETERS)
    leave_rated_movies(channel)
    for directory in ("checkpoints", "model", "output/data", TEMPORARY):
        (base_dir / directory).mkdir(parents=True)
    return base_dir


@pytest.fixture(scope="session")
def done_job(
    new_job: Path, jobs: Jobs, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same job after a run that nothing disturbed."""
    base_dir = tmp_path_factory.mktemp("done") / "ml"
    shutil.copytree(new_job, base_dir)
    end = jobs.run(base_dir)
    assert end.code == 0, end.log
    return base_dir


@pytest.fixture(scope="session")
def undisturbed(done_job: Path) -> dict[str, bytes]:
    """The model's files, as a run that nothing disturbed writes them."""
    return model_files(done_job)


@pytest.fixture
def base_dir(new_job: Path, tmp_path: Path) -> Path:
    """The base directory of a new job, for one test."""
    shutil.copytree(new_job, tmp_path / "ml")
    return tmp_path / "ml"


@pytest.fixture
def boosted_dir(new_job: Path, done_job: Path, tmp_path: Path) -> Path:
    """A new job that finds all its checkpoints, and has only to write the model."""
    boosted = tmp_path / "ml"
    shutil.copytree(new_job, boosted)
    shutil.copytree(
        done_job / "checkpoints", boosted / "checkpoints", dirs_exist_ok=True
    )
    return boosted


@pytest.fixture(scope="session")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The jumping clock, as a library."""
    return build_library("clock.c", tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="session")
def power(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The power that fails, as a library."""
    return build_library("power.c", tmp_path_factory.mktemp("power"))


def build_library(name: str, folder: Path) -> Path:
    """A library of ours, for a job to be started with."""
    library = (folder / name).with_suffix(".so")
    source = Path(__file__).with_name(name)
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]
    subprocess.run(["cc", *options, library, source, "-ldl"], check=True)
    return library


def leave_rated_movies(channel: Path) -> None:
    """Drop the movies that nobody rated, since reading them takes a third of a job."""
    rated = set()
    for line in (channel / "ratings.csv").read_text().splitlines():
        rated.add(line.split(",")[1])
    header, *lines = (channel / "movies.csv").read_text().splitlines()
    kept = [line for line in lines if line.partition(",")[0] in rated]
    (channel / "movies.csv").write_text("\n".join([header, *kept, ""]))
