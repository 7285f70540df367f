"""A real model, and a real server over it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import xgboost

from movielens import artifact
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable
from serve.app import Application
from serve.models import Models
from serve.multi_model import MultiModelApplication
from serve.served_model import ServedModel, load
from serve.server import bind, make_server
from serve.settings import Settings
from tests.examples import EVALUATION
from train.blocks import FeatureBlocks
from train.booster import fit_boosters
from train.context import TrainingContext
from train.hyperparameters import Hyperparameters

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile(
    "steady", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")

Address = tuple[str, int]
Serving = Callable[..., AbstractContextManager[Address]]


@pytest.fixture(scope="session")
def model(ratings: RatingTable, movies: MovieTable) -> Model:
    spec = FeatureSpec.fit(ratings, movies)
    scale = RatingScale.of(ratings.rating)
    names = list(spec.names)
    matrix = xgboost.DMatrix(
        spec.transform(ratings.queries()).values,
        scale.to_class(ratings.rating),
        feature_names=names,
    )
    params = {
        "objective": "multi:softprob",
        "num_class": len(scale.class_values),
        "max_depth": 4,
        "nthread": 1,
    }
    return Model(spec, xgboost.train(params, matrix, 8))


@pytest.fixture(scope="session")
def gated(ratings: RatingTable, movies: MovieTable) -> Model:
    """A model as a job trains it: trees of the movie, of the user and of the moment, of
    two seeds, averaged; and a regression.
    """
    spec = FeatureSpec.fit(ratings, movies)
    settings = Hyperparameters(
        num_round=12,
        n_models=2,
        regression_rounds=15,
        max_depth=4,
        min_child_weight=1,
        nthread=1,
    )
    blocks = FeatureBlocks.of(spec.transform_fitted(ratings))
    context = TrainingContext(settings)
    boosters = fit_boosters(blocks, ratings.rating, spec.scale, context)
    return Model(spec, boosters.classes, regression=boosters.regression)


@pytest.fixture(scope="session")
def served(model: Model, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    """The same model, as the server loads it."""
    model_dir = tmp_path_factory.mktemp("model")
    artifact.save(model, EVALUATION, model_dir)
    return load(model_dir)


@contextlib.contextmanager
def _serving(served: ServedModel | Models, **settings: Any) -> Iterator[Address]:
    (bound,) = bind(0)
    bound.listen()  # from here on a connection waits for the server, so nothing below need wait for it
    chosen = Settings(Path("unused"), **settings)
    many = isinstance(served, Models)
    server = make_server(
        MultiModelApplication(served, chosen) if many else Application(served, chosen)
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
    """Serve a model over HTTP in a thread: ``with serving(served, max_body_mib=1) as
    (host, port)``.
    """
    return _serving


@pytest.fixture(scope="session")
def address(served: ServedModel) -> Iterator[Address]:
    with _serving(served, max_body_mib=1, max_concurrent=2) as address:
        yield address


@pytest.fixture
def client(address: Address) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"http://{address[0]}:{address[1]}", trust_env=False, timeout=60
    ) as client:
        yield client
