"""The folder of a job, as SageMaker lays it out."""

from __future__ import annotations

import json
from pathlib import Path

from container.job_folder import make_job_folder


def test_a_job_finds_its_data_and_its_hyperparameters(
    small_data: Path, tmp_path: Path
) -> None:
    base_dir = tmp_path / "ml"
    channel = make_job_folder(base_dir, small_data, {"eta": "0.3"})

    assert channel == base_dir / "input" / "data" / "training"
    copied = (channel / "ratings.csv").read_bytes()
    assert copied == (small_data / "ratings.csv").read_bytes()

    config = base_dir / "input" / "config"
    assert json.loads((config / "hyperparameters.json").read_text()) == {"eta": "0.3"}
    channels = json.loads((config / "inputdataconfig.json").read_text())
    assert list(channels) == ["training"]
    hosts = json.loads((config / "resourceconfig.json").read_text())
    assert hosts == {"current_host": "algo-1", "hosts": ["algo-1"]}
