"""Trees in the flat form, as a `Model` asks them: all, or the later ones for rows that
the first have answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap

import numpy as np
from numpy.typing import NDArray

from movielens.flat_forest import leading_trees, parts_of

Floats = NDArray[np.float32]

# From so many rows on, trees are cut down to the nodes that the rows need. By AVX-512,
# cutting the default model takes as long as up to 450 rows. After that, each row of one
# user takes a third of the time, and rows of many users about as long as before.
CUT_ROWS = 512
# The widest vectors to use: 512 for AVX-512, 256 for AVX2, 0 for none.
VECTOR_BITS = 512


class FlatForest:
    """The trees of a flat form; safe to use from several threads.

    Args:
        flat: what `movielens.flat_forest.flatten` made.
        cut_rows: from so many rows on, trees are cut down to what the rows need.
        vector_bits: the widest vectors to use, if the processor has them.

    Raises:
        ImportError: if the extension wasn't built.
        ValueError: if ``flat`` is no flat form.
    """

    def __init__(
        self,
        flat: bytes | mmap,
        *,
        cut_rows: int = CUT_ROWS,
        vector_bits: int = VECTOR_BITS,
    ) -> None:
        from serve._forest import Forest

        self._parts = parts_of(flat)
        self._forest = Forest(
            self._parts.base_margins,
            self._parts.trees,
            self._parts.nodes,
            n_features=self._parts.n_features,
            softmax=self._parts.softmax,
            cut_rows=cut_rows,
            vector_bits=vector_bits,
        )
        self.predict_into = self._forest.predict_into
        self._n_groups: int = self._forest.n_groups

    def inplace_predict(
        self,
        data: Floats,
        *,
        validate_features: bool = False,
        predict_type: str = "value",
    ) -> Floats:
        """Probabilities, margins or stars, float32 (n_rows, n_groups), of float32
        (n_rows, n_features) in C order.
        """
        del (
            validate_features
        )  # there is nothing to validate but the length, which the extension looks at
        answers = np.empty((len(data), self._n_groups), dtype=np.float32)
        self.predict_into(data, answers, predict_type == "margin")
        return answers

    def begun(self, data: Floats, columns: NDArray[np.int64]) -> BegunForest:
        """The trees from the first one on that looks at other columns, which go on from
        what those before say.
        """
        n_trees = leading_trees(self._parts, columns)
        margins = np.empty((len(data), self._n_groups), dtype=np.float32)
        self.predict_into(data, margins, True, 0, n_trees)
        return BegunForest(self, n_trees, margins)


@dataclass(frozen=True, slots=True, eq=False)
class BegunForest:
    """Later trees, for rows whose margins by those before are known.

    Attributes:
        forest: of all trees.
        first: the first of the later ones.
        margins: float32 (n_rows, n_groups), by the trees before it.
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
        """As `FlatForest.inplace_predict`, to the same bits; ``data`` are the rows that
        the margins are of.
        """
        del validate_features
        answers = self.margins.copy()
        self.forest.predict_into(data, answers, predict_type == "margin", self.first)
        return answers

    def take(self, rows: NDArray[np.int64]) -> BegunForest:
        """The given rows (int64 positions), in that order."""
        return BegunForest(self.forest, self.first, self.margins[rows])
