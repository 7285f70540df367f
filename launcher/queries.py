"""Questions to the model in raw ids, from the command line or a CSV file. They are
checked before anything is sent.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.errors import LauncherError

COLUMNS = ("userId", "movieId", "timestamp")
_ARGUMENT_FORM = "userId:movieId or userId:movieId:timestamp, such as 1:318"


class PairError(LauncherError):
    """Ids that can't be used."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Pair:
    """A user and a movie by their raw ids, and when the rating would be given.

    ``timestamp`` is in seconds since 1970, or None.
    """

    user_id: int
    movie_id: int
    timestamp: int | None = None

    def as_csv(self) -> str:
        """A line in the form that ``serve`` reads.

        Example:
            >>> Pair(1, 318).as_csv()
            '1,318,'
        """
        timestamp = "" if self.timestamp is None else str(self.timestamp)
        return f"{self.user_id},{self.movie_id},{timestamp}"

    def as_json(self) -> dict[str, int]:
        """An object in the form that ``serve`` reads."""
        value = {"userId": self.user_id, "movieId": self.movie_id}
        if self.timestamp is not None:
            value["timestamp"] = self.timestamp
        return value


@dataclass(frozen=True, slots=True)
class RecommendationQuery:
    """Which movies to recommend to whom.

    Attributes:
        user_id: the user's raw id.
        count: how many movies.
        genres: only movies that have one of these; all movies if it is empty.
        year_from: only movies of this year and later, or None.
        year_to: only movies of this year and earlier, or None.
        min_ratings: only movies with at least this many ratings in training, or None.
    """

    user_id: int
    count: int = 10
    genres: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    min_ratings: int | None = None

    def as_json(self) -> dict[str, Any]:
        """An object in the form that ``serve`` reads."""
        filters: dict[str, Any] = {
            "genres": list(self.genres) or None,
            "year_from": self.year_from,
            "year_to": self.year_to,
            "min_ratings": self.min_ratings,
        }
        given = {name: value for name, value in filters.items() if value is not None}
        return {"userId": self.user_id, "recommend": self.count, **given}


def parse_pairs(texts: Iterable[str]) -> list[Pair]:
    """Pairs in the form ``1:318`` or ``1:318:964982703``.

    Raises:
        PairError: names the first text that is neither.

    Example:
        >>> parse_pairs(["1:318"])
        [Pair(user_id=1, movie_id=318, timestamp=None)]
    """
    pairs: list[Pair] = []
    for text in texts:
        pair = _pair(text.split(":"))
        if pair is None:
            raise PairError(f"{text!r} is no pair of ids, expected {_ARGUMENT_FORM}")
        pairs.append(pair)
    return pairs


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a CSV file.

    With a header, the file may have the columns in any order, and may have others too.
    Without one, its columns are userId, movieId and, if there is a third, timestamp.

    Raises:
        PairError: the file can't be read, or names the first line that can't be used.
    """
    lines = _numbered_lines(path)
    if not lines:
        raise PairError(f"{path} has no rows, expected {', '.join(COLUMNS)}")

    places: list[int] | None = None
    first_number, first_row = lines[0]
    header = [cell.strip() for cell in first_row]
    has_header = not header[0].lstrip("-").isdigit()
    if has_header:
        if "userId" not in header or "movieId" not in header:
            raise PairError(
                f"{path} line {first_number}: the header is {header}, "
                "expected userId, movieId[, timestamp]"
            )
        places = [header.index(name) for name in COLUMNS if name in header]
        lines = lines[1:]

    pairs: list[Pair] = []
    for number, row in lines:
        cells = [cell.strip() for cell in row]
        if places is not None:
            cells = [cells[place] for place in places if place < len(cells)]
        pair = _pair(cells)
        if pair is None:
            raise PairError(
                f"{path} line {number}: {','.join(row)!r}, "
                "expected whole numbers userId,movieId[,timestamp]"
            )
        pairs.append(pair)
    return pairs


def _numbered_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The lines of a CSV file that aren't empty, counted from 1."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            numbered = enumerate(csv.reader(stream), start=1)
            return [(number, row) for number, row in numbered if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise PairError(f"{path} can't be read: {reason}") from error


def _pair(cells: Sequence[str]) -> Pair | None:
    """The pair of two or three cells; None if they are something else.

    An empty third cell means that there is no timestamp.
    """
    match cells:
        case [user, movie] if _is_whole(user) and _is_whole(movie):
            return Pair(int(user), int(movie))
        case [user, movie, ""] if _is_whole(user) and _is_whole(movie):
            return Pair(int(user), int(movie))
        case [user, movie, when] if all(map(_is_whole, (user, movie, when))):
            return Pair(int(user), int(movie), int(when))
    return None


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit()
