"""A SageMaker-shaped directory for one job."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

MakeJob = Callable[..., Path]


@pytest.fixture
def make_job(tmp_path: Path, small_data: Path) -> MakeJob:
    """Lay out ``/opt/ml`` under the test's own directory, with the small data as its one channel."""

    def make(hyperparameters: Mapping[str, str] | None = None, **files: str) -> Path:
        base_dir = tmp_path / "ml"
        channel = base_dir / "input" / "data" / "training"
        shutil.copytree(small_data, channel)
        for name, text in files.items():
            (channel / f"{name}.csv").write_text(text)
        config = base_dir / "input" / "config"
        config.mkdir()
        (config / "hyperparameters.json").write_text(json.dumps(hyperparameters or {}))
        (config / "inputdataconfig.json").write_text(json.dumps({"training": {"TrainingInputMode": "File"}}))
        (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
        return base_dir

    return make
