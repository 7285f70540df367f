from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movielens.json_text import MOST_LEVELS, is_too_deep, parse_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner),
)


@settings(max_examples=40)
@given(VALUES)
def test_any_value_of_json_comes_back(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse_json(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[" * 200_000, "nested more than 100 levels"),
        ("[" * 200_000 + "]" * 200_000, "nested more than 100 levels"),
        ('{"a":' * 500 + "1" + "}" * 500, "nested more than 100 levels"),
        ("NaN", "JSON has no NaN"),
        ("[-Infinity]", "JSON has no -Infinity"),
        ("1e999", "the number 1e999 is too large"),
        ("9" * 5000, "a whole number has 5000 digits"),
        ('["\\ud800"]', "half of a surrogate pair"),
        ('{"\\uDFFF": 1}', "half of a surrogate pair"),
        ('["\ud800"]', "half of a surrogate pair"),
    ],
)
def test_what_could_do_harm_later_is_a_value_error(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse_json(text)


def test_both_halves_of_a_pair_are_a_character() -> None:
    assert parse_json('"\\ud83c\\udfac"') == "🎬"


@pytest.mark.parametrize("data", [b"\xff", b'"\xed\xa0\x80"', '"a"'.encode("utf-16")])
def test_bytes_that_are_no_utf_8_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="utf-8"):
        parse_json(data)


def test_as_many_levels_as_allowed_are_read() -> None:
    text = "[" * MOST_LEVELS + "]" * MOST_LEVELS
    assert len(parse_json(text)) == 1
    with pytest.raises(ValueError, match="nested"):
        parse_json(f"[{text}]")


def test_only_depth_makes_a_text_too_deep() -> None:
    assert is_too_deep("[" * 200_000)
    assert is_too_deep("[" * 200 + "]" * 200)
    assert not is_too_deep("auto")
    assert not is_too_deep("[0.1, 0.2]")
    assert not is_too_deep("9" * 5000)
