"""One definition of numbers, times, blanks and line ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movielens.grammar import (
    is_blank,
    lone_cr_line,
    parse_id,
    parse_number,
    parse_time,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("318", 318),
        ("+318", 318),
        ("-1", -1),
        ("0", 0),
        ("007", 7),
        ("318.", 318),
        ("318.000", 318),
        ("\t318 ", 318),
        ("9223372036854775808", 2**63),
    ],
)
def test_a_whole_number_is_an_id(text: str, value: int) -> None:
    assert parse_id(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1.5",
        ".0",
        "1e3",
        "0x1",
        "1_000",
        "\u0661",
        "1 2",
        "nan",
        "--1",
        "1\x1d",
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="isn't a whole number"):
        parse_id(text)


def test_an_id_of_thousands_of_digits_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="isn't a whole number"):
        parse_id("9" * 10_000)


@pytest.mark.parametrize(
    ("text", "value"),
    [("4", 4.0), ("+4.5", 4.5), ("-0.5", -0.5), ("4.", 4.0), (" 4.50\t", 4.5)],
)
def test_digits_with_a_sign_and_a_fraction_are_a_number(
    text: str, value: float
) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text", ["", ".5", "5E0", "0x1p3", "inf", "nan", "1,5", "0.5\x1d", "½"]
)
def test_anything_else_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="isn't a number"):
        parse_number(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("964982703", 964982703.0),
        ("964982703.0", 964982703.0),
        ("2000-07-30", 964915200.0),
        ("2000-07-30T18:45:03", 964982703.0),
        ("2000-07-30 18:45:03Z", 964982703.0),
        ("2000-07-30T20:45:03+02:00", 964982703.0),
        ("2000-07-30T18:45:03.5Z", 964982703.5),
    ],
)
def test_seconds_and_iso_dates_are_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "9e8", "30.07.2000", "2000-W30-7", "2000-13-01", "20000730T184503"],
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"2000-13|month|neither"):
        parse_time(text)


@given(st.integers(-(10**20), 10**20))
def test_a_whole_number_reads_back(number: int) -> None:
    assert parse_id(str(number)) == number
    assert parse_id(f"{number}.0") == number


@given(st.floats(0, 2**32, allow_nan=False).map(lambda value: round(value, 6)))
def test_numpy_and_python_write_numbers_that_read_back(number: float) -> None:
    for text in (f"{number:f}", str(np.format_float_positional(number))):
        assert parse_number(text) == float(text)


@pytest.mark.parametrize("text", ["", " ", "\t \r\n", "\x1a", "\x1a\n"])
def test_blanks_say_nothing(text: str) -> None:
    assert is_blank(text)


def test_a_separator_of_records_is_no_blank() -> None:
    assert not is_blank("\x1d")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", None),
        (b"1,2\r\n3,4\n", None),
        (b"1,2\r3,4\r", 1),
        (b"1,2\n3,4\r5,6\n", 2),
        (b"1,2\r", 1),
    ],
)
def test_a_cr_alone_is_found(data: bytes, line: int | None) -> None:
    assert lone_cr_line(data) == line
