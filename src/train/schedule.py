"""The schedule of boosting: which rounds look at what, and which rows they answer.

The user of a row may be unknown, and its time too. Each of these four cases has a chain
of rounds of its own, which look at no more than is known. All chains begin at the same
margins and are trained on all rows, so nothing has to be hidden from any training row.
The trees then get gates: a row gets 0 from the chains of other cases.

| chain | looks at | answers rows with |
|---|---|---|
| `Part.MOVIE` | the movie | neither a known user nor a time |
| `Part.DATE` | the movie and the date | a time, but no known user |
| `Part.USER` | the movie and the user | a known user, but no time |
| `Part.MOMENT` | all three | both |

Most of what time says of the users in training doesn't hold for later ones, so the
chain of the date sees only columns of `Part.DATE`.

The main chain is the one of the moment; without timestamps it is the one of the user.
The others are its branches. Where there is no chain for a case, the next one in
`_ANSWERED_BY` answers it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from movielens.features import Column, Part
from movielens.features.cases import GATES, KNOWS, LACKS, Case
from train.hyperparameters import Hyperparameters

# Who answers a case, the chain that knows most first.
_ANSWERED_BY = {
    Case.TIME_ALONE: (Part.DATE, Part.MOVIE),
    Case.NEITHER: (Part.MOVIE,),
    Case.USER_ALONE: (Part.USER, Part.MOVIE),
    Case.BOTH: (Part.MOMENT, Part.USER, Part.MOVIE),
}

_IN_ORDER = (Part.MOVIE, Part.USER, Part.MOMENT, Part.DATE)


class Gate(NamedTuple):
    """What holds rows back from a tree.

    Attributes:
        column: the position of a feature.
        least: rows with less than this get 0.
    """

    column: int
    least: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which chains there are, and how long they are.

    Attributes:
        features: all columns, with what each depends on.
        main: what the main chain looks at.
        shares: of each branch, its rounds as a share of those of the main chain.
    """

    features: tuple[Column, ...]
    main: Part
    shares: Mapping[Part, float]

    @classmethod
    def of(
        cls,
        features: tuple[Column, ...],
        hyperparameters: Hyperparameters,
        *,
        n_before: int = 0,
        has_timestamps: bool = True,
    ) -> Self:
        """The schedule of a job.

        Args:
            features: all columns, with what each depends on.
            hyperparameters: of the job.
            n_before: rounds of an earlier model, which has chains of its own. They stay
                as they are, and the new rounds have no branches.
            has_timestamps: whether training rows have any.
        """
        main = Part.MOMENT if has_timestamps else Part.USER
        if n_before:
            return cls(features, main, {})

        shares = {Part.MOVIE: hyperparameters.movie_rounds}
        if main is Part.MOMENT:
            shares[Part.USER] = hyperparameters.user_rounds
        if any(column.part is Part.DATE for column in features):
            shares[Part.DATE] = hyperparameters.date_rounds
        return cls(features, main, shares)

    def chains(self, n_main: int) -> dict[Part, int]:
        """The rounds of each chain beside so many of the main one.

        They are in the order in which they are boosted: what answers most cases comes
        first, in case of a stop.
        """
        rounds = {part: round(share * n_main) for part, share in self.shares.items()}
        rounds[self.main] = n_main
        return {part: rounds[part] for part in _IN_ORDER if rounds.get(part)}

    def columns(self, part: Part) -> NDArray[np.int64]:
        """Positions of the features that a chain looks at, int64, rising."""
        is_seen = [
            column.name not in GATES and part.includes(column.part)
            for column in self.features
        ]
        return np.flatnonzero(is_seen)

    def gates(self, part: Part, chains: Collection[Part]) -> tuple[Gate, ...]:
        """What holds those rows back from a chain that others answer.

        Args:
            part: what the chain looks at.
            chains: what each chain looks at, this one among them.
        """
        cases = [
            case
            for case, answering in _ANSWERED_BY.items()
            if _first_of(answering, chains) is part
        ]
        least = min(cases)
        most = max(cases)
        last = max(Case)

        names = [column.name for column in self.features]
        gates: list[Gate] = []
        if least > 0:
            gates.append(Gate(names.index(KNOWS), least))
        if most < last:
            gates.append(Gate(names.index(LACKS), last - most))
        return tuple(gates)


def stand_ins(part: Part) -> set[Part]:
    """The chains that may answer in the place of one that is missing.

    Example:
        >>> [each.name for each in stand_ins(Part.DATE)]
        ['MOVIE']
    """
    found: set[Part] = set()
    for answering in _ANSWERED_BY.values():
        if answering[0] is part:
            found.update(answering[1:])
    return found


def _first_of(parts: Collection[Part], chains: Collection[Part]) -> Part | None:
    return next((part for part in parts if part in chains), None)
