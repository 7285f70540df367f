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


def test_it_is_noted_and_told_when_asked(stop: StopSignal) -> None:
    stop.check("the features")
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.requested
    with pytest.raises(
        StoppedError,
        match="stopped by SIGTERM before the features: there is no model yet",
    ):
        stop.check("the features")


def test_where_nothing_is_lost_it_ends_what_is_going_on(stop: StopSignal) -> None:
    with (
        pytest.raises(StoppedError, match="before the features were done"),
        stop.giving_up("the features were done"),
    ):
        os.kill(os.getpid(), signal.SIGTERM)
    with stop.giving_up("the features were done"):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
