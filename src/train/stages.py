"""What each stage of a job costs: time, processors and memory.

There is always one stage at a time. A stage may be part of another, as the making of
features is part of boosting; its cost is its own alone.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from movielens.evaluation import StageCost

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Meters:
    """What is read at the beginning and at the end of a stage.

    Attributes:
        clock: seconds.
        processor_time: seconds of all threads.
        peak_bytes: the most memory that the process has had.
    """

    clock: Callable[[], float] = time.monotonic
    processor_time: Callable[[], float] = time.process_time
    peak_bytes: Callable[[], int] = lambda: _peak_bytes()


class Stages:
    """The stages of a job so far.

    Example:
        >>> stages = Stages()
        >>> with stages.stage("boosting"), stages.stage("features"):
        ...     pass
        >>> [cost.name for cost in stages.costs()]
        ['boosting', 'features']
    """

    def __init__(self, meters: Meters | None = None) -> None:
        self._meters = meters or Meters()
        self._spent: dict[str, _Spent] = {}
        self._current: list[str] = []
        self._since = self._now()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What is done inside counts for this stage, and not for the one around it."""
        self._spend()
        self._spent.setdefault(name, _Spent())
        self._current.append(name)
        try:
            yield
        finally:
            self._spend()
            self._current.pop()

    def costs(self) -> list[StageCost]:
        """What the stages have cost so far, in the order in which they began."""
        self._spend()
        return [
            StageCost(
                name=name,
                seconds=round(spent.seconds, 2),
                cores_busy=round(spent.busy / max(spent.seconds, 1e-9), 2),
                peak_mb=spent.peak_bytes // MB,
            )
            for name, spent in self._spent.items()
        ]

    def _now(self) -> tuple[float, float]:
        return self._meters.clock(), self._meters.processor_time()

    def _spend(self) -> None:
        """Count what was spent since the last time for the stage that is going on."""
        before = self._since
        self._since = self._now()
        if not self._current:
            return
        spent = self._spent[self._current[-1]]
        spent.seconds += self._since[0] - before[0]
        spent.busy += self._since[1] - before[1]
        spent.peak_bytes = self._meters.peak_bytes()


@dataclass(slots=True)
class _Spent:
    seconds: float = 0.0
    busy: float = 0.0
    peak_bytes: int = 0


def _peak_bytes() -> int:
    # Linux counts KiB.
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
