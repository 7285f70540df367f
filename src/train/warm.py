"""Going on from an earlier model: its ratings and new ones together make the features,
its trees come first.

The model's artifact holds the latest ratings of each user, so the old data isn't
needed: they are put beside the new ones, and every statistic is that of both. New trees
are trained on the rows of both, each row's features without the row itself, as in any
other job. Test rows are drawn from the new ratings alone, as the old trees have seen
the others.
"""

from __future__ import annotations

import logging
import shutil
import tarfile
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
from movielens.tables import RatingTable
from train.errors import JobError
from train.hyperparameters import Hyperparameters
from train.split import Split

logger = logging.getLogger(__name__)

ARCHIVE = "model.tar.gz"


@dataclass(frozen=True, slots=True, eq=False)
class EarlierModel:
    """A model to go on from.

    Attributes:
        spec: its features.
        booster: its trees, as XGBoost's UBJSON.
        regression: those of its regression, empty where it has none.
        ratings: the latest ratings of each user.
    """

    spec: FeatureSpec
    booster: bytes
    regression: bytes
    ratings: RatingTable

    def added_to(self, split: Split) -> Split:
        """Its ratings before the new training rows; of a user and movie rated twice,
        the last by time counts.

        A pair that is tested is in no training row, so that its old rating doesn't give
        the new one away.
        """
        old = self.ratings.take(
            np.flatnonzero(~np.isin(self.ratings.pair, split.test.pair))
        )
        if (old.timestamp is None) != (split.train.timestamp is None):
            which = (
                "has no timestamps, the new ratings have"
                if old.timestamp is None
                else "has timestamps, they don't"
            )
            raise JobError(
                f"the model {which}: train anew, or give both the same columns"
            )
        train, n_replaced = drop_duplicates(RatingTable.concatenate([old, split.train]))
        logger.info(
            "%d ratings of the model are added, %d ratings were replaced by later ones",
            len(old),
            n_replaced,
        )
        return Split(train, split.test)


def read_model(channel: Channel, settings: Hyperparameters) -> EarlierModel:
    """Read the channel's artifact: ``model.tar.gz`` as a training job left it, or its
    files.

    Raises:
        ArtifactError: if it isn't one.
        JobError: if this job makes other features.
    """
    with _unpacked(channel.path) as directory:
        read = artifact.read(directory)
        booster, regression = bytes(read.booster().save_raw("ubj")), read.regression()
    groups = tuple(group.name for group in read.spec.groups)
    if groups != settings.features:
        raise JobError(
            f"the model of channel {channel.name} has features {','.join(groups) or 'none'}, this job asks for "
            f"{','.join(settings.features) or 'none'}: set features to the model's"
        )
    stars = b"" if regression is None else bytes(regression.save_raw("ubj"))
    return EarlierModel(read.spec, booster, stars, ratings_of(read.spec))


def ratings_of(spec: FeatureSpec) -> RatingTable:
    """The ratings that an artifact keeps: the latest of each user, by user and time."""
    profiles = spec.profiles
    user = np.repeat(np.arange(len(profiles.start) - 2), np.diff(profiles.start[:-1]))
    time = profiles.time[:-1]
    return RatingTable.of(
        spec.users.ids[user],
        spec.movies.movie_id[profiles.movie_index[:-1]],
        spec.scale.to_rating(profiles.class_index[:-1].astype(np.int64)),
        None if np.any(time < 0) else time,
    )


@contextmanager
def _unpacked(directory: Path) -> Iterator[Path]:
    archive = directory / ARCHIVE
    if not archive.exists():
        yield directory
        return
    with tempfile.TemporaryDirectory() as unpacked:
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    # Only the artifact's own files, at the top, whatever else the
                    # archive says.
                    file = (
                        tar.extractfile(member)
                        if Path(member.name).name == member.name.removeprefix("./")
                        else None
                    )
                    if file is not None:
                        with (
                            file,
                            (Path(unpacked) / Path(member.name).name).open("wb") as out,
                        ):
                            shutil.copyfileobj(file, out)
        except (OSError, tarfile.TarError, EOFError) as error:
            raise ArtifactError(
                f"can't unpack {archive}: {error}: upload it again"
            ) from error
        yield Path(unpacked)
