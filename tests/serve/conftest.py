"""A real model, and a real server over it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from movielens import artifact
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.queries import RatingQueries
from movielens.tables import MovieTable, RatingTable
from serve.app import Api, Application
from serve.model_places import ModelPlaces
from serve.models import ModelLimits, Models
from serve.multi_model import MultiModelApplication
from serve.operations.observer import Observer
from serve.predicted_rows import PredictedRows, predict_rows
from serve.registry import Kept, Line
from serve.resources import MODEL_FACTOR
from serve.served_model import ServedModel, load
from serve.server import bind, make_server
from serve.settings import ServeSettings
from tests.examples import EVALUATION
from tests.small_models import train_small
from train.blocks import FeatureBlocks
from train.booster import fit_boosters
from train.context import TrainingContext
from train.hyperparameters import Hyperparameters

Address = tuple[str, int]
Serving = Callable[..., AbstractContextManager[Address]]


@pytest.fixture(scope="session")
def model(ratings: RatingTable, movies: MovieTable) -> Model:
    """A small model: eight rounds of trees, no regression."""
    return train_small(ratings, movies, 8)


@pytest.fixture(scope="session")
def gated(ratings: RatingTable, movies: MovieTable) -> Model:
    """A model as a job trains it, with all that a model may have.

    Its trees look at the movie, the user and the moment, behind gates. They are the
    average of two seeds, and there is a regression.
    """
    spec = FeatureSpec.fit(ratings, movies)
    hyperparameters = Hyperparameters(
        num_round=12,
        n_models=2,
        regression_rounds=15,
        max_depth=4,
        min_child_weight=1,
        nthread=1,
    )
    blocks = FeatureBlocks.of(spec.transform_fitted(ratings))
    context = TrainingContext(hyperparameters)
    boosters = fit_boosters(blocks, ratings.rating, spec.scale, context)
    return Model(spec, boosters.classes, regression=boosters.regression)


@pytest.fixture(scope="session")
def model_dir(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of the small model; read it, don't change it."""
    model_dir = tmp_path_factory.mktemp("model")
    artifact.save(model, EVALUATION, model_dir)
    return model_dir


@pytest.fixture(scope="session")
def served(model_dir: Path) -> ServedModel:
    """The small model, as the server loads it."""
    return load(model_dir)


@pytest.fixture(scope="session")
def predicted(model: Model) -> PredictedRows:
    """Known and unknown users and movies, with and without a timestamp."""
    unknown_movies = [10**9, -5]
    unknown_user = 10**12
    movie_id = np.append(model.movies.movie_id.astype(np.int64), unknown_movies)
    user_id = np.resize(np.array([1, 4, unknown_user]), len(movie_id))
    timestamp = np.resize(np.array([np.nan, 1e9]), len(movie_id))
    queries = RatingQueries(user_id, movie_id, timestamp)
    return predict_rows(model, queries)


PROCESS_1 = """
import logging, socket
import xgboost
from serve.registry import Registry
from serve.supervisor import Supervisor

Supervisor([], lambda *_: None, desk=Registry(socket.socket(fileno=0))).run()
"""


@pytest.fixture(scope="session")
def line() -> Iterator[Line]:
    """To a process 1 that has no workers, but proves models."""
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with writer:
        with reader:
            process = subprocess.Popen(
                [sys.executable, "-c", PROCESS_1], stdin=reader.fileno()
            )
        yield Line(writer)
    process.terminate()
    assert process.wait() == 0


MakeModels = Callable[..., Models]


@pytest.fixture
def make_models(line: Line, model_dir: Path) -> MakeModels:
    """Make `Models` with room for so many of the small model.

    They may be anywhere below ``root``, which is the directory of this session's tests.
    ``kept`` are those of a former worker. The other names are those of `ModelLimits`.
    """

    def make(
        room: float,
        kept: Mapping[str, Kept] | None = None,
        root: Path = model_dir.parent,
        **limits: Any,
    ) -> Models:
        n_bytes = sum(file.stat().st_size for file in model_dir.iterdir())
        memory_bytes = int(room * MODEL_FACTOR * n_bytes)
        places = ModelPlaces(root)
        return Models(places, ModelLimits(memory_bytes, **limits), line, kept or {})

    return make


@contextlib.contextmanager
def _serving(
    served: ServedModel | Models,
    observe: Callable[[Api], Observer] | None = None,
    **settings: Any,
) -> Iterator[Address]:
    (bound,) = bind(0)
    bound.listen()  # from here on connections wait for the server, so we needn't
    chosen = ServeSettings(Path("unused"), **settings)
    if isinstance(served, Models):
        application: Api = MultiModelApplication(served, chosen)
    else:
        application = Application(served, chosen)
    server = make_server(
        application,
        limits=chosen.client_limits,
        held_bytes=chosen.arrived_bytes,
        observer=None if observe is None else observe(application),
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield ("127.0.0.1", bound.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def serving() -> Serving:
    """Serve a model over HTTP in a thread.

    Use it as ``with serving(served, max_body_mib=1) as (host, port)``. The names are
    those of `ServeSettings`. ``observe`` makes what watches the application.
    """
    return _serving


@pytest.fixture(scope="session")
def address(served: ServedModel) -> Iterator[Address]:
    with _serving(served, max_body_mib=1, max_concurrent=2) as address:
        yield address


@pytest.fixture
def client(address: Address) -> Iterator[httpx.Client]:
    host, port = address
    with httpx.Client(
        base_url=f"http://{host}:{port}", trust_env=False, timeout=60
    ) as client:
        yield client
