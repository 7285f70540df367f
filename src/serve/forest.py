"""Trees in the flat form, in the place of XGBoost's booster in a `Model`.

`FlatForest` asks all trees. `ResumedForest` asks only the later ones, for rows for
which the sums of the leading trees are known already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.flat_forest import leading_trees

Floats = NDArray[np.float32]


class FlatForest:
    """The trees of a flat form; several threads may use it at once.

    Args:
        flat: bytes of the flat form, which are kept and not copied.

    Raises:
        ImportError: if the extension wasn't built.
        ValueError: if ``flat`` isn't the flat form.
    """

    def __init__(self, flat: Any) -> None:
        from serve._forest import Forest

        self._forest = Forest(flat)
        self._flat = flat
        self._n_groups: int = self._forest.n_groups
        # A method of C, with no Python in between.
        self.predict_into = self._forest.predict_into

    def inplace_predict(
        self,
        data: Floats,
        *,
        validate_features: bool = False,
        predict_type: str = "value",
    ) -> Floats:
        """Probabilities or stars, float32 (n_rows, n_groups).

        Args:
            data: float32 (n_rows, n_features) in C order.
            validate_features: ignored; the extension checks the number of features, and
                there is nothing else to check.
            predict_type: ``margin`` for the sums of the leaves instead.
        """
        del validate_features
        answers = np.empty((len(data), self._n_groups), dtype=np.float32)
        is_margin = predict_type == "margin"
        self.predict_into(data, answers, is_margin)
        return answers

    def resumed(self, data: Floats, columns: NDArray[np.int64]) -> ResumedForest:
        """Ask the leading trees about these rows; the result asks the others.

        Args:
            data: float32 (n_rows, n_features) in C order.
            columns: positions of features; the leading trees are those before the first
                tree that looks at any other feature.
        """
        n_leading = leading_trees(self._flat, columns)
        margins = np.empty((len(data), self._n_groups), dtype=np.float32)
        is_margin = True
        first_tree = 0
        self.predict_into(data, margins, is_margin, first_tree, n_leading)
        return ResumedForest(self, n_leading, margins)


@dataclass(frozen=True, slots=True, eq=False)
class ResumedForest:
    """The later trees of a forest, for rows that the leading trees have seen.

    Attributes:
        forest: all trees.
        first: the number of the first of the later trees.
        margins: float32 (n_rows, n_groups), the sums of the leading trees' leaves.
    """

    forest: FlatForest
    first: int
    margins: Floats

    def inplace_predict(
        self,
        data: Floats,
        *,
        validate_features: bool = False,
        predict_type: str = "value",
    ) -> Floats:
        """As `FlatForest.inplace_predict`, to the same bits.

        ``data`` are the rows that the margins belong to. They may differ only in
        features that the leading trees don't look at.
        """
        del validate_features
        answers = self.margins.copy()
        is_margin = predict_type == "margin"
        self.forest.predict_into(data, answers, is_margin, self.first)
        return answers

    def take(self, rows: NDArray[np.int64]) -> ResumedForest:
        """The given rows (int64 positions), in that order."""
        return ResumedForest(self.forest, self.first, self.margins[rows])
