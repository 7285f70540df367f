"""Checkpoints: the rounds boosted so far, so that an interrupted job can go on.

A checkpoint is one zip file. It holds the booster of each stage and the losses that
early stopping has seen. Features aren't in it, since the same data and hyperparameters
make the same features again; a fingerprint tells whether they are the same.

SageMaker copies the directory to S3 while the job writes into it. So a file gets its
name only once it is complete, and no file is removed during its upload.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from movielens import durable
from movielens.errors import ArtifactError
from movielens.json_text import parse_json
from movielens.regular_files import read_regular
from movielens.stored_zip import stored_members
from movielens.tables import MovieTable, RatingTable
from train.errors import JobError

logger = logging.getLogger(__name__)

# Checkpoints that stay in the directory; should the newest be damaged, the one before
# it is used.
KEPT = 2

_NAME = re.compile(r"checkpoint-([0-9]{1,18})\.zip")
_STATE = "state.json"
# SageMaker puts these beside a file, during and after its upload.
_UPLOADING = ".sagemaker-uploading"
_UPLOADED = ".sagemaker-uploaded"

# Beyond any booster that could be trained.
_MOST_BYTES = 2**32
# What reading a damaged file may raise.
_DAMAGE = (AttributeError, LookupError, OSError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage of boosting has reached.

    Attributes:
        booster: all its rounds, as XGBoost's UBJSON.
        n_rounds: how many rounds these are.
        complete: whether the stage needs no more.
        losses: the log-loss on the rows held out after each new round; empty without
            such rows.
    """

    booster: bytes
    n_rounds: int
    complete: bool
    losses: tuple[float, ...] = ()


Prove = Callable[[Mapping[str, Stage]], None]


@dataclass
class Checkpoints:
    """The checkpoints of one job.

    Attributes:
        directory: where they are written. Without one, they last as long as the
            process.
        fingerprint: all that makes the model what it is, by name.
        every: rounds from one checkpoint to the next.
        stages: the newest state of each stage, by name.
    """

    directory: Path | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    every: int = 10
    stages: dict[str, Stage] = field(default_factory=dict)

    def restore(self, prove: Prove = lambda _: None) -> None:
        """Read the newest checkpoint in the directory, if there is any.

        Args:
            prove: raises an ArtifactError if the boosters of the stages, by name, are
                damaged or forged.

        Raises:
            JobError: a checkpoint of other data, hyperparameters or versions, or a
                directory that can't be used.
        """
        if self.directory is None:
            return
        _make_ready(self.directory)
        for path in _newest_first(self.directory):
            try:
                data = read_regular(path, _MOST_BYTES)
                fingerprint, stages = _unpack(data)
            except _DAMAGE as error:
                _pass_over(path, error)
                continue
            _compare(path, fingerprint, self.fingerprint)
            try:
                prove(stages)
            except ArtifactError as error:
                _pass_over(path, error)
                continue
            self.stages = stages
            reached = ", ".join(
                f"{stage.n_rounds} rounds of {name}" for name, stage in stages.items()
            )
            logger.info("resuming from %s: %s", path, reached)
            return

    def packed(self) -> bytes:
        """What has been reached, for `unpack` on another host."""
        return _pack(self.fingerprint, self.stages)

    def unpack(self, packed: bytes) -> None:
        """Go on from what another host has reached."""
        _, self.stages = _unpack(packed)

    def are_due(self, n_rounds: int) -> bool:
        """Whether to save after this round of a stage that goes on."""
        return self.directory is not None and n_rounds % self.every == 0

    def save(self, name: str, stage: Stage) -> None:
        """Write what a stage has reached, together with the other stages.

        Raises:
            JobError: if it can't be written; the checkpoint before it is then still
                complete.
        """
        self.stages[name] = stage
        if self.directory is None:
            return
        number = sum(each.n_rounds for each in self.stages.values())
        path = self.directory / f"checkpoint-{number}.zip"
        _write_atomically(path, self.packed())
        _prune(self.directory, number)


def fingerprint_of(
    hyperparameters: Mapping[str, object],
    versions: Mapping[str, str],
    ratings: RatingTable,
    movies: MovieTable,
    earlier: bytes = b"",
) -> dict[str, str]:
    """What two runs must have in common to make the same model, by name.

    Args:
        hyperparameters: those that shape the model, by name.
        versions: of the libraries that shape the model.
        ratings: training rows.
        movies: the catalogue.
        earlier: the model to go on from, empty without one.
    """
    columns = (ratings.user_id, ratings.movie_id, ratings.half_stars, ratings.timestamp)
    of_ratings = _digest(*(column.data for column in columns if column is not None))
    listed = zip(movies.movie_id.tolist(), movies.title, movies.genres, strict=True)
    of_movies = _digest(json.dumps([list(movie) for movie in listed]).encode())

    fingerprint = {
        f"hyperparameter {name}": json.dumps(value)
        for name, value in hyperparameters.items()
    }
    for name, version in versions.items():
        fingerprint[f"version of {name}"] = version
    fingerprint["training data"] = f"{len(ratings)} ratings with SHA-256 {of_ratings}"
    fingerprint["catalogue"] = f"{len(movies)} movies with SHA-256 {of_movies}"
    if earlier:
        fingerprint["model gone on from"] = f"trees with SHA-256 {_digest(earlier)}"
    return fingerprint


