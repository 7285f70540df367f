"""A job on a GPU beside the same job on the processors of that machine.

``python -m benchmarks.gpu 1000000 --rounds 60``; without a size, on ml-latest-small.
Each job has a process of its own, one after the other:

1. on the processors;
2. on the GPU;
3. on the GPU again: the model must be the same, byte for byte;
4. on the GPU, killed after its second checkpoint, and run again: the same once more.

Then both kinds of device predict rows of random numbers with the GPU's model. Their
margins must be the same, bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import xgboost
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.processes import Json
from benchmarks.results import BENCH, ROOT, console, save
from benchmarks.training import DATA, data_of
from container.job_folder import make_job_folder
from train.__main__ import SPINS, SPINS_VARIABLE
from train.device import find_gpus
from train.job import TrainingJob, prepare
from train.pipeline import train
from train.stop import StopSignal

REAL_DATA = ROOT / "data" / "ml-latest-small"
WORK = BENCH / "gpu"

# `train.__main__` sets these.
AS_IN_A_JOB = {"OPENBLAS_NUM_THREADS": "1", SPINS_VARIABLE: SPINS}
N_PREDICTED = 10_000
SECONDS_BETWEEN_LOOKS = 0.02


def job_folder(name: str, data: Path, hyperparameters: dict[str, str]) -> Path:
    """A fresh folder of a job, with a directory for checkpoints."""
    base_dir = WORK / name
    shutil.rmtree(base_dir, ignore_errors=True)
    make_job_folder(base_dir, data, hyperparameters)
    (base_dir / "checkpoints").mkdir()
    return base_dir


def start(base_dir: Path) -> subprocess.Popen[bytes]:
    """Start a job in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--only", str(base_dir)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **AS_IN_A_JOB})


def run(base_dir: Path) -> Json:
    """Run a job to its end; gives its stages, loss and model."""
    started = time.perf_counter()
    process = start(base_dir)
    if process.wait():
        sys.exit(f"the job in {base_dir} failed")
    seconds = time.perf_counter() - started

    evaluation = json.loads((base_dir / "output/data/evaluation.json").read_bytes())
    digest = hashlib.sha256()
    for path in sorted((base_dir / "model").rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return {
        "seconds": seconds,
        "stages": evaluation["stages"],
        "log_loss": evaluation["test"]["log_loss"],
        "sha256": digest.hexdigest(),
    }


def run_killed(base_dir: Path) -> Json:
    """Kill a job after its second checkpoint, then run it to its end."""
    process = start(base_dir)
    checkpoints = base_dir / "checkpoints"
    while len(list(checkpoints.glob("checkpoint-*.zip"))) < 2:
        if process.poll() is not None:
            sys.exit(f"the job in {base_dir} ended before it was killed")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    process.kill()
    process.wait()
    return run(base_dir)


def margins(base_dir: Path, device: str) -> NDArray[np.float32]:
    """Margins of rows of random numbers by the model of a job."""
    booster = xgboost.Booster(model_file=base_dir / "model" / "booster.ubj")
    booster.set_param({"device": device})
    rng = np.random.default_rng(1)
    values = rng.normal(size=(N_PREDICTED, booster.num_features()))
    rows = xgboost.DMatrix(values.astype(np.float32))
    made: NDArray[np.float32] = booster.predict(
        rows, output_margin=True, validate_features=False
    )
    return made


def table_of(reports: dict[str, Json]) -> Table:
    """A line for each job."""
    names = [stage["name"] for stage in next(iter(reports.values()))["stages"]]
    table = Table("job", *names, "whole process, s", "test log-loss", "model")
    for name, report in reports.items():
        seconds = [f"{stage['seconds']:.1f}" for stage in report["stages"]]
        table.add_row(
            name,
            *seconds,
            f"{report['seconds']:.1f}",
            f"{report['log_loss']:.4f}",
            report["sha256"][:12],
        )
    return table


def main() -> None:
    """Run all jobs, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", type=int, nargs="?", help="synthetic ratings")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--only", type=Path, metavar="DIRECTORY")
    arguments = parser.parse_args()
    if arguments.only:
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(name)s %(message)s"
        )
        prepare(arguments.only)
        train(TrainingJob.at(arguments.only), StopSignal())
        return

    why_not = find_gpus().why_not(xgboost.build_info(), n_hosts=1)
    if why_not:
        sys.exit(f"can't train on a GPU: {why_not}")

    DATA.mkdir(parents=True, exist_ok=True)
    data = data_of(arguments.size) if arguments.size else REAL_DATA
    settings = {"num_round": str(arguments.rounds)}
    on_cpu = {**settings, "device": "cpu"}
    on_gpu = {**settings, "device": "cuda"}
    reports = {
        "processors": run(job_folder("cpu", data, on_cpu)),
        "GPU": run(job_folder("gpu", data, on_gpu)),
        "GPU again": run(job_folder("gpu-again", data, on_gpu)),
        "GPU, killed and resumed": run_killed(job_folder("killed", data, on_gpu)),
    }

    screen = console()
    screen.print(table_of(reports))
    models = {report["sha256"] for name, report in reports.items() if "GPU" in name}
    screen.print(f"{len(models)} different models by the GPU")
    predicted = {margins(WORK / "gpu", kind).tobytes() for kind in ("cpu", "cuda")}
    screen.print(f"{len(predicted)} different sets of margins by its model")
    save("gpu", {**vars(arguments), "jobs": reports}, screen)


if __name__ == "__main__":
    main()
