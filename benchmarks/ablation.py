"""What each family of features is worth, without reading a test row.

The rows are those of ``benchmarks.search``: a fifth of the reference split's training
rows is set apart, and asked of a model that is made from the others. The features are
made once. Then a booster is trained without each family, and another one without the
columns that gain least.

A family is columns that differ in a number or a genre alone, such as the shares of each
class. Boosters differ by up to 0.001 of log-loss by their seed, so each figure is the
mean over a few seeds.

``python -m benchmarks.ablation [FAMILY ...] [NAME=VALUE ...]`` leaves out those
families, or else each one, with those hyperparameters. ``least=25,50,75`` leaves out
that many columns of the least gain instead. ``seeds=3`` is the number of seeds.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.data import read_data, split_data
from benchmarks.results import console, save
from movielens.columns import GENRES
from movielens.features import FeatureMatrix, FeatureSpec
from movielens.features.cases import GATES
from movielens.predictions import Predictions
from movielens.ratings import RatingScale
from train.blocks import FeatureBlocks
from train.booster import fit_boosters
from train.context import TrainingContext
from train.evaluation import evaluate
from train.hyperparameters import Hyperparameters
from train.split import Split, hold_out

SHARE_APART = 0.2

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """Features of the rows to train on and of the rows set apart.

    Attributes:
        training: of the rows to train on, each made without the row's own rating.
        apart: of the rows set apart.
        rating: float32 (n_training,), stars.
        true_class: int64 (n_apart,).
        scale: the rating classes.
        hyperparameters: of the boosters.
    """

    training: FeatureMatrix
    apart: FeatureMatrix
    rating: NDArray[np.float32]
    true_class: NDArray[np.int64]
    scale: RatingScale
    hyperparameters: Hyperparameters

    @classmethod
    def of(cls, hyperparameters: Hyperparameters) -> Experiment:
        """The inner hold-out of the split that these hyperparameters name."""
        data = read_data()
        train = split_data(data, hyperparameters).train
        kept, apart = hold_out(len(train), SHARE_APART, hyperparameters.seed)
        split = Split(train.take(kept), train.take(apart))
        scale = RatingScale.of(data.ratings.rating)

        names = hyperparameters.features
        spec = FeatureSpec.fit(split.train, data.movies, names, scale)
        return cls(
            training=spec.transform_fitted(split.train, split.train.queries()),
            apart=spec.transform(split.test.queries()),
            rating=split.train.rating,
            true_class=scale.to_class(split.test.rating),
            scale=scale,
            hyperparameters=hyperparameters,
        )

    def measure(self, columns: Positions, n_seeds: int) -> dict[str, Any]:
        """The figures of boosters that see these columns alone, as means over seeds."""
        figures = [self._measure(columns, seed) for seed in range(1, n_seeds + 1)]
        return {
            name: float(np.mean([each[name] for each in figures]))
            for name in figures[0]
        }

    def _measure(self, columns: Positions, seed: int) -> dict[str, float]:
        started = time.process_time()
        booster = self._booster(columns, seed)
        seconds = time.process_time() - started

        values = np.ascontiguousarray(self.apart.values[:, columns])
        probabilities = booster.inplace_predict(values)
        predictions = Predictions(probabilities, self.scale.class_values)
        found = evaluate(predictions, self.true_class)
        return {
            "exact": found.accuracy,
            "rmse": found.rmse,
            "log_loss": found.log_loss,
            "seconds": seconds,
        }

    def _booster(self, columns: Positions, seed: int) -> Any:
        hyperparameters = replace(self.hyperparameters, seed=seed)
        blocks = FeatureBlocks.of(_taken(self.training, columns))
        context = TrainingContext(hyperparameters)
        return fit_boosters(blocks, self.rating, self.scale, context).classes

    def gain(self, seed: int = 1) -> NDArray[np.float64]:
        """How much the splits at each column gain in all, (n_columns,)."""
        booster = self._booster(np.arange(len(self.training.columns)), seed)
        found = booster.get_score(importance_type="total_gain")
        return np.array([found.get(name, 0.0) for name in self.training.names])


def _taken(features: FeatureMatrix, columns: Positions) -> FeatureMatrix:
    values = np.ascontiguousarray(features.values[:, columns])
    return FeatureMatrix(values, tuple(features.columns[place] for place in columns))


def family_of(column: str) -> str:
    """The name of the column without numbers and genres.

    Example:
        >>> family_of("recent_share_rank_3_4.5"), family_of("genre_Film-Noir")
        ('recent_share_rank', 'genre')
    """
    for genre in GENRES:
        column = column.removesuffix(f"_{genre}")
    return re.sub(r"(_[0-9][0-9.e+]*s?)+$", "", column)


def families(features: FeatureMatrix) -> dict[str, Positions]:
    """The columns of each family, without the gates, which the schedule needs."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(features.names):
        if name not in GATES:
            found.setdefault(family_of(name), []).append(place)
    return {family: np.array(places) for family, places in found.items()}


def left_out(
    experiment: Experiment, wanted: Iterable[str], least: Iterable[int]
) -> dict[str, Positions]:
    """What is left out, by the line's name."""
    by_family = families(experiment.training)
    chosen: dict[str, Positions] = {"nothing": np.array([], dtype=np.int64)}
    counts = list(least)
    if counts:
        gain = experiment.gain()
        names = experiment.training.names
        gain[[names.index(gate) for gate in GATES]] = np.inf
        order = np.argsort(gain, kind="stable")
        for count in counts:
            chosen[f"the {count} of least gain"] = order[:count]
        return chosen
    return chosen | {name: by_family[name] for name in wanted or by_family}


def main() -> None:
    """Print a line for each booster, write the JSON."""
    options = [argument for argument in sys.argv[1:] if "=" in argument]
    values = dict(option.split("=", 1) for option in options)
    n_seeds = int(values.pop("seeds", "2"))
    least = [int(count) for count in values.pop("least", "").split(",") if count]
    wanted = [argument for argument in sys.argv[1:] if "=" not in argument]

    hyperparameters = Hyperparameters.parse(
        {"split": "tutorial", "nthread": "1", **values}
    )
    experiment = Experiment.of(hyperparameters)
    everything = np.arange(len(experiment.training.columns))
    screen = console()
    results: dict[str, Any] = {}
    table = Table(*("without", "columns", "exact", "RMSE", "log-loss", "seconds"))
    for name, places in left_out(experiment, wanted, least).items():
        columns = np.setdiff1d(everything, places)
        figures = experiment.measure(columns, n_seeds)
        figures["left_out"] = [experiment.training.names[place] for place in places]
        results[name] = figures
        cells = [
            name,
            str(len(columns)),
            f"{100 * figures['exact']:.2f} %",
            f"{figures['rmse']:.4f}",
            f"{figures['log_loss']:.4f}",
            f"{figures['seconds']:.0f}",
        ]
        print("  ".join(cells), flush=True)
        table.add_row(*cells)
    screen.print(table)
    save("ablation", results, screen)


if __name__ == "__main__":
    main()
