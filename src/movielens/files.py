"""The files of a channel: finding them, recognising them, and opening them.

A file's role is recognised from its content, so any name will do. Whatever else is in
the channel (tags, links, a README, archives) is ignored. Files may be packed with gzip.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import logging
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from movielens.errors import DataError
from movielens.formats import (
    MOVIE_COLUMNS,
    RATING_COLUMNS,
    FileLayout,
    Role,
    header_role,
    is_archive,
    sniff,
)
from movielens.grammar import is_blank, is_utf_16, lone_cr_line

logger = logging.getLogger(__name__)

# So much of a file is looked at to recognise it.
HEAD_BYTES = 65_536
PARQUET_MAGIC = b"PAR1"

_GZIP_MAGIC = b"\x1f\x8b"
_MOST_SHOWN = 60
# ML-100K repeats u.data in ready-made splits: u1.base, u1.test and so on.
_ML_100K_SPLIT = re.compile(r"u[1-5ab]\.(base|test)")


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How much of a file is held in memory.

    Attributes:
        block_bytes: about how many bytes of text are read at a time.
        parquet_rows: how many ratings of a Parquet file are read at a time.
        row_bytes: the longest line, and the longest row with line ends within quotes.
            The CSV reader of Python takes no longer fields.
        movie_bytes: the largest file of movies, unpacked; in a Parquet file, the text
            that its rows hold.
        movie_values: the most values in a column of movies in a Parquet file.
        rating_rows: the most ratings in a file. A few packed bytes can hold very many.
    """

    block_bytes: int = 1 << 24
    parquet_rows: int = 1 << 20
    row_bytes: int = 1 << 17
    movie_bytes: int = 1 << 26
    movie_values: int = 1_000_000
    rating_rows: int = 1 << 28


READ_LIMITS = ReadLimits()


class OpenQuoteError(DataError):
    """A quote opens and doesn't close, so that the row's end can't be found.

    Attributes:
        line: the line on which the row begins.
        at_end: whether all text was read without finding the closing quote. More text
            might have it.
    """

    def __init__(self, message: str, line: int, *, at_end: bool) -> None:
        super().__init__(message)
        self.line = line
        self.at_end = at_end

    @classmethod
    def at_line(cls, name: str, line: int, reason: str, *, at_end: bool) -> Self:
        """The error for a row of a file.

        Args:
            name: of the file.
            line: the line on which the row begins.
            reason: what is wrong.
            at_end: as in the class.
        """
        message = (
            f"{name} line {line}: {reason}: "
            'check the quotes (") of the row that begins here'
        )
        return cls(message, line, at_end=at_end)


@dataclass(frozen=True, slots=True)
class ChannelFile:
    """One file of a channel.

    Attributes:
        path: where it is.
        name: its name in messages: the channel and the path within the channel.
        role: what its rows are, None for neither ratings nor movies.
        layout: how its text is read, None for Parquet files and ignored files.
        begins: the beginning of its first line, for messages.
        is_archive: whether it has to be unpacked before it can be read.
    """

    path: Path
    name: str
    role: Role | None
    layout: FileLayout | None
    begins: str
    is_archive: bool = False


def channel_files(channel: str, directory: Path) -> list[ChannelFile]:
    """All files under a channel's directory, by name, with their roles.

    Raises:
        DataError: there is no such directory, or a file can't be read.
    """
    if not directory.is_dir():
        raise DataError(
            f"channel {channel}: {directory} is no directory; "
            "put the MovieLens files there"
        )

    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    paths = [path for path in paths if not _is_hidden(path.relative_to(directory))]
    if any(path.name == "u.data" for path in paths):
        paths = [path for path in paths if not _ML_100K_SPLIT.fullmatch(path.name)]

    files = [
        _recognise(path, name=f"{channel}/{path.relative_to(directory)}")
        for path in paths
    ]
    others = [file for file in files if file.role is None]
    archives = [file.name for file in others if file.is_archive]
    ignored = [file.name for file in others if not file.is_archive]
    if archives:
        logger.warning("archives, passed over: %s: unpack them", ", ".join(archives))
    if ignored:
        logger.info("neither ratings nor movies, ignored: %s", ", ".join(ignored))
    return files


def _is_hidden(path: Path) -> bool:
    # Notebooks keep copies of files in .ipynb_checkpoints.
    return any(part.startswith(".") for part in path.parts)


