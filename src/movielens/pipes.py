"""Pipe mode: a channel's objects, one after the other, through a FIFO.

A FIFO is read once, in blocks. Nothing marks where one object ends and the next one
begins, except the header of the next one. Objects without a header can be piped if all
objects of the channel have the same columns.

Ratings may come before the movies. So the movies of piped ratings are checked later, by
the caller.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from movielens.bad_rows import BadRows
from movielens.errors import DataError
from movielens.files import (
    HEAD_BYTES,
    PARQUET_MAGIC,
    READ_LIMITS,
    ReadLimits,
    count_lines,
    line_blocks,
    open_bytes,
    reading,
)
from movielens.formats import is_archive, sniff
from movielens.movie_rows import Movie, movies_of_text
from movielens.rating_rows import RatingReader
from movielens.tables import RatingTable

# All headers of MovieLens files have movieId.
_IN_EVERY_HEADER = b"movieId"
# At the start of a line, any names may come before movieId.
_HEADER_AT_START = rb'(?:(?<=\n)|(?<=\xbf)|^)[A-Za-z",\t]*movieId"?[,\t\r\n]'
# If the object before lacks its last line end, the header begins within a line.
_HEADER_WITHIN_LINE = rb'"?(?:userId"?[,\t]"?)?movieId"?[,\t]'
_UTF_8_MARK = rb"(?:\xef\xbb\xbf)?"
_HEADER = re.compile(
    _UTF_8_MARK + rb"(?:" + _HEADER_AT_START + rb"|" + _HEADER_WITHIN_LINE + rb")"
)
_MOST_SHOWN = 60


@dataclass
class PipedRows:
    """What came through one FIFO.

    Attributes:
        movies: all movies.
        ratings: a table for each block; their movies aren't checked yet.
        ignored: the headers of objects that are neither ratings nor movies.
    """

    movies: list[Movie] = field(default_factory=list)
    ratings: list[RatingTable] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def read_pipe(
    name: str, fifo: Path, bad_rows: BadRows, limits: ReadLimits = READ_LIMITS
) -> PipedRows:
    """Read a FIFO to its end.

    Args:
        name: of the channel, for messages.
        fifo: the FIFO of the channel's first epoch.
        bad_rows: what happens to ratings that can't be used.
        limits: how much is held at a time.

    Raises:
        DataError: there is no FIFO, an object is a Parquet file, or a row can't be
            used.
    """
    if not fifo.exists():
        raise DataError(
            f"channel {name} comes in Pipe mode, but there is no {fifo}: "
            "use File or FastFile mode"
        )
    pipe = _PipeReader(name, RatingReader(None, bad_rows, limits))
    with reading(name), open_bytes(fifo) as stream:
        pieces = _pieces(line_blocks(stream, name, limits))
        for _, pieces_of_object in itertools.groupby(pieces, key=itemgetter(0)):
            pipe.read_object(block for _, block in pieces_of_object)
    return pipe.rows


@dataclass
class _PipeReader:
    """Reads one object after the other.

    Attributes:
        name: of the channel.
        ratings: reads the ratings.
        rows: what was read so far.
        n_lines: how many lines were read so far.
    """

    name: str
    ratings: RatingReader
    rows: PipedRows = field(default_factory=PipedRows)
    n_lines: int = 0

    def read_object(self, blocks: Iterator[bytes]) -> None:
        """Read one object, in blocks of whole lines."""
        first_block = next(blocks)
        if first_block.startswith(PARQUET_MAGIC):
            raise DataError(
                f"channel {self.name} pipes Parquet files, which can't be read from "
                "start to end: use File or FastFile mode"
            )
        if is_archive(first_block[:HEAD_BYTES]):
            raise DataError(
                f"channel {self.name} pipes an archive: unpack it, or use File mode"
            )
        head = first_block[:HEAD_BYTES].decode("utf-8-sig", errors="replace")
        layout = sniff(head)
        first_line = self.n_lines + 1
        counted = self._counted(itertools.chain([first_block], blocks))

        if layout is None:
            self.rows.ignored.append(_beginning(first_block))
            for _ in counted:
                pass
        elif layout.role == "movies":
            name = f"{self.name} (from line {first_line} of the pipe)"
            limits = self.ratings.limits
            self.rows.movies += movies_of_text(name, layout, counted, limits)
        else:
            name = f"{self.name} (pipe)"
            tables = self.ratings.text_tables(name, layout, counted, first_line)
            self.rows.ratings += tables

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The same blocks; counts their lines."""
        for block in blocks:
            self.n_lines += count_lines(block)
            yield block


def _beginning(block: bytes) -> str:
    first_line = block.partition(b"\n")[0]
    shown = first_line[:_MOST_SHOWN].decode(errors="replace").strip()
    return shown.replace("\0", "")


def _pieces(blocks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """The same bytes, cut before each header, each with the number of its object."""
    number = 0
    for block in blocks:
        headers: set[int] = set()
        if _IN_EVERY_HEADER in block:
            headers = {match.start() for match in _HEADER.finditer(block)}
        cuts = sorted({0, *headers, len(block)})
        for start, end in itertools.pairwise(cuts):
            if start in headers:
                number += 1
            yield number, block[start:end]
