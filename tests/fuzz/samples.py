"""What the targets read: a small model, its artifact, and tables to read with."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np
import xgboost

from movielens import artifact
from movielens.features import FeatureSpec
from movielens.model import Model
from movielens.ratings import RatingScale
from movielens.tables import MovieTable, RatingTable
from serve.served_model import ServedModel, load
from tests.examples import EVALUATION

_ROUNDS = 3


@functools.cache
def movies() -> MovieTable:
    """Six movies, one without genres and year."""
    return MovieTable(
        movie_id=np.array([1, 2, 3, 7, 11, 318], dtype=np.int32),
        title=("A (1990)", "B (1995)", "Ç (2001)", "D", "E (1960)", "F (1994)"),
        genres=(("Comedy",), ("Drama", "IMAX"), (), ("Drama",), ("Action",), ()),
        year=np.array([1990, 1995, 2001, 0, 1960, 1994], dtype=np.int16),
    )


@functools.cache
def ratings() -> RatingTable:
    """Most pairs of eight users and the movies, in half stars."""
    pairs = [(user, movie) for user in range(8) for movie in range(6)]
    pairs = [(user, movie) for user, movie in pairs if (user + movie) % 5]
    user, movie = np.array(pairs).T
    half_stars = 1 + (user * 3 + movie * 2) % 10
    return RatingTable.of(
        user_id=user * 3 + 1,
        movie_id=movies().movie_id[movie],
        rating=(half_stars / 2).astype(np.float32),
        timestamp=900_000_000 + user * 10_000_000 + movie * 90_000,
    )


@functools.cache
def model() -> Model:
    """A model of the tables above, with a regression."""
    spec = FeatureSpec.fit(ratings(), movies())
    scale = RatingScale.of(ratings().rating)
    values = spec.transform(ratings().queries()).values
    common = {"max_depth": 3, "nthread": 1, "min_child_weight": 0}
    of_classes = {"objective": "multi:softprob", "num_class": len(scale.class_values)}
    classes = xgboost.train(
        {**common, **of_classes},
        xgboost.DMatrix(
            values, scale.to_class(ratings().rating), feature_names=list(spec.names)
        ),
        _ROUNDS,
    )
    regression = xgboost.train(
        {**common, "objective": "reg:squarederror"},
        xgboost.DMatrix(values, ratings().rating, feature_names=list(spec.names)),
        _ROUNDS,
    )
    return Model(spec, classes, regression=regression)


@functools.cache
def _temporary() -> Path:
    made = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, made)
    return made


def folder(name: str) -> Path:
    """An empty folder of that name, which lasts as long as the process."""
    made = _temporary() / name
    made.mkdir(exist_ok=True)
    for path in made.iterdir():
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
            shutil.rmtree(path)
        else:
            path.unlink()
    return made


@functools.cache
def artifact_files() -> dict[str, bytes]:
    """The files of the model's artifact, by name."""
    model_dir = folder("model")
    artifact.save(model(), EVALUATION, model_dir)
    return {path.name: path.read_bytes() for path in model_dir.iterdir()}


@functools.cache
def served() -> ServedModel:
    """The model, as the server loads it."""
    artifact_files()
    return load(_temporary() / "model")
