"""What becomes of rows that can't be used: the first one ends the reading, or they are
left out, to a stated share.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from movielens.errors import DataError

logger = logging.getLogger(__name__)

REASON = "bad_row"
_TOLD = 5


@dataclass
class BadRows:
    """The rows left out so far.

    Attributes:
        most: the share of all rows that may be left out; 0: none, so that the first one
            is raised.
        count: how many were.
        first: what was wrong with the first of them, and where; empty where there was
            none.
    """

    most: float = 0.0
    count: int = 0
    first: str = ""

    def add(self, error: DataError) -> None:
        """Leave a row out; raises the error where that isn't wanted."""
        if not self.most:
            raise error
        self.count += 1
        self.first = self.first or str(error)
        if self.count <= _TOLD:
            logger.warning("left out: %s", error)

    def check(self, n_kept: int) -> None:
        """Raise a DataError if the rows left out are more than the share allowed of all
        rows.
        """
        if self.count > self.most * (n_kept + self.count):
            share = 100 * self.count / (n_kept + self.count)
            raise DataError(
                f"{self.count} of {n_kept + self.count} rows can't be used ({share:.3g} %, allowed are "
                f"{100 * self.most:g} %), the first: {self.first}: mend the data, or raise bad_row_share"
            )
