"""Lines of JSON on stdout, from several processes."""

from __future__ import annotations

import contextlib
import os

_STDOUT = 1


def write_line(line: bytes) -> None:
    """Write a line at once and in one piece, so those of several processes don't mix.

    It is lost if nobody reads them. Requests are answered all the same.
    """
    with contextlib.suppress(OSError):
        os.write(_STDOUT, line)
