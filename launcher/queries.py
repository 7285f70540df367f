"""Questions to the model in raw ids, from the command line or a CSV file.

They are checked as the server would check them, before anything is sent.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from launcher.errors import LauncherError
from launcher.text_files import read_text
from movielens.columns import (
    GENRES_COLUMN,
    MOVIE_ID,
    RATING,
    TIMESTAMP,
    TITLE,
    USER_ID,
)
from movielens.grammar import BLANKS, csv_fault, parse_id, parse_number, parse_time

COLUMNS = (USER_ID, MOVIE_ID, TIMESTAMP)
# A first row that has one of these is a header.
_HEADER_NAMES = {*COLUMNS, RATING, TITLE, GENRES_COLUMN}

# What the server takes; a test compares them.
ID_MIN = -(2**63)
ID_MAX = 2**63 - 1
TIMESTAMP_BOUND = 2**32

_ARGUMENT_FORM = "userId:movieId or userId:movieId:timestamp, such as 1:318"
_LONGEST_SHOWN = 40


class PairError(LauncherError):
    """Ids that can't be used."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Pair:
    """A user and a movie by their raw ids, and when the rating would be given.

    ``timestamp`` is in seconds since 1970, or None. Whole seconds are an int.
    """

    user_id: int
    movie_id: int
    timestamp: float | None = None

    def as_csv(self) -> str:
        """A line in the form that ``serve`` reads.

        Example:
            >>> Pair(1, 318).as_csv()
            '1,318,'
        """
        timestamp = "" if self.timestamp is None else _digits(self.timestamp)
        return f"{self.user_id},{self.movie_id},{timestamp}"

    def as_json(self) -> dict[str, float]:
        """An object in the form that ``serve`` reads."""
        value: dict[str, float] = {USER_ID: self.user_id, MOVIE_ID: self.movie_id}
        if self.timestamp is not None:
            value[TIMESTAMP] = self.timestamp
        return value


@dataclass(frozen=True, slots=True)
class Filters:
    """Which movies a list may have.

    Attributes:
        genres: only movies that have one of these; all movies if it is empty.
        year_from: only movies of this year and later, or None.
        year_to: only movies of this year and earlier, or None.
        min_ratings: only movies with at least this many ratings in training, or None.
    """

    genres: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    min_ratings: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields that ``serve`` reads."""
        filters: dict[str, Any] = {
            "genres": list(self.genres) or None,
            "year_from": self.year_from,
            "year_to": self.year_to,
            "min_ratings": self.min_ratings,
        }
        return {name: value for name, value in filters.items() if value is not None}


@dataclass(frozen=True, slots=True)
class RecommendationQuery:
    """Which movies to recommend to whom.

    Attributes:
        user_id: the user's raw id.
        count: how many movies.
        filters: which movies they may be.
    """

    user_id: int
    count: int = 10
    filters: Filters = Filters()

    def as_json(self) -> dict[str, Any]:
        """An object in the form that ``serve`` reads."""
        filters = self.filters.as_json()
        return {USER_ID: self.user_id, "recommend": self.count, **filters}


@dataclass(frozen=True, slots=True)
class OnboardingQuery:
    """Which movies to ask a user about first.

    Attributes:
        count: how many movies.
        history: the user's own ratings, movie and stars; None if none are known, or if
            those of training count.
        user_id: the user's raw id, or None.
        filters: which movies they may be.
    """

    count: int = 10
    history: tuple[tuple[int, float], ...] | None = None
    user_id: int | None = None
    filters: Filters = Filters()

    def as_json(self) -> dict[str, Any]:
        """An object in the form that ``serve`` reads."""
        question: dict[str, Any] = {"onboarding": self.count}
        if self.user_id is not None:
            question[USER_ID] = self.user_id
        if self.history is not None:
            question["history"] = [
                {MOVIE_ID: movie_id, RATING: stars} for movie_id, stars in self.history
            ]
        return question | self.filters.as_json()


def parse_ratings(texts: Iterable[str]) -> tuple[tuple[int, float], ...]:
    """Ratings in the form ``318:4.5``, movie and stars.

    Raises:
        PairError: names the first text that isn't a rating.

    Example:
        >>> parse_ratings(["318:4.5"])
        ((318, 4.5),)
    """
    ratings = []
    for text in texts:
        movie, _, stars = text.partition(":")
        try:
            ratings.append((parse_raw_id(movie), parse_number(stars)))
        except ValueError as error:
            raise PairError(
                f"{_shown(text)!r} is no rating, expected movieId:stars, "
                "such as 318:4.5"
            ) from error
    return tuple(ratings)


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
        # A time of day has colons too.
        cells = text.split(":", maxsplit=2)
        if len(cells) < 2:
            raise PairError(f"{text!r} is no pair of ids, expected {_ARGUMENT_FORM}")
        try:
            pairs.append(_pair(COLUMNS, cells))
        except _CellError as error:
            raise PairError(f"{_shown(text)!r}: {error}") from error
    return pairs


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a CSV file.

    With a header, the file may have the columns in any order, and may have others too.
    Without one, its columns are userId, movieId and, if there is a third, timestamp.

    Raises:
        PairError: the file can't be read, or names the first line that can't be used.
    """
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        raise _no_rows(path)

    header = [cell.strip(BLANKS) for cell in first.cells]
    pairs: list[Pair] = []
    if not _HEADER_NAMES.isdisjoint(header):
        columns = _Columns.of_header(first, header)
    else:
        columns = None
        pairs.append(_pair_of_row(first, columns))
    pairs += (_pair_of_row(row, columns) for row in rows)
    if not pairs:
        raise _no_rows(path)
    return pairs


