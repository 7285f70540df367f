"""What the hosts of a job do together, on XGBoost's own collective: one host is the
same, with nobody to ask.

Whatever is shared is shared as bytes, laid side by side by a sum, so that all hosts
have the very same and nothing is unpickled. Every method but those that say otherwise
is called by all hosts in the same order.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
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
from train.hosts import Hosts
from train.watch import GRACE_SECONDS, Watch

logger = logging.getLogger(__name__)

# Hosts watch each other (`train.watch`), so XGBoost need not give up one that is slow
# to answer.
_TIMEOUT_SECONDS = 10_000_000
# All hosts are there when they connect, and at the end the first one may be gone.
_RETRIES = 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """The hosts of a job.

    Attributes:
        hosts: who takes part.
    """

    hosts: Hosts

    def __len__(self) -> int:
        return len(self.hosts)

    @property
    def rank(self) -> int:
        """The place of this host among all."""
        return self.hosts.rank

    @property
    def is_first(self) -> bool:
        """Whether this host writes the model."""
        return self.hosts.is_first

    def gather(self, data: bytes) -> list[bytes]:
        """What each host gives, in the order of the hosts."""
        if len(self) == 1:
            return [data]
        sizes = np.zeros(len(self), dtype=np.int64)
        sizes[self.rank] = len(data)
        ends = np.cumsum(collective.allreduce(sizes, collective.Op.SUM))
        together = np.zeros(ends[-1], dtype=np.uint8)
        together[ends[self.rank] - len(data) : ends[self.rank]] = np.frombuffer(
            data, dtype=np.uint8
        )
        if len(together):
            together = collective.allreduce(together, collective.Op.SUM)
        return [part.tobytes() for part in np.split(together, ends[:-1])]

    def exchange(self, make: Callable[[], bytes]) -> list[bytes]:
        """What each host makes; where one can't, all fail with its reason.

        Raises:
            HalfstarError: the first host's that failed, as it is on one host.
        """
        if len(self) == 1:
            return [make()]
        made, failure = b"", None
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
        """Whether it is so on any host."""
        if len(self) == 1:
            return flag
        return bool(
            collective.allreduce(np.array([flag], dtype=np.int32), collective.Op.MAX)[0]
        )


ALONE = Cluster(Hosts(("localhost",), "localhost"))


@contextlib.contextmanager
def joined(hosts: Hosts, failure_file: Path) -> Iterator[Cluster]:
    """The hosts, connected; a host that ends takes all others along.

    Args:
        hosts: who takes part.
        failure_file: where the reason is left by a host that has to be ended while it
            waits for another.

    Raises:
        JobError: a host that can't be reached, or that is gone.
    """
    cluster = Cluster(hosts)
    if len(hosts) == 1:
        yield cluster
        return
    tracker: RabitTracker | None = None

    def track() -> dict[str, Any]:
        nonlocal tracker
        tracker = RabitTracker(
            len(hosts), socket.gethostbyname(hosts.current), sortby="task"
        )
        tracker.start()
        return dict(tracker.worker_args())

    def leave(reason: str) -> None:
        with contextlib.suppress(OSError):
            failure_file.write_text(reason)
        os._exit(1)

    watch = Watch.start(hosts, leave, track)
    try:
        # Ranks go by the task's name, as text.
        task = f"{hosts.rank:06d}"
        collective.init(
            **watch.shared,
            dmlc_task_id=task,
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
        reason = (
            watch.reason(GRACE_SECONDS)
            or f"the hosts lost each other ({_first_line(error)})"
        )
        watch.end(reason)
        raise JobError(
            f"{reason}: start the job again, it goes on from its last checkpoint"
        ) from error
    except BaseException as error:
        watch.end(f"host {hosts.current} failed: {error or type(error).__name__}")
        raise
    else:
        watch.end()
    finally:
        # XGBoost's threads must have ended before the process does, however it ends.
        with contextlib.suppress(XGBoostError):
            collective.finalize()
        if tracker is not None:
            with contextlib.suppress(XGBoostError):
                tracker.free()


def _first_line(error: XGBoostError) -> str:
    return next(
        (line for line in str(error).splitlines() if line.strip()), type(error).__name__
    )