def _digest(*parts: bytes | memoryview) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def _pass_over(path: Path, error: Exception) -> None:
    logger.warning("%s is damaged (%s), the one before it is used", path, error)


def _compare(path: Path, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    differences = [
        f"{name} was {theirs.get(name, 'absent')}, is {ours.get(name, 'absent')}"
        for name in sorted({*theirs, *ours})
        if theirs.get(name) != ours.get(name)
    ]
    if differences:
        raise JobError(
            f"{path} is of another job ({'; '.join(differences)}): give this job a "
            "checkpoint directory of its own, or restore what differs"
        )


def _pack(fingerprint: Mapping[str, str], stages: Mapping[str, Stage]) -> bytes:
    reached = {
        name: {
            "n_rounds": stage.n_rounds,
            "complete": stage.complete,
            "losses": stage.losses,
        }
        for name, stage in stages.items()
    }
    state = {"fingerprint": dict(fingerprint), "stages": reached}
    buffer = io.BytesIO()
    # Entries without a time of their own: zip can't hold every time that a clock may
    # show, and equal states give equal bytes.
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_STATE), json.dumps(state, indent=1))
        for name, stage in stages.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.ubj"), stage.booster)
    return buffer.getvalue()


def _unpack(data: bytes) -> tuple[dict[str, str], dict[str, Stage]]:
    members = stored_members(data)
    state = parse_json(members[_STATE])
    stages = {
        name: _stage(members[f"{name}.ubj"], reached)
        for name, reached in state["stages"].items()
    }
    return dict(state["fingerprint"]), stages


def _stage(booster: bytes, reached: Mapping[str, Any]) -> Stage:
    n_rounds = reached["n_rounds"]
    complete = reached["complete"]
    losses = tuple(reached["losses"])
    are_floats = all(type(loss) is float for loss in losses)
    if type(n_rounds) is not int or type(complete) is not bool or not are_floats:
        raise TypeError("a stage isn't what was written")
    if len(losses) > n_rounds:
        raise ValueError(f"a stage of {n_rounds} rounds has {len(losses)} losses")
    return Stage(booster, n_rounds, complete, losses)


def _make_ready(directory: Path) -> None:
    """Create the directory, and remove what an interrupted run left unfinished."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path in directory.glob(f"*{durable.UNFINISHED}"):
            path.unlink()
        if not os.access(directory, os.W_OK):
            raise PermissionError("it can't be written")
    except OSError as error:
        cause = error.strerror or error
        raise JobError(
            f"can't use the checkpoint directory {directory}: {cause}"
        ) from error


def _write_atomically(path: Path, data: bytes) -> None:
    """Write a file that has its name only once all of it is on the disk.

    Raises:
        JobError: if it can't be written.
    """
    try:
        durable.write_whole(path, data)
    except OSError as error:
        cause = error.strerror or error
        raise JobError(f"can't write the checkpoint {path}: {cause}") from error


def _newest_first(directory: Path) -> list[Path]:
    """The checkpoints, sorted by number; as text, 100 would come before 20."""
    paths = [path for path in directory.iterdir() if _NAME.fullmatch(path.name)]
    return sorted(paths, key=_number, reverse=True)


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("checkpoint-"))


def _prune(directory: Path, newest: int) -> None:
    """Remove all checkpoints but the newest `KEPT`.

    A file that is being uploaded stays until the next time. Files with a number above
    ``newest`` are damaged: the job went back to one before them, so they go too.
    """
    paths = _newest_first(directory)
    damaged = [path for path in paths if _number(path) > newest]
    old = paths[len(damaged) + KEPT :]
    for path in [*damaged, *old]:
        uploading = path.with_name(path.name + _UPLOADING)
        uploaded = path.with_name(path.name + _UPLOADED)
        if uploading.exists() and not uploaded.exists():
            continue
        try:
            path.unlink(missing_ok=True)
            uploaded.unlink(missing_ok=True)
        except OSError as error:
            cause = error.strerror or error
            logger.warning("can't remove the old checkpoint %s: %s", path, cause)
