from __future__ import annotations

import pytest

from movielens.errors import RequestError
from serve.errors import HttpError
from serve.formats.registry import FORMATS
from serve.formats.renderer import AnswerStyle
from serve.negotiation import RequestHeaders, negotiate
from serve.options import Options
from serve.questions import Wanted

CSV = "text/csv"
JSON = "application/json"


def test_headers_are_negotiated_once() -> None:
    accept = "application/json; q=0.5, text/csv; verbose=true"
    first = negotiate(RequestHeaders(CSV, accept), b"1")
    assert negotiate(RequestHeaders(CSV, accept), b"1") is first


def test_the_headers_that_matter_are_picked_out() -> None:
    given = {
        b"content-type": b"text/csv",
        b"host": b"x",
        b"x-amzn-sagemaker-custom-attributes": b"verbose",
    }
    assert RequestHeaders.of(given) == RequestHeaders(CSV, None, "verbose")


def test_the_formats_of_request_and_answer_may_differ() -> None:
    negotiated = negotiate(RequestHeaders(JSON, "text/csv; header=present"), b"{")
    assert negotiated.parser is FORMATS[JSON].parser
    assert negotiated.renderer is FORMATS[CSV].renderer
    assert negotiated.media_type == CSV
    assert negotiated.style == AnswerStyle(has_header=True)
    assert negotiated.options == Options()


def test_verbose_is_a_parameter_or_an_option() -> None:
    verbose = AnswerStyle(is_verbose=True)
    assert negotiate(RequestHeaders(CSV, f"{CSV}; verbose=true"), b"").style == verbose
    assert negotiate(RequestHeaders(CSV, None, "verbose"), b"").style == verbose


@pytest.mark.parametrize("name", ["recommend", "onboarding"])
def test_a_content_type_may_ask_for_movies(name: str) -> None:
    headers = RequestHeaders(f"{CSV}; {name}=3")
    negotiated = negotiate(headers, b"1")
    assert headers.is_slow
    assert negotiated.parser is not FORMATS[CSV].parser
    wanted = Wanted(3, is_onboarding=name == "onboarding")
    assert negotiated.style == AnswerStyle(wanted=wanted)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("recommend=x", "recommend is 'x'"),
        ("onboarding=101", "onboarding is 101, expected how many movies"),
        ("recommend=1; onboarding=1", "recommend and onboarding are two questions"),
        ("recommend=1; year_from=²", "year_from is '²'"),
    ],
)
def test_bad_parameters_are_refused(parameters: str, message: str) -> None:
    with pytest.raises(RequestError, match=f"Content-Type: {message}"):
        negotiate(RequestHeaders(f"{CSV}; {parameters}"), b"1")


def test_rows_of_json_ask_themselves() -> None:
    negotiated = negotiate(RequestHeaders(f"{JSON}; recommend=x"), b"{")
    assert negotiated.parser is FORMATS[JSON].parser


def test_a_compressed_body_is_refused() -> None:
    with pytest.raises(HttpError, match="'gzip' isn't supported") as raised:
        negotiate(RequestHeaders(CSV, encoding="gzip"), b"1")
    assert raised.value.status == 415
    assert negotiate(RequestHeaders(CSV, encoding=" Identity"), b"1")


def test_headers_that_ask_for_much_are_slow() -> None:
    assert RequestHeaders("Text/CSV; Recommend=1").is_slow
    assert RequestHeaders(JSON, None, "contributions").is_slow
    assert not RequestHeaders(JSON).is_slow
    assert not RequestHeaders(None, None, "verbose").is_slow
