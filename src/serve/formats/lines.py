"""Bodies whose records are lines.

A line ends in LF or CRLF, as `movielens.grammar` says. In a batch each line is one
record, and each record gets one answer, so a blank line is answered too. Blank lines at
the end of a body are no records.
"""

from __future__ import annotations

from typing import NamedTuple

from movielens.errors import RequestError
from movielens.grammar import BLANKS
from serve.rows import BYTE_ORDER_MARK

_BLANKS = BLANKS.encode()


class NumberedLine(NamedTuple):
    """A line of a body without its end, and its number, counted from 1."""

    number: int
    text: bytes

    @property
    def is_blank(self) -> bool:
        """Whether the line says nothing."""
        return not self.text.strip(_BLANKS)


def numbered_lines(body: bytes) -> list[NumberedLine]:
    r"""All lines up to the last that isn't blank.

    Example:
        >>> numbered_lines(b"1,318\r\n\n1,296\n\n")[1:]
        [NumberedLine(number=2, text=b''), NumberedLine(number=3, text=b'1,296')]
    """
    *ended, last = body.removeprefix(BYTE_ORDER_MARK).split(b"\n")
    texts = [text.removesuffix(b"\r") for text in ended]
    texts.append(last)
    while texts and not texts[-1].strip(_BLANKS):
        texts.pop()
    return [NumberedLine(number, text) for number, text in enumerate(texts, start=1)]


def check_line(number: int, text: bytes) -> None:
    """Check that a line is one record.

    Raises:
        RequestError: if it is blank, or if another reader would see several lines.
    """
    if b"\r" in text:
        raise lone_cr_error(number)
    if not text.strip(_BLANKS):
        raise RequestError(f"line {number}: the line is blank, expected a row")


def lone_cr_error(line: int) -> RequestError:
    """What is wrong with a line that ends in CR alone."""
    return RequestError(
        f"line {line}: a line ends in CR alone, expected LF or CRLF: "
        "save the file with these line ends"
    )
