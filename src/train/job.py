"""The ``/opt/ml`` side of training: one SageMaker job's directories and settings,
checked before work begins.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from movielens.channel import Channel
from movielens.errors import DataError
from train.errors import JobError
from train.hosts import Hosts
from train.hyperparameters import Hyperparameters

logger = logging.getLogger(__name__)

BASE_DIR_VARIABLE = "SAGEMAKER_BASE_DIR"
DEFAULT_BASE_DIR = "/opt/ml"
VALIDATION_CHANNEL = "validation"
MODEL_CHANNEL = "model"
TABLE_CHANNELS = ("training", "train", "movies")
KNOWN_CHANNELS = (*TABLE_CHANNELS, VALIDATION_CHANNEL, MODEL_CHANNEL)
_LEFT_BEHIND = (
    "output/failure",
    "output/success",
    "output/data/evaluation.json",
    "output/data/predictions.csv",
    "model/manifest.json",
)


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One job, as found under ``base_dir``.

    Attributes:
        hosts: who takes part.
        channels: where to look for ratings and movies.
        validation: the user's own test ratings, if there is such a channel.
        model: a model to go on from, likewise.
        model_dir: becomes model.tar.gz.
        output_data_dir: becomes output.tar.gz.
        failure_file: what SageMaker shows as the reason.
        checkpoint_dir: where checkpoints go, None where the job keeps none.
        hyperparameters: parsed.
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

    @classmethod
    def at(cls, base_dir: Path) -> Self:
        """Read the job's configuration.

        Raises:
            HyperparameterError: hyperparameters that can't be used, all of them named.
            DataError: no channel to train on.
            JobError: configuration that can't be used.
        """
        config = base_dir / "input" / "config"
        hosts = Hosts.of(read_config(config / "resourceconfig.json"))
        channels = _channels(
            base_dir / "input" / "data",
            read_config(config / "inputdataconfig.json"),
            hosts,
        )
        return cls(
            hosts=hosts,
            channels=tuple(
                channel for name, channel in channels.items() if name in TABLE_CHANNELS
            ),
            validation=channels.get(VALIDATION_CHANNEL),
            model=channels.get(MODEL_CHANNEL),
            model_dir=base_dir / "model",
            output_data_dir=base_dir / "output" / "data",
            failure_file=base_dir / "output" / "failure",
            checkpoint_dir=_checkpoint_dir(
                base_dir, read_config(config / "checkpointconfig.json")
            ),
            hyperparameters=Hyperparameters.parse(
                read_config(config / "hyperparameters.json")
            ),
        )


def base_directory() -> Path:
    """``/opt/ml``, or where ``SAGEMAKER_BASE_DIR`` says."""
    return Path(os.environ.get(BASE_DIR_VARIABLE) or DEFAULT_BASE_DIR)


def read_config(path: Path) -> dict[str, Any]:
    """One of the platform's JSON objects; an absent file is an empty one, as with a
    plain ``docker run``.

    Raises:
        JobError: if it isn't a JSON object.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise JobError(f"can't read {path}: {error}") from error
    if not isinstance(value, dict):
        raise JobError(f"{path} holds {type(value).__name__}, expected a JSON object")
    return value


def prepare(base_dir: Path) -> None:
    """Create what the platform would have: output directories and configuration files,
    where absent.

    A plain ``docker run`` mounts data and nothing else, and the training toolkit
    insists on the files. What an earlier run left goes: a model must not outlive the
    failure of the job after it, and the toolkit never overwrites a failure file.

    Raises:
        JobError: if the directory can't be written, or a configuration file isn't a
            JSON object.
    """
    config = base_dir / "input" / "config"
    host = socket.gethostname()
    defaults = {
        "hyperparameters.json": {},
        "inputdataconfig.json": {},
        "resourceconfig.json": {"current_host": host, "hosts": [host]},
    }
    try:
        for directory in (config, base_dir / "model", base_dir / "output" / "data"):
            directory.mkdir(parents=True, exist_ok=True)
        for name in _LEFT_BEHIND:
            (base_dir / name).unlink(missing_ok=True)
        for name, value in defaults.items():
            if not (config / name).exists():
                (config / name).write_text(json.dumps(value))
    except OSError as error:
        raise JobError(
            f"can't prepare {base_dir}: {error}; mount a writable directory, or set {BASE_DIR_VARIABLE}"
        ) from error
    for name in defaults:
        read_config(config / name)
    Hosts.of(read_config(config / "resourceconfig.json"))


def _checkpoint_dir(base_dir: Path, config: dict[str, Any]) -> Path | None:
    """Where the platform says; a directory under ``base_dir`` is enough with a plain
    ``docker run``.
    """
    declared = config.get("LocalPath")
    if declared is not None and not isinstance(declared, str):
        raise JobError(
            f"checkpointconfig.json has LocalPath {declared!r}, expected a path"
        )
    if declared:
        # Elsewhere than at /opt/ml, the platform's own path means the directory that
        # stands for it.
        own = Path(DEFAULT_BASE_DIR)
        path = Path(declared)
        return base_dir / path.relative_to(own) if path.is_relative_to(own) else path
    directory = base_dir / "checkpoints"
    return directory if directory.is_dir() else None


def _channels(
    data_dir: Path, config: dict[str, Any], hosts: Hosts
) -> dict[str, Channel]:
    """The channels that we know, declared or just there (a plain ``docker run``
    declares none).
    """
    found = (
        sorted(p.name for p in data_dir.iterdir() if p.is_dir())
        if data_dir.is_dir()
        else []
    )
    names = list(config) or found
    known = [name for name in names if name in KNOWN_CHANNELS]
    # Of several hosts, some may have no data, such as those of another instance group.
    if not set(known) & {"training", "train"} and len(hosts) == 1:
        raise DataError(
            f"no channel named training (found {', '.join(names) or 'none'}): "
            f"put ratings.csv and movies.csv into {data_dir / 'training'}"
        )
    for name in sorted(set(names) - set(known)):
        logger.info(
            "channel %s is not one of %s, passed over", name, ", ".join(KNOWN_CHANNELS)
        )
    return {name: _channel(data_dir, name, config.get(name)) for name in known}


def _channel(data_dir: Path, name: str, declared: object) -> Channel:
    details = declared if isinstance(declared, dict) else {}
    if details.get("RecordWrapperType") == "RecordIO":
        raise JobError(
            f"channel {name} comes in RecordIO, which isn't read: set RecordWrapperType to None"
        )
    is_pipe = details.get("TrainingInputMode") == "Pipe"
    return Channel(
        name,
        data_dir / (f"{name}_0" if is_pipe else name),
        is_pipe,
        details.get("S3DistributionType") == "ShardedByS3Key",
    )
