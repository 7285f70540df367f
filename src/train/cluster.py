"""What the hosts of a job do together, over XGBoost's own collective communication.

The hosts share bytes. Each host writes its bytes at its own place into an array of
zeros; the sum of these arrays is the same on all hosts and holds the bytes of all. So
nothing has to be unpickled.

All hosts call the methods that exchange something in the same order. A job on one host
calls them too, and gets its own answer back.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from xgboost import collective
from xgboost.core import XGBoostError
from xgboost.tracker import RabitTracker

from movielens.errors import HalfstarError
from train.errors import JobError
from train.failure import write_failure
from train.hosts import Hosts
from train.watch import USUAL_PATIENCE, Patience, Watch

logger = logging.getLogger(__name__)

# Hosts watch each other (`train.watch`), so XGBoost need not give up on a slow one.
_TIMEOUT_SECONDS = 10_000_000
# All hosts are there when they connect. At the end the first one may already be gone,
# and trying again wouldn't help.
_RETRIES = 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """The hosts of a job, connected.

    Attributes:
        hosts: who takes part.
    """

    hosts: Hosts

    def __len__(self) -> int:
        return len(self.hosts)

    @property
    def rank(self) -> int:
        """The position of this host, from 0."""
        return self.hosts.rank

    @property
    def is_first(self) -> bool:
        """Whether this host leads: it alone writes the model."""
        return self.hosts.is_first

    def gather(self, data: bytes) -> list[bytes]:
        """The bytes that each host gives, in the order of the hosts."""
        if len(self) == 1:
            return [data]
        own_size = np.zeros(len(self), dtype=np.int64)
        own_size[self.rank] = len(data)
        sizes = collective.allreduce(own_size, collective.Op.SUM)

        ends = np.cumsum(sizes)
        end = ends[self.rank]
        together = np.zeros(ends[-1], dtype=np.uint8)
        together[end - len(data) : end] = np.frombuffer(data, dtype=np.uint8)
        # XGBoost can't sum an empty array.
        if len(together):
            together = collective.allreduce(together, collective.Op.SUM)
        return [part.tobytes() for part in np.split(together, ends[:-1])]

    def exchange(self, make: Callable[[], bytes]) -> list[bytes]:
        """What ``make`` returns on each host, in the order of the hosts.

        Raises:
            HalfstarError: if ``make`` failed on any host. All hosts raise the reason of
                the first one that failed.
        """
        if len(self) == 1:
            return [make()]
        made = b""
        failure: HalfstarError | None = None
        try:
            made = make()
        except HalfstarError as error:
            failure = error

        failures = self.gather(str(failure or "").encode())
        reason = next((text for text in failures if text), b"")
        if failure is not None and str(failure).encode() == reason:
            raise failure
        if reason:
            raise JobError(reason.decode())
        return self.gather(made)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any host."""
        if len(self) == 1:
            return flag
        own = np.array([flag], dtype=np.int32)
        highest = collective.allreduce(own, collective.Op.MAX)
        return bool(highest[0])


ALONE = Cluster(Hosts(("localhost",), "localhost"))


@contextlib.contextmanager
def joined(
    hosts: Hosts, failure_file: Path, patience: Patience = USUAL_PATIENCE
) -> Iterator[Cluster]:
    """Connect the hosts; if one of them fails, all fail.

    Args:
        hosts: who takes part.
        failure_file: where a host writes the reason if it has to end itself while it
            waits for a host that is gone.
        patience: how long hosts wait for each other.

    Raises:
        JobError: if a host can't be reached, or is gone.
    """
    cluster = Cluster(hosts)
    if len(hosts) == 1:
        yield cluster
        return

    tracker: RabitTracker | None = None

    def start_tracker() -> dict[str, Any]:
        nonlocal tracker
        address = socket.gethostbyname(hosts.current)
        tracker = RabitTracker(len(hosts), address, sortby="task")
        tracker.start()
        return dict(tracker.worker_args())

    def end_process(reason: str) -> None:
        write_failure(failure_file, reason)
        os._exit(1)

    watch = Watch.start(hosts, end_process, start_tracker, patience)
    failure = ""
    try:
        collective.init(
            **watch.shared,
            # XGBoost ranks the hosts by this name, as text.
            dmlc_task_id=f"{hosts.rank:06d}",
            dmlc_timeout=_TIMEOUT_SECONDS,
            dmlc_retry=_RETRIES,
        )
        logger.info(
            "host %s is %d of %d: %s",
            hosts.current,
            hosts.rank + 1,
            len(hosts),
            ", ".join(hosts.names),
        )
        yield cluster
    except XGBoostError as error:
        failure = watch.reason(watch.patience.grace)
        failure = failure or f"the hosts lost each other ({_first_line(error)})"
        raise JobError(
            f"{failure}: start the job again, it goes on from its last checkpoint"
        ) from error
    except BaseException as error:
        failure = f"host {hosts.current} failed: {error or type(error).__name__}"
        raise
    finally:
        watch.end(failure)
        last_words = failure or f"host {hosts.names[0]} doesn't answer any more"
        with _ending_after(patience.silence, end_process, last_words):
            _disconnect(tracker)


@contextlib.contextmanager
def _ending_after(
    seconds: float, end_process: Callable[[str], None], reason: str
) -> Iterator[None]:
    """End this process if the context takes longer than so many seconds."""
    timer = threading.Timer(seconds, end_process, [reason])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _disconnect(tracker: RabitTracker | None) -> None:
    """End XGBoost's threads, which must end before the process does.

    This waits for an answer of the first host, for ever if that one stands still.
    """
    with contextlib.suppress(XGBoostError):
        collective.finalize()
    if tracker is not None:
        with contextlib.suppress(XGBoostError):
            tracker.free()


def _first_line(error: XGBoostError) -> str:
    """The first line of XGBoost's message that says something."""
    lines = (line for line in str(error).splitlines() if line.strip())
    return next(lines, type(error).__name__)
