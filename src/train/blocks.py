"""Features of training rows in blocks, which can be gone through any number of times.

The features of a small data set are kept after they were made once. Those of a large
one are made again each time, which costs time instead of memory.
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from movielens.features import Column, FeatureMatrix, FeatureSpec
from movielens.features.folds import fold_of, n_folds_of, sample_of
from movielens.features.spec import BLOCK_ROWS
from movielens.machine import memory_bytes
from movielens.queries import RatingQueries
from movielens.tables import RatingTable
from train.cluster import ALONE, Cluster
from train.context import TrainingContext

logger = logging.getLogger(__name__)

# Positions among all training rows.
Rows = NDArray[np.int64]
# Some rows, and their features.
Block = tuple[Rows, FeatureMatrix]

# Values that are kept at most, 2 GiB of float32.
KEPT_VALUES = 2**29

# What fitting a fold takes for each of its rows, with what is kept of it until its
# features are made. Measured by `benchmarks.growth`.
FOLD_BYTES_A_ROW = 160
# The rest is for boosting, and for what isn't counted.
_SHARE_OF_MEMORY = 0.75

_STAGE = "the features were done"
FEATURES_STAGE = "features out of fold"
_SECONDS_BETWEEN_LINES = 10.0
_Value = TypeVar("_Value", np.int64, np.float32)


@dataclass(frozen=True, slots=True)
class FeatureBlocks:
    """Features of some rows.

    Attributes:
        n_rows: all rows, which the positions count.
        columns: the features.
        make: gives the blocks, the same ones in the same order each time; each row is
            in one of them at most.
        are_kept: whether going through them again costs nothing.
    """

    n_rows: int
    columns: tuple[Column, ...]
    make: Callable[[], Iterator[Block]]
    are_kept: bool = True

    @classmethod
    def of(cls, features: FeatureMatrix) -> FeatureBlocks:
        """Features that are already made, as one block."""
        block = np.arange(len(features)), features
        return cls(len(features), features.columns, lambda: iter([block]))

    @classmethod
    def fitted(
        cls,
        spec: FeatureSpec,
        ratings: RatingTable,
        queries: RatingQueries,
        context: TrainingContext,
        kept_values: int = KEPT_VALUES,
        block_rows: int = BLOCK_ROWS,
    ) -> FeatureBlocks:
        """The features of training rows, each made without the row's own rating.

        About ``tree_rows`` of the rows have features, chosen by a hash, and each host
        makes those of its own rows. All rows count in the features.

        Args:
            spec: fitted on ``ratings``.
            ratings: all training rows.
            queries: the same rows as the model shall see them.
            context: how to train. After a stop, `make` raises StoppedError.
            kept_values: values of all hosts that are kept at most; if there are more,
                the features are made again each time.
            block_rows: how many rows a block has at most.
        """
        cluster = context.cluster
        workers = context.workers
        is_sampled = sample_of(ratings, context.hyperparameters.tree_rows)
        is_wanted = is_sampled & (host_of(ratings, len(cluster)) == cluster.rank)
        n_wanted = int(is_wanted.sum())
        n_values = int(is_sampled.sum()) * len(spec.columns)
        are_kept = n_values <= kept_values

        def make() -> Iterator[Block]:
            in_use = bytes_in_use()
            if are_kept:
                in_use += 4 * n_wanted * len(spec.columns)
            n_folds = folds_at_once(
                workers.n_threads, len(ratings), memory_bytes(), in_use
            )
            blocks = spec.transform_fitted_blocks(
                ratings,
                queries,
                is_wanted,
                block_rows,
                workers,
                n_folds,
            )
            return _reported(blocks, n_wanted, context)

        if not are_kept:
            return cls(len(ratings), spec.columns, make, are_kept=False)

        kept: list[Block] = []

        def make_once() -> Iterator[Block]:
            if not kept:
                kept.extend(make())
            return iter(kept)

        return cls(len(ratings), spec.columns, make_once)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(column.name for column in self.columns)

    def no_rows(self) -> Block:
        """An empty block."""
        values = np.empty((0, len(self.columns)), dtype=np.float32)
        return np.empty(0, dtype=np.int64), FeatureMatrix(values, self.columns)

    def among(self, rows: Rows) -> FeatureBlocks:
        """Only the given rows, which are rising; positions still count all rows."""
        is_chosen = np.zeros(self.n_rows, dtype=np.bool_)
        is_chosen[rows] = True

        def make() -> Iterator[Block]:
            for positions, features in self.make():
                within = is_chosen[positions]
                if within.any():
                    values = features.values[within]
                    yield positions[within], FeatureMatrix(values, features.columns)

        return replace(self, make=make)

    def rows(self, cluster: Cluster = ALONE) -> Rows:
        """Positions of the rows of all hosts, rising."""
        no_rows, _ = self.no_rows()
        own = np.concatenate([no_rows, *(rows for rows, _ in self.make())])
        return np.sort(_joined(cluster, own))

    def together(self, cluster: Cluster = ALONE) -> FeatureBlocks:
        """The rows of all hosts as one block on each host, rising."""
        made = [self.no_rows(), *self.make()]
        own_rows = np.sort(np.concatenate([rows for rows, _ in made]))
        own_values = np.empty((len(own_rows), len(self.columns)), dtype=np.float32)
        while made:  # so that a block is freed when it is copied
            rows, features = made.pop()
            own_values[np.searchsorted(own_rows, rows)] = features.values

        block = own_rows, FeatureMatrix(own_values, self.columns)
        if len(cluster) > 1:
            all_rows = _joined(cluster, own_rows)
            order = np.argsort(all_rows)
            values = _joined(cluster, own_values)[order]
            block = all_rows[order], FeatureMatrix(values, self.columns)
        return replace(self, make=lambda: iter([block]))


def host_of(ratings: RatingTable, n_hosts: int) -> NDArray[np.int64]:
    """The host that makes each row's features, int64 (n_rows,), 0 to n_hosts - 1.

    One host makes all rows of a fold, since each fold is fitted anew. Only if there are
    more hosts than folds, several share a fold.
    """
    hosts_per_fold = -(-n_hosts // n_folds_of(ratings))
    share = fold_of(ratings) * hosts_per_fold + ratings.user_id % hosts_per_fold
    hosts: NDArray[np.int64] = share % n_hosts
    return hosts


def _joined(cluster: Cluster, own: NDArray[_Value]) -> NDArray[_Value]:
    """The rows of all hosts' arrays, one host after the other."""
    shape = -1, *own.shape[1:]
    parts = [
        np.frombuffer(part, dtype=own.dtype).reshape(shape)
        for part in cluster.gather(own.tobytes())
    ]
    return np.concatenate(parts)