def _recognise(path: Path, name: str) -> ChannelFile:
    with reading(name), open_bytes(path) as stream:
        head = stream.read(HEAD_BYTES)

    if head.startswith(PARQUET_MAGIC):
        with reading(name):
            columns = tuple(parquet_file(path, name).schema_arrow.names)
        role = header_role(columns)
        return ChannelFile(path, name, role, None, begins=",".join(columns))
    if is_archive(head):
        return ChannelFile(path, name, None, None, begins="", is_archive=True)
    if is_utf_16(head):
        _check_that_utf_16_is_not_ours(head, name)

    text = head.decode("utf-8-sig", errors="replace")
    layout = sniff(text)
    role = None if layout is None else layout.role
    first_line = text.strip().partition("\n")[0]
    return ChannelFile(path, name, role, layout, begins=first_line[:_MOST_SHOWN])


def _check_that_utf_16_is_not_ours(head: bytes, name: str) -> None:
    """Raise a DataError if these are ratings or movies, which would be passed over."""
    # Without the marks and the NULs, the ASCII in it is left, in any byte order.
    ascii_text = bytes(byte for byte in head if 0 < byte < 128).decode()
    if sniff(ascii_text) is not None:
        raise DataError(f"{name} is UTF-16, not UTF-8: save the file as UTF-8")


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedIOBase]:
    """Open a file or FIFO and unpack it if it is gzip, whatever its name is."""
    with path.open("rb") as stream:
        # A FIFO can be read only once, so its first bytes are looked at, not taken.
        if stream.peek(2).startswith(_GZIP_MAGIC):
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield unpacked
        else:
            yield stream


class reading:  # noqa: N801 - a context manager, used as a verb
    """Turns errors while a file is read into a DataError that names the file.

    Example:
        >>> with reading("training/ratings.csv"):
        ...     raise OSError("disk on fire")
        Traceback (most recent call last):
        movielens.errors.DataError: training/ratings.csv can't be read: disk on fire
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: object, error: BaseException | None, _trace: object
    ) -> None:
        if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
            raise DataError(
                f"{self.name} is a broken gzip file ({error}): upload it again"
            ) from error
        # Names of columns in a Parquet file may be any bytes.
        if isinstance(error, pa.ArrowException | UnicodeDecodeError):
            raise DataError(
                f"{self.name} can't be read as Parquet ({error}): write it again"
            ) from error
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise DataError(f"{self.name} can't be read: {reason}") from error


def parquet_file(path: Path, name: str) -> pq.ParquetFile:
    """Open a Parquet file; raises a DataError if it isn't one."""
    with reading(name):
        return pq.ParquetFile(path)


def require_columns(
    name: str, present: tuple[str, ...], needed: tuple[str, ...]
) -> None:
    """Raise a DataError that names columns which a file lacks or has twice.

    Args:
        name: of the file, for the message.
        present: the file's columns.
        needed: the columns that it must have.
    """
    missing = [column for column in needed if column not in present]
    if missing:
        raise DataError(
            f"{name} has no column {', '.join(missing)}, "
            f"its header is {','.join(present)}"
        )

    ours = dict.fromkeys(RATING_COLUMNS + MOVIE_COLUMNS)
    twice = [column for column in ours if present.count(column) > 1]
    if twice:
        raise DataError(
            f"{name} has the column {', '.join(twice)} twice, "
            f"its header is {','.join(present)}: keep one"
        )


def count_lines(data: bytes) -> int:
    r"""How many lines end in a text; five times as fast as ``data.count(b"\n")``.

    Example:
        >>> count_lines(b"one\ntwo\nthree")
        2
    """
    is_line_end = np.frombuffer(data, np.uint8) == ord("\n")
    return int(np.count_nonzero(is_line_end))


def line_blocks(
    stream: io.BufferedIOBase, name: str, limits: ReadLimits
) -> Iterator[bytes]:
    r"""The bytes of a stream in blocks of whole lines.

    Only the last block may lack the end of its last line.

    Args:
        stream: what to read.
        name: of the file, for messages.
        limits: the size of a block, about, and of a line.

    Raises:
        DataError: a line is too long. The lines before it come first.

    Example:
        >>> stream = io.BytesIO(b"one\ntwo\nthree")
        >>> list(line_blocks(stream, "a.csv", ReadLimits(block_bytes=6)))
        [b'one\n', b'two\n', b'three']
    """
    line = 1
    kept = stream.read(limits.block_bytes)
    while kept:
        more = stream.read(limits.block_bytes)
        end_of_lines = kept.rfind(b"\n") + 1 if more else len(kept)
        long_line = _start_of_long_line(kept, limits.row_bytes)
        if long_line is not None:
            end_of_lines = min(end_of_lines, long_line)

        block = kept[:end_of_lines]
        kept = kept[end_of_lines:]
        if block:
            yield block
        line += count_lines(block)
        if long_line is not None:
            raise _long_line_error(name, line, kept, limits.row_bytes)
        kept += more


