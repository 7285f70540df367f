"""Features in blocks, straight into XGBoost's quantised matrix, so that the full matrix
of floats never exists.

XGBoost goes through the blocks twice: to find the quantiles, then to fill its bins.
    Features of a small data set are
kept between the two, those of a large one are made again, which costs time instead of
memory.

A quantised matrix with missing values takes four bytes a value and more time, one
without takes one. So what is missing is a number below all others there, and the trees
are told afterwards to send what is missing the way that number went
(`train.model_surgery.Grown`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import xgboost
from numpy.typing import NDArray

from movielens.features import Column, FeatureMatrix, FeatureSpec
from movielens.features.folds import fold_of, n_folds_of, sample_of
from movielens.features.spec import BLOCK_ROWS
from movielens.model import Model
from movielens.predictions import Predictions
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from train.cluster import ALONE, Cluster
from train.stop import StopSignal

logger = logging.getLogger(__name__)

Rows = NDArray[np.int64]
Labels = NDArray[np.int64] | NDArray[np.float32]
# Float values that may be kept, 2 GiB of them.
KEPT_VALUES = 2**29
PREDICTED_ROWS = 131_072
MISSING = np.float32(-3e38)
_SECONDS_BETWEEN_LINES = 10.0
_NO_ROWS = np.empty(0, dtype=np.int64)
_Value = TypeVar("_Value", np.int64, np.float32)


@dataclass(frozen=True, slots=True)
class FeatureBlocks:
    """Features of some rows, gone through any number of times.

    Attributes:
        n_rows: rows that the positions are among.
        columns: the features.
        make: gives the blocks, in the same order each time: positions among the rows,
            each once, and their features.
        are_kept: whether going through them again makes none anew.
    """

    n_rows: int
    columns: tuple[Column, ...]
    make: Callable[[], Iterator[tuple[Rows, FeatureMatrix]]]
    are_kept: bool = True

    @classmethod
    def of(cls, features: FeatureMatrix) -> FeatureBlocks:
        """Features that are there already, as one block."""
        return cls(
            len(features),
            features.columns,
            lambda: iter([(np.arange(len(features)), features)]),
        )

    @classmethod
    def fitted(
        cls,
        spec: FeatureSpec,
        ratings: RatingTable,
        queries: RatingQueries,
        stop: StopSignal,
        cluster: Cluster = ALONE,
        most: int = 2**62,
        block_rows: int = BLOCK_ROWS,
    ) -> FeatureBlocks:
        """The training rows' features, each computed without the row itself.

        Args:
            spec: fitted on ``ratings``.
            ratings: all training rows.
            queries: the same rows as the model shall see them.
            stop: going through the blocks raises StoppedError after a stop.
            cluster: the hosts, each of which makes the features of some folds.
            most: about how many rows have features made, drawn by a hash; all rows
                shape them.
            block_rows: how many rows a block has at most.
        """
        n_rows, columns = len(ratings), spec.columns
        sampled = sample_of(ratings, most)
        wanted = sampled & (host_of(ratings, len(cluster)) == cluster.rank)

        def make() -> Iterator[tuple[Rows, FeatureMatrix]]:
            return _told(
                spec.transform_fitted_blocks(ratings, queries, wanted, block_rows),
                int(wanted.sum()),
                stop,
            )

        if int(sampled.sum()) * len(columns) > KEPT_VALUES:
            return cls(n_rows, columns, make, are_kept=False)
        kept: list[tuple[Rows, FeatureMatrix]] = []

        def make_once() -> Iterator[tuple[Rows, FeatureMatrix]]:
            if not kept:
                kept.extend(make())
            return iter(kept)

        return cls(n_rows, columns, make_once)

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each feature."""
        return tuple(column.name for column in self.columns)

    def among(self, rows: Rows) -> FeatureBlocks:
        """Those of the given rows, which are rising; positions stay those among all
        rows.
        """
        chosen = np.zeros(self.n_rows, dtype=np.bool_)
        chosen[rows] = True

        def make() -> Iterator[tuple[Rows, FeatureMatrix]]:
            for positions, block in self.make():
                within = chosen[positions]
                if within.any():
                    yield (
                        positions[within],
                        FeatureMatrix(block.values[within], block.columns),
                    )

        return replace(self, make=make)

    def of_columns(self, columns: NDArray[np.int64]) -> FeatureBlocks:
        """The same rows with these features alone."""
        chosen = tuple(self.columns[column] for column in columns)

        def make() -> Iterator[tuple[Rows, FeatureMatrix]]:
            for positions, block in self.make():
                yield (
                    positions,
                    FeatureMatrix(block.values.take(columns, axis=1), chosen),
                )

        return replace(self, columns=chosen, make=make)

    def rows(self, cluster: Cluster = ALONE) -> Rows:
        """Positions of the rows of all hosts, rising."""
        own = np.concatenate([_NO_ROWS, *(rows for rows, _ in self.make())])
        return np.sort(_joined(cluster, own))

    def together(self, cluster: Cluster = ALONE) -> FeatureBlocks:
        """The rows of all hosts as one block on each, in the order of their positions."""
        made = list(self.make())
        rows = _joined(cluster, np.concatenate([_NO_ROWS, *(rows for rows, _ in made)]))
        no_values = np.empty((0, len(self.columns)), dtype=np.float32)
        values = _joined(
            cluster, np.concatenate([no_values, *(block.values for _, block in made)])
        )
        order = np.argsort(rows)
        block = rows[order], FeatureMatrix(values[order], self.columns)
        return replace(self, make=lambda: iter([block]))

    def matrix(
        self, label: Labels, max_bin: int, ref: xgboost.DMatrix | None = None
    ) -> xgboost.QuantileDMatrix:
        """XGBoost's matrix, its rows in the order of the blocks.

        Args:
            label: int64 or float32 (n_rows,), the class index or the stars of all rows.
            max_bin: bins a feature.
            ref: the matrix whose bins are used.
        """
        return xgboost.QuantileDMatrix(_Iterator(self, label), max_bin=max_bin, ref=ref)


