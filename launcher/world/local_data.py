"""The MovieLens files of the data directory, read as a training job would read them.

It is the job's own reader, with the job's own policy for bad rows: the one that
``on_bad_row`` and ``bad_row_share`` of the configured hyperparameters give. So a job
accepts what is accepted here, and drops what is dropped here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.config import Config
from launcher.names import CHANNEL
from launcher.plans.data import LocalFile
from launcher.specification import (
    check_hyperparameters,
    default_hyperparameters,
    plain_text,
)


@dataclass(frozen=True, slots=True)
class LocalData:
    """What a training job would read.

    Attributes:
        files: the files with ratings or movies.
        n_ratings: how many ratings the job would use.
        dropped: how many ratings it would drop, by reason.
    """

    files: list[LocalFile]
    n_ratings: int
    dropped: Mapping[str, int]

    @property
    def n_dropped(self) -> int:
        """How many ratings the job would drop for any reason."""
        return sum(self.dropped.values())


def read_local_data(config: Config) -> LocalData:
    """Read and check the files of the data directory.

    Raises:
        DataError: a file or a value that the job would not accept, with file, line and
            column.
        ConfigError: ``on_bad_row`` or ``bad_row_share`` isn't one that the job would
            accept.
    """
    # Reading needs NumPy and PyArrow, which other commands don't wait for.
    from movielens.channel import Channel
    from movielens.readers import read_dataset

    directory = Path(config.data)
    dataset = read_dataset([Channel(CHANNEL, directory)], most_bad=_most_bad(config))
    # The reader's names begin with the channel's.
    names = [name.removeprefix(f"{CHANNEL}/") for name in dataset.files]
    return LocalData(
        files=[_local_file(directory, name) for name in names],
        n_ratings=len(dataset.ratings),
        dropped=dataset.dropped,
    )


def _most_bad(config: Config) -> float:
    """The largest share of bad rows that a job of this configuration drops."""
    from movielens.bad_rows import largest_bad_share

    defaults = default_hyperparameters()
    values = {
        name: config.hyperparameters.get(name, defaults[name])
        for name in ("on_bad_row", "bad_row_share")
    }
    check_hyperparameters(values)
    share = float(plain_text(values["bad_row_share"]))
    return largest_bad_share(plain_text(values["on_bad_row"]), share)


def _local_file(directory: Path, name: str) -> LocalFile:
    path = directory / name
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return LocalFile(path, name, path.stat().st_size, digest.hexdigest())
