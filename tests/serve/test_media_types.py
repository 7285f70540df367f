from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.errors import HttpError
from serve.formats.registry import FORMATS
from serve.media_types import (
    MediaType,
    answer_type,
    check_charset,
    request_type,
)
from serve.rows import first_character

CSV = "text/csv"
JSON = "application/json"
LINES = "application/jsonlines"


def requested(content_type: str, body: bytes = b"") -> str:
    media_type = MediaType.parse(content_type)
    return request_type(media_type, first_character(body), FORMATS)


def answered(accept: str | None, own: str) -> MediaType:
    return answer_type(accept, own, FORMATS)


@pytest.mark.parametrize("media_type", FORMATS.media_types)
@pytest.mark.parametrize(
    "suffix", ["", "; charset=utf-8", ';charset="UTF-8"', "; header=present", ";"]
)
def test_content_types_may_have_parameters(media_type: str, suffix: str) -> None:
    assert requested(media_type + suffix) == media_type
    assert requested(media_type.title() + suffix) == media_type


@pytest.mark.parametrize("content_type", ["", " ", "application/octet-stream"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"1,2", CSV),
        (b"", CSV),
        (b" \n{}", JSON),
        (b"[]", JSON),
        (b"\xef\xbb\xbf{", JSON),
    ],
)
def test_a_body_without_a_type_is_recognised_by_its_beginning(
    content_type: str, body: bytes, expected: str
) -> None:
    assert requested(content_type, body) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a/b; x="1;y=2"; z=3', {"x": "1;y=2", "z": "3"}),
        (r'a/b; x="say \"hi\"; y"', {"x": 'say "hi"; y'}),
        ('a/b; x="never closed; z=3', {"x": "never closed; z=3"}),
        ('a/b; x=""', {"x": ""}),
        ("a/b;; ;x", {}),
    ],
)
def test_separators_in_quotes_belong_to_the_value(
    text: str, expected: dict[str, str]
) -> None:
    assert MediaType.parse(text) == MediaType("a/b", expected)


def test_a_comma_in_quotes_separates_no_ranges() -> None:
    accept = 'text/html; x="a, application/json", text/csv'
    assert answered(accept, JSON).name == CSV


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-npy", "csv", "text/csv, application/json", "*/*"],
)
def test_a_type_that_cannot_be_read_is_refused_with_those_that_can(
    content_type: str,
) -> None:
    with pytest.raises(HttpError, match="text/csv") as raised:
        requested(content_type)
    assert raised.value.status == 415


def charset_of(content_type: str) -> str | None:
    return MediaType.parse(content_type).charset


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "us-ascii", '"US-ASCII"'])
def test_ascii_is_utf_8(name: str) -> None:
    assert charset_of(f"text/csv; charset={name}") is None
    assert charset_of("text/csv") is None


def test_other_charsets_are_read_where_they_are_ascii() -> None:
    charset = charset_of("text/csv; charset=ISO-8859-1")
    check_charset(charset, b"1,318")
    for body in ("1,318,é".encode("latin-1"), "1,318".encode("utf-16-le")):
        with pytest.raises(HttpError, match="iso-8859-1") as raised:
            check_charset(charset, body)
        assert raised.value.status == 415
    check_charset(None, "é".encode())


ACCEPTS = [
    (None, CSV, CSV),
    ("", JSON, JSON),
    ("*/*", LINES, LINES),
    ("*/*", CSV, CSV),
    ("text/*", JSON, CSV),
    ("application/*", CSV, JSON),
    ("application/*", LINES, LINES),
    ("application/json", CSV, JSON),
    ("APPLICATION/JSON", CSV, JSON),
    ("application/json, text/csv", CSV, JSON),
    ("application/json;q=0.5, text/csv;q=0.6", JSON, CSV),
    ("text/html, application/jsonlines;q=0.1", CSV, LINES),
    ("application/json, */*", CSV, JSON),
    ("*/*, text/csv;q=0.1", CSV, JSON),
    ("text/csv;q=0, */*", CSV, JSON),
    ("application/json;q=2, text/csv;q=0.1", JSON, CSV),
    ("application/x-ndjson", CSV, "application/x-ndjson"),
    ("*", CSV, CSV),
    ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", CSV, CSV),
    ("application/json; q=.9, *; q=.2", CSV, JSON),
    ("application/json;q=0., *", CSV, CSV),
    ("application/json; Q=0.001, text/csv;q=0.000", CSV, JSON),
    ("text/csv;q=.1, application/json;q=1.000", CSV, JSON),
]


@pytest.mark.parametrize(("accept", "own", "expected"), ACCEPTS)
def test_accept_chooses_the_type_of_the_answer(
    accept: str | None, own: str, expected: str
) -> None:
    assert answered(accept, own).name == expected


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "image/*",
        "text/csv;q=0",
        "csv",
        "*;q=0",
        "text/csv;q=nan",
        "*;q=.",
        "a;;=,;",
    ],
)
def test_a_type_that_cannot_be_written_is_refused_with_those_that_can(
    accept: str,
) -> None:
    with pytest.raises(HttpError, match="application/json") as raised:
        answered(accept, CSV)
    assert raised.value.status == 406


@pytest.mark.parametrize(
    ("accept", "verbose"),
    [
        ("text/csv; verbose=true", "true"),
        ("text/csv;VERBOSE=True", "true"),
        ('text/csv; verbose="true"; q=0.5', "true"),
        ("text/csv;q=0.5, text/csv;verbose=true", "true"),
        ("text/csv", None),
        ("text/csv; verbose", None),
    ],
)
def test_parameters_come_with_the_type(accept: str, verbose: str | None) -> None:
    assert answered(accept, JSON).parameters.get("verbose") == verbose


def as_header(value: bytes) -> str:
    return value.decode("latin-1")


@given(
    st.sampled_from(sorted(FORMATS.media_types)),
    st.binary(max_size=40).map(as_header) | st.text("*/;,=q.01 texcsv", max_size=40),
)
def test_any_accept_gives_one_of_our_types_or_406(own: str, accept: str) -> None:
    with contextlib.suppress(HttpError):
        assert answered(accept, own).name in FORMATS
