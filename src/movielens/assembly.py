"""Makes one table of ratings out of all that were read, without duplicates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from movielens.bad_rows import BAD_ROW, BadRows
from movielens.errors import DataError
from movielens.tables import RatingTable

# The key under which dropped rows are counted by reason.
DUPLICATE = "duplicate"


def assemble(
    tables: Sequence[tuple[str, RatingTable]], bad_rows: BadRows
) -> tuple[RatingTable, dict[str, int]]:
    """One table of all rows, and how many rows were dropped for each reason.

    Args:
        tables: in order, each with its name for messages.
        bad_rows: what was dropped while they were read.

    Raises:
        DataError: there are no rows, only some tables have timestamps, or more bad rows
            were dropped than allowed.
    """
    filled = [(name, table) for name, table in tables if len(table)]
    if not filled:
        names = ", ".join(name for name, _ in tables) or "what was read"
        why = bad_rows.first or "at least one rating is needed"
        raise DataError(f"{names} has no rows: {why}")

    everything = join(filled)
    bad_rows.check(n_kept=len(everything))

    ratings, n_duplicates = drop_duplicates(everything)
    dropped = {DUPLICATE: n_duplicates}
    if bad_rows.most > 0:
        dropped[BAD_ROW] = bad_rows.count
    return ratings, dropped


def join(tables: Sequence[tuple[str, RatingTable]]) -> RatingTable:
    """The rows of all tables, one table after the other.

    Args:
        tables: at least one, each with its name for messages. Those without rows don't
            count beside others.

    Raises:
        DataError: only some tables have timestamps.
    """
    filled = [(name, table) for name, table in tables if len(table)] or tables[:1]
    without_time = [name for name, table in filled if table.timestamp is None]
    if without_time and len(without_time) < len(filled):
        raise DataError(
            f"{without_time[0]} has no timestamp column, other files have one: "
            "add it, or remove it from all files"
        )
    return RatingTable.concatenate([table for _, table in filled])


def drop_duplicates(ratings: RatingTable) -> tuple[RatingTable, int]:
    """The table without duplicates, and how many rows were dropped.

    If a user rated a movie twice, the later rating is kept: the one with the higher
    timestamp, or the lower row if the timestamps are equal or absent. The kept rows
    stay in order.
    """
    pair = ratings.pair
    # Files are distributed in this order, so that most data need no sorting.
    if np.all(pair[1:] > pair[:-1]):
        return ratings, 0

    ordered = np.sort(pair)
    if not np.any(ordered[1:] == ordered[:-1]):
        return ratings, 0
    # A large data set has little memory to spare for the next sort.
    del ordered

    # Sorted by pair, then by timestamp, then by row, since lexsort is stable.
    keys = (pair,) if ratings.timestamp is None else (ratings.timestamp, pair)
    order = np.lexsort(keys)
    is_last_of_pair = np.append(np.diff(pair[order]) != 0, True)
    kept = np.sort(order[is_last_of_pair])
    return ratings.take(kept), len(ratings) - len(kept)
