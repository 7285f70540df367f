"""Recognises what a text file is from its first line, never from its name.

GroupLens has published its data in three forms:

- CSV with a header: ml-latest, ML-20M and later;
- ``::`` between fields, no header: ML-1M, ML-10M;
- tabs (ratings) or bars (movies) between fields, no header: ML-100K.

The files beside them (tags, links, users, README) are recognised as neither ratings nor
movies.
"""

from __future__ import annotations

import csv
import io
import tarfile
from dataclasses import dataclass
from typing import Literal

from movielens.columns import (
    GENRES_COLUMN,
    ML_100K_GENRES,
    MOVIE_ID,
    RATING,
    TIMESTAMP,
    TITLE,
    USER_ID,
)
from movielens.grammar import is_blank, parse_time

Role = Literal["ratings", "movies"]
RATING_COLUMNS = (USER_ID, MOVIE_ID, RATING, TIMESTAMP)
MOVIE_COLUMNS = (MOVIE_ID, TITLE, GENRES_COLUMN)
ML_100K_MOVIE_COLUMNS = (
    MOVIE_ID,
    TITLE,
    "release",
    "video release",
    "url",
    *ML_100K_GENRES,
)

# A timestamp is optional.
_RATING_FIELD_COUNTS = (3, 4)

# How packed files begin: zip, gzip, bzip2, xz, Zstandard, 7-Zip. One layer of gzip is
# taken off before.
_ARCHIVE_MAGIC = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
    b"7z\xbc\xaf\x27\x1c",
)
_TAR_HEADER_BYTES = 512


@dataclass(frozen=True, slots=True)
class FileLayout:
    """How to read a text file.

    Attributes:
        role: whether its rows are ratings or movies.
        separator: the text between fields.
        columns: a name for each field.
        skip: lines before the first row: the header, and blank lines above it.
    """

    role: Role
    separator: str
    columns: tuple[str, ...]
    skip: int

    @property
    def has_quotes(self) -> bool:
        """Whether fields may be quoted, as CSV has it.

        In the older formats a quote is a part of the title. So it is in movies with
        tabs between fields.
        """
        is_tabbed = self.separator == "\t"
        return self.separator == "," or (is_tabbed and self.role == "ratings")


def sniff(head: str) -> FileLayout | None:
    r"""The layout of a text file, or None for neither ratings nor movies.

    A file whose header lacks a needed column still gets its role. Reading it then
    raises an error that names the column.

    Args:
        head: the beginning of the file.

    Example:
        >>> sniff("userId,movieId,rating\n1,31,2.5\n").columns
        ('userId', 'movieId', 'rating')
        >>> sniff("1::1193::5::978300760\n").separator
        '::'
    """
    lines = io.StringIO(head, newline="").readlines()
    n_blank = 0
    while n_blank < len(lines) and is_blank(lines[n_blank]):
        n_blank += 1
    if n_blank == len(lines):
        return None

    first_line = lines[n_blank]
    if "\0" in first_line:
        return None
    separator = _separator(first_line)
    fields = _fields(first_line, separator)

    role = header_role(fields)
    if role is not None:
        return FileLayout(role, separator, fields, skip=n_blank + 1)

    columns = _columns_without_header(fields, separator)
    if columns is None:
        return None
    role = "ratings" if RATING in columns else "movies"
    return FileLayout(role, separator, columns, skip=n_blank)


def is_archive(head: bytes) -> bool:
    """Whether a file's first bytes are those of an archive, such as tar or zip.

    Args:
        head: the beginning of the file, without its gzip.
    """
    if head.startswith(_ARCHIVE_MAGIC):
        return True
    try:
        # Its header has a checksum.
        tarfile.TarInfo.frombuf(head[:_TAR_HEADER_BYTES], "utf-8", "replace")
    except tarfile.HeaderError:
        return False
    return True


def header_role(names: tuple[str, ...]) -> Role | None:
    """The role of a file with these column names, or None for neither.

    Upper and lower case make no difference here, although the reader wants the names as
    MovieLens writes them. So a file with ``UserID`` isn't silently passed over: the
    reader reports its header.

    Args:
        names: from the header, or from a Parquet file's schema.
    """
    present = {name.lower() for name in names}
    if "tag" in present or len(present) < 2:
        return None

    has_both_ids = {USER_ID.lower(), MOVIE_ID.lower()} <= present
    if RATING in present or has_both_ids:
        return "ratings"
    if TITLE in present or GENRES_COLUMN in present:
        return "movies"
    return None


def _separator(line: str) -> str:
    for separator in ("::", "\t"):
        if separator in line:
            return separator
    # Genres have bars between them in a CSV file too.
    return "|" if line.count("|") > line.count(",") else ","


def _fields(line: str, separator: str) -> tuple[str, ...]:
    fields = line.split(separator)
    if separator in (",", "\t"):
        fields = next(csv.reader([line], delimiter=separator), [])
    return tuple(field.strip() for field in fields)


def _columns_without_header(
    fields: tuple[str, ...], separator: str
) -> tuple[str, ...] | None:
    """Column names for the fields of a file's first row, or None if it isn't ours."""
    n_fields = len(fields)
    if not _is_number(fields[0]):
        return None

    # Whether the reader takes them is another question: then it names the row.
    # ML-10M's tags.dat has four fields too, but one of them is text.
    are_numbers = all(_is_number(field) for field in fields[:3])
    are_numbers &= all(_is_time(field) for field in fields[3:])
    if separator != "|" and are_numbers and n_fields in _RATING_FIELD_COUNTS:
        return RATING_COLUMNS[:n_fields]

    if separator == "::" and not are_numbers and n_fields == len(MOVIE_COLUMNS):
        return MOVIE_COLUMNS
    if separator == "|" and n_fields == len(ML_100K_MOVIE_COLUMNS):
        return ML_100K_MOVIE_COLUMNS
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    if _is_number(text):
        return True
    try:
        parse_time(text)
    except ValueError:
        return False
    return True
