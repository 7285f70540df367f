"""Pipe mode: a channel's objects one after the other through a FIFO, read once, in
blocks.

Nothing marks where one object ends, so a new one is told by its header. Objects without
a header can be piped if all of a channel are of one kind. What comes before the movies
did is checked against them afterwards.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from movielens.bad_rows import BadRows
from movielens.errors import DataError
from movielens.files import HEAD_BYTES, line_blocks, open_bytes, reading
from movielens.formats import sniff
from movielens.movie_rows import Movie, movies_of_text
from movielens.rating_rows import text_tables
from movielens.tables import RatingTable

# Every header of ours has movieId; what stands before it on the line is letters, unless
# the object before it lacked its last line end.
_AT_START = rb'(?:(?<=\n)|(?<=\xbf)|^)[A-Za-z",\t]*movieId"?[,\t\r\n]'
_ANYWHERE = rb'"?(?:userId"?[,\t]"?)?movieId"?[,\t]'
_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?(?:" + _AT_START + rb"|" + _ANYWHERE + rb")")
_SURE = b"movieId"


@dataclass
class PipedRows:
    """What came through one FIFO.

    Attributes:
        movies: the catalogue's rows.
        ratings: a table for each block, their movies not checked yet.
        passed_over: the headers of what is neither.
    """

    movies: list[Movie] = field(default_factory=list)
    ratings: list[RatingTable] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


def read_pipe(name: str, fifo: Path, bad_rows: BadRows) -> PipedRows:
    """Read a FIFO to its end.

    Args:
        name: of the channel, for messages.
        fifo: its first epoch.
        bad_rows: what becomes of ratings that can't be used.

    Raises:
        DataError: no FIFO, Parquet, a row that can't be used, or one whose end is
            missing.
    """
    if not fifo.exists():
        raise DataError(
            f"channel {name} comes in Pipe mode, but there is no {fifo}: use File or FastFile mode"
        )
    rows, line = PipedRows(), 1
    with reading(name), open_bytes(fifo) as stream:
        for _, blocks in itertools.groupby(
            _pieces(line_blocks(stream)), key=lambda piece: piece[0]
        ):
            line += _read_object(
                name, (block for _, block in blocks), rows, bad_rows, line
            )
    return rows


def _read_object(
    name: str, blocks: Iterator[bytes], rows: PipedRows, bad_rows: BadRows, line: int
) -> int:
    """Add what one object holds; gives its number of lines."""
    first = next(blocks)
    if first.startswith(b"PAR1"):
        raise DataError(
            f"channel {name} pipes Parquet, which can't be read from one end: use File or FastFile mode"
        )
    layout, n_lines = sniff(first[:HEAD_BYTES].decode("utf-8-sig", errors="replace")), 0

    def counted() -> Iterator[bytes]:
        nonlocal n_lines
        for block in itertools.chain([first], blocks):
            n_lines += block.count(b"\n")
            yield block

    if layout is None:
        rows.passed_over.append(
            first.partition(b"\n")[0][:60].decode(errors="replace").strip()
        )
        for _ in counted():
            pass
    elif layout.role == "movies":
        rows.movies += movies_of_text(
            f"{name} (from line {line} of the pipe)", layout, b"".join(counted())
        )
    else:
        rows.ratings += text_tables(
            f"{name} (pipe)", layout, counted(), None, bad_rows, line
        )
    return n_lines


def _pieces(blocks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """The same bytes, cut before each header, with the number of the object that they
    are of.
    """
    number = 0
    for block in blocks:
        cuts = (
            [match.start() for match in _HEADER.finditer(block)]
            if _SURE in block
            else []
        )
        for first, last in itertools.pairwise(sorted({0, *cuts, len(block)})):
            number += first in cuts
            yield number, block[first:last]
