"""What text means, the same in training, in serving and in the launcher.

Lines:
    A line ends in LF or CRLF. CR alone is no line end; text with such a CR is refused,
    because other readers would see other lines in it.
Blanks:
    Spaces and tabs around a number or a name don't count. A line of nothing else is
    blank. Control-Z, which old editors write at the end of a file, is blank too.
Numbers:
    Decimal digits with an optional sign, and an optional fraction after them. Ids are
    whole: their fraction, if any, is zeros, as NumPy and pandas write whole floats. No
    exponents, no hexadecimal digits, no digits of other scripts, no bare ``.5``.
Times:
    A number of seconds since 1970, or a date and time in ISO 8601 (``2015-03-09`` or
    ``2015-03-09T18:53:20Z``), which is UTC if it names no offset.
Headers:
    A first row that has one of our column names. Names are case-sensitive.

Ranges are the business of each reader: a server answers unknown ids, a job can't train
on them.
"""

from __future__ import annotations

import codecs
import csv
import re
from datetime import UTC, datetime

BLANKS = " \t\x1a"

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_ID = re.compile(r"([+-]?[0-9]+)(?:\.0*)?")
_DECIMAL = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")
# `datetime.fromisoformat` also takes weeks and other separators.
_ISO_8601 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
# int() refuses thousands of digits, and no column takes so many.
_MOST_DIGITS = 40

LONE_CR = re.compile(rb"\r(?!\n)")


def parse_id(text: str) -> int:
    """The whole number that a field says.

    Raises:
        ValueError: if it isn't one.

    Example:
        >>> parse_id(" 318 "), parse_id("318.0"), parse_id("+318")
        (318, 318, 318)
    """
    found = _ID.fullmatch(text.strip(BLANKS))
    if found is None or len(found[1]) > _MOST_DIGITS:
        raise ValueError(f"{text!r} isn't a whole number")
    return int(found[1])


def parse_number(text: str) -> float:
    """The number that a field says.

    Raises:
        ValueError: if it isn't one.

    Example:
        >>> parse_number("4"), parse_number("4.50")
        (4.0, 4.5)
    """
    stripped = text.strip(BLANKS)
    if not _DECIMAL.fullmatch(stripped):
        raise ValueError(f"{text!r} isn't a number")
    return float(stripped)


def parse_time(text: str) -> float:
    """Seconds since 1970, from a number or from a date.

    Raises:
        ValueError: if it is neither.

    Example:
        >>> parse_time("1425927200"), parse_time("2015-03-09T18:53:20Z")
        (1425927200.0, 1425927200.0)
    """
    stripped = text.strip(BLANKS)
    if _DECIMAL.fullmatch(stripped):
        return float(stripped)
    if not _ISO_8601.fullmatch(stripped):
        raise ValueError(f"{text!r} is neither a number of seconds nor a date")
    moment = datetime.fromisoformat(stripped)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def is_blank(text: str) -> bool:
    """Whether a line or a field says nothing."""
    return not text.strip(BLANKS + "\r\n")


def lone_cr_line(data: bytes) -> int | None:
    """The line, from 1, of the first CR that no LF follows; None if there is none.

    Example:
        >>> lone_cr_line(b"1,318\\r\\n1,296\\r1,356")
        2
    """
    if b"\r" not in data:
        return None
    found = LONE_CR.search(data)
    if found is None:
        return None
    return data.count(b"\n", 0, found.start()) + 1


def is_utf_16(data: bytes) -> bool:
    """Whether data that should be text in UTF-8 is UTF-16, or UTF-32.

    Such data begins with a mark, or it has a NUL beside its first letter.

    Example:
        >>> is_utf_16("userId,movieId".encode("utf-16-le")), is_utf_16(b"userId")
        (True, False)
    """
    return data.startswith(_UTF_16_MARKS) or b"\0" in data[:4]


def csv_fault(error: csv.Error) -> str:
    """What is wrong with a row of CSV, and what to do.

    Example:
        >>> csv_fault(csv.Error("unexpected end of data"))
        'a quote is left open in the row that begins here: close it'
    """
    if str(error) == "unexpected end of data":
        return "a quote is left open in the row that begins here: close it"
    return f"{error}, expected CSV"
