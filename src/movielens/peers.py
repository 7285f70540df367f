"""The hosts that read one data set together, as far as the reader needs to know."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


class Peers(Protocol):
    """All hosts of a job, which call the same methods in the same order."""

    @property
    def rank(self) -> int:
        """This host's number among all hosts, from 0."""

    def __len__(self) -> int:
        """How many hosts there are."""

    def exchange(self, make: Callable[[], bytes]) -> list[bytes]:
        """Send what ``make`` returns to all hosts, and receive what theirs returned.

        Returns:
            The results of all hosts, in the order of their ranks.

        Raises:
            HalfstarError: ``make`` failed on a host. All hosts raise the error of the
                first such host.
        """


@dataclass(frozen=True, slots=True)
class Alone:
    """A single host.

    Example:
        >>> Alone().exchange(lambda: b"data")
        [b'data']
    """

    rank: int = 0

    def __len__(self) -> int:
        """Always 1."""
        return 1

    def exchange(self, make: Callable[[], bytes]) -> list[bytes]:
        """What ``make`` returns, as the result of the only host."""
        return [make()]


ALONE = Alone()


def exchange_json(peers: Peers, make: Callable[[], Any]) -> list[Any]:
    """Exchange JSON values; see `Peers.exchange`. Tuples arrive as lists."""

    def make_bytes() -> bytes:
        return json.dumps(make()).encode()

    return [json.loads(data) for data in peers.exchange(make_bytes)]
