"""ml-latest-small, on which most benchmarks measure."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import ROOT
from movielens.channel import Channel
from movielens.readers import Dataset, read_dataset
from train.hyperparameters import Hyperparameters
from train.split import Split, split_ratings

ML_LATEST_SMALL = ROOT / "data" / "ml-latest-small"


def read_data(directory: Path = ML_LATEST_SMALL) -> Dataset:
    """The ratings and movies in a directory, read as a job reads its channel."""
    return read_dataset([Channel("training", directory)])


def split_data(data: Dataset, hyperparameters: Hyperparameters) -> Split:
    """The split that a job with these hyperparameters makes."""
    return split_ratings(
        data.ratings,
        hyperparameters.split,
        hyperparameters.holdout,
        hyperparameters.seed,
    )
