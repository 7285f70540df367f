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

import re
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
# No more digits than always fit into int64.
_QUOTE = b'"'
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

    unquoted = _quoted_field(layout.separator).sub(b"", data)
    has_odd_quotes = _QUOTE in unquoted
    has_line_ends_in_quotes = unquoted.count(b"\n") != data.count(b"\n")
    return has_odd_quotes or has_line_ends_in_quotes


def _quoted_field(separator: str) -> re.Pattern[bytes]:
    end = rb"[" + separator.encode() + rb"\r\n]"
    text = rb"[^" + _QUOTE + rb"]*+"
    twice = _QUOTE + _QUOTE
    return re.compile(
        rb"(?:^|(?<="
        + end
        + rb"))"
        + (_QUOTE + text + rb"(?:" + twice + text + rb")*+" + _QUOTE)
        + (rb"(?=" + end + rb"|\Z)")
    )


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
            pa.BufferReader(data), read_options, parse_options, convert_options
        )
    except pa.ArrowInvalid:
        return None


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
