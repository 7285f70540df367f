"""The files of a channel: finding them, recognising them, and opening them.

A file's role is recognised from its content, so any name will do. Whatever else is in
the channel (tags, links, a README) is ignored. Files may be packed with gzip.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import logging
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from movielens.errors import DataError
from movielens.formats import FileLayout, Role, header_role, sniff

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
    """How much of a file is held in memory at a time.

    Attributes:
        block_bytes: about how many bytes of text are read at a time.
        parquet_rows: how many rows of a Parquet file are read at a time.
        row_bytes: a quoted text that is longer is taken for a quote that was left open.
    """

    block_bytes: int = 1 << 24
    parquet_rows: int = 1 << 20
    row_bytes: int = 1 << 20


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


@dataclass(frozen=True, slots=True)
class ChannelFile:
    """One file of a channel.

    Attributes:
        path: where it is.
        name: its name in messages: the channel and the path within the channel.
        role: what its rows are, None for neither ratings nor movies.
        layout: how its text is read, None for Parquet files and ignored files.
        begins: the beginning of its first line, for messages.
    """

    path: Path
    name: str
    role: Role | None
    layout: FileLayout | None
    begins: str


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
    ignored = [file.name for file in files if file.role is None]
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
        columns = tuple(parquet_file(path, name).schema_arrow.names)
        role = header_role(columns)
        return ChannelFile(path, name, role, None, begins=",".join(columns))

    text = head.decode("utf-8-sig", errors="replace")
    layout = sniff(text)
    role = None if layout is None else layout.role
    first_line = text.strip().partition("\n")[0]
    return ChannelFile(path, name, role, layout, begins=first_line[:_MOST_SHOWN])


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
        if isinstance(error, pa.ArrowException):
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
    """Raise a DataError that names the needed columns which a file lacks.

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


def line_blocks(stream: io.BufferedIOBase, block_bytes: int) -> Iterator[bytes]:
    r"""The bytes of a stream in blocks of whole lines.

    Only the last block may lack the end of its last line.

    Args:
        stream: what to read.
        block_bytes: the size of a block, about.

    Example:
        >>> list(line_blocks(io.BytesIO(b"one\ntwo\nthree"), block_bytes=6))
        [b'one\n', b'two\n', b'three']
    """
    kept = stream.read(block_bytes)
    while kept:
        more = stream.read(block_bytes)
        end_of_lines = kept.rfind(b"\n") + 1 if more else len(kept)
        if end_of_lines:
            yield kept[:end_of_lines]
        kept = kept[end_of_lines:] + more


def text_rows(
    name: str, layout: FileLayout, data: bytes
) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row, with the line on which the row begins, from 1.

    Blank lines are left out.

    Args:
        name: of the file, for messages.
        layout: how to read it.
        data: all of it.

    Raises:
        DataError: bytes that aren't text, or a quote that opens and doesn't close.
    """
    encoding = _encoding(name, layout, data)
    # str.splitlines would also split at characters that titles may hold.
    text = io.TextIOWrapper(io.BytesIO(data), encoding, newline="")
    lines = islice(text, layout.skip, None)
    yield from split_rows(name, layout.separator, lines, first=layout.skip + 1)


def split_rows(
    name: str, separator: str, lines: Iterator[str], first: int
) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row, with the line on which the row begins.

    Args:
        name: of the file, for messages.
        separator: the text between fields.
        lines: the text, line by line.
        first: the number of the first line.

    Raises:
        OpenQuoteError: a quote opens and doesn't close.
    """
    if separator == ",":
        yield from _quoted_rows(name, lines, first)
        return
    for number, line in enumerate(lines, start=first):
        if line.strip():
            yield number, line.rstrip("\r\n").split(separator)


def _quoted_rows(
    name: str, lines: Iterator[str], first: int
) -> Iterator[tuple[int, list[str]]]:
    # Strict, because otherwise an open quote swallows all rows after it.
    reader = csv.reader(lines, strict=True)
    line = first
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = first + reader.line_num
    except csv.Error as error:
        message = (
            f"{name} line {line}: {error}: "
            'check the quotes (") of the row that begins here'
        )
        at_end = "unexpected end of data" in str(error)
        raise OpenQuoteError(message, line, at_end=at_end) from error


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