# Text to rows


class _Row(NamedTuple):
    """The cells of a row, and where it begins: the file, and the line from 1."""

    place: str
    cells: list[str]


def _rows(path: Path) -> Iterator[_Row]:
    """The rows of a CSV file that aren't blank."""
    try:
        text = read_text(path, PairError)
    except OSError as error:
        reason = error.strerror or error
        raise PairError(f"{path} can't be read: {reason}") from error

    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        place = f"{path} line {reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise PairError(f"{place}: {csv_fault(error)}") from error
        # A line break in quotes is no blank.
        if len(cells) > 1 or "".join(cells).strip(BLANKS):
            yield _Row(place, cells)


def _no_rows(path: Path) -> PairError:
    return PairError(f"{path} has no rows, expected {', '.join(COLUMNS)}")


# Rows to pairs


class _Columns(NamedTuple):
    """Where a header has our columns.

    Attributes:
        names: our columns that are there.
        places: of each of them.
        width: how many cells a row has.
    """

    names: list[str]
    places: list[int]
    width: int

    @classmethod
    def of_header(cls, row: _Row, header: list[str]) -> _Columns:
        names = [name for name in COLUMNS if name in header]
        is_complete = names[:2] == [USER_ID, MOVIE_ID]
        is_repeated = any(header.count(name) > 1 for name in _HEADER_NAMES)
        if is_repeated or not is_complete:
            raise PairError(
                f"{row.place}: the header is {_shown(','.join(header))!r}, "
                "expected userId, movieId and perhaps timestamp, each once"
            )
        places = [header.index(name) for name in names]
        return cls(names, places, len(header))


def _pair_of_row(row: _Row, columns: _Columns | None) -> Pair:
    """The pair of a row; without columns, the row has ours and no others.

    Raises:
        PairError: it has another number of cells, or a cell can't be used.
    """
    cells = row.cells
    n_cells = len(cells)
    if columns is None:
        if n_cells not in (2, 3):
            expected = "userId,movieId[,timestamp]; other columns need a header"
            raise _bad_row(row, expected)
        names: Sequence[str] = COLUMNS
    else:
        if n_cells != columns.width:
            expected = f"{columns.width} fields as in the header"
            raise _bad_row(row, expected)
        names = columns.names
        cells = [cells[place] for place in columns.places]
    try:
        return _pair(names, cells)
    except _CellError as error:
        raise PairError(f"{row.place}: {error}") from error


def _bad_row(row: _Row, expected: str) -> PairError:
    said = _shown(",".join(row.cells))
    return PairError(f"{row.place}: the row is {said!r}, expected {expected}")


# Cells to values


class _CellError(ValueError):
    """A cell that its column doesn't take."""


def _pair(names: Sequence[str], cells: Sequence[str]) -> Pair:
    """The pair of two or three cells, named in the order of `COLUMNS`.

    Raises:
        _CellError: names the first column whose cell can't be used.
    """
    values: list[Any] = []
    for name, cell in zip(names, cells, strict=False):
        parse, expected = _CELLS[name]
        try:
            values.append(parse(cell))
        except ValueError:
            raise _CellError(
                f"{name} is {_shown(cell)!r}, expected {expected}"
            ) from None
    return Pair(*values)


def parse_raw_id(text: str) -> int:
    """A raw id of MovieLens.

    Raises:
        ValueError: it isn't a whole number of 64 bits.
    """
    raw_id = parse_id(text)
    if not ID_MIN <= raw_id <= ID_MAX:
        raise ValueError(f"{text!r} doesn't fit into 64 bits")
    return raw_id


def _parse_seconds(text: str) -> float | None:
    """Seconds since 1970; None for a blank."""
    if not text.strip(BLANKS):
        return None
    seconds = parse_time(text)
    if not 0 <= seconds < TIMESTAMP_BOUND:
        raise ValueError(f"{text!r} is out of range")
    return int(seconds) if seconds.is_integer() else seconds


_RAW_ID = "a whole number of 64 bits; give raw MovieLens ids"
_SECONDS = f"seconds since 1970, from 0 to {TIMESTAMP_BOUND - 1}, or a date, or nothing"
_CELLS: dict[str, tuple[Callable[[str], float | None], str]] = {
    USER_ID: (parse_raw_id, _RAW_ID),
    MOVIE_ID: (parse_raw_id, _RAW_ID),
    TIMESTAMP: (_parse_seconds, _SECONDS),
}


def _digits(seconds: float) -> str:
    """A number without an exponent."""
    return f"{Decimal(repr(seconds)):f}"


def _shown(text: str) -> str:
    if len(text) <= _LONGEST_SHOWN:
        return text
    return text[:_LONGEST_SHOWN] + "…"
