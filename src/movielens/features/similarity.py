"""How similar any two movies are by what their common raters thought of them.

The same works for two users, by the movies that both rated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from movielens.features.kernels import extension
from movielens.features.matrix import Floats, floats
from movielens.features.opinions import Opinions
from movielens.features.workers import ONE_THREAD, Workers

# A rating is compared with all others of its rater.
COST = 64
# Of the shrinkage: what is added to the norm.
_NORM_SHARE = 0.3


def find_most_similar(
    items: Opinions,
    raters: Opinions,
    shrinkage: float,
    most: int,
    workers: Workers = ONE_THREAD,
) -> tuple[NDArray[np.int32], Floats]:
    """The items most similar to each, in falling order, and how similar they are.

    The similarity of two items is Σ e e' / (√(Σe² Σe'²) + 0.3 h) · N / (N + h) over the
    N raters of both; e and e' are their residuals, and h is the shrinkage. It counts
    if it is above 0 and N at least 2. Sums are float32 and go by rising rater.

    Returns:
        The items, int32 (n_items, most), and their similarities, float32 (n_items,
        most). Where there are no more, they are the last item, which is nobody, and 0.
    """
    n_items = len(items.start) - 1
    neighbour = np.full((n_items, most), n_items - 1, dtype=np.int32)
    similarity = np.zeros((n_items, most), dtype=np.float32)
    ratings = {
        "item_start": items.start,
        "rater": items.index,
        "opinion": items.residual.astype(np.float32),
        "rater_start": raters.start,
        "item": raters.index,
        "opinion_of_item": raters.residual.astype(np.float32),
        "shrinkage": floats(shrinkage),
        "norm_shrinkage": floats(_NORM_SHARE * shrinkage),
    }
    found = {"neighbour": neighbour, "similarity": similarity}

    def find(part: tuple[int, int]) -> None:
        extension().find_most_similar(ratings, found, *part)

    workers.map(find, workers.parts(items.start, COST))
    return neighbour, similarity
