"""The schedule of boosting: which rounds look at which features.

The first rounds look at the movie alone, the next at the user too, the last at the
moment as well. All are trained on all rows. The trees of the later rounds then get a
gate each: a row of an unknown user, or without a timestamp, gets 0 from them. So such a
row is answered by the earlier rounds, which were trained to do without, and nothing has
to be hidden from any training row.

For an unknown user the time counts nothing, even if it is known: what time says of the
users seen in training doesn't hold for later ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.features import Column, Part
from movielens.features.spec import KNOWS_TIME, KNOWS_USER
from train.hyperparameters import Hyperparameters


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which round looks at what. Rounds are counted from 0.

    Attributes:
        features: all columns, with what each depends on.
        n_before: rounds of an earlier model, which come first and stay as they are.
        first_of_user: the first round that looks at the user.
        first_of_moment: the first round that looks at the moment.
    """

    features: tuple[Column, ...]
    n_before: int
    first_of_user: int
    first_of_moment: int

    @classmethod
    def of(
        cls,
        features: tuple[Column, ...],
        hyperparameters: Hyperparameters,
        *,
        n_rounds: int,
        n_before: int = 0,
        has_timestamps: bool = True,
    ) -> Self:
        """The schedule of ``n_rounds`` rounds after ``n_before`` of an earlier model.

        The earlier model has rounds of its own for what isn't known, so all new rounds
        after it look at everything.
        """
        first_of_user = n_before
        first_of_moment = n_before
        if not n_before:
            first_of_user = round(hyperparameters.movie_rounds * n_rounds)
            n_user_rounds = round(hyperparameters.user_rounds * n_rounds)
            first_of_moment = first_of_user + n_user_rounds
        if not has_timestamps:
            first_of_moment = n_before + n_rounds
        return cls(features, n_before, first_of_user, first_of_moment)

    def part(self, n_round: int) -> Part:
        """What the round looks at."""
        if n_round < self.first_of_user:
            return Part.MOVIE
        if n_round < self.first_of_moment:
            return Part.USER
        return Part.MOMENT

    def columns(self, part: Part) -> NDArray[np.int64]:
        """Positions of the features that rounds of this part look at, int64, rising."""
        gates = (KNOWS_USER, KNOWS_TIME)
        is_seen = [
            column.name not in gates and column.part <= part for column in self.features
        ]
        return np.flatnonzero(is_seen)

    def gate(self, n_round: int) -> int | None:
        """The column that is missing in rows to which the round's trees give 0.

        None if its trees answer all rows.
        """
        part = self.part(n_round)
        if n_round < self.n_before or part is Part.MOVIE:
            return None
        gate = KNOWS_USER if part is Part.USER else KNOWS_TIME
        names = [column.name for column in self.features]
        return names.index(gate)
