"""Another algorithm in the same container: mean + user + movie, each shrunk.

Replaced: features, trees, model files. Kept: the entry point, the job's configuration,
readers with their located errors, the split, and the lines that SageMaker reads metrics
from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sagemaker_training.errors import ClientError

from movielens.errors import HalfstarError
from movielens.readers import read_dataset
from train.job import TrainingJob, base_directory
from train.report import metric_line
from train.split import split_ratings

# An offset counts as if so many more ratings were exactly expected.
SHRINKAGE = 5


def main() -> None:
    """Train; ``SAGEMAKER_TRAINING_MODULE`` names this function."""
    try:
        fit_and_save(TrainingJob.at(base_directory()))
    except HalfstarError as error:
        # The toolkit writes this message to output/failure.
        raise ClientError(str(error)) from error


def fit_and_save(job: TrainingJob) -> None:
    """Read, split, fit, evaluate, write."""
    chosen = job.hyperparameters
    data = read_dataset(job.channels, chosen.most_bad)
    split = split_ratings(data.ratings, chosen.split, chosen.holdout, chosen.seed)

    stars = split.train.rating.astype(np.float64)
    mean = stars.mean()
    users = Offsets(split.train.user_id, stars - mean)
    left = stars - mean - users.of(split.train.user_id)
    movies = Offsets(split.train.movie_id, left)

    expected = mean + users.of(split.test.user_id) + movies.of(split.test.movie_id)
    error = expected - split.test.rating
    print(metric_line("test:rmse", float(np.sqrt(np.mean(error**2)))))

    job.model_dir.mkdir(parents=True, exist_ok=True)
    np.savez(
        job.model_dir / "bias.npz",
        mean=mean,
        user_id=users.ids,
        user=users.values,
        movie_id=movies.ids,
        movie=movies.values,
    )


class Offsets:
    """The mean residual of each id, drawn towards 0."""

    def __init__(self, ids: NDArray[np.int32], residuals: NDArray[np.float64]) -> None:
        self.ids, place = np.unique(ids, return_inverse=True)
        sums = np.bincount(place, residuals)
        self.values = sums / (np.bincount(place) + SHRINKAGE)

    def of(self, ids: NDArray[np.int32]) -> NDArray[np.float64]:
        """The offsets of these ids, 0 for unknown ones."""
        place = np.searchsorted(self.ids, ids).clip(max=len(self.ids) - 1)
        return np.where(self.ids[place] == ids, self.values[place], 0.0)
