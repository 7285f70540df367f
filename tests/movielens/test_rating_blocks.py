"""A row means the same whatever stands around it, and however a file is cut."""

from __future__ import annotations

import io
import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movielens.bad_rows import BadRows
from movielens.columns import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movielens.errors import DataError
from movielens.field_checks import field_value, usable_rows
from movielens.files import ReadLimits, line_blocks
from movielens.formats import RATING_COLUMNS, FileLayout
from movielens.rating_blocks import read_columns
from movielens.rating_rows import RatingReader
from movielens.tables import RatingTable
from tests.movielens.samples import rows

KNOWN = np.array([0, 1, 3, 7], np.int32)
SEPARATORS = [",", "\t", "::", "|"]

# What people write, and what only some parsers take for a number.
IDS = ["1", "3", "7", "+1", "1.0", "3.", "007", " 1", "1\t", "0", "-1", "0x1", "0X3"]
IDS += ["1e0", "1.5", ".1", "", " ", '"1"', '"1"3', '1"', "\x1d1", "\xa01", "٣"]
IDS += ["2147483648", "99999999999999999999", "1_0", "true", "nan", "1\x1a", "\ufeff1"]
STARS = ["4", "4.0", "0.5", "4.50", "5.", "+5", ".5", "5E0", "5e0", "0x1p2", "inf"]
STARS += ["nan", "4.7", "", " 4", '"4"', '"4', "0.5\x1d", "-1", "0", "4,5", "4\x1a"]
TIMES = ["5", "0", "-1", "5.9", "5.", "4294967295", "4294967295.9", "4294967296"]
TIMES += ["1537799250000", "2015-03-09", "2015-03-09T18:53:20Z", "2015-03-09 18:53:20"]
TIMES += ["2015-03-09T18:53:20.5+02:00", "1969-12-31", "2015-W10-1", "0x5", "5e0", ""]
TIMES += ["5\x1f", "9" * 400, "5\x1a"]
NOTES = [
    "",
    "x",
    "Exit",
    '"a, b"',
    '"two\nlines"',
    '"a ""word"""',
    '6" screen',
    '"open',
]
NOTES += ["\ufeff", "é", "a\tb", "::"]

PARTS = {
    USER_ID: st.sampled_from(IDS),
    MOVIE_ID: st.sampled_from(IDS),
    RATING: st.sampled_from(STARS),
    TIMESTAMP: st.sampled_from(TIMES),
    "note": st.sampled_from(NOTES),
}
GOOD = {USER_ID: "1", MOVIE_ID: "3", RATING: "4.5", TIMESTAMP: "5", "note": "x"}
BLANKS = st.sampled_from(["", " ", "\t", "\x1a", " \t\x1a"])
LAYOUTS = st.builds(
    FileLayout,
    role=st.just("ratings"),
    separator=st.sampled_from(SEPARATORS),
    columns=st.sampled_from([RATING_COLUMNS, RATING_COLUMNS[:3], tuple(GOOD)]),
    skip=st.just(0),
)


@st.composite
def texts(draw: st.DrawFn, columns: tuple[str, ...], separator: str) -> bytes:
    """Lines of good rows, of rows with one odd field, of blanks and of anything."""
    lines = []
    for _ in range(draw(st.integers(1, 8))):
        fields = {column: GOOD[column] for column in columns}
        match draw(st.sampled_from(["good", "odd", "odd", "blank", "any"])):
            case "odd":
                column = draw(st.sampled_from(columns))
                fields[column] = draw(PARTS[column])
            case "blank":
                fields = {"": draw(BLANKS)}
            case "any":
                fields = {column: draw(PARTS[column]) for column in columns}
        line_end = draw(st.sampled_from(["\n", "\n", "\r\n", "\n\n", "\r"]))
        lines.append(separator.join(fields.values()) + line_end)
    text = "".join(lines)
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    return text.encode()


class Outcome(NamedTuple):
    """What came of reading: the rows, or the fault; and the bad rows."""

    found: object
    n_bad: int
    first_bad: str


