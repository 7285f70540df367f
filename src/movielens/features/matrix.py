"""Feature values with their columns, and the dense indexes of raw ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.parts import Column

Floats = NDArray[np.float32]
# Kept, since comparing a dtype with a type makes a new dtype each time.
_FLOAT32 = np.dtype(np.float32)


def floats(*values: float) -> Floats:
    """A small table of numbers, float32 (n_values,)."""
    return np.array(values, dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMatrix:
    """Feature values with their columns.

    Attributes:
        values: float32 (n_rows, n_features), C order, NaN where unknown.
        columns: what each column is.

    Raises:
        ValueError: if the values aren't float32, or don't have a column each.
    """

    values: NDArray[np.float32]
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        is_float32 = self.values.dtype == _FLOAT32
        if not is_float32 or self.values.shape[1:] != (len(self.columns),):
            raise ValueError(
                f"values are {self.values.dtype}{self.values.shape}, expected float32 "
                f"with {len(self.columns)} columns"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each column."""
        return tuple(column.name for column in self.columns)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class IdIndex:
    """From raw ids to dense indexes.

    Attributes:
        ids: int64 (n_ids,), rising.

    Example:
        >>> IdIndex.of(np.array([30, 10, 30])).index(np.array([10, 20, 30])).tolist()
        [0, -1, 1]
    """

    ids: NDArray[np.int64]

    @classmethod
    def of(cls, raw: NDArray[np.signedinteger[Any]]) -> Self:
        """The index of all ids in ``raw``, which may repeat them."""
        return cls(np.unique(raw).astype(np.int64))

    def index(self, raw: NDArray[np.signedinteger[Any]]) -> NDArray[np.int64]:
        """The dense index of each raw id, int64 (n_rows,).

        Indexes go from 0 to n_ids - 1; an unknown id has -1.
        """
        if not len(self.ids):
            return np.full(len(raw), -1, dtype=np.int64)
        place = self.ids.searchsorted(raw)
        # An id greater than all is compared with the last one, and differs from it.
        found = self.ids.take(place, mode="clip")
        place[found != raw] = -1
        return place

    def __len__(self) -> int:
        return len(self.ids)
