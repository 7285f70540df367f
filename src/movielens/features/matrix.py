"""Feature values with their names, and the dense indexes that tables of them are
gathered by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features.parts import Column

Floats = NDArray[np.float32]
# Comparing a dtype with a type would make one each time.
_FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMatrix:
    """Feature values with their names.

    Attributes:
        values: float32 (n_rows, n_features), C order, NaN where unknown.
        columns: what each column is.
    """

    values: NDArray[np.float32]
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        if self.values.dtype != _FLOAT32 or self.values.shape[1:] != (
            len(self.columns),
        ):
            raise ValueError(
                f"values are {self.values.dtype}{self.values.shape}, columns {len(self.columns)}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each column."""
        return tuple(column.name for column in self.columns)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class IdIndex:
    """Raw ids to dense indexes.

    Attributes:
        ids: int64 (n_ids,), rising.
    """

    ids: NDArray[np.int64]

    @classmethod
    def of(cls, raw: NDArray[np.signedinteger[Any]]) -> Self:
        """The index of the ids among ``raw``, each as often as it may occur."""
        return cls(np.unique(raw).astype(np.int64))

    def index(self, raw: NDArray[np.signedinteger[Any]]) -> NDArray[np.int64]:
        """The place of each raw id, int64 (n_rows,), 0 to n_ids - 1, and -1 where the
        id is unknown.
        """
        if not len(self.ids):
            return np.full(len(raw), -1, dtype=np.int64)
        place = self.ids.searchsorted(raw)
        # Behind the last id stands nobody: clipped, it is the last, which is not what
        # was asked.
        place[self.ids.take(place, mode="clip") != raw] = -1
        return place

    def __len__(self) -> int:
        return len(self.ids)