def outcome(
    layout: FileLayout, data: bytes, block_bytes: int, most_bad: float
) -> Outcome:
    """The rows and the faults of a text that is read in blocks."""
    bad_rows = BadRows(most_bad)
    limits = ReadLimits(block_bytes=block_bytes, row_bytes=450)
    reader = RatingReader(KNOWN, bad_rows, limits)
    tables: list[RatingTable] = []
    fault = ""
    try:
        blocks = line_blocks(io.BytesIO(data), "r.csv", limits)
        for table in reader.text_tables("r.csv", layout, blocks):
            tables.append(table)
    except DataError as error:
        fault = str(error)
    found = [row for table in tables for row in rows(table)]
    return Outcome(fault or found, bad_rows.count, bad_rows.first)


@settings(max_examples=600)
@given(
    data=st.data(),
    layout=LAYOUTS,
    block_bytes=st.integers(1, 80),
    most_bad=st.sampled_from([0.0, 1.0]),
)
def test_a_text_means_the_same_however_it_is_cut(
    data: st.DataObject, layout: FileLayout, block_bytes: int, most_bad: float
) -> None:
    text = data.draw(texts(layout.columns, layout.separator))
    whole = outcome(layout, text, 1 << 24, most_bad)
    assert outcome(layout, text, block_bytes, most_bad) == whole


ODD_FIELDS = [
    *((column, text) for column in (USER_ID, MOVIE_ID) for text in IDS),
    *((RATING, text) for text in STARS),
    *((TIMESTAMP, text) for text in TIMES),
]


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize(("column", "text"), ODD_FIELDS)
def test_a_row_means_the_same_beside_a_bad_row(
    separator: str, column: str, text: str
) -> None:
    layout = FileLayout("ratings", separator, RATING_COLUMNS, skip=0)
    fields = {name: GOOD[name] for name in RATING_COLUMNS} | {column: text}
    row = separator.join(fields.values()) + "\n"
    bad_row = "x\n"

    alone = outcome(layout, row.encode(), 1 << 24, 1.0)
    beside = outcome(layout, (row + bad_row).encode(), 1 << 24, 1.0)
    assert beside.found == alone.found
    is_refused = isinstance(alone.found, str)
    assert beside.n_bad == alone.n_bad + (0 if is_refused else 1)


@pytest.mark.parametrize(("column", "text"), ODD_FIELDS)
def test_a_block_and_a_field_have_one_grammar(column: str, text: str) -> None:
    layout = FileLayout("ratings", ",", RATING_COLUMNS, skip=0)
    fields = {name: GOOD[name] for name in RATING_COLUMNS} | {column: text}
    columns = read_columns(layout, ",".join(fields.values()).encode())
    if columns is None:
        return
    unquoted = text.removeprefix('"').removesuffix('"')
    expected = field_value(column, unquoted)
    if math.isnan(expected):
        assert not usable_rows(columns, None).all()
    else:
        assert columns[column].tolist() == [expected]


def test_extra_columns_of_text_are_no_reason_to_read_row_by_row() -> None:
    layout = FileLayout("ratings", ",", (*RATING_COLUMNS, "title"), skip=0)
    data = b'1,3,4.5,5,"Exit, ""The"" (1995)"\r\n\r\n2,3,4.0,6,Xanadu 0x1\r\n'
    columns = read_columns(layout, data)
    assert columns is not None
    assert columns[USER_ID].tolist() == [1, 2]
    assert columns[USER_ID].dtype == np.int64
    assert columns[TIMESTAMP].tolist() == [5, 6]


def test_whole_floats_and_dates_are_no_reason_to_read_row_by_row() -> None:
    layout = FileLayout("ratings", ",", RATING_COLUMNS, skip=0)
    columns = read_columns(layout, b"1.0,3.0,4.5,2015-03-09\n2.0,3.0,4.0,5.5\n")
    assert columns is not None
    assert columns[USER_ID].tolist() == [1.0, 2.0]
    assert columns[TIMESTAMP].tolist() == [1425859200.0, 5.5]


def test_a_header_may_be_cut_anywhere() -> None:
    header = "\ufeff\n \r\nuserId,movieId,rating\r\n"
    layout = FileLayout("ratings", ",", RATING_COLUMNS[:3], skip=3)
    for block_bytes in range(1, 40):
        found = outcome(layout, f"{header}1,3,4.5\n".encode(), block_bytes, 0.0)
        assert found == ([(1, 3, 4.5)], 0, "")
        assert outcome(layout, header.strip().encode(), block_bytes, 0.0).found == []
