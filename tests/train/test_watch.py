"""Hosts that watch each other, over real connections between threads on addresses of
this machine.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from train.errors import JobError
from train.hosts import Hosts
from train.watch import PORT, Patience, Watch

SHORT = Patience(beat=0.1, silence=1.0, grace=0.5)
_NETWORKS = itertools.count(1)


@pytest.fixture
def names() -> tuple[str, ...]:
    """Addresses of three hosts, which no other test uses."""
    network = f"127.{os.getpid() % 200 + 51}.{next(_NETWORKS)}"
    return tuple(f"{network}.{number}" for number in (1, 2, 3))


@pytest.fixture
def gave_up() -> list[str]:
    """The reasons of hosts that gave up."""
    return []


@pytest.fixture
def watches(names: tuple[str, ...], gave_up: list[str]) -> Iterator[dict[str, Watch]]:
    """Three hosts that are connected."""
    started: dict[str, Watch] = {}

    def start(name: str) -> None:
        hosts = Hosts(names, name)
        started[name] = Watch.start(hosts, gave_up.append, lambda: {"port": 7}, SHORT)

    # The first host comes last.
    in_threads(start, names[::-1])
    yield started
    for watch in started.values():
        watch.end()
    wait_for_listeners()


def in_threads(target: Callable[[str], None], names: tuple[str, ...]) -> None:
    threads = [threading.Thread(target=target, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def wait_for_listeners() -> None:
    for thread in threading.enumerate():
        if thread.name == "watch":
            thread.join(10)


def test_all_hosts_get_what_the_first_one_shares(
    watches: dict[str, Watch], names: tuple[str, ...]
) -> None:
    assert [watches[name].shared for name in names] == [{"port": 7}] * 3


STRANGE = [
    b"GET / HTTP/1.1\r\n\r\n",
    b'{"host": "another"}\n',
    b'{"host": ' + b"[" * 10_000 + b"\n",
    b"[]\n",
    b"3\n",
    b"\xff\n",
    b"x" * 200_000,
]


@pytest.mark.parametrize("said", STRANGE)
def test_a_connection_that_is_no_host_is_hung_up_on(
    names: tuple[str, ...], gave_up: list[str], said: bytes
) -> None:
    started: dict[str, Watch] = {}

    def start(name: str) -> None:
        hosts = Hosts(names[:2], name)
        started[name] = Watch.start(hosts, gave_up.append, lambda: {"port": 7}, SHORT)

    def call(name: str) -> None:
        if name == "stranger":
            stranger = connect(names[0])
            with stranger, contextlib.suppress(ConnectionError):
                stranger.sendall(said)
                # Only then does a host connect.
                assert stranger.recv(1) == b""
            start(names[1])
        else:
            start(name)

    in_threads(call, (names[0], "stranger"))
    assert [started[name].shared for name in names[:2]] == [{"port": 7}] * 2
    for watch in started.values():
        watch.end()
    wait_for_listeners()


def connect(address: str) -> socket.socket:
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection((address, PORT), timeout=20)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_host_that_is_done_is_not_lost(
    watches: dict[str, Watch], names: tuple[str, ...], gave_up: list[str]
) -> None:
    for name in reversed(names):
        watches[name].end()
    assert [watches[name].reason(0.3) for name in names] == ["", "", ""]
    assert gave_up == []


@pytest.mark.parametrize("failed", [0, 2])
def test_a_failure_is_reported_to_all_others(
    watches: dict[str, Watch], names: tuple[str, ...], failed: int
) -> None:
    watches[names[failed]].end("the disk is full")
    others = [name for name in names if name != names[failed]]
    assert [watches[name].reason(5) for name in others] == ["the disk is full"] * 2


def test_a_silent_host_is_noticed_and_the_others_give_up(
    watches: dict[str, Watch], names: tuple[str, ...], gave_up: list[str]
) -> None:
    # Its connection stays open, but it sends no more signs of life.
    watches[names[1]]._is_closed.set()
    expected = f"host {names[1]} is gone (no sign of life for 1 s)"
    assert watches[names[0]].reason(10) == expected
    assert watches[names[2]].reason(10) == expected

    deadline = time.monotonic() + 5
    while len(gave_up) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gave_up == [expected] * 2


def test_a_host_that_never_comes_is_named(names: tuple[str, ...]) -> None:
    hurried = Patience(start=0.5)
    first, second, third = names
    with pytest.raises(JobError, match=f"no word from {second}, {third} in 0.5 s"):
        Watch.start(Hosts(names, first), print, dict, hurried)
    with pytest.raises(JobError, match=f"can't reach {first} in 0.5 s"):
        Watch.start(Hosts(names, second), print, dict, hurried)


def test_a_stranger_is_not_taken_for_a_host(names: tuple[str, ...]) -> None:
    pair = names[:2]
    started: list[Watch] = []
    first = threading.Thread(
        target=lambda: started.append(Watch.start(Hosts(pair, pair[0]), print, dict))
    )
    first.start()
    with connection_to(pair[0]) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")

    second = Watch.start(Hosts(pair, pair[1]), print, dict)
    first.join(10)
    assert second.reason(0.1) == ""
    second.end()
    started[0].end()
    wait_for_listeners()


def connection_to(name: str) -> socket.socket:
    """Connect as soon as somebody listens."""
    while True:
        try:
            return socket.create_connection((name, PORT))
        except ConnectionRefusedError:
            time.sleep(0.01)
