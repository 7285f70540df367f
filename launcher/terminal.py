"""What depends on whether people read along: width, colours, lines that replace each
other.

Where the output is a pipe or a file, it is plain text of any width.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from typing import TextIO

_RED, _GREEN, _YELLOW, _DIM = "31", "32", "33", "2"
# Words for states, as AWS and `doctor` say them.
_COLOURS = {
    _GREEN: ("Completed", "InService", "OK", "ok"),
    _YELLOW: (
        "Creating",
        "InProgress",
        "INSUFFICIENT_DATA",
        "Stopping",
        "Updating",
        "unknown",
    ),
    _RED: ("ALARM", "Failed", "MISSING", "OutOfService", "RollingBack"),
}
_WORDS = re.compile(
    r"(?<![\w-])("
    + "|".join(word for words in _COLOURS.values() for word in words)
    + r")(?![\w-])"
)
_BY_WORD = {word: colour for colour, words in _COLOURS.items() for word in words}
_CLEAR_LINE = "\r\x1b[K"


def width_of(stream: TextIO) -> int | None:
    """How many characters a line has; None if the stream isn't a terminal."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def has_colours(stream: TextIO) -> bool:
    """Whether a stream shows colours: https://no-color.org."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not is_plain


def with_states(text: str) -> str:
    """A text whose words for states have their colours.

    Example:
        >>> with_states("a job is Failed")
        'a job is \\x1b[31mFailed\\x1b[0m'
    """
    return _WORDS.sub(lambda match: _painted(match[0], _BY_WORD[match[0]]), text)


def dim(text: str) -> str:
    """A text that stays in the background."""
    return _painted(text, _DIM)


def red(text: str) -> str:
    """A text that must be seen."""
    return _painted(text, _RED)


@dataclass(slots=True)
class _Progress:
    """Whether the terminal's last line is one of progress."""

    is_shown: bool = False


_progress = _Progress()


def show_progress(line: str) -> None:
    """Replace the last line of progress on the terminal; an empty one removes it."""
    if sys.stderr.isatty() and (line or _progress.is_shown):
        print(f"{_CLEAR_LINE}{line}", end="", file=sys.stderr, flush=True)
        _progress.is_shown = bool(line)


def _painted(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"
