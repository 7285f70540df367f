"""A stop from outside: SageMaker sends SIGTERM, waits 120 s, and then kills.

Usually the signal is only noted, so that no round is cut in half; the job asks between
its stages and after each round. As long as there is nothing to keep, the signal ends
the work at once instead, since the features of a large data set take minutes.
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
    """Whether SIGTERM has come.

    Attributes:
        requested: whether it has.
    """

    requested: bool = False
    _giving_up_before: str = ""

    def listen(self) -> None:
        """Note SIGTERM from now on, in place of the handler before."""
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, *_: object) -> None:
        self.requested = True
        if self._giving_up_before:
            raise _stopped(self._giving_up_before)

    @contextmanager
    def giving_up(self, stage: str) -> Iterator[None]:
        """Inside this context, SIGTERM raises StoppedError at once.

        Args:
            stage: what a stop would come before, for the error message.
        """
        self._giving_up_before = stage
        try:
            yield
        finally:
            self._giving_up_before = ""

    def check(self, stage: str) -> None:
        """Give up if a stop was asked for.

        Args:
            stage: what a stop would come before, for the error message.

        Raises:
            StoppedError: if it was.
        """
        if self.requested:
            raise _stopped(stage)


def _stopped(stage: str) -> StoppedError:
    return StoppedError(f"stopped by SIGTERM before {stage}: there is no model yet")
