"""A stop asked from outside: SageMaker sends SIGTERM, waits 120 s and then kills.

The handler only takes note, so that a round is never cut in half; the job asks between
its stages and after each round. Where there is nothing to keep yet, it ends what is
going on instead: features of a large data set take minutes.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from movielens.errors import HalfstarError


class StoppedError(HalfstarError):
    """A stop that came before there was a model to save."""


@dataclass
class StopSignal:
    """Whether SIGTERM has come."""

    requested: bool = False
    _before: str = ""

    def listen(self) -> None:
        """Take note of SIGTERM from now on, in place of the handler that was there."""
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, *_: object) -> None:
        self.requested = True
        if self._before:
            raise _stopped(self._before)

    @contextmanager
    def giving_up(self, stage: str) -> Iterator[None]:
        """Meanwhile a stop is a StoppedError at once, since nothing is lost by it;
        ``stage`` says what wasn't done.
        """
        self._before = stage
        try:
            yield
        finally:
            self._before = ""

    def check(self, stage: str) -> None:
        """Give up where nothing is lost by it.

        Raises:
            StoppedError: if a stop was asked for.
        """
        if self.requested:
            raise _stopped(stage)


def _stopped(stage: str) -> StoppedError:
    return StoppedError(f"stopped by SIGTERM before {stage}: there is no model yet")
