"""Sends the tables of ratings that each host has read to all others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens import npz
from movielens.json_text import parse_json
from movielens.peers import Peers
from movielens.tables import RatingTable

_NAMES = "names"


def exchange_tables(
    peers: Peers, read_own: Callable[[], dict[str, RatingTable]]
) -> list[tuple[str, RatingTable]]:
    """The tables of all hosts, by name; tables of one name by the host's rank.

    Args:
        peers: all hosts.
        read_own: gives this host's tables by name.

    Raises:
        HalfstarError: what ``read_own`` raised on the first host on which it failed.
    """
    if len(peers) == 1:
        return sorted(read_own().items())

    def pack_own() -> bytes:
        return pack(read_own())

    found: list[tuple[str, RatingTable]] = []
    for packed in peers.exchange(pack_own):
        found += unpack(packed).items()
    # A stable sort leaves tables of one name in the order of the ranks.
    return sorted(found, key=lambda named: named[0])


def pack(tables: Mapping[str, RatingTable]) -> bytes:
    """Tables by name as the bytes of an ``.npz`` file; `unpack` reads them."""
    names = json.dumps(list(tables)).encode()
    arrays: dict[str, NDArray[Any]] = {_NAMES: np.frombuffer(names, dtype=np.uint8)}
    for number, table in enumerate(tables.values()):
        arrays[f"{number}.user_id"] = table.user_id
        arrays[f"{number}.movie_id"] = table.movie_id
        arrays[f"{number}.half_stars"] = table.half_stars
        if table.timestamp is not None:
            arrays[f"{number}.timestamp"] = table.timestamp
    return npz.to_bytes(arrays)


def unpack(data: bytes) -> dict[str, RatingTable]:
    """The tables that `pack` was given."""
    arrays = npz.from_bytes(data)
    names = parse_json(arrays[_NAMES].tobytes())
    return {
        name: RatingTable(
            user_id=arrays[f"{number}.user_id"],
            movie_id=arrays[f"{number}.movie_id"],
            half_stars=arrays[f"{number}.half_stars"],
            timestamp=arrays.get(f"{number}.timestamp"),
        )
        for number, name in enumerate(names)
    }
