"""A stop asked from outside: SageMaker sends SIGTERM, waits 120 s and then kills.

The handler only takes note, so that a round is never cut in half; the job asks between its stages and after each round.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from movielens.errors import HalfstarError


class StoppedError(HalfstarError):
    """A stop that came before there was a model to save."""


@dataclass
class StopSignal:
    """Whether SIGTERM has come."""

    requested: bool = False

    def listen(self) -> None:
        """Take note of SIGTERM from now on, in place of the handler that was there."""
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, *_: object) -> None:
        self.requested = True

    def check(self, stage: str) -> None:
        """Give up where nothing is lost by it.

        Raises:
            StoppedError: if a stop was asked for.
        """
        if self.requested:
            raise StoppedError(f"stopped by SIGTERM before {stage}: there is no model yet")
