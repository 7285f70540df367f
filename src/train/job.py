"""One SageMaker job as it is found under ``/opt/ml``: its directories and its
configuration, checked before work begins.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from movielens.channel import Channel
from movielens.errors import DataError
from movielens.grammar import is_utf_16
from movielens.json_text import is_too_deep, parse_json
from movielens.regular_files import read_regular
from train.errors import JobError
from train.hosts import Hosts
from train.hyperparameters import Hyperparameters

logger = logging.getLogger(__name__)

BASE_DIR_VARIABLE = "SAGEMAKER_BASE_DIR"
DEFAULT_BASE_DIR = "/opt/ml"
NAME_VARIABLE = "TRAINING_JOB_NAME"
VALIDATION_CHANNEL = "validation"
MODEL_CHANNEL = "model"
TABLE_CHANNELS = ("training", "train", "movies")
KNOWN_CHANNELS = (*TABLE_CHANNELS, VALIDATION_CHANNEL, MODEL_CHANNEL)

_HYPERPARAMETERS = "hyperparameters.json"
_CHANNELS = "inputdataconfig.json"
_RESOURCES = "resourceconfig.json"

# Where SageMaker and its toolkit look for the outcome of a job.
FAILURE = "output/failure"
SUCCESS = "output/success"

# What an earlier run in the same directory may have left behind.
_LEFT_BEHIND = (
    FAILURE,
    SUCCESS,
    "output/data/evaluation.json",
    "output/data/predictions.csv",
    "output/data/report.html",
    "output/data/report.json",
    "model/manifest.json",
)

# The platform's own limits allow a quarter of it.
_MOST_CONFIG_BYTES = 2**22


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One job.

    Attributes:
        hosts: who takes part.
        channels: where to look for ratings and movies.
        validation: ratings to test on, if there is such a channel.
        model: a model to go on from, if there is such a channel.
        model_dir: becomes ``model.tar.gz``.
        output_data_dir: becomes ``output.tar.gz``.
        failure_file: what SageMaker shows as the reason of a failure.
        checkpoint_dir: where checkpoints go; None if the job keeps none.
        hyperparameters: parsed.
        name: the platform's name of the job, empty outside of the platform.
    """

    hosts: Hosts
    channels: tuple[Channel, ...]
    validation: Channel | None
    model: Channel | None
    model_dir: Path
    output_data_dir: Path
    failure_file: Path
    checkpoint_dir: Path | None
    hyperparameters: Hyperparameters
    name: str = ""

    @classmethod
    def at(cls, base_dir: Path) -> Self:
        """Read the configuration of the job under ``base_dir``.

        Raises:
            HyperparameterError: bad hyperparameters, all of them named.
            DataError: no channel to train on.
            JobError: a configuration that can't be used.
        """
        config = base_dir / "input" / "config"
        hosts = Hosts.of(read_config(config / _RESOURCES) or _alone())
        channels = _channels(
            base_dir / "input" / "data",
            read_config(config / _CHANNELS),
            hosts,
        )
        checkpoint_config = read_config(config / "checkpointconfig.json")
        hyperparameters = read_config(config / _HYPERPARAMETERS)
        return cls(
            hosts=hosts,
            channels=tuple(
                channel for name, channel in channels.items() if name in TABLE_CHANNELS
            ),
            validation=channels.get(VALIDATION_CHANNEL),
            model=channels.get(MODEL_CHANNEL),
            model_dir=base_dir / "model",
            output_data_dir=base_dir / "output" / "data",
            failure_file=base_dir / FAILURE,
            checkpoint_dir=_checkpoint_dir(base_dir, checkpoint_config),
            hyperparameters=Hyperparameters.parse(hyperparameters),
            name=os.environ.get(NAME_VARIABLE, ""),
        )


def base_directory() -> Path:
    """``/opt/ml``, or the directory that ``SAGEMAKER_BASE_DIR`` names."""
    return Path(os.environ.get(BASE_DIR_VARIABLE) or DEFAULT_BASE_DIR)


def read_config(path: Path) -> dict[str, Any]:
    """One of the platform's JSON objects.

    An absent file counts as an empty object, as with a plain ``docker run``. The text
    is UTF-8, with or without a byte order mark.

    Raises:
        JobError: if it isn't a JSON object.
    """
    text = _text_of(path)
    if text is None:
        return {}
    try:
        value = parse_json(text)
    except ValueError as error:
        raise JobError(f"can't read {path} as JSON: {error}") from error
    if not isinstance(value, dict):
        raise JobError(f"{path} holds {type(value).__name__}, expected a JSON object")
    return value


def prepare(base_dir: Path) -> Path:
    """Make a base directory look as the platform would have made it.

    A plain ``docker run`` mounts data and nothing else, but the training toolkit needs
    directories for the output and configuration files. What an earlier run left is
    removed: its model must not outlive a failure of this job, and the toolkit never
    overwrites a failure file.

    Returns:
        The base directory for the toolkit. It is ``base_dir``; or, if the input is
        mounted read-only and lacks configuration files, one that stands in for it and
        has links to all else. The job itself doesn't need it.

    Raises:
        JobError: if the output can't be written, or a configuration file isn't a JSON
            object in UTF-8.
    """
    try:
        # The output first, for the failure file.
        for directory in (base_dir / "output" / "data", base_dir / "model"):
            directory.mkdir(parents=True, exist_ok=True)
        for name in _LEFT_BEHIND:
            (base_dir / name).unlink(missing_ok=True)
    except OSError as error:
        raise _unprepared(base_dir, error) from error

    # The toolkit reads these files before the job does, and its errors say less.
    config = base_dir / "input" / "config"
    read_config(config / "checkpointconfig.json")
    texts = _toolkit_texts(config)
    try:
        _write_texts(config, texts)
    except OSError as error:
        logger.info("%s can't be written to: %s", config, error.strerror or error)
        return _stand_in(base_dir, texts)
    return base_dir


