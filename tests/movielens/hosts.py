"""Hosts that read together, as threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from movielens.channel import Channel
from movielens.errors import HalfstarError
from movielens.readers import Dataset, read_dataset

TIMEOUT_S = 30


@dataclass(frozen=True)
class Host:
    """One of several hosts; see `movielens.peers.Peers`."""

    rank: int
    results: list[bytes | HalfstarError]
    barrier: threading.Barrier

    def __len__(self) -> int:
        return len(self.results)

    def exchange(self, make: Callable[[], bytes]) -> list[bytes]:
        try:
            self.results[self.rank] = make()
        except HalfstarError as error:
            self.results[self.rank] = error
        self.barrier.wait(TIMEOUT_S)
        received = list(self.results)
        # Nobody goes on to the next exchange before all have read this one.
        self.barrier.wait(TIMEOUT_S)

        data: list[bytes] = []
        for result in received:
            if isinstance(result, HalfstarError):
                raise result
            data.append(result)
        return data


def make_hosts(n_hosts: int) -> list[Host]:
    results: list[bytes | HalfstarError] = [b""] * n_hosts
    barrier = threading.Barrier(n_hosts)
    return [Host(rank, results, barrier) for rank in range(n_hosts)]


def read_on_hosts(
    channels: Sequence[Sequence[Channel]], most_bad: float = 0.0
) -> list[Dataset | HalfstarError]:
    """What each host reads of its own channels, or the error that it raises."""
    hosts = make_hosts(len(channels))

    def read(host: Host) -> Dataset | HalfstarError:
        try:
            return read_dataset(channels[host.rank], most_bad, peers=host)
        except HalfstarError as error:
            return error

    with ThreadPoolExecutor(len(hosts)) as threads:
        return list(threads.map(read, hosts))
