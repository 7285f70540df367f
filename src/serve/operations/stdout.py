"""Lines of JSON on stdout, from several processes.

What is written at once, up to the length that a pipe takes in one piece, isn't mixed
with what others write.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator

_STDOUT = 1


def write_lines(lines: bytes) -> None:
    """Write lines, each with its end.

    They are lost if nobody reads them. Requests are answered all the same.
    """
    with contextlib.suppress(OSError):
        for piece in pieces(lines, select.PIPE_BUF):
            os.write(_STDOUT, piece)


def pieces(lines: bytes, most: int) -> Iterator[bytes]:
    r"""As many lines as fit into so many bytes, again and again.

    Example:
        >>> list(pieces(b"1\n2\n3\n45678\n", 4))
        [b'1\n2\n', b'3\n', b'45678\n']
    """
    start = 0
    while start < len(lines):
        end = lines.rfind(b"\n", start, start + most) + 1
        if end == 0:
            end = lines.index(b"\n", start) + 1  # one line is longer
        yield lines[start:end]
        start = end
