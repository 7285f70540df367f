"""Makes the folder that SageMaker gives a job as ``/opt/ml``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

CHANNEL = "training"
HOST = "algo-1"


def make_job_folder(
    base_dir: Path, data: Path, hyperparameters: Mapping[str, str]
) -> Path:
    """Fill ``base_dir`` as SageMaker fills ``/opt/ml`` for a job with one channel.

    The ratings and movies in ``data`` are copied into the channel ``training``.

    Returns the channel's directory.
    """
    channel = base_dir / "input" / "data" / CHANNEL
    channel.mkdir(parents=True)
    for name in ("ratings.csv", "movies.csv"):
        shutil.copy(data / name, channel)

    config = base_dir / "input" / "config"
    config.mkdir()
    files = {
        "hyperparameters.json": dict(hyperparameters),
        "inputdataconfig.json": {CHANNEL: {"TrainingInputMode": "File"}},
        "resourceconfig.json": {"current_host": HOST, "hosts": [HOST]},
    }
    for name, value in files.items():
        (config / name).write_text(json.dumps(value))
    return channel