class _Iterator(xgboost.DataIter):
    def __init__(self, blocks: FeatureBlocks, label: Labels) -> None:
        super().__init__(release_data=True)
        self.blocks, self.label = blocks, label
        self.left: Iterator[tuple[Rows, FeatureMatrix]] = iter(())
        self.given = False

    def reset(self) -> None:
        """As XGBoost says: begin anew."""
        self.left, self.given = self.blocks.make(), False

    def next(self, input_data: Callable[..., Any]) -> bool:
        """As XGBoost says: hand over one block, False when there is none."""
        rows, block = next(self.left, (_NO_ROWS, None))
        if block is None and self.given:
            return False
        # A host without rows has a matrix too.
        names = self.blocks.names
        values = (
            np.empty((0, len(names)), dtype=np.float32)
            if block is None
            else block.values
        )
        self.given = True
        # Of a number and NaN, fmax takes the number.
        input_data(
            data=np.fmax(values, MISSING),
            label=self.label[rows],
            feature_names=list(names),
        )
        return True


def _joined(cluster: Cluster, own: NDArray[_Value]) -> NDArray[_Value]:
    """What all hosts have, row below row."""
    parts = cluster.gather(own.tobytes())
    return np.concatenate(
        [
            np.frombuffer(part, dtype=own.dtype).reshape(-1, *own.shape[1:])
            for part in parts
        ]
    )


def host_of(ratings: RatingTable, n_hosts: int) -> Rows:
    """The host that makes each row's features, int64 (n_rows,), 0 to n_hosts - 1.

    A fold is made by one host, so that it is fitted once; where there are more hosts
    than folds, by several.
    """
    several = -(-n_hosts // n_folds_of(ratings))
    part = fold_of(ratings) * several + ratings.user_id % several
    hosts: Rows = part % n_hosts
    return hosts


def predict(model: Model, ratings: RatingTable) -> Predictions:
    """Predictions for the rows as if their ratings weren't known, in their order."""
    pieces = [
        model.predict(
            ratings.take(
                np.arange(first, min(first + PREDICTED_ROWS, len(ratings)))
            ).queries()
        )
        for first in range(0, max(len(ratings), 1), PREDICTED_ROWS)
    ]
    return Predictions.concatenate(pieces)


def _told(
    blocks: Iterator[tuple[Rows, FeatureMatrix]], n_rows: int, stop: StopSignal
) -> Iterator[tuple[Rows, FeatureMatrix]]:
    """The same blocks, with a line in the log now and then, and an end to them after a
    stop.
    """
    began = told = time.monotonic()
    done = 0
    while True:
        with stop.giving_up("the features were done"):
            made = next(blocks, None)
        if made is None:
            return
        rows, block = made
        stop.check("the features were done")
        done += len(rows)
        now = time.monotonic()
        if now - told > _SECONDS_BETWEEN_LINES or done == n_rows:
            told, rate = now, done / (now - began)
            left = (n_rows - done) / rate
            logger.info(
                "features of %d of %d rows, %.3g rows/s, %.0f s left",
                done,
                n_rows,
                rate,
                left,
            )
        yield rows, block
