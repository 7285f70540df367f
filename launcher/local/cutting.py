"""How batch transform cuts an object into requests, after the developer guide's "Use
Batch Transform".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from launcher.local.errors import JobError


@dataclass(frozen=True, slots=True)
class Cutting:
    """How an object becomes requests.

    Attributes:
        by_line: whether it is cut at line ends.
        several: whether a request holds as many lines as fit.
        most_bytes: the longest request; 0 is no limit.
    """

    by_line: bool
    several: bool
    most_bytes: int

    def requests(self, data: bytes) -> Iterator[bytes]:
        """The bodies, in order; lines keep their ends.

        Raises:
            JobError: if a line or an object is longer than a request may be.
        """
        pieces = data.splitlines(keepends=True) if self.by_line else [data]
        gathered: list[bytes] = []
        size = 0
        for piece in pieces:
            if self.most_bytes and len(piece) > self.most_bytes:
                raise JobError(
                    "ClientError: the payload is larger than MaxPayloadInMB; split it, or allow more"
                )
            full = bool(self.most_bytes) and size + len(piece) > self.most_bytes
            if gathered and (full or not self.several):
                yield b"".join(gathered)
                gathered, size = [], 0
            gathered.append(piece)
            size += len(piece)
        if gathered:
            yield b"".join(gathered)
