"""Rows whose features are asked, and what every group may look up for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from movielens.features.history import Catalogue
from movielens.features.matrix import Floats
from movielens.features.profiles import Profiles

# How many of the user's latest ratings before a row are looked at one by one.
WINDOW = 96


@dataclass(frozen=True, eq=False)
class Recent:
    """The user's latest ratings strictly before a moment, newest first.

    Attributes:
        moment: int64 (n_rows,), which moment each row asks of: rows of one user and time share theirs.
        asked: bool (n_moments,), False where the row has no time.
        valid: bool (n_moments, WINDOW), False past the user's first rating.
        gap: float32 (n_moments, WINDOW), seconds since, infinite where there is none.
        class_index: int64 (n_moments, WINDOW).
        residual: float32 (n_moments, WINDOW), 0 where there is none.
    """

    moment: NDArray[np.int64]
    asked: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    gap: Floats
    class_index: NDArray[np.int64]
    residual: Floats


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows whose features are asked, as indexes.

    Attributes:
        user_index: int64 (n_rows,), -1 for an unknown user. Every table of users has one row more than there are users,
            which stands for all unknown ones, so that index -1 needs no branch.
        movie_index: int64 (n_rows,), likewise.
        timestamp: float64 (n_rows,), seconds since 1970, NaN where none was given.
        catalogue: what is known of movies without any rating.
        profiles: the users' own ratings.
    """

    user_index: NDArray[np.int64]
    movie_index: NDArray[np.int64]
    timestamp: NDArray[np.float64]
    catalogue: Catalogue
    profiles: Profiles

    def __len__(self) -> int:
        return len(self.user_index)

    @cached_property
    def recent(self) -> Recent:
        """What the user rated just before."""
        first, moment = self._moments()
        timestamp, profiles = self.timestamp[first], self.profiles
        begin, end = profiles.before(self.user_index[first], timestamp)
        place = end[:, None] - 1 - np.arange(WINDOW)
        valid = place >= begin[:, None]
        place = np.where(valid, place, -1)
        gap = (timestamp[:, None] - profiles.time[place]).astype(np.float32)
        return Recent(
            moment,
            ~np.isnan(timestamp),
            valid,
            np.where(valid, gap, np.float32(np.inf)),
            profiles.class_index[place].astype(np.int64),
            profiles.residual[place],
        )

    def _moments(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first row of each moment, and the moment of each row."""
        user, time = self.user_index, self.timestamp
        same_time = (time == time[0]) | (np.isnan(time) & np.isnan(time[0]))
        if np.all(user == user[0]) and np.all(same_time):
            return np.zeros(1, dtype=np.int64), np.zeros(len(self), dtype=np.int64)
        order = np.lexsort((time, user))
        user, time = user[order], time[order]
        new = np.ones(len(self), dtype=np.bool_)
        new[1:] = (user[1:] != user[:-1]) | (time[1:] != time[:-1])
        moment = np.empty(len(self), dtype=np.int64)
        moment[order] = np.cumsum(new) - 1
        return order[new], moment
