"""A small model that is really served, and the playground in front of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.play.answers import Answers
from launcher.play.asking import ServerClient
from launcher.play.data import PlayData
from launcher.play.model_server import serving
from launcher.play.server import PlayServer
from movielens import artifact
from movielens.model import Model
from movielens.readers import Dataset
from movielens.tables import MovieTable, RatingTable
from tests.examples import EVALUATION

NO_IMAGE = "halfstar:there-is-no-such-image"


@pytest.fixture(scope="session")
def play_data(ratings: RatingTable, movies: MovieTable) -> PlayData:
    return PlayData.of(Dataset(ratings, movies, (), {}))


@pytest.fixture(scope="session")
def model_dir(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    artifact.save(small_model, EVALUATION, directory)
    return directory


@pytest.fixture(scope="session")
def model_url(model_dir: Path) -> Iterator[str]:
    """A server of the small model, in a process of its own."""
    with serving(model_dir, NO_IMAGE, say=lambda _: None) as url:
        yield url


@pytest.fixture(scope="session")
def answers(model_url: str, play_data: PlayData) -> Iterator[Answers]:
    with ServerClient(model_url) as client:
        yield Answers(client, play_data, "a small model")


@pytest.fixture(scope="session")
def playground(answers: Answers) -> Iterator[PlayServer]:
    with PlayServer(answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
