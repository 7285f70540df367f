"""One table of ratings out of those that were read: all rows in turn, of a pair that
was rated twice the last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from movielens.bad_rows import REASON, BadRows
from movielens.errors import DataError
from movielens.tables import RatingTable


def assemble(
    tables: Sequence[tuple[str, RatingTable]], bad_rows: BadRows
) -> tuple[RatingTable, dict[str, int]]:
    """The rows of all tables in turn, without duplicates, and counts of rows left out
    by reason.

    Args:
        tables: each with the name that messages call it.
        bad_rows: what was left out while they were read.

    Raises:
        DataError: no rows, timestamps in some tables only, or more bad rows than
            allowed.
    """
    filled = [(name, table) for name, table in tables if len(table)]
    bare = [name for name, table in filled if table.timestamp is None]
    if 0 < len(bare) < len(filled):
        raise DataError(
            f"{bare[0]} has no timestamp column, other files have one: add it, or leave it out of all"
        )
    if not filled:
        why = (
            f": {bad_rows.first}"
            if bad_rows.count
            else ": at least one rating is needed"
        )
        raise DataError(
            f"{', '.join(name for name, _ in tables) or 'what was read'} has no rows{why}"
        )
    ratings = RatingTable.concatenate([table for _, table in filled])
    bad_rows.check(len(ratings))
    ratings, duplicates = drop_duplicates(ratings)
    return ratings, {"duplicate": duplicates} | (
        {REASON: bad_rows.count} if bad_rows.most else {}
    )


def drop_duplicates(ratings: RatingTable) -> tuple[RatingTable, int]:
    """Keep the last rating of each user and movie, by timestamp and then by place, and
    count the others.

    The rows kept stay in file order.
    """
    key = ratings.pair
    # Files as they are distributed are in order, which saves sorting.
    if np.all(key[1:] > key[:-1]):
        return ratings, 0
    ordered = np.sort(key)
    if not np.any(ordered[1:] == ordered[:-1]):
        return ratings, 0
    del ordered
    order = np.lexsort(
        (key,) if ratings.timestamp is None else (ratings.timestamp, key)
    )
    is_last = np.append(np.diff(key[order]) != 0, True)
    kept = np.sort(order[is_last])
    return ratings.take(kept), len(ratings) - len(kept)