def _start_of_long_line(data: bytes, most: int) -> int | None:
    """Where the first line of more than ``most`` bytes begins, if there is one."""
    start = 0
    while len(data) - start > most:
        last_end = data.rfind(b"\n", start, start + most + 1)
        if last_end < 0:
            return start
        start = last_end + 1
    return None


def _long_line_error(name: str, line: int, data: bytes, most: int) -> DataError:
    if b"\r" in data[:most] and lone_cr_line(data[:most]) == 1:
        return _lone_cr_error(name, line)
    return DataError(
        f"{name} line {line}: longer than {most} bytes, the limit for a line: "
        "is it a text file of ratings or movies?"
    )


def _lone_cr_error(name: str, line: int) -> DataError:
    return DataError(
        f"{name} line {line}: a line ends in CR alone, expected LF or CRLF: "
        "save the file with these line ends"
    )


def without_lone_cr(
    name: str, blocks: Iterable[bytes], first_line: int = 1
) -> Iterator[bytes]:
    """The same blocks, in which all lines end in LF or CRLF.

    Args:
        name: of the file, for messages.
        blocks: its text, in blocks of whole lines.
        first_line: the number of the first line, for messages.

    Raises:
        DataError: a line ends in CR alone. The lines before it come first.
    """
    line = first_line
    for block in blocks:
        line_in_block = lone_cr_line(block)
        if line_in_block is None:
            yield block
            line += count_lines(block)
            continue

        lines_before = block.split(b"\n", line_in_block - 1)[:-1]
        if lines_before:
            yield b"\n".join(lines_before) + b"\n"
        raise _lone_cr_error(name, line + line_in_block - 1)


def text_rows(
    name: str, layout: FileLayout, data: bytes, row_bytes: int
) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row, with the line on which the row begins, from 1.

    Blank lines are left out.

    Args:
        name: of the file, for messages.
        layout: how to read it.
        data: all of it.
        row_bytes: see `ReadLimits`.

    Raises:
        DataError: bytes that aren't text, or a quote that opens and doesn't close.
    """
    encoding = _encoding(name, layout, data)
    # str.splitlines would also split at characters that titles may hold.
    stream = io.BytesIO(data)
    text = io.TextIOWrapper(stream, encoding, newline="")
    lines = islice(text, layout.skip, None)
    first_line = layout.skip + 1
    yield from split_rows(name, layout, lines, first_line, row_bytes)


def split_rows(
    name: str, layout: FileLayout, lines: Iterator[str], first: int, row_bytes: int
) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row, with the line on which the row begins.

    Blank lines are left out.

    Args:
        name: of the file, for messages.
        layout: how to read it.
        lines: the text, line by line.
        first: the number of the first line.
        row_bytes: see `ReadLimits`.

    Raises:
        OpenQuoteError: a quote opens and doesn't close.
    """
    if layout.has_quotes:
        yield from _quoted_rows(name, layout.separator, lines, first, row_bytes)
        return
    for number, line in enumerate(lines, start=first):
        if not is_blank(line):
            yield number, line.rstrip("\r\n").split(layout.separator)


def _quoted_rows(
    name: str, separator: str, lines: Iterator[str], first: int, row_bytes: int
) -> Iterator[tuple[int, list[str]]]:
    row = _LinesOfRow(lines, row_bytes)
    # Strict, because otherwise an open quote swallows all rows after it.
    reader = csv.reader(row, delimiter=separator, strict=True)
    line = first
    try:
        for fields in reader:
            if not row.is_blank:
                yield line, fields
            line = first + reader.line_num
            row.start()
    except csv.Error as error:
        at_end = "unexpected end of data" in str(error)
        raise OpenQuoteError.at_line(name, line, str(error), at_end=at_end) from error


class _LinesOfRow:
    """Lines on their way to a CSV reader, which takes one or more of them for a row.

    Attributes:
        is_blank: whether the row says nothing so far.
    """

    def __init__(self, lines: Iterator[str], row_bytes: int) -> None:
        self._lines = lines
        self._row_bytes = row_bytes
        self.start()

    def start(self) -> None:
        """Begin a new row."""
        self._size = 0
        self.is_blank = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        is_first = self._size == 0
        self._size += len(line)
        self.is_blank = is_first and is_blank(line)
        if not is_first and self._size > self._row_bytes:
            raise csv.Error(too_long_text(self._row_bytes))
        return line


def too_long_text(row_bytes: int) -> str:
    """What is wrong with a quoted text that doesn't end for so long."""
    return f"a text in quotes is longer than {row_bytes} bytes"


def _encoding(name: str, layout: FileLayout, data: bytes) -> str:
    """UTF-8, or Latin-1 for ML-1M and ML-100K."""
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if layout.separator in ("::", "|"):
            return "latin-1"
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} line {line}: not UTF-8 ({error.reason}): save the file as UTF-8"
        ) from error
    return "utf-8-sig"
