from __future__ import annotations

import pytest

from movielens.errors import RequestError
from serve.options import Options


def test_options_are_found_among_whatever_else_is_there() -> None:
    assert Options.parse("") == Options()
    text = "trace-id=7;verbose, Contributions=3 ; on_unknown=error"
    assert Options.parse(text) == Options(True, 3, True)
    assert Options.parse("contributions") == Options(contributions=5)


@pytest.mark.parametrize(
    "text",
    [
        "verbose=perhaps",
        "verbose=²",
        "contributions=-1",
        "contributions=101",
        "contributions=00000000001",
        "on_unknown=",
    ],
)
def test_a_bad_option_is_refused(text: str) -> None:
    name = text.partition("=")[0]
    with pytest.raises(
        RequestError, match=f"custom attribute {name} is '.*', expected "
    ):
        Options.parse(text)
