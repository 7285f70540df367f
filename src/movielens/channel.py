"""A SageMaker channel as one host sees it: a directory of files, or a FIFO."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel on this host.

    Attributes:
        name: SageMaker's name for it, such as ``training``.
        path: its directory, or in Pipe mode the FIFO of the first epoch.
        is_pipe: whether it comes in Pipe mode.
        is_sharded: whether each host has different objects. Otherwise every host that
            has the channel has the same objects.
    """

    name: str
    path: Path
    is_pipe: bool = False
    is_sharded: bool = False
