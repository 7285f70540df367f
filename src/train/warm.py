"""A warm start: going on from an earlier model.

1. The artifact of the model holds the latest ratings of each user, so the old data
   isn't needed. These ratings are added to the new ones.
2. The features are made from both, as in any other job.
3. The model's trees come first; new trees are trained on the rows of both.

Test rows come from the new ratings only, because the old trees have seen the others.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from movielens import artifact
from movielens.assembly import drop_duplicates
from movielens.channel import Channel
from movielens.errors import ArtifactError
from movielens.features import FeatureSpec
from movielens.manifest import ARCHIVE
from movielens.packed_files import unpack
from movielens.tables import RatingTable
from train.errors import JobError
from train.hyperparameters import Hyperparameters
from train.proving import prove_model
from train.split import Split

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class EarlierModel:
    """A model to go on from.

    Attributes:
        spec: its recipe of features.
        booster: the booster of its classes, as XGBoost's UBJSON.
        regression: the same of its regression, empty if it has none.
        ratings: the latest ratings of each user.
    """

    spec: FeatureSpec
    booster: bytes
    regression: bytes
    ratings: RatingTable

    def added_to(self, split: Split) -> Split:
        """The split with the model's ratings before the new training rows.

        If a user rated a movie twice, the later rating counts. Old ratings of pairs
        that are tested are left out, so that they don't give the new ones away.

        Raises:
            JobError: if only one of the two has timestamps.
        """
        is_tested = np.isin(self.ratings.pair, split.test.pair)
        old = self.ratings.take(np.flatnonzero(~is_tested))
        if not len(old):
            logger.warning(
                "the model brings no ratings: features are made from the new ones alone"
            )
            return split
        _check_timestamps(old, split.train)

        together = RatingTable.concatenate([old, split.train])
        train, n_replaced = drop_duplicates(together)
        logger.info(
            "%d ratings of the model are added, %d ratings were replaced by later ones",
            len(old),
            n_replaced,
        )
        return Split(train, split.test)

    def check_features(self, spec: FeatureSpec) -> None:
        """Check that this job's features are those that the model's trees look at.

        Raises:
            JobError: if they aren't. Some are there only if the ratings have
                timestamps, and a model that keeps no ratings doesn't bring any.
        """
        if spec.names != self.spec.names:
            raise JobError(
                f"this job makes {len(spec.names)} features, the model has "
                f"{len(self.spec.names)}: send ratings with timestamps if the model's "
                "had them, and without if they hadn't"
            )


def read_model(channel: Channel, hyperparameters: Hyperparameters) -> EarlierModel:
    """Read the model of a channel.

    The channel holds ``model.tar.gz`` as a training job left it, or the files of the
    archive.

    Raises:
        ArtifactError: if it isn't a model, or if XGBoost can't read its boosters.
        JobError: if this job makes other features, or a resource is short.
    """
    with _unpacked(channel.path) as directory:
        read = artifact.read(directory)
        prove_model(read, f"the model of channel {channel.name}")
        booster = read.booster()
        regression = read.regression()

    groups = tuple(group.name for group in read.spec.groups)
    if groups != hyperparameters.features:
        theirs = ",".join(groups) or "none"
        ours = ",".join(hyperparameters.features) or "none"
        raise JobError(
            f"the model of channel {channel.name} has features {theirs}, this job asks "
            f"for {ours}: set features to the model's"
        )
    return EarlierModel(
        read.spec,
        bytes(booster.save_raw("ubj")),
        b"" if regression is None else bytes(regression.save_raw("ubj")),
        ratings_of(read.spec),
    )


def ratings_of(spec: FeatureSpec) -> RatingTable:
    """The ratings that a model keeps: the latest of each user, by user and time."""
    profiles = spec.profiles
    # The last place in these arrays belongs to an unknown user or rating.
    n_users = len(profiles.start) - 2
    n_ratings = np.diff(profiles.start[:-1])
    user_index = np.repeat(np.arange(n_users), n_ratings)
    movie_index = profiles.movie_index[:-1]
    class_index = profiles.class_index[:-1].astype(np.int64)
    time = profiles.time[:-1]
    has_timestamps = not np.any(time < 0)
    return RatingTable.of(
        spec.users.ids[user_index],
        spec.movies.movie_id[movie_index],
        spec.scale.to_rating(class_index),
        time if has_timestamps else None,
    )


def _check_timestamps(old: RatingTable, new: RatingTable) -> None:
    if (old.timestamp is None) == (new.timestamp is None):
        return
    if old.timestamp is None:
        difference = "has no timestamps, but the new ratings do"
    else:
        difference = "has timestamps, but the new ratings don't"
    raise JobError(f"the model {difference}: train anew, or give both the same columns")


@contextmanager
def _unpacked(directory: Path) -> Iterator[Path]:
    """The directory with the files of the model."""
    archive = directory / ARCHIVE
    if not archive.exists():
        yield directory
        return
    with _temporary_directory() as unpacked:
        try:
            unpack(archive, unpacked, artifact.FILES)
        except ValueError as error:
            raise ArtifactError(
                f"can't unpack {archive}: {error}: upload it again"
            ) from error
        except OSError as error:
            reason = error.strerror or error
            raise ArtifactError(
                f"can't unpack {archive}: {reason} (into {unpacked})"
            ) from error
        yield unpacked


@contextmanager
def _temporary_directory() -> Iterator[Path]:
    try:
        directory = tempfile.TemporaryDirectory()
    except OSError as error:
        raise JobError(
            f"no place to unpack the model: {error.strerror or error}; set TMPDIR to a "
            "directory that can be written"
        ) from error
    with directory as name:
        yield Path(name)
