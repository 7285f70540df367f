"""A stop by the signal itself, in this very process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from train.stop import StoppedError, StopSignal


@pytest.fixture
def stop() -> Iterator[StopSignal]:
    before = signal.getsignal(signal.SIGTERM)
    stop = StopSignal()
    stop.listen()
    yield stop
    signal.signal(signal.SIGTERM, before)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_is_noted_and_raised_at_the_next_check(stop: StopSignal) -> None:
    stop.check("the features")
    terminate()
    assert stop.requested
    expected = "stopped by SIGTERM before the features: there is no model yet"
    with pytest.raises(StoppedError, match=expected):
        stop.check("the features")


def test_sigterm_ends_work_at_once_if_nothing_is_lost(stop: StopSignal) -> None:
    expected = "before the features were done"
    with (
        pytest.raises(StoppedError, match=expected),
        stop.giving_up("the features were done"),
    ):
        terminate()


def test_after_such_work_sigterm_is_only_noted(stop: StopSignal) -> None:
    with stop.giving_up("the features were done"):
        pass
    terminate()
    assert stop.requested
