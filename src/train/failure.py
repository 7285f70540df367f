"""The failure file, which SageMaker shows as the reason why a job failed.

Only `write_failure` writes it. So a reason holds no character that a terminal or a web
page can't show, wherever its text came from.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

# SageMaker shows so many characters of the file.
REASON_LENGTH = 1_024


def write_failure(path: Path, reason: str) -> None:
    """Write the reason into the failure file, if that is possible.

    A job that can't write it fails all the same, so an error here hides no other.

    Args:
        path: the failure file.
        reason: why the job failed.
    """
    with contextlib.suppress(OSError):
        path.write_text(printable(reason), encoding="utf-8")


def printable(text: str) -> str:
    r"""The same text; what can't be shown is escaped, except tabs and line ends.

    Example:
        >>> print(printable("rating is 4\x00 \ud800\nexpected half stars"))
        rating is 4\x00 \ud800
        expected half stars
    """
    return "".join(
        each if each.isprintable() or each in "\n\t" else _escaped(each)
        for each in text
    )


def shortened(text: str, most: int) -> str:
    """The beginning of a text, with an ellipsis if it is longer than ``most``.

    Example:
        >>> shortened("expected", most=5), shortened("eta", most=5)
        ('expe…', 'eta')
    """
    if len(text) <= most:
        return text
    return text[: most - 1] + "…"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
