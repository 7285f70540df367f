"""Trees in the flat form, in the place of XGBoost's booster in a `Model`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from movielens.flat_forest import parts_of

Floats = NDArray[np.float32]

# From so many rows on, trees are cut down to the nodes that the rows need. By AVX-512,
# cutting the default model takes as long as up to 550 rows. After that, each row of one
# user takes a third of the time, and rows of many users about as long as before.
CUT_ROWS = 512
# The widest vectors to use: 512 for AVX-512, 256 for AVX2, 0 for none.
VECTOR_BITS = 512


class FlatForest:
    """The trees of a flat form; several threads may use it at once.

    Args:
        flat: what `movielens.flat_forest.flatten` made; it is kept and not copied.
        cut_rows: from so many rows on, trees are cut down to what the rows need.
        vector_bits: the widest vectors to use, if the processor has them.

    Raises:
        ImportError: if the extension wasn't built.
        ValueError: if ``flat`` isn't the flat form.
    """

    def __init__(
        self,
        flat: bytes,
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
