"""The worked example of another algorithm trains and serves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from container.job_folder import make_job_folder
from launcher.ports import free_port

EXAMPLE = Path(__file__).parent.parent / "examples" / "own_algorithm"
TRAIN = {"SAGEMAKER_TRAINING_MODULE": "bias_train:main", "PYTHONPATH": str(EXAMPLE)}


def train(base_dir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "train"],
        env={**os.environ, **TRAIN, "SAGEMAKER_BASE_DIR": str(base_dir)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def base_dir(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base_dir = tmp_path_factory.mktemp("own")
    make_job_folder(base_dir, small_data, {"holdout": "0.3"})
    return base_dir


@pytest.fixture(scope="module")
def log(base_dir: Path) -> str:
    ended = train(base_dir)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def address(base_dir: Path, log: str) -> Iterator[str]:
    assert log
    port = free_port()
    variables = {
        "SAGEMAKER_BASE_DIR": str(base_dir),
        "SAGEMAKER_BIND_TO_PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLE / "bias_serve.py")],
        env=os.environ | variables,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    while process.poll() is None:
        try:
            httpx.get(f"{address}/ping", trust_env=False).raise_for_status()
            break
        except httpx.TransportError:
            time.sleep(0.05)
    yield address
    process.terminate()
    assert process.wait() == 0


def test_it_reports_a_metric_and_leaves_a_model(base_dir: Path, log: str) -> None:
    found = re.search(r"metric test:rmse=(-?[0-9]+\.[0-9]+)", log)
    assert found
    assert 0.6 < float(found[1]) < 1.3
    saved = np.load(base_dir / "model" / "bias.npz")
    assert len(saved["user_id"]) == 20


def test_a_bad_row_is_located_as_in_ours(small_data: Path, tmp_path: Path) -> None:
    channel = make_job_folder(tmp_path, small_data, {})
    with (channel / "ratings.csv").open("a") as ratings:
        ratings.write("1,1,4.7,5\n")
    assert train(tmp_path).returncode == 1
    reason = (tmp_path / "output" / "failure").read_text()
    assert "rating is '4.7', expected half stars" in reason


def test_it_answers_pairs(address: str) -> None:
    pairs = [{"userId": 1, "movieId": 1}, {"userId": 10**9, "movieId": 10**9}]
    asked = {"instances": pairs}
    answered = httpx.post(f"{address}/invocations", json=asked, trust_env=False)
    known, unknown = answered.json()["predictions"]
    assert known["movieId"] == 1
    assert known["expected_rating"] != unknown["expected_rating"]
    assert known["rating"] % 0.5 == 0


def test_it_refuses_what_is_no_pair(address: str) -> None:
    answered = httpx.post(f"{address}/invocations", json=[7], trust_env=False)
    assert answered.status_code == 400
