"""The cases of what is known of a row besides its movie: the user, the time, both or
neither.

Each case is answered by trees of its own (`train.schedule`). Two columns tell these
trees which rows are theirs. They are gates, not features: no other tree looks at them.
"""

from __future__ import annotations

from enum import IntEnum

# The number of the row's case, and how far that is from the last one.
KNOWS = "knows"
LACKS = "lacks"
GATES = (KNOWS, LACKS)


class Case(IntEnum):
    """What is known of a row besides its movie.

    A user is known who has ratings, in training or in the request. The cases that one
    kind of trees answers follow each other in this order.
    """

    TIME_ALONE = 0
    NEITHER = 1
    USER_ALONE = 2
    BOTH = 3
