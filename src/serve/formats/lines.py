"""Bodies whose records are lines.

A line ends in LF or CRLF, as `movielens.grammar` says. In a batch each line is one
record, and each record gets one answer, so a blank line is answered too. Blank lines at
the end of a body are no records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from movielens.errors import RequestError
from movielens.grammar import BLANKS
from serve.rows import BYTE_ORDER_MARK

_BLANKS = BLANKS.encode()
_BLANK_LINES = re.compile(rb"(?:[\n%b]|\r\n)*+" % _BLANKS)
_BLANK_ENDS = tuple(bytes([each]) for each in _BLANKS + b"\r\n")
_LF = ord("\n")

# The most of a block. Python's objects take up to 40 times as much memory as the text
# that they are read from. So many rows are also predicted at a time.
BLOCK_BYTES = 2**19
BLOCK_LINES = 8192
# A row may take ten times as much memory as its text.
_MOST_ROW_BYTES = 2**23


class NumberedLine(NamedTuple):
    """A line of a body without its end, and its number, counted from 1."""

    number: int
    text: bytes

    @property
    def is_blank(self) -> bool:
        """Whether the line says nothing."""
        return not self.text.strip(_BLANKS)


class LineBlock(NamedTuple):
    """Some lines of a body that follow each other.

    Attributes:
        first: the number of the first of them, from 1.
        start: the place of their first byte in the body.
        text: the lines with their ends; the end of the last one may be missing.
    """

    first: int
    start: int
    text: bytes

    @property
    def n_lines(self) -> int:
        """How many lines there are."""
        return self.text.count(b"\n") + (not self.text.endswith(b"\n"))

    def lines(self) -> list[bytes]:
        """The lines without their ends."""
        *ended, last = self.text.split(b"\n")
        lines = ended
        if b"\r" in self.text:
            lines = [line.removesuffix(b"\r") for line in ended]
        if last:
            lines.append(last)
        return lines

    def numbered(self) -> list[NumberedLine]:
        """The lines with their numbers."""
        return [
            NumberedLine(number, line)
            for number, line in enumerate(self.lines(), self.first)
        ]


def line_blocks(
    body: bytes, most_bytes: int = BLOCK_BYTES, most_lines: int = BLOCK_LINES
) -> Iterator[LineBlock]:
    r"""All lines up to the last that isn't blank, some at a time.

    Example:
        >>> list(line_blocks(b"1,318\n\n1,296\n\n", most_lines=2))[1:]
        [LineBlock(first=3, start=7, text=b'1,296\n')]
    """
    start = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
    last = _end_of_records(body, start)
    return cut_at_lines(body, Stretch(1, start, last), most_bytes, most_lines)


class Stretch(NamedTuple):
    """A part of a body.

    Attributes:
        first: the number of its first line.
        start: its first byte.
        end: the byte behind it.
    """

    first: int
    start: int
    end: int


def cut_at_lines(
    body: bytes,
    stretch: Stretch,
    most_bytes: int = BLOCK_BYTES,
    most_lines: int = BLOCK_LINES,
) -> Iterator[LineBlock]:
    """The lines of a part of a body, some at a time.

    A block has up to so many bytes and lines, or a single line that has more bytes.
    """
    first, start, last = stretch
    while start < last:
        end = last
        if last - start > most_bytes:
            end = body.rfind(b"\n", start, start + most_bytes) + 1
            end = end or body.find(b"\n", start, last) + 1 or last
        text = body[start:end]
        n_lines = text.count(b"\n") + (not text.endswith(b"\n"))
        if n_lines > most_lines:
            characters = np.frombuffer(text, dtype=np.uint8)
            line_ends = np.flatnonzero(characters == _LF)
            n_lines = most_lines
            text = text[: int(line_ends[most_lines - 1]) + 1]
        yield LineBlock(first, start, text)
        first += n_lines
        start += len(text)


class FirstLine(NamedTuple):
    """The first line that isn't blank.

    Attributes:
        line: that line.
        before: what comes before it.
        behind: what comes behind it, up to the last line that isn't blank.
    """

    line: NumberedLine
    before: Stretch
    behind: Stretch


def first_line(body: bytes) -> FirstLine | None:
    """The first line that isn't blank, None if all are."""
    start = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
    last = _end_of_records(body, start)
    if start == last:
        return None
    blank = _BLANK_LINES.match(body, start)
    assert blank is not None  # it matches nothing, too
    begin = max(start, body.rfind(b"\n", 0, blank.end()) + 1)
    number = 1 + body.count(b"\n", start, begin)
    end = body.find(b"\n", begin) + 1 or len(body)
    (text,) = LineBlock(number, begin, body[begin:end]).lines()
    return FirstLine(
        NumberedLine(number, text),
        Stretch(1, start, begin),
        Stretch(number + 1, end, max(end, last)),
    )


def _end_of_records(body: bytes, start: int) -> int:
    """Where the last line ends that isn't blank, behind its line end."""
    if body[-1:] not in _BLANK_ENDS:
        return len(body)
    length = len(body.rstrip(_BLANKS + b"\r\n"))
    blanks = body[length:]
    # A CR isn't blank unless it is part of a line end.
    lone_cr = blanks.replace(b"\r\n", b"\n\n").rfind(b"\r")
    if lone_cr < 0 and length <= start:
        return start
    line_end = blanks.find(b"\n", lone_cr + 1)
    return len(body) if line_end < 0 else length + line_end + 1


def check_line(number: int, text: bytes) -> None:
    """Check that a line is one record.

    Raises:
        RequestError: if it is blank, or if another reader would see several lines.
    """
    if b"\r" in text:
        raise lone_cr_error(number)
    if not text.strip(_BLANKS):
        raise RequestError(f"line {number}: the line is blank, expected a row")


def check_length(number: int, n_bytes: int) -> None:
    """Check that a row isn't so long that it takes too much memory.

    Raises:
        RequestError: if it is.
    """
    if n_bytes > _MOST_ROW_BYTES:
        raise RequestError(
            f"line {number}: the row is longer than {_MOST_ROW_BYTES // 2**20} MiB, "
            "send several shorter rows"
        )


def lone_cr_error(line: int) -> RequestError:
    """What is wrong with a line that ends in CR alone."""
    return RequestError(
        f"line {line}: a line ends in CR alone, expected LF or CRLF: "
        "save the file with these line ends"
    )
