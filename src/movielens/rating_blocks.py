"""Reads the columns of a block of text at once, as `movielens.grammar` defines them.

1. Arrow's strict CSV reader parses ids and times straight into whole numbers. It would
   also take hexadecimal digits, so no x may be in the block.
2. Where it can't, such as at dates or in a block with titles, our columns are read as
   text. Digits alone are converted at once, other texts one by one, each once.

Ratings are always read as text, because there are only a few different ones.

A block that may mean something else row by row isn't read here, such as one with a line
end within quotes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from movielens.columns import RATING
from movielens.field_checks import Columns, field_value
from movielens.formats import RATING_COLUMNS, FileLayout
from movielens.grammar import BLANKS

_UTF_8_MARK = b"\xef\xbb\xbf"
_BLANK_BYTES = BLANKS.encode() + b"\r\n"
_QUOTE = b'"'
# No more digits than always fit into int64.
_FEW_DIGITS = "^[0-9]{1,18}$"
_TEXT = pa.binary()
_FEW_TEXTS = pa.dictionary(pa.int32(), _TEXT)


def read_columns(layout: FileLayout, data: bytes) -> Columns | None:
    """Our columns of a block, or None if it must be read row by row.

    A value that its column may not hold is NaN, or out of the column's range.

    Args:
        layout: how to read it.
        data: whole lines, without a header.
    """
    wanted = [column for column in RATING_COLUMNS if column in layout.columns]
    if not data.strip(_BLANK_BYTES):
        return {column: np.empty(0) for column in wanted}
    if _is_ambiguous(layout, data):
        return None

    table = None
    if b"x" not in data and b"X" not in data:
        table = _read_with_arrow(layout, data, dict.fromkeys(wanted, pa.int64()))
    if table is None:
        table = _read_with_arrow(layout, data, dict.fromkeys(wanted, _TEXT))
    if table is None:
        return None
    return {column: _values(column, table.column(column)) for column in wanted}


def _is_ambiguous(layout: FileLayout, data: bytes) -> bool:
    """Whether Arrow might see other rows or fields than a reader of rows."""
    # Arrow leaves out such a mark wherever a block begins.
    if data.startswith(_UTF_8_MARK):
        return True
    if layout.separator == "::":
        return b"\t" in data
    if not layout.has_quotes or _QUOTE not in data:
        return False
    return not _has_plain_quotes(data, layout.separator.encode())


def _has_plain_quotes(data: bytes, separator: bytes) -> bool:
    """Whether all quotes begin and end fields, or stand twice within one.

    Then no line end is within quotes either.
    """
    # So the first quote has a byte before it, and the last one has one after it.
    padded = np.frombuffer(b"\n" + data + b"\n", np.uint8)
    quotes = np.flatnonzero(padded == ord(_QUOTE))
    if len(quotes) % 2:
        return False

    # The second quote of a pair within a field counts as one that opens again.
    opening = quotes[0::2]
    closing = quotes[1::2]
    opens = np.isin(padded[opening - 1], list(separator + b"\n" + _QUOTE))
    closes = np.isin(padded[closing + 1], list(separator + b"\r\n" + _QUOTE))
    line_ends = np.flatnonzero(padded == ord(b"\n"))
    is_within_quotes = np.searchsorted(quotes, line_ends) % 2 == 1
    return bool(opens.all() and closes.all() and not is_within_quotes.any())


def _read_with_arrow(
    layout: FileLayout, data: bytes, types: dict[str, pa.DataType]
) -> pa.Table | None:
    """The columns with these types, or None if the block isn't such a table."""
    separator = layout.separator
    if separator == "::":
        # Arrow takes a single character only.
        separator = "\t"
        data = data.replace(b"::", b"\t")

    read_options = pa_csv.ReadOptions(column_names=list(layout.columns))
    parse_options = pa_csv.ParseOptions(
        delimiter=separator, quote_char='"' if layout.has_quotes else False
    )
    convert_options = pa_csv.ConvertOptions(
        check_utf8=False,
        include_columns=list(types),
        column_types=types | {RATING: _FEW_TEXTS},
        null_values=[],
    )
    try:
        return pa_csv.read_csv(
            pa.BufferReader(_arrow_owned(data)),
            read_options,
            parse_options,
            convert_options,
        )
    except pa.ArrowInvalid:
        return None


def _arrow_owned(data: bytes) -> pa.Buffer:
    """The same bytes in memory of Arrow's own.

    A thread of Arrow may free what was read a moment after the reader has returned. For
    Python's own memory it would need the interpreter, and if that is just ending, as
    after a bad row, the process would abort.
    """
    buffer = pa.allocate_buffer(len(data))
    np.frombuffer(buffer, dtype=np.uint8)[:] = np.frombuffer(data, dtype=np.uint8)
    return buffer


def _values(column: str, chunks: pa.ChunkedArray) -> NDArray[Any]:
    if pa.types.is_integer(chunks.type):
        return np.asarray(chunks.to_numpy())
    if chunks.type == _TEXT:
        if pc.all(pc.match_substring_regex(chunks, _FEW_DIGITS)).as_py():
            digits = chunks.cast(pa.string())
            return np.asarray(digits.cast(pa.int64()).to_numpy())
        chunks = chunks.dictionary_encode()

    def value(text: bytes) -> float:
        return field_value(column, text.decode(errors="replace"))

    return np.concatenate([_mapped(chunk, value) for chunk in chunks.chunks])


def _mapped(
    texts: pa.DictionaryArray, value: Callable[[bytes], float]
) -> NDArray[np.float64]:
    """The value of each text, which is computed once for equal texts."""
    values = [value(text) for text in texts.dictionary.to_pylist()]
    of_text = np.array(values, dtype=np.float64)
    index: NDArray[np.int32] = texts.indices.to_numpy()
    return of_text[index]
