from __future__ import annotations

from serve.response import Response

PARTS = [b"one", b"two", b"three"]


def in_parts() -> Response:
    first, *rest = PARTS
    return Response(200, first, "text/csv", more=iter(rest), again=lambda: iter(PARTS))


def test_parts_make_a_whole() -> None:
    assert in_parts().whole() == Response(200, b"onetwothree", "text/csv")
    whole = Response(200, b"x")
    assert whole.whole() is whole
    assert whole.measured() is whole


def test_parts_are_measured_without_being_joined() -> None:
    measured = in_parts().measured()
    assert (b"content-length", b"11") in measured.start()["headers"]
    assert [measured.body, *(measured.more or ())] == PARTS
