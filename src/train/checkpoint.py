"""Checkpoints: the rounds boosted so far, so that a job which was interrupted goes on
instead of beginning anew.

A checkpoint is one zip file that holds the booster of each stage and the losses that
early stopping has seen. Features aren't in it: the same data and hyperparameters make
the same ones again, and a fingerprint of both tells whether they are the same.
SageMaker copies the directory to S3 while the job writes into it, so a file gets its
name only once it is whole, and none is removed during its upload.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from movielens.tables import MovieTable, RatingTable
from train.errors import JobError

logger = logging.getLogger(__name__)

KEPT = 2
_NAME = re.compile(r"checkpoint-(\d+)\.zip")
_UNFINISHED = ".unfinished"
_STATE = "state.json"
# SageMaker's markers beside a file during and after its upload.
_UPLOADING, _UPLOADED = ".sagemaker-uploading", ".sagemaker-uploaded"


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage of boosting has reached.

    Attributes:
        booster: the model of its rounds, as XGBoost's UBJSON.
        n_rounds: how many they are.
        complete: whether the stage needs no more.
        losses: the validation log-loss after each round, where one was looked at.
    """

    booster: bytes
    n_rounds: int
    complete: bool
    losses: tuple[float, ...] = ()


@dataclass
class Checkpoints:
    """The checkpoints of one job; without a directory they last as long as the process.

    Attributes:
        directory: where they are written.
        fingerprint: what makes the model what it is, by name.
        every: rounds between two of them.
        stages: the newest, by name of the stage.
    """

    directory: Path | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    every: int = 10
    stages: dict[str, Stage] = field(default_factory=dict)

    @classmethod
    def open(
        cls, directory: Path | None, fingerprint: Mapping[str, str], every: int
    ) -> Self:
        """Find the newest checkpoint of this job, if there is any.

        Raises:
            JobError: a checkpoint of other data, hyperparameters or versions, or a
                directory that can't be used.
        """
        found = cls(directory, fingerprint, every)
        if directory is not None:
            found._restore(directory)
        return found

    def packed(self) -> bytes:
        """What has been reached, for another host's `unpack`."""
        return _pack(self.fingerprint, self.stages)

    def unpack(self, packed: bytes) -> None:
        """Go on from what another host has reached."""
        self.stages = _unpack(packed)[1]

    def are_due(self, n_rounds: int) -> bool:
        """Whether to save after so many rounds of a stage that goes on."""
        return self.directory is not None and n_rounds % self.every == 0

    def save(self, name: str, stage: Stage) -> None:
        """Write what a stage has reached, beside what the others have.

        Raises:
            JobError: if it can't be written; the checkpoint before it is then still
                whole.
        """
        self.stages[name] = stage
        if self.directory is None:
            return
        sequence = sum(reached.n_rounds for reached in self.stages.values())
        path = self.directory / f"checkpoint-{sequence}.zip"
        write_atomically(path, _pack(self.fingerprint, self.stages))
        _prune(self.directory, sequence)

    def _restore(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for path in directory.glob(f"*{_UNFINISHED}"):
                path.unlink()
        except OSError as error:
            raise JobError(
                f"can't use the checkpoint directory {directory}: {error.strerror or error}"
            ) from error
        for path in _newest_first(directory):
            try:
                fingerprint, stages = _unpack(path.read_bytes())
            except (
                OSError,
                KeyError,
                TypeError,
                ValueError,
                zipfile.BadZipFile,
            ) as error:
                logger.warning(
                    "%s is damaged (%s), the one before it is used", path, error
                )
                continue
            _compare(path, fingerprint, self.fingerprint)
            self.stages = stages
            rounds = ", ".join(
                f"{stage.n_rounds} rounds of {name}" for name, stage in stages.items()
            )
            logger.info("resuming from %s: %s", path, rounds)
            return


def fingerprint_of(
    settings: Mapping[str, object],
    versions: Mapping[str, str],
    ratings: RatingTable,
    movies: MovieTable,
    start: bytes = b"",
) -> dict[str, str]:
    """What two runs must share to make the same model: settings, versions, training
    rows, catalogue, first trees.
    """
    columns = (ratings.user_id, ratings.movie_id, ratings.half_stars, ratings.timestamp)
    digest = _digest(*(column.data for column in columns if column is not None))
    listed = zip(movies.movie_id.tolist(), movies.title, movies.genres, strict=True)
    catalogue = json.dumps([list(movie) for movie in listed]).encode()
    return {
        **{
            f"hyperparameter {name}": json.dumps(value)
            for name, value in settings.items()
        },
        **{f"version of {name}": version for name, version in versions.items()},
        "training data": f"{len(ratings)} ratings with SHA-256 {digest}",
        "catalogue": f"{len(movies)} movies with SHA-256 {_digest(catalogue)}",
        **(
            {"model gone on from": f"trees with SHA-256 {_digest(start)}"}
            if start
            else {}
        ),
    }


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that has its name only once it is on the disk as a whole; raises
    JobError.
    """
    unfinished = path.with_name(path.name + _UNFINISHED)
    try:
        try:
            with unfinished.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise JobError(
            f"can't write the checkpoint {path}: {error.strerror or error}"
        ) from error


def _pack(fingerprint: Mapping[str, str], stages: Mapping[str, Stage]) -> bytes:
    reached = {
        name: {
            "n_rounds": stage.n_rounds,
            "complete": stage.complete,
            "losses": stage.losses,
        }
        for name, stage in stages.items()
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            _STATE,
            json.dumps({"fingerprint": dict(fingerprint), "stages": reached}, indent=1),
        )
        for name, stage in stages.items():
            archive.writestr(f"{name}.ubj", stage.booster)
    return buffer.getvalue()


def _unpack(data: bytes) -> tuple[dict[str, str], dict[str, Stage]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        state = json.loads(archive.read(_STATE))
        stages = {
            name: Stage(
                archive.read(f"{name}.ubj"),
                entry["n_rounds"],
                entry["complete"],
                tuple(entry["losses"]),
            )
            for name, entry in state["stages"].items()
        }
    return dict(state["fingerprint"]), stages


def _compare(path: Path, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    names = sorted(
        name for name in {*theirs, *ours} if theirs.get(name) != ours.get(name)
    )
    if names:
        differences = (
            f"{name} was {theirs.get(name, 'absent')}, is {ours.get(name, 'absent')}"
            for name in names
        )
        raise JobError(
            f"{path} is of another job ({'; '.join(differences)}): give this job a checkpoint directory of its own, "
            "or restore what differs"
        )


def _newest_first(directory: Path) -> list[Path]:
    """By number: as text, 100 would come before 20."""
    return sorted(
        (path for path in directory.iterdir() if _NAME.fullmatch(path.name)),
        key=_number,
        reverse=True,
    )


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("checkpoint-"))


def _prune(directory: Path, sequence: int) -> None:
    """Remove all but the newest; what is being uploaded stays until the next time.

    Numbers above ``sequence`` are of damaged files, behind which the job went back.
    """
    paths = _newest_first(directory)
    damaged = [path for path in paths if _number(path) > sequence]
    for path in [*damaged, *paths[len(damaged) + KEPT :]]:
        marker = path.with_name(path.name + _UPLOADED)
        if path.with_name(path.name + _UPLOADING).exists() and not marker.exists():
            continue
        try:
            path.unlink(missing_ok=True)
            marker.unlink(missing_ok=True)
        except OSError as error:
            logger.warning(
                "can't remove the old checkpoint %s: %s", path, error.strerror or error
            )


def _digest(*parts: bytes | memoryview) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]
