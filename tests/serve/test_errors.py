from __future__ import annotations

import json

import pytest

from serve.errors import CODES, HttpError, error_body, overloaded


@pytest.mark.parametrize("message", ["\ud800", "a \udfff b", "\x00", "é\U0001f600"])
def test_any_text_is_a_message(message: str) -> None:
    for body in (error_body(400, message), HttpError(400, message).body()):
        error = json.loads(body)["error"]
        assert error["code"] == "bad_request"
        assert ("ud800" in error["message"]) == ("\ud800" in message)


@pytest.mark.parametrize("status", CODES)
def test_an_answer_says_its_length_and_that_it_is_the_last(status: int) -> None:
    head, _, body = HttpError(status, "why").answer().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\ncontent-length: %d" % len(body) in head
    assert b"\r\nconnection: close" in head
    assert json.loads(body)["error"] == {"code": CODES[status], "message": "why"}


def test_an_overloaded_server_says_when_to_come_again() -> None:
    error = overloaded("too much")
    assert error.status == 503
    assert b"\r\nretry-after: 1\r\n" in error.answer()
    assert b'"code":"overloaded"' in error.body()
