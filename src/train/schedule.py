"""The schedule of boosting: which rounds look at which features.

The first rounds look at the movie alone, the next at the user too, the last at the
moment as well. All are trained on all rows. The trees of the later rounds then get a
gate each: a row of an unknown user, or without a timestamp, gets 0 from them. So such a
row is answered by the earlier rounds, which were trained to do without, and nothing has
to be hidden from any training row.

Unknown users with a timestamp are answered by rounds of their own, which look at the
movie and the date: a branch, which begins anew. No other round answers them, and the
branch answers nobody else. Most of what time says of the users in training doesn't hold
for later ones, so only columns of `Part.DATE` are let in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from movielens.features import Column, Part
from movielens.features.spec import GATES
from train.hyperparameters import Hyperparameters


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which round looks at what. Rounds are counted from 0.

    Attributes:
        features: all columns, with what each depends on.
        n_before: rounds of an earlier model, which come first and stay as they are.
        first_of_user: the first round that looks at the user.
        first_of_moment: the first round that looks at the moment.
        n_of_branch: rounds of the branch, which are beside the others; 0 for no branch.
        is_branch: whether this is the schedule of the branch.
    """

    features: tuple[Column, ...]
    n_before: int
    first_of_user: int
    first_of_moment: int
    n_of_branch: int = 0
    is_branch: bool = False

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
        schedule = cls(features, n_before, first_of_user, first_of_moment)
        return schedule.with_branch_for(n_before + n_rounds, hyperparameters)

    def with_branch_for(self, n_rounds: int, hyperparameters: Hyperparameters) -> Self:
        """The same with a branch that suits so many other rounds in all.

        There is none after an earlier model, or without columns of the date.
        """
        has_dates = any(column.part is Part.DATE for column in self.features)
        if self.n_before or not has_dates:
            return self
        n_of_branch = round(hyperparameters.date_rounds * n_rounds)
        return replace(self, n_of_branch=n_of_branch)

    @property
    def branch(self) -> Schedule:
        """The schedule of the branch's own rounds, counted from 0."""
        return replace(self, n_before=0, is_branch=True)

    @property
    def without_branch(self) -> Schedule:
        """The same, if there is no branch to answer unknown users."""
        return replace(self, n_of_branch=0)

    def part(self, n_round: int) -> Part:
        """What the round looks at."""
        if self.is_branch:
            return Part.DATE
        if n_round < self.first_of_user:
            return Part.MOVIE
        if n_round < self.first_of_moment:
            return Part.USER
        return Part.MOMENT

    def columns(self, part: Part) -> NDArray[np.int64]:
        """Positions of the features that rounds of this part look at, int64, rising."""
        gates = GATES.values()
        is_seen = [
            column.name not in gates and part.includes(column.part)
            for column in self.features
        ]
        return np.flatnonzero(is_seen)

    def gate(self, n_round: int) -> int | None:
        """The column that is missing in rows to which the round's trees give 0.

        None if its trees answer all rows.
        """
        part = self.part(n_round)
        answers_all = part is Part.MOVIE and not self.n_of_branch
        if n_round < self.n_before or answers_all:
            return None
        gate = GATES[part]
        names = [column.name for column in self.features]
        return names.index(gate)
