"""A new ``/opt/ml``, laid out as SageMaker does it for a job with one channel."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path


def lay_out(base_dir: Path, data: Path, hyperparameters: Mapping[str, str]) -> Path:
    """Copy the ratings and movies in ``data`` into the channel ``training`` of
    ``base_dir`` and configure the job.

    Returns the channel's directory.
    """
    channel, config = (
        base_dir / "input" / "data" / "training",
        base_dir / "input" / "config",
    )
    channel.mkdir(parents=True)
    config.mkdir()
    for name in ("ratings.csv", "movies.csv"):
        shutil.copy(data / name, channel)
    (config / "hyperparameters.json").write_text(json.dumps(dict(hyperparameters)))
    (config / "inputdataconfig.json").write_text(
        json.dumps({"training": {"TrainingInputMode": "File"}})
    )
    (config / "resourceconfig.json").write_text(
        json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]})
    )
    return channel
