"""Raw ids as the user gives them, on the command line or in a CSV file, checked before
anything is sent.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.errors import LauncherError

COLUMNS = ("userId", "movieId", "timestamp")
_EXPECTED = "userId:movieId or userId:movieId:timestamp, such as 1:318"


class PairError(LauncherError):
    """Ids that can't be used."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Pair:
    """A user and a movie, by their raw ids, and when, in seconds since 1970, or None."""

    user_id: int
    movie_id: int
    timestamp: int | None = None

    def as_csv(self) -> str:
        """A line as `serve` reads it."""
        fields = (
            self.user_id,
            self.movie_id,
            "" if self.timestamp is None else self.timestamp,
        )
        return ",".join(map(str, fields))

    def as_json(self) -> dict[str, Any]:
        """An object as `serve` reads it."""
        values = zip(
            COLUMNS, (self.user_id, self.movie_id, self.timestamp), strict=True
        )
        return {name: value for name, value in values if value is not None}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which movies to recommend to a user, by the raw id.

    Attributes:
        user_id: of whom.
        count: how many.
        genres: only movies of one of these at least; none for all.
        year_from: only movies of this year and later, or None.
        year_to: only movies of this year and earlier, or None.
        min_ratings: only movies with so many ratings in training, or None.
    """

    user_id: int
    count: int = 10
    genres: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    min_ratings: int | None = None

    def as_json(self) -> dict[str, Any]:
        """An object as `serve` reads it."""
        filters = {
            "year_from": self.year_from,
            "year_to": self.year_to,
            "min_ratings": self.min_ratings,
        }
        given = {name: value for name, value in filters.items() if value is not None}
        genres = {"genres": list(self.genres)} if self.genres else {}
        return {"userId": self.user_id, "recommend": self.count, **genres, **given}


def parse_pairs(texts: Iterable[str]) -> list[Pair]:
    """From ``1:318`` or ``1:318:964982703``.

    Raises:
        PairError: naming the first that is neither.
    """
    return [
        _pair(text.split(":"), f"{text!r} is no pair of ids, expected {_EXPECTED}")
        for text in texts
    ]


def read_pairs(path: Path) -> list[Pair]:
    """From a CSV with a header that names its columns, in any order, or with ids, and
    maybe a timestamp, alone.

    Raises:
        PairError: no such file, or the first line that can't be used.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = [
                (number, row)
                for number, row in enumerate(csv.reader(stream), start=1)
                if row
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PairError(
            f"{path} can't be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    if not lines:
        raise PairError(f"{path} has no rows, expected {', '.join(COLUMNS)}")
    places: list[int | None] = list(range(max(len(row) for _, row in lines)))
    header = [cell.strip() for cell in lines[0][1]]
    if not header[0].lstrip("-").isdigit():
        if not {*COLUMNS[:2]} <= {*header}:
            raise PairError(
                f"{path} line {lines[0][0]}: the header is {header}, expected userId, movieId[, timestamp]"
            )
        places = [header.index(name) if name in header else None for name in COLUMNS]
        lines = lines[1:]
    return [
        _pair(
            [
                row[place].strip()
                for place in places
                if place is not None and place < len(row)
            ],
            f"{path} line {number}: {','.join(row)!r}, expected whole numbers userId,movieId[,timestamp]",
        )
        for number, row in lines
    ]


def _pair(fields: list[str], message: str) -> Pair:
    *ids, when = fields if len(fields) == len(COLUMNS) else [*fields, ""]
    if (
        len(ids) != 2
        or not all(_is_whole(text) for text in ids)
        or not (when == "" or _is_whole(when))
    ):
        raise PairError(message)
    return Pair(int(ids[0]), int(ids[1]), int(when) if when else None)


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit()
