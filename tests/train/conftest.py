"""What several tests of training share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from movielens.features import FeatureSpec
from movielens.tables import MovieTable, RatingTable
from train.blocks import FeatureBlocks
from train.stop import StopSignal

# How often a job asks for a stop before it boosts: between its stages and after each
# block of features, of which there are eight.
ASKED_BEFORE_BOOSTING = 9


class StopAfter(StopSignal):
    """SIGTERM comes once the job has asked for it so many times."""

    def __init__(self, times: int) -> None:
        self._times_left = times

    def __getattribute__(self, name: str) -> Any:
        if name == "requested":
            self._times_left -= 1
            return self._times_left < 0
        return super().__getattribute__(name)


def configure(base_dir: Path, name: str, value: object) -> None:
    """Write one of the platform's configuration files."""
    path = base_dir / "input" / "config" / f"{name}.json"
    path.write_text(json.dumps(value))


def model_files(base_dir: Path) -> dict[str, bytes]:
    """All files of the artifact."""
    return {path.name: path.read_bytes() for path in (base_dir / "model").iterdir()}


@pytest.fixture(scope="session")
def spec(ratings: RatingTable, movies: MovieTable) -> FeatureSpec:
    """The default features."""
    return FeatureSpec.fit(ratings, movies)


@pytest.fixture(scope="session")
def fitted_blocks(spec: FeatureSpec, ratings: RatingTable) -> FeatureBlocks:
    """The default features of all ratings, each made without the row's own rating."""
    return FeatureBlocks.of(spec.transform_fitted(ratings))
