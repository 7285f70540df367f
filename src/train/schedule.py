"""What is known of a row decides which trees answer it: the first rounds of boosting
look at the movie alone, the next at the user too, the last at the moment as well.

Each round is trained on all rows, so a user or a time needs not be hidden from any of
them for the model to learn to answer without. The trees of the later rounds begin with
a gate: a row of an unknown user, or without a time, gets 0 from them, which makes its
answer that of the rounds before. In a row of an unknown user the time counts nothing:
what it says of users seen in training doesn't hold for later ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from movielens.features.parts import Column, Part
from movielens.features.spec import KNOWS_TIME, KNOWS_USER


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which round looks at what.

    Attributes:
        features: the columns, with what each depends on.
        before: rounds of an earlier model, which stay as they are.
        user: the first round that looks at the user.
        moment: the first round that looks at the moment; ``user`` where it is less.
    """

    features: tuple[Column, ...]
    before: int
    user: int
    moment: int

    def part(self, n_round: int) -> Part:
        """What the round, counted from 0, looks at."""
        return (
            Part.MOVIE
            if n_round < self.user
            else Part.USER
            if n_round < self.moment
            else Part.MOMENT
        )

    def columns(self, part: Part) -> NDArray[np.int64]:
        """Which features rounds of this part look at, int64, rising."""
        gates = (KNOWS_USER, KNOWS_TIME)
        return np.flatnonzero(
            [each.name not in gates and each.part <= part for each in self.features]
        )

    def gate(self, n_round: int) -> int | None:
        """The column that is NaN in rows which the round's trees shall give 0, None if
        they answer all rows.
        """
        part = self.part(n_round)
        if n_round < self.before or part is Part.MOVIE:
            return None
        gate = KNOWS_USER if part is Part.USER else KNOWS_TIME
        return [each.name for each in self.features].index(gate)
