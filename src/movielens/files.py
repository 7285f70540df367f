"""The files of a channel: finding them, telling what they are, and opening them,
whatever their packing.

A file's role is told by its content, so that any name will do, and whatever else lies
beside (tags, links, a README) is passed over.
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

import pyarrow as pa
import pyarrow.parquet as pq

from movielens.errors import DataError
from movielens.formats import Layout, Role, header_role, sniff

logger = logging.getLogger(__name__)

HEAD_BYTES = 65_536
BLOCK_BYTES = 1 << 24
# ML-100K repeats u.data in ready-made splits beside it.
_ML_100K_SPLIT = re.compile(r"u[1-5ab]\.(base|test)")


class OpenQuoteError(DataError):
    """A row that can't be told from those after it; ``line`` is where it begins."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class ChannelFile:
    """One file of a channel.

    Attributes:
        path: where it is.
        name: as messages call it: the channel and the path in it.
        role: what its rows are, None where it is neither ratings nor movies.
        layout: how its text is read, None where it is Parquet or none of ours.
        begins: the beginning of its first line, for messages.
    """

    path: Path
    name: str
    role: Role | None
    layout: Layout | None
    begins: str


def channel_files(channel: str, directory: Path) -> list[ChannelFile]:
    """All files under a channel's directory, by name, with their roles; raises
    DataError where there is none.
    """
    if not directory.is_dir():
        raise DataError(
            f"channel {channel}: {directory} is no directory; put the MovieLens files there"
        )
    paths = sorted(
        p
        for p in directory.rglob("*")
        if p.is_file() and not _is_hidden(p.relative_to(directory))
    )
    if any(p.name == "u.data" for p in paths):
        paths = [p for p in paths if not _ML_100K_SPLIT.fullmatch(p.name)]
    files = [
        _recognise(path, f"{channel}/{path.relative_to(directory)}") for path in paths
    ]
    ignored = [file.name for file in files if file.role is None]
    if ignored:
        logger.info("neither ratings nor movies, passed over: %s", ", ".join(ignored))
    return files


def _is_hidden(path: Path) -> bool:
    # Notebooks keep copies of the files beside them, in .ipynb_checkpoints.
    return any(part.startswith(".") for part in path.parts)


def _recognise(path: Path, name: str) -> ChannelFile:
    with reading(name), open_bytes(path) as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"PAR1"):
        names = tuple(parquet_file(path, name).schema_arrow.names)
        return ChannelFile(path, name, header_role(names), None, ",".join(names))
    text = head.decode("utf-8-sig", errors="replace")
    layout = sniff(text)
    return ChannelFile(
        path,
        name,
        layout.role if layout else None,
        layout,
        text.strip().partition("\n")[0][:60],
    )


def of_role(
    files: list[ChannelFile], role: Role, channels: Iterable[str]
) -> list[ChannelFile]:
    """The files of one role; raises DataError, saying what the channels have instead,
    where there is none.
    """
    found = [file for file in files if file.role == role]
    if not found:
        needed = {
            "ratings": "userId,movieId,rating[,timestamp]",
            "movies": "movieId,title,genres",
        }[role]
        held = (
            ", ".join(f"{file.name} ({_describe(file)})" for file in files) or "nothing"
        )
        raise DataError(
            f"no {role} ({needed}) in channel {', '.join(channels)}, which has {held}: add {role}.csv"
        )
    return found


def _describe(file: ChannelFile) -> str:
    return file.role or (f"begins with {file.begins!r}" if file.begins else "empty")


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedIOBase]:
    """The bytes of a file or FIFO, unpacked where they are gzip, whatever its name."""
    with path.open("rb") as stream:
        # A FIFO can be read once, so that the first bytes are looked at without taking
        # them.
        if stream.peek(2).startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield unpacked
        else:
            yield stream


class reading:  # noqa: N801 - a context manager, used as a verb
    """Turns what goes wrong while a file's bytes are read into a DataError that names
    the file.
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
            raise DataError(
                f"{self.name} can't be read: {error.strerror or error}"
            ) from error


def parquet_file(path: Path, name: str) -> pq.ParquetFile:
    """A Parquet file, opened; raises DataError where it is none."""
    with reading(name):
        return pq.ParquetFile(path)


def require_columns(
    name: str, present: tuple[str, ...], needed: tuple[str, ...]
) -> None:
    """Raise a DataError that names the columns which a header lacks."""
    missing = [column for column in needed if column not in present]
    if missing:
        raise DataError(
            f"{name} has no column {', '.join(missing)}, its header is {','.join(present)}"
        )


def line_blocks(stream: io.BufferedIOBase) -> Iterator[bytes]:
    """A stream's bytes in blocks of whole lines, of about `BLOCK_BYTES`; the last may
    lack its line end.
    """
    kept = stream.read(BLOCK_BYTES)
    while kept:
        more = stream.read(BLOCK_BYTES)
        cut = kept.rfind(b"\n") + 1 if more else len(kept)
        if cut:
            yield kept[:cut]
        kept = kept[cut:] + more


def text_rows(
    name: str, layout: Layout, data: bytes
) -> Iterator[tuple[int, list[str]]]:
    """Each row's fields with the line on which it begins, counted from 1; blank lines
    are passed over.

    Args:
        name: of the file, for messages.
        layout: how to read it.
        data: all of it.

    Raises:
        DataError: bytes that aren't text, or a quote that opens and doesn't close.
    """
    # str.splitlines would also split at characters that titles may hold.
    text = io.TextIOWrapper(io.BytesIO(data), _encoding(name, layout, data), newline="")
    yield from split_rows(
        name, layout.separator, islice(text, layout.skip, None), layout.skip + 1
    )


def split_rows(
    name: str, separator: str, lines: Iterator[str], first: int
) -> Iterator[tuple[int, list[str]]]:
    """As `text_rows`, of lines the first of which has the number ``first``."""
    if separator == ",":
        yield from _quoted_rows(name, lines, first)
        return
    for line, text in enumerate(lines, start=first):
        if text.strip():
            yield line, text.rstrip("\r\n").split(separator)


def _quoted_rows(
    name: str, lines: Iterator[str], first: int
) -> Iterator[tuple[int, list[str]]]:
    # Strict, since otherwise a quote left open takes in all the rows after it.
    reader = csv.reader(lines, strict=True)
    line = first
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = first + reader.line_num
    except csv.Error as error:
        raise OpenQuoteError(
            f'{name} line {line}: {error}: check the quotes (") of the row that begins here',
            line,
        ) from error


def _encoding(name: str, layout: Layout, data: bytes) -> str:
    """UTF-8, or Latin-1 in the two older formats, which ML-1M and ML-100K use."""
    try:
        data.decode("utf-8-sig")
        return "utf-8-sig"
    except UnicodeDecodeError as error:
        if layout.separator in ("::", "|"):
            return "latin-1"
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} line {line}: not UTF-8 ({error.reason}): save the file as UTF-8"
        ) from error
