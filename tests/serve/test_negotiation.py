from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.codec import CSV, JSON, PARSERS, RENDERERS
from serve.errors import HttpError
from serve.negotiation import answer_type, request_type

LINES = "application/jsonlines"


@pytest.mark.parametrize("media_type", PARSERS)
@pytest.mark.parametrize(
    "suffix", ["", "; charset=utf-8", ';charset="UTF-8"', "; header=present", ";"]
)
def test_content_types_are_taken_with_parameters(media_type: str, suffix: str) -> None:
    assert request_type(media_type + suffix, b"") == media_type
    assert request_type(media_type.title() + suffix, b"") == media_type


@pytest.mark.parametrize("content_type", [None, "", " ", "application/octet-stream"])
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
def test_an_unsaid_type_is_told_by_the_body(
    content_type: str | None, body: bytes, expected: str
) -> None:
    assert request_type(content_type, body) == expected


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-npy", "csv", "text/csv, application/json", "*/*"],
)
def test_other_types_are_refused_with_what_is_taken(content_type: str) -> None:
    with pytest.raises(HttpError, match="text/csv") as raised:
        request_type(content_type, b"")
    assert raised.value.status == 415


def test_other_charsets_are_refused() -> None:
    with pytest.raises(HttpError, match="iso-8859-1") as raised:
        request_type("text/csv; charset=ISO-8859-1", b"")
    assert raised.value.status == 415


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
]


@pytest.mark.parametrize(("accept", "own", "expected"), ACCEPTS)
def test_accept_chooses(accept: str | None, own: str, expected: str) -> None:
    assert answer_type(accept, own).name == expected


@pytest.mark.parametrize(
    "accept",
    ["text/html", "image/*", "text/csv;q=0", "csv", "*", "text/csv;q=nan", "a;;=,;"],
)
def test_what_cannot_be_answered_is_refused_with_what_can(accept: str) -> None:
    with pytest.raises(HttpError, match="application/json") as raised:
        answer_type(accept, CSV)
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
    assert answer_type(accept, JSON).parameters.get("verbose") == verbose


def bytes_as_header(value: bytes) -> str:
    return value.decode("latin-1")


@given(
    st.sampled_from(sorted(RENDERERS)),
    st.binary(max_size=40).map(bytes_as_header)
    | st.text("*/;,=q.01 texcsv", max_size=40),
)
def test_any_accept_gives_an_offer_or_406(own: str, accept: str) -> None:
    with contextlib.suppress(HttpError):
        assert answer_type(accept, own).name in RENDERERS
