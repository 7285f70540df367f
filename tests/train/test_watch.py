"""Hosts that watch each other, over real connections between threads on addresses of
this machine.
"""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Iterator

import pytest

import train.watch
from train.errors import JobError
from train.hosts import Hosts
from train.watch import Watch

_NETWORKS = itertools.count(1)


@pytest.fixture
def names() -> tuple[str, ...]:
    network = f"127.{os.getpid() % 200 + 51}.{next(_NETWORKS)}"
    return tuple(f"{network}.{number}" for number in (1, 2, 3))


@pytest.fixture
def gone() -> list[str]:
    return []


@pytest.fixture
def watches(
    names: tuple[str, ...], gone: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Watch]]:
    """Three hosts that have met; where one gives up, it is told in ``gone``."""
    for name, seconds in {
        "BEAT_SECONDS": 0.1,
        "SILENT_SECONDS": 1.0,
        "GRACE_SECONDS": 0.5,
    }.items():
        monkeypatch.setattr(train.watch, name, seconds)
    found: dict[str, Watch] = {}

    def start(name: str) -> None:
        found[name] = Watch.start(Hosts(names, name), gone.append, lambda: {"port": 7})

    threads = [threading.Thread(target=start, args=[name]) for name in reversed(names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    yield found
    for watch in found.values():
        watch.end()
    listeners_ended()


def listeners_ended() -> None:
    for thread in threading.enumerate():
        if thread.name == "watch":
            thread.join(10)


def test_the_first_tells_all(watches: dict[str, Watch], names: tuple[str, ...]) -> None:
    assert [watches[name].shared for name in names] == [{"port": 7}] * 3


def test_an_end_is_no_loss(
    watches: dict[str, Watch], names: tuple[str, ...], gone: list[str]
) -> None:
    for name in reversed(names):
        watches[name].end()
    assert [watches[name].reason(0.3) for name in names] == ["", "", ""]
    assert gone == []


@pytest.mark.parametrize("failed", [0, 2])
def test_a_failure_is_told_to_all(
    watches: dict[str, Watch], names: tuple[str, ...], failed: int
) -> None:
    watches[names[failed]].end("the disk is full")
    others = [name for name in names if name != names[failed]]
    assert [watches[name].reason(5) for name in others] == ["the disk is full"] * 2


def test_silence_is_noticed_and_ends_whoever_still_waits(
    watches: dict[str, Watch], names: tuple[str, ...], gone: list[str]
) -> None:
    watches[
        names[1]
    ]._closed.set()  # its connection stays open, but it says nothing more
    expected = f"host {names[1]} is gone (no sign of life for 1 s)"
    assert watches[names[0]].reason(10) == expected
    assert watches[names[2]].reason(10) == expected
    for _ in range(100):
        if len(gone) == 2:
            break
        threading.Event().wait(0.05)
    assert gone == [expected] * 2


def test_a_host_that_never_comes_is_named(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train.watch, "START_SECONDS", 0.5)
    with pytest.raises(JobError, match=f"no word from {names[1]}, {names[2]} in 0.5 s"):
        Watch.start(Hosts(names, names[0]), print, dict)
    with pytest.raises(JobError, match=f"can't reach {names[0]}"):
        Watch.start(Hosts(names, names[1]), print, dict)


def test_a_stranger_is_no_host(names: tuple[str, ...]) -> None:
    pair, found = names[:2], []
    first = threading.Thread(
        target=lambda: found.append(Watch.start(Hosts(pair, pair[0]), print, dict))
    )
    first.start()
    while True:
        try:
            with socket.create_connection((pair[0], train.watch.PORT)) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            break
        except ConnectionRefusedError:
            continue
    second = Watch.start(Hosts(pair, pair[1]), print, dict)
    first.join(10)
    assert second.reason(0.1) == ""
    second.end()
    found[0].end()
    listeners_ended()
