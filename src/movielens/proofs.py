"""What is read from elsewhere is proved in a process that may die.

XGBoost's reader trusts what it reads: a forged booster can end its process or keep it
busy for ever. So boosters are read first in a process that was started for it, which
has a deadline and a limit on its memory. It answers with a JSON object. If it dies
instead, that is an answer too.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from movielens.errors import ArtifactError, HalfstarError

_MIB = 2**20
# Stacks of threads, and what XGBoost needs whatever the model.
_SLACK_BYTES = 128 * _MIB
# The model, XGBoost's trees, and the same as values of Python.
_FACTOR = 8
# An error message may quote a file.
_LONGEST_FAULT = 1000


class ShortageError(HalfstarError):
    """A proof that ended for want of memory or processes; the model may be good."""


@dataclass(frozen=True, slots=True)
class ProofLimits:
    """What a proof may take.

    Attributes:
        seconds: from its start to its end.
        n_bytes: the size of what is proved.
    """

    seconds: float
    n_bytes: int

    @property
    def memory_bytes(self) -> int:
        """Memory that the proof may take, beside what the process has already."""
        return _SLACK_BYTES + _FACTOR * self.n_bytes


def answer_of(
    prove: Callable[[], Mapping[str, Any]], limits: ProofLimits
) -> Mapping[str, Any]:
    """Prove something in this process, which must have been started for it.

    Past the deadline the kernel ends the process.

    Args:
        prove: gives what was proved, as JSON values.
        limits: on this process, from now on.

    Returns:
        What ``prove`` gave, or what was wrong; `check_answer` tells them apart.
    """
    _limit_this_process(limits)
    try:
        return prove()
    except HalfstarError as error:
        return _fault(str(error))
    except MemoryError:
        # The limit is far more than a model of this size needs.
        return _fault(f"loading it takes more than {limits.memory_bytes // _MIB} MiB")
    except Exception as error:  # noqa: BLE001 a forged file may raise anything
        return _fault(f"{type(error).__name__}: {error}")


def check_answer(answer: Mapping[str, Any]) -> None:
    """Check that an answer is that of a proof which was passed.

    Args:
        answer: what `answer_of` gave; ``{"ended": code}`` if its process ended before
            that, with its exit code, below 0 for a signal, or None if there was none;
            ``{"shortage": why}`` if there could be no proof.

    Raises:
        ArtifactError: what was to be proved isn't what it should be.
        ShortageError: it may be, but a resource was short.
    """
    match answer:
        case {"fault": str(fault)}:
            raise ArtifactError(fault)
        case {"shortage": str(shortage)}:
            raise ShortageError(shortage)
        case {"ended": int(code)} if code == -signal.SIGALRM:
            raise ArtifactError("loading it takes too long")
        case {"ended": int(code)} if code == -signal.SIGKILL:
            raise ShortageError("loading it was ended, as if memory were short")
        case {"ended": int(code)}:
            raise ArtifactError(
                f"loading it ends its process ({_named(code)}): the files aren't what "
                "training wrote; copy the whole artifact again"
            )
        case {"ended": _}:
            raise ShortageError("no process could be started to load it")


def _fault(message: str) -> dict[str, str]:
    return {"fault": message[:_LONGEST_FAULT]}


def _limit_this_process(limits: ProofLimits) -> None:
    # The container's log has one line for each proof that dies, and no trace.
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)

    most = _data_bytes() + limits.memory_bytes
    _, allowed = resource.getrlimit(resource.RLIMIT_DATA)
    if allowed != resource.RLIM_INFINITY:
        most = min(most, allowed)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    # If memory runs short all the same, this process goes first.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _data_bytes() -> int:
    """Private memory that this process may write to, in bytes."""
    pages = Path("/proc/self/statm").read_text().split()[5]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _named(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
