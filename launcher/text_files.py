"""Text files that people write: UTF-8 with or without a byte order mark, with lines
that end in LF or CRLF.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from launcher.errors import LauncherError
from movielens.grammar import is_utf_16, lone_cr_line


def read_text(path: Path, fault: type[LauncherError]) -> str:
    """The text of a file, without its byte order mark and with its own line ends.

    Args:
        path: of the file.
        fault: the error to raise.

    Raises:
        LauncherError: a ``fault``, if the file isn't UTF-8 or a line ends in CR alone.
            It names the line and says what to do.
        OSError: the file can't be read.
    """
    data = path.read_bytes()
    if is_utf_16(data):
        raise fault(f"{path} is UTF-16, expected UTF-8: save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Positions count from behind the byte order mark.
        body = data.removeprefix(codecs.BOM_UTF8)
        line = body.count(b"\n", 0, error.start) + 1
        byte = body[error.start]
        raise fault(
            f"{path} line {line}: byte {byte:#04x} isn't UTF-8: save the file as UTF-8"
        ) from error

    line_of_cr = lone_cr_line(data)
    if line_of_cr is not None:
        raise fault(
            f"{path} line {line_of_cr}: a line ends in CR alone, "
            "expected LF or CRLF: save the file with these line ends"
        )
    return text
