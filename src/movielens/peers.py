"""The hosts that read one data set together, as far as reading needs to know them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


class Peers(Protocol):
    """Hosts that call the same methods in the same order."""

    @property
    def rank(self) -> int:
        """The place of this host among all, from 0."""

    def __len__(self) -> int:
        """How many hosts there are."""

    def exchange(self, make: Callable[[], bytes]) -> list[bytes]:
        """What each host makes, in the order of the hosts.

        Raises:
            HalfstarError: what the first host raised whose ``make`` failed.
        """


@dataclass(frozen=True, slots=True)
class Alone:
    """One host, with nobody to ask."""

    rank: int = 0

    def __len__(self) -> int:
        """One."""
        return 1

    def exchange(self, make: Callable[[], bytes]) -> list[bytes]:
        """What ``make`` makes."""
        return [make()]


ALONE = Alone()


def exchange_json(peers: Peers, make: Callable[[], Any]) -> list[Any]:
    """As `Peers.exchange`, of JSON values."""
    return [
        json.loads(part) for part in peers.exchange(lambda: json.dumps(make()).encode())
    ]
