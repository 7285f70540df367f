"""Boosting beside plain ``xgboost.train``, with the same settings and rounds.

``python -m benchmarks.boosting --rows 80000 --rounds 100 --threads 2``. The features
are random numbers, as many columns as the default has. Three contestants take turns:

- a job's boosting, its bins and matrices included;
- ``xgboost.train`` on the matrices of those very views, each as many rounds as it has;
- ``xgboost.train`` on one matrix of as many columns as a view has, made from the
  values.

Processor time is that of all threads. With ``--device cuda`` look at the seconds.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.results import console, save
from movielens.features import Column, FeatureMatrix, Part
from movielens.ratings import HALF_STARS, RatingScale
from train.blocks import FeatureBlocks
from train.context import TrainingContext
from train.hyperparameters import Hyperparameters
from train.objective import class_objective
from train.rounds import Boosting
from train.views import Bins, Views

N_COLUMNS = 206
SCALE = RatingScale(HALF_STARS)
N_CLASSES = len(HALF_STARS)
# The classes depend on so many columns, and on chance.
N_TELLING = 40


@dataclass(frozen=True, slots=True)
class Task:
    """What all contestants do.

    Attributes:
        features: of the rows.
        label: int64 (n_rows,), the class index.
        hyperparameters: the defaults, all rounds with all columns.
    """

    features: FeatureMatrix
    label: NDArray[np.int64]
    hyperparameters: Hyperparameters

    @classmethod
    def of(cls, n_rows: int, hyperparameters: Hyperparameters) -> Task:
        """Random rows."""
        rng = np.random.default_rng(1)
        values = rng.normal(size=(n_rows, N_COLUMNS)).astype(np.float32)
        weight = rng.normal(size=N_TELLING).astype(np.float32)
        score = values[:, :N_TELLING] @ weight + rng.normal(size=n_rows) * 3
        edges = np.quantile(score, np.linspace(0, 1, N_CLASSES + 1)[1:-1])
        columns = tuple(Column(f"f{n}", Part.MOMENT) for n in range(N_COLUMNS))
        label = np.searchsorted(edges, score).astype(np.int64)
        return cls(FeatureMatrix(values, columns), label, hyperparameters)

    @property
    def n_rounds(self) -> int:
        """How many rounds each contestant boosts."""
        return self.hyperparameters.num_round

    @property
    def params(self) -> dict[str, Any]:
        """XGBoost's parameters."""
        objective = class_objective(self.hyperparameters, self.label, SCALE)
        return {**objective.params, "tree_method": "hist"}

    @property
    def views(self) -> Views:
        """Of all columns."""
        params = self.params
        bins = Bins((FeatureBlocks.of(self.features),), params["max_bin"])
        return Views(
            bins,
            self.label,
            Part.MOMENT,
            np.arange(N_COLUMNS),
            share=params["colsample_bytree"],
            seed=params["seed"],
        )


def by_us(task: Task) -> dict[str, float]:
    """A job's boosting."""
    context = TrainingContext(task.hyperparameters)
    boosting = Boosting(task.params, context)
    clock = Clock()
    boosting.run("final", task.views, task.n_rounds)
    return clock.read("Halfstar")


def on_our_matrices(task: Task) -> dict[str, float]:
    """``xgboost.train`` on the matrices of the views."""
    params = task.params
    clock = Clock()
    views = task.views
    turns = Counter(views.of(n_round).matrices[0] for n_round in range(task.n_rounds))
    made = clock.read("bins and matrices of Halfstar")

    clock = Clock()
    for matrix, n_rounds in turns.items():
        xgboost.train({**params, "colsample_bytree": 1.0}, matrix, n_rounds)
    return {**made, **clock.read("xgboost.train on these matrices")}


def on_one_matrix(task: Task) -> dict[str, float]:
    """``xgboost.train`` on a matrix of its own."""
    params = task.params
    n_columns = int(params["colsample_bytree"] * N_COLUMNS)
    values = np.ascontiguousarray(task.features.values[:, :n_columns])
    clock = Clock()
    matrix = xgboost.QuantileDMatrix(values, task.label, max_bin=params["max_bin"])
    made = clock.read("one matrix by XGBoost")
    clock = Clock()
    xgboost.train({**params, "colsample_bytree": 1.0}, matrix, task.n_rounds)
    return {**made, **clock.read("xgboost.train on one matrix")}


CONTESTANTS: tuple[Callable[[Task], dict[str, float]], ...] = (
    by_us,
    on_our_matrices,
    on_one_matrix,
)


class Clock:
    """Seconds and processor time from now on."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._processor = time.process_time()

    def read(self, name: str) -> dict[str, float]:
        """Both, under names of their own."""
        return {
            f"{name}: seconds": time.perf_counter() - self._wall,
            f"{name}: processor": time.process_time() - self._processor,
        }


def main() -> None:
    """Measure, print a table, write ``build/bench/boosting.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=80_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments = parser.parse_args()

    hyperparameters = Hyperparameters(
        num_round=arguments.rounds,
        nthread=arguments.threads,
        device=arguments.device,
    )
    task = Task.of(arguments.rows, hyperparameters)
    # What a process pays once: threads, memory, the GPU's context.
    by_us(replace(task, hyperparameters=replace(hyperparameters, num_round=1)))
    least: dict[str, float] = {}
    for _ in range(arguments.turns):
        for contestant in CONTESTANTS:
            for name, value in contestant(task).items():
                least[name] = min(value, least.get(name, value))

    screen = console()
    table = Table("the least of all turns", "seconds", "processor time")
    names = dict.fromkeys(name.partition(":")[0] for name in least)
    for name in names:
        seconds = least[f"{name}: seconds"]
        processor = least[f"{name}: processor"]
        table.add_row(name, f"{seconds:.2f}", f"{processor:.2f}")
    screen.print(table)
    save("boosting", {**vars(arguments), **least}, screen)


if __name__ == "__main__":
    main()
