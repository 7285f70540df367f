"""The files of a channel: finding them, telling what they are, and opening them, whatever their packing.

A file's role is told by its content, so that any name will do, and whatever else lies beside (tags, links, a README)
is passed over.
"""

from __future__ import annotations

import csv
import gzip
import io
import logging
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from movielens.errors import DataError
from movielens.formats import Layout, Role, header_role, sniff

logger = logging.getLogger(__name__)

_HEAD_BYTES = 65_536
# ML-100K repeats u.data in ready-made splits beside it.
_ML_100K_SPLIT = re.compile(r"u[1-5ab]\.(base|test)")


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
    """All files under a channel's directory, by name, with their roles; raises DataError where there is none."""
    if not directory.is_dir():
        raise DataError(f"channel {channel}: {directory} is no directory; put the MovieLens files there")
    paths = sorted(p for p in directory.rglob("*") if p.is_file() and not _is_hidden(p.relative_to(directory)))
    if any(p.name == "u.data" for p in paths):
        paths = [p for p in paths if not _ML_100K_SPLIT.fullmatch(p.name)]
    files = [_recognise(path, f"{channel}/{path.relative_to(directory)}") for path in paths]
    ignored = [file.name for file in files if file.role is None]
    if ignored:
        logger.info("neither ratings nor movies, passed over: %s", ", ".join(ignored))
    return files


def _is_hidden(path: Path) -> bool:
    # Notebooks keep copies of the files beside them, in .ipynb_checkpoints.
    return any(part.startswith(".") for part in path.parts)


def _recognise(path: Path, name: str) -> ChannelFile:
    with reading(name), open_bytes(path) as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"PAR1"):
        names = tuple(parquet_file(path, name).schema_arrow.names)
        return ChannelFile(path, name, header_role(names), None, ",".join(names))
    text = head.decode("utf-8-sig", errors="replace")
    layout = sniff(text)
    return ChannelFile(path, name, layout.role if layout else None, layout, text.strip().partition("\n")[0][:60])


def of_role(files: list[ChannelFile], role: Role, channels: Mapping[str, Path]) -> list[ChannelFile]:
    """The files of one role; raises DataError, saying what the channels have instead, where there is none."""
    found = [file for file in files if file.role == role]
    if not found:
        needed = {"ratings": "userId,movieId,rating[,timestamp]", "movies": "movieId,title,genres"}[role]
        held = ", ".join(f"{file.name} ({_describe(file)})" for file in files) or "nothing"
        raise DataError(f"no {role} ({needed}) in channel {', '.join(channels)}, which has {held}: add {role}.csv")
    return found


def _describe(file: ChannelFile) -> str:
    return file.role or (f"begins with {file.begins!r}" if file.begins else "empty")


def open_bytes(path: Path) -> io.BufferedIOBase:
    """The file's bytes, unpacked where it is gzip, whatever its name."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")


class reading:  # noqa: N801 - a context manager, used as a verb
    """Turns what goes wrong while a file's bytes are read into a DataError that names the file."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
            raise DataError(f"{self.name} is a broken gzip file ({error}): upload it again") from error
        if isinstance(error, pa.ArrowException):
            raise DataError(f"{self.name} can't be read as Parquet ({error}): write it again") from error
        if isinstance(error, OSError):
            raise DataError(f"{self.name} can't be read: {error.strerror or error}") from error


def parquet_file(path: Path, name: str) -> pq.ParquetFile:
    """A Parquet file, opened; raises DataError where it is none."""
    with reading(name):
        return pq.ParquetFile(path)


def require_columns(name: str, present: tuple[str, ...], needed: tuple[str, ...]) -> None:
    """Raise a DataError that names the columns which a header lacks."""
    missing = [column for column in needed if column not in present]
    if missing:
        raise DataError(f"{name} has no column {', '.join(missing)}, its header is {','.join(present)}")


def text_rows(file: ChannelFile, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Each row's fields with the line on which it begins, counted from 1; blank lines are passed over.

    Raises:
        DataError: bytes that aren't text, or a quote that opens and doesn't close.
    """
    lines = islice(_lines(file, layout), layout.skip, None)
    if layout.separator == ",":
        yield from _quoted_rows(file.name, lines, layout.skip)
        return
    for line, text in enumerate(lines, start=layout.skip + 1):
        if text.strip():
            yield line, text.rstrip("\r\n").split(layout.separator)


def _quoted_rows(name: str, lines: Iterator[str], skip: int) -> Iterator[tuple[int, list[str]]]:
    # Strict, since otherwise a quote left open takes in all the rows after it.
    reader = csv.reader(lines, strict=True)
    line = skip + 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = skip + reader.line_num + 1
    except csv.Error as error:
        raise DataError(f'{name} line {line}: {error}: check the quotes (") of the row that begins here') from error


def _lines(file: ChannelFile, layout: Layout) -> Iterator[str]:
    """The file's lines: UTF-8, or Latin-1 in the two older formats, which ML-1M and ML-100K use."""
    with reading(file.name), open_bytes(file.path) as opened:
        data = opened.read()
    # str.splitlines would also split at characters that titles may hold.
    return io.TextIOWrapper(io.BytesIO(data), _encoding(file, layout, data), newline="")


def _encoding(file: ChannelFile, layout: Layout, data: bytes) -> str:
    try:
        data.decode("utf-8-sig")
        return "utf-8-sig"
    except UnicodeDecodeError as error:
        if layout.separator in ("::", "|"):
            return "latin-1"
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{file.name} line {line}: not UTF-8 ({error.reason}): save the file as UTF-8") from error
