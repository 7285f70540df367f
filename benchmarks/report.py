"""What a training report costs: processor time and bytes, with few rows and with many.

A job with the default hyperparameters on ml-latest-small is run as in a container. Then
its report is made again from the same model, and from the same rows repeated until
there are ``--rows N`` of them (25,000,000), a fifth of which are test rows.

The last job's report and the large one stay in ``build/bench/report``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.data import ML_LATEST_SMALL, read_data, split_data
from benchmarks.results import BENCH, console, plural, save
from movielens import artifact
from movielens.evaluation import Evaluation
from movielens.predictions import Predictions
from movielens.tables import RatingTable
from train.html_report.material import Material
from train.html_report.report import write_report
from train.hyperparameters import Hyperparameters
from train.predicting import predict

DIRECTORY = BENCH / "report"
TEST_SHARE = 0.2


def main() -> None:
    """Measure, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=25_000_000)
    n_rows: int = parser.parse_args().rows
    screen = console()
    _run_job()
    material = _material()
    materials = {
        "as the job had them": material,
        "repeated": repeated(material, n_rows),
    }

    table = Table("rows", "training", "test", "processor seconds", "bytes")
    results = {}
    for name, each in materials.items():
        path = DIRECTORY / f"{name.replace(' ', '-')}.html"
        began = time.process_time()
        assert write_report(path, each)
        seconds = time.process_time() - began
        n_bytes = path.stat().st_size
        results[name] = {"seconds": seconds, "bytes": n_bytes}
        rows = [plural(len(part), "row") for part in (each.train, each.test)]
        table.add_row(name, *rows, f"{seconds:.1f}", f"{n_bytes:,}")
    screen.print(table)
    save("report", results, screen)


def repeated(material: Material, n_rows: int) -> Material:
    """The same with so many rows, training and test rows together."""
    n_test = int(TEST_SHARE * n_rows)
    test = _places(material.test, n_test)
    predictions = material.predictions
    estimate = predictions.estimate
    return replace(
        material,
        train=material.train.take(_places(material.train, n_rows - n_test)),
        test=material.test.take(test),
        predictions=Predictions(
            predictions.probabilities[test],
            predictions.class_values,
            predictions.decision,
            None if estimate is None else estimate[test],
        ),
    )


def _places(ratings: RatingTable, n_rows: int) -> NDArray[np.int64]:
    """Positions of all rows, again and again."""
    return np.resize(np.arange(len(ratings)), n_rows)


def _run_job() -> None:
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    channel = DIRECTORY / "input" / "data" / "training"
    channel.parent.mkdir(parents=True)
    channel.symlink_to(ML_LATEST_SMALL)
    configuration = DIRECTORY / "input" / "config"
    configuration.mkdir()
    (configuration / "hyperparameters.json").write_text('{"nthread": "1"}')
    environment = os.environ | {"SAGEMAKER_BASE_DIR": str(DIRECTORY)}
    subprocess.run([sys.executable, "-m", "train"], env=environment, check=True)


def _material() -> Material:
    """What the job's report was made from."""
    read = artifact.read(DIRECTORY / "model")
    model = artifact.load(DIRECTORY / "model")
    split = split_data(read_data(), Hyperparameters())
    text = (DIRECTORY / "output" / "data" / artifact.EVALUATION).read_bytes()
    return Material(
        job="benchmark",
        model=model,
        booster=read.booster(),
        regression=read.regression(),
        evaluation=Evaluation.from_json(json.loads(text)),
        train=split.train,
        test=split.test,
        predictions=predict(model, split.test),
        nthread=1,
    )


if __name__ == "__main__":
    main()
