"""Recency: how the user's latest ratings before this one went, by time and by order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.history import History
from movielens.features.matrix import Floats
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
    HISTOGRAM_SECONDS: ClassVar[float] = 20.0
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
        histograms = (f"{self.HISTOGRAM_SECONDS:g}s", *(f"rank_{rank:g}" for rank in self.HISTOGRAM_RANKS))
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
        n_latest, n_classes = self.LATEST, len(self.class_values)
        out = np.empty((len(recent.gap), len(self.names())), dtype=np.float32)
        column = 0
        for place, seconds in enumerate(self.SECONDS):
            weight = _kernel(recent.gap / np.float32(seconds))
            total = weight.sum(axis=1)
            out[:, place] = (weight * recent.residual).sum(axis=1) / (total + 1)
            out[:, len(self.SECONDS) + place] = total
        column = 2 * len(self.SECONDS)
        latest = (
            np.where(recent.valid[:, :n_latest], self.class_values[recent.class_index[:, :n_latest]], np.nan),
            np.where(recent.valid[:, :n_latest], recent.residual[:, :n_latest], np.nan),
            np.where(recent.valid[:, :n_latest], recent.gap[:, :n_latest], np.nan),
        )
        for block in latest:
            out[:, column : column + n_latest] = block
            column += n_latest
        nearest = recent.residual[:, : self.NEAREST].copy()
        out[:, column] = nearest.sum(axis=1) / (recent.valid[:, : self.NEAREST].sum(axis=1) + 1)
        column += 1
        rank = np.arange(WINDOW, dtype=np.float32)
        weights = [_kernel(recent.gap / np.float32(self.HISTOGRAM_SECONDS))]
        weights += [_kernel(rank / np.float32(scale)) * recent.valid for scale in self.HISTOGRAM_RANKS]
        for weight in weights:
            out[:, column : column + n_classes] = _histogram(recent.class_index, weight, n_classes)
            column += n_classes
        return out


def _kernel(distance: Floats) -> Floats:
    near: Floats = np.float32(1) / (np.float32(1) + distance)
    return near * near


def _histogram(class_index: NDArray[np.int64], weight: Floats, n_classes: int) -> NDArray[np.float64]:
    """Weighted class shares, row by row, (n_rows, n_classes); they sum to less than 1 where weight is scarce."""
    n_rows = len(weight)
    cell = class_index + (np.arange(n_rows) * n_classes)[:, None]
    counts = np.bincount(cell.ravel(), weight.ravel(), n_rows * n_classes).reshape(n_rows, n_classes)
    share: NDArray[np.float64] = counts / (counts.cumsum(axis=1)[:, -1:] + 1)
    return share