def folds_at_once(n_threads: int, n_rows: int, memory: int, in_use: int) -> int:
    """How many folds are fitted at once: as many as there are threads and memory for.

    Args:
        n_threads: that fit.
        n_rows: training rows.
        memory: bytes that the container may use.
        in_use: bytes that the process has, or is going to have for other things.
    """
    left = int(memory * _SHARE_OF_MEMORY) - in_use
    # While the features of one fold are made, it is in memory too.
    fitting = left // (FOLD_BYTES_A_ROW * max(n_rows, 1)) - 1
    return max(1, min(n_threads, fitting))


def bytes_in_use() -> int:
    """The memory that this process has now."""
    n_pages = Path("/proc/self/statm").read_text().split()[1]
    return int(n_pages) * resource.getpagesize()


def _reported(
    blocks: Iterator[Block], n_rows: int, context: TrainingContext
) -> Iterator[Block]:
    """The same blocks, with a line in the log now and then.

    Raises:
        StoppedError: once a stop was asked for.
    """
    stop = context.stop
    began = time.monotonic()
    last_line = began
    n_done = 0
    while True:
        with context.stages.stage(FEATURES_STAGE), stop.giving_up(_STAGE):
            block = next(blocks, None)
        if block is None:
            return
        stop.check(_STAGE)

        n_done += len(block[0])
        now = time.monotonic()
        if now - last_line > _SECONDS_BETWEEN_LINES or n_done == n_rows:
            last_line = now
            rate = n_done / (now - began)
            logger.info(
                "features of %d of %d rows, %.3g rows/s, %.0f s left",
                n_done,
                n_rows,
                rate,
                (n_rows - n_done) / rate,
            )
        yield block
