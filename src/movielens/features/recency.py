"""Recency: how the user's latest ratings before this one went, by time and by order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.history import History
from movielens.features.matrix import Floats, row_sums
from movielens.features.rows import WINDOW, Recent, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Recency:
    """Means of what the bias leaves unexplained of the user's latest ratings, nearer ones weighing more; the latest
    ratings themselves; their classes.

    Only ratings strictly earlier than the row count, which is what a live endpoint knows. The weight of a rating is
    1 / (1 + x)², x being its distance in time or rank over that of the kernel: no exponential, whose last bit is the
    library's business.

    Attributes:
        class_values: float32 (n_classes,), stars.
    """

    name: ClassVar[str] = "recency"
    SECONDS: ClassVar[tuple[float, ...]] = (20.0, 300.0, 7_200.0, 172_800.0, 5_184_000.0)
    HISTOGRAM_RANKS: ClassVar[tuple[float, ...]] = (3.0, 30.0)
    LATEST: ClassVar[int] = 4
    NEAREST: ClassVar[int] = 10

    class_values: Floats

    @classmethod
    def fit(cls, history: History) -> Self:
        """As the protocol says."""
        return cls(np.array(history.scale.class_values, dtype=np.float32))

    def with_users(self, history: History) -> Self:  # noqa: ARG002
        """As the protocol says."""
        return self

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        kernels = [f"{seconds:g}s" for seconds in self.SECONDS]
        latest = range(1, self.LATEST + 1)
        stars = [f"{value:g}" for value in self.class_values]
        histograms = (f"{self.SECONDS[0]:g}s", *(f"rank_{rank:g}" for rank in self.HISTOGRAM_RANKS))
        return (
            *(f"recent_{kind}_{kernel}" for kind in ("residual", "weight") for kernel in kernels),
            *(f"latest_{kind}_{place}" for kind in ("rating", "residual", "gap") for place in latest),
            "nearest_residual",
            *(f"recent_share_{kernel}_{value}" for kernel in histograms for value in stars),
        )

    def transform(self, rows: Rows) -> Floats:
        """As the protocol says."""
        recent = rows.recent
        values: Floats = self._of_moments(recent)
        values[~recent.asked] = np.nan
        of_rows: Floats = values[recent.moment]
        return of_rows

    def _of_moments(self, recent: Recent) -> Floats:
        n_moments, n_latest = len(recent.gap), self.LATEST
        gap, residual, valid = recent.gap, recent.residual, recent.valid
        by_time = _kernel(gap[:, None] / _column(self.SECONDS))
        weight = row_sums(by_time)
        latest = np.empty((n_moments, 3, n_latest), dtype=np.float32)
        latest[:, 0] = self.class_values[recent.class_index[:, :n_latest]]
        latest[:, 1], latest[:, 2] = residual[:, :n_latest], gap[:, :n_latest]
        latest.transpose(0, 2, 1)[~valid[:, :n_latest]] = np.nan
        near = slice(0, self.NEAREST)
        nearest = row_sums(residual[:, near]) / (row_sums(valid[:, near].astype(np.float32)) + np.float32(1))
        by_rank = _kernel(_RANK / _column(self.HISTOGRAM_RANKS)) * valid[:, None]
        by_both = np.concatenate([by_time[:, :1], by_rank], axis=1)
        blocks = (
            row_sums(by_time * residual[:, None]) / (weight + np.float32(1)),
            weight,
            latest.reshape(n_moments, 3 * n_latest),
            nearest[:, None],
            _histograms(recent.class_index, by_both, len(self.class_values)),
        )
        return np.concatenate(blocks, axis=1, dtype=np.float32)


_RANK = np.arange(WINDOW, dtype=np.float32)


def _column(values: tuple[float, ...]) -> Floats:
    return np.array(values, dtype=np.float32)[:, None]


def _kernel(distance: Floats) -> Floats:
    near: Floats = np.float32(1) / (np.float32(1) + distance)
    return near * near


def _histograms(class_index: NDArray[np.uint8], weight: Floats, n_classes: int) -> NDArray[np.float64]:
    """Class shares by each weighting (n_rows, n_weightings, n_values), side by side, (n_rows, n_weightings n_classes).

    They sum to less than 1 where weight is scarce.
    """
    n_rows, n_weightings, _ = weight.shape
    first = np.arange(0, n_rows * n_weightings * n_classes, n_classes).reshape(n_rows, n_weightings, 1)
    counts = np.bincount((first + class_index[:, None]).ravel(), weight.ravel(), first.size * n_classes)
    counts = counts.reshape(n_rows, n_weightings, n_classes)
    share: NDArray[np.float64] = counts / (np.add.accumulate(counts, axis=2)[:, :, -1:] + 1)
    return share.reshape(n_rows, -1)
