"""A SageMaker channel as one host sees it: a directory of files, or a FIFO."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel on this host.

    Attributes:
        name: SageMaker's.
        path: its directory, or the FIFO of its first epoch.
        is_pipe: whether it comes in Pipe mode.
        is_sharded: whether each host has objects of its own; otherwise all hosts that
            have the channel have the same.
    """

    name: str
    path: Path
    is_pipe: bool = False
    is_sharded: bool = False
