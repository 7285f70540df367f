"""How alike any two movies are by what their raters thought of them (or two users, by
the movies that both rated).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import extension
from movielens.features.matrix import Floats
from movielens.features.opinions import Opinions


def find_likest(
    items: Opinions, raters: Opinions, shrinkage: float, most: int
) -> tuple[NDArray[np.int32], Floats]:
    """The items likest to each, likest first, and how alike: int32 and float32
    (n_items, most).

    Where there are no more they are the last item, who is nobody, and 0. Two items are
    alike by Σ e e' / (√(Σe² Σe'²) + 0.3 h) · N / (N + h) over the N raters of both,
    where that is above 0 and N at least 2; h is the shrinkage. Sums are float32, by
    rising rater.
    """
    n_items = len(items.start) - 1
    neighbour = np.full((n_items, most), n_items - 1, dtype=np.int32)
    likeness = np.zeros((n_items, most), dtype=np.float32)
    ratings = {
        "item_start": items.start,
        "rater": items.index,
        "opinion": items.residual.astype(np.float32),
        "rater_start": raters.start,
        "item": raters.index,
        "its_opinion": raters.residual.astype(np.float32),
        "shrinkage": np.array([shrinkage], dtype=np.float32),
    }
    extension().find_likest(ratings, {"neighbour": neighbour, "likeness": likeness})
    return neighbour, likeness
