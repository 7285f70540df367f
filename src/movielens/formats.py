"""What a file is, told by its first line and never by its name.

GroupLens has published its data as CSV with a header (ml-latest, ML-20M and later),
with ``::`` between fields (ML-1M, ML-10M) and with tabs and bars (ML-100K), the older
two without headers. Files beside them (tags, links, users, README) are recognised as
neither ratings nor movies.
"""

from __future__ import annotations

import csv
import io
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


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file.

    Attributes:
        role: whether its rows are ratings or movies.
        separator: what stands between fields.
        columns: a name for each field.
        skip: lines before the first row: the header and blank lines above it.
    """

    role: Role
    separator: str
    columns: tuple[str, ...]
    skip: int


def sniff(head: str) -> Layout | None:
    """The layout of a text file that begins with ``head``, or None where it is neither
    ratings nor movies.

    A file with a header that lacks a needed column still has its role: reading it names
        the column.
    """
    lines = io.StringIO(head, newline="").readlines()
    place = next((i for i, line in enumerate(lines) if line.strip()), None)
    if place is None:
        return None
    fields, separator = _split(lines[place])
    role = header_role(fields)
    if role:
        return Layout(role, separator, fields, place + 1)
    columns = _headerless(fields, separator)
    if columns is None:
        return None
    return Layout(
        "ratings" if RATING in columns else "movies", separator, columns, place
    )


def header_role(names: tuple[str, ...]) -> Role | None:
    """What a header's names (or a Parquet file's) say that the rows are.

    A header that is ours but for the case of its letters has its role too: reading it
        then says what is wrong.
    """
    present = {name.lower() for name in names}
    if "tag" in present or len(present) < 2:
        return None
    if RATING in present or {USER_ID.lower(), MOVIE_ID.lower()} <= present:
        return "ratings"
    return "movies" if present & {TITLE, GENRES_COLUMN} else None


def _split(line: str) -> tuple[tuple[str, ...], str]:
    separator = next(
        (s for s in ("::", "\t") if s in line),
        "|" if line.count("|") > line.count(",") else ",",
    )
    fields = next(csv.reader([line]), []) if separator == "," else line.split(separator)
    return tuple(field.strip() for field in fields), separator


def _headerless(fields: tuple[str, ...], separator: str) -> tuple[str, ...] | None:
    n_fields = len(fields)
    if not _is_number(fields[0]):
        return None
    if separator == "::":
        # ML-10M's tags.dat has four fields too, of which one is text.
        if all(map(_is_number, fields)):
            return RATING_COLUMNS[:n_fields] if n_fields in (3, 4) else None
        return MOVIE_COLUMNS if n_fields == len(MOVIE_COLUMNS) else None
    if separator == "|":
        return ML_100K_MOVIE_COLUMNS if n_fields == len(ML_100K_MOVIE_COLUMNS) else None
    return (
        RATING_COLUMNS[:n_fields]
        if n_fields in (3, 4) and all(map(_is_number, fields))
        else None
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