def _alone() -> dict[str, Any]:
    """``resourceconfig.json`` of a job on this machine alone."""
    host = socket.gethostname()
    return {"current_host": host, "hosts": [host]}


def _toolkit_texts(config: Path) -> dict[str, str]:
    """The files that the toolkit reads, by name, as they should be.

    They are there, and have no byte order mark, at which the toolkit fails.

    Raises:
        JobError: if a file isn't a JSON object, or the job couldn't use it.
    """
    defaults = {_HYPERPARAMETERS: {}, _CHANNELS: {}, _RESOURCES: _alone()}
    values = {name: read_config(config / name) for name in defaults}
    for name, value in values[_HYPERPARAMETERS].items():
        # The toolkit reads the values as JSON too.
        if isinstance(value, str) and is_too_deep(value):
            raise JobError(f"hyperparameter {name} has too many brackets")

    texts: dict[str, str] = {}
    for name, default in defaults.items():
        text = _text_of(config / name)
        texts[name] = json.dumps(default) if text is None else text
    Hosts.of(parse_json(texts[_RESOURCES]))
    return texts


def _write_texts(config: Path, texts: Mapping[str, str]) -> None:
    """Write the files that aren't as they should be."""
    config.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = config / name
        data = text.encode()
        if not path.exists():
            path.write_bytes(data)
        elif read_regular(path, _MOST_CONFIG_BYTES) != data:
            # Opened like this, the file is whole until the shorter text is in its
            # place.
            with path.open("r+b") as stream:
                stream.write(data)
                stream.truncate()


def _stand_in(base_dir: Path, texts: Mapping[str, str]) -> Path:
    """A base directory with these configuration files and links to all else."""
    try:
        directory = Path(tempfile.mkdtemp(prefix="halfstar-job-"))
        config = directory / "input" / "config"
        _write_texts(config, texts)
        for name in ("input/data", "model", "output"):
            (directory / name).symlink_to(base_dir / name)
    except OSError as error:
        raise _unprepared(base_dir, error) from error
    return directory


def _unprepared(base_dir: Path, error: OSError) -> JobError:
    return JobError(
        f"can't prepare {base_dir}: {error}; mount a writable directory, or set "
        f"{BASE_DIR_VARIABLE}"
    )


def _text_of(path: Path) -> str | None:
    """The text of a configuration file, None if there is none."""
    try:
        data = read_regular(path, _MOST_CONFIG_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JobError(f"can't read {path}: {error.strerror or error}") from error
    return _utf_8_text(path, data)


def _utf_8_text(path: Path, data: bytes) -> str:
    """The text of a configuration file, without its byte order mark."""
    if is_utf_16(data):
        raise JobError(f"{path} is UTF-16 or UTF-32, expected UTF-8: save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JobError(
            f"{path} isn't UTF-8 ({error.reason} at byte {error.start + 1}): "
            "save it as UTF-8"
        ) from error


def _checkpoint_dir(base_dir: Path, config: dict[str, Any]) -> Path | None:
    """The directory that the platform declares, or ``checkpoints`` if there is one."""
    declared = config.get("LocalPath")
    if declared is not None and not isinstance(declared, str):
        raise JobError(
            f"checkpointconfig.json has LocalPath {declared!r}, expected a path"
        )
    if not declared:
        # With a plain `docker run`, a directory is enough.
        directory = base_dir / "checkpoints"
        return directory if directory.is_dir() else None

    path = Path(declared)
    if path.is_relative_to(DEFAULT_BASE_DIR):
        # The platform says /opt/ml, and base_dir is what is used in its place.
        return base_dir / path.relative_to(DEFAULT_BASE_DIR)
    return path


def _channels(
    data_dir: Path, config: dict[str, Any], hosts: Hosts
) -> dict[str, Channel]:
    """The channels that a job may have, by name.

    A plain ``docker run`` declares no channels; then every directory is one.
    """
    names = list(config) or _directories(data_dir)
    known = [name for name in names if name in KNOWN_CHANNELS]
    has_ratings = "training" in known or "train" in known
    # Of several hosts, some may have no data: those of another instance group.
    if not has_ratings and len(hosts) == 1:
        raise DataError(
            f"no channel named training (found {', '.join(names) or 'none'}): "
            f"put ratings.csv and movies.csv into {data_dir / 'training'}"
        )
    for name in sorted(set(names) - set(known)):
        logger.info(
            "channel %s is ignored, it is not one of %s",
            name,
            ", ".join(KNOWN_CHANNELS),
        )
    return {name: _channel(data_dir, name, config.get(name)) for name in known}


def _directories(directory: Path) -> list[str]:
    if not directory.is_dir():
        return []
    return sorted(path.name for path in directory.iterdir() if path.is_dir())


def _channel(data_dir: Path, name: str, declared: object) -> Channel:
    details = declared if isinstance(declared, dict) else {}
    if details.get("RecordWrapperType") == "RecordIO":
        raise JobError(
            f"channel {name} comes in RecordIO, which isn't read: set "
            "RecordWrapperType to None"
        )
    is_pipe = details.get("TrainingInputMode") == "Pipe"
    return Channel(
        name,
        # The platform numbers pipes by epoch.
        data_dir / (f"{name}_0" if is_pipe else name),
        is_pipe,
        is_sharded=details.get("S3DistributionType") == "ShardedByS3Key",
    )
