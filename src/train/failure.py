"""The failure file, which SageMaker shows as the reason why a job failed.

Only `write_failure` writes it, and the training toolkit, whose words `explain_failure`
puts right. So a reason holds no character that a terminal or a web page can't show,
wherever its text came from.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from movielens.regular_files import read_regular

# SageMaker shows so many characters of the file.
REASON_LENGTH = 1_024

# How the toolkit begins when it fails itself; a traceback follows, and then the cause.
_TOOLKIT = "Framework Error"
_MOST_BYTES = 2**20


def write_failure(path: Path, reason: str) -> None:
    """Write the reason into the failure file, if that is possible.

    A job that can't write it fails all the same, so an error here hides no other.

    Args:
        path: the failure file.
        reason: why the job failed.
    """
    with contextlib.suppress(OSError):
        path.write_text(printable(reason), encoding="utf-8")


def explain_failure(path: Path) -> None:
    """See to it that the failure file begins with a cause, after a job has failed.

    The toolkit reads the configuration before our own code does. If it fails over that,
    it writes a traceback, or nothing.

    Args:
        path: the failure file.
    """
    try:
        text = read_regular(path, _MOST_BYTES).decode(errors="replace")
    except FileNotFoundError:
        text = ""
    except OSError:
        return
    lines = text.strip().splitlines()
    if not lines:
        write_failure(path, "the job ended without a reason: see its log")
    elif lines[0].startswith(_TOOLKIT):
        cause = f"the training toolkit can't use the files in input/config: {lines[-1]}"
        write_failure(path, f"{cause}\n\n{text}")


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
