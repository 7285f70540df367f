"""Channels to read, and a small model to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import xgboost

from movielens.model import Model
from movielens.tables import RatingTable
from tests.movielens.samples import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files by name into a channel's directory, and gives the directory."""
    directory = tmp_path / "channel"
    directory.mkdir()

    def write_files(contents: Mapping[str, str | bytes]) -> Path:
        for name, content in contents.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return directory

    return write_files


@pytest.fixture(scope="session")
def model_with_regression(small_model: Model, ratings: RatingTable) -> Model:
    """The same model with a regression of nine rounds."""
    spec = small_model.spec
    matrix = xgboost.DMatrix(
        spec.transform(ratings.queries()).values,
        ratings.rating,
        feature_names=list(spec.names),
    )
    params = {"objective": "reg:squarederror", "max_depth": 3}
    return replace(small_model, regression=xgboost.train(params, matrix, 9))
