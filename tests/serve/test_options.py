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


def test_parameters_of_a_body_are_the_same_options() -> None:
    parameters = {"verbose": True, "contributions": 3.0, "on_unknown": "error"}
    assert Options().with_parameters(parameters) == Options(True, 3, True)
    assert Options().with_parameters({"contributions": True}).contributions == 5
    assert Options().with_parameters({"contributions": "7"}).contributions == 7


def test_parameters_replace_only_what_they_name() -> None:
    of_the_header = Options.parse("verbose, contributions=3")
    changed = of_the_header.with_parameters({"verbose": False})
    assert changed == Options(contributions=3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"verbose": 7}, "parameter verbose is '7', expected true or false"),
        ({"verbose": None}, "parameter verbose is 'none', expected"),
        ({"contributions": 2.5}, r"parameter contributions is '2\.5', expected"),
        ({"contributions": [1]}, "parameter contributions is "),
        ({"on_unknown": True}, "parameter on_unknown is '', expected predict or error"),
        ({"top_k": 5}, "unknown parameter 'top_k', expected some of verbose"),
    ],
)
def test_a_bad_parameter_is_refused(
    parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        Options().with_parameters(parameters)
