"""How batch transform splits an object into request bodies, as the developer guide's
"Use Batch Transform" describes it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

from launcher.local.errors import FailureReasonError


@dataclass(frozen=True, slots=True)
class PayloadSplitter:
    r"""The rules of one job.

    Attributes:
        by_line: whether objects are split at line ends (SplitType ``Line``).
        many_lines: whether a body holds as many lines as fit (BatchStrategy
            ``MultiRecord``), or one.
        max_bytes: of a body; 0 is no limit.

    Example:
        >>> list(PayloadSplitter(True, True, max_bytes=8).split(b"1,2\n3,4\n5,6\n"))
        [b'1,2\n3,4\n', b'5,6\n']
    """

    by_line: bool
    many_lines: bool
    max_bytes: int

    def split(self, data: bytes) -> Iterator[bytes]:
        """The bodies, in order; lines keep their ends.

        Raises:
            FailureReasonError: if a line, or an object that isn't split, is too long.
        """
        # A line ends in LF; bytes.splitlines would also split at a CR alone.
        pieces = io.BytesIO(data).readlines() if self.by_line else [data]
        gathered: list[bytes] = []
        size = 0
        for piece in pieces:
            if self.max_bytes and len(piece) > self.max_bytes:
                raise FailureReasonError(
                    "ClientError: the payload is larger than MaxPayloadInMB: "
                    "split the object by line, or allow more"
                )
            is_full = self.max_bytes and size + len(piece) > self.max_bytes
            if gathered and (is_full or not self.many_lines):
                yield b"".join(gathered)
                gathered = []
                size = 0
            gathered.append(piece)
            size += len(piece)
        if gathered:
            yield b"".join(gathered)
