"""What happens to ratings that can't be used: fail at the first one, or drop some.

One number says which: the largest share of all rows that may be dropped. With 0, the
first bad row is an error. The hyperparameters ``on_bad_row`` and ``bad_row_share`` say
the same in words; `largest_bad_share` translates them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from movielens.errors import DataError

logger = logging.getLogger(__name__)

# The key under which dropped rows are counted by reason.
BAD_ROW = "bad_row"


def largest_bad_share(on_bad_row: str, bad_row_share: float) -> float:
    """The largest share of all rows that may be dropped, from two hyperparameters.

    The job and the launcher both call it, so that they read with one policy.

    Args:
        on_bad_row: ``fail`` or ``drop``.
        bad_row_share: the share with ``drop``.

    Example:
        >>> largest_bad_share("drop", 0.01), largest_bad_share("fail", 0.01)
        (0.01, 0.0)
    """
    return bad_row_share if on_bad_row == "drop" else 0.0


@dataclass
class BadRows:
    """The bad rows that were dropped so far.

    Attributes:
        most: the largest share of all rows that may be dropped; 0 for none at all.
        count: how many were dropped.
        first: what was wrong with the first of them, and where; empty if there is none.
        most_logged: so many bad rows are logged one by one.
    """

    most: float = 0.0
    count: int = 0
    first: str = ""
    most_logged: int = 5

    def add(self, error: DataError) -> None:
        """Count a row as dropped, or raise its error if none may be dropped."""
        if self.most == 0:
            raise error
        if self.count == 0:
            self.first = str(error)
        self.count += 1
        if self.count <= self.most_logged:
            logger.warning("dropped: %s", error)

    def check(self, n_kept: int) -> None:
        """Raise a DataError if more than the allowed share of the rows was dropped.

        Args:
            n_kept: how many rows were good.
        """
        n_rows = n_kept + self.count
        if self.count <= self.most * n_rows:
            return
        share = self.count / n_rows
        raise DataError(
            f"{self.count} of {n_rows} rows can't be used "
            f"({100 * share:.3g} %, allowed are {100 * self.most:g} %), "
            f"the first: {self.first}: fix the data, or raise bad_row_share"
        )
