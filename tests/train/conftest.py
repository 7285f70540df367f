"""A stop that comes at a known moment."""

from __future__ import annotations

from train.stop import StopSignal

# How often a job asks before it boosts: between its stages and for each block of
# features, of which there are eight.
FEATURES = 9


class StopAfter(StopSignal):
    """SIGTERM comes when it was asked about for the nth time."""

    def __init__(self, times: int) -> None:
        self.left = times

    @property  # type: ignore[override]
    def requested(self) -> bool:
        self.left -= 1
        return self.left < 0
