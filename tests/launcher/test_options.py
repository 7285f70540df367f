from __future__ import annotations

import pytest

from launcher.errors import ConfigError
from launcher.options import (
    given_settings,
    hyperparameter_settings,
    parse_assignments,
)


def test_a_value_may_have_an_equals_sign() -> None:
    assert parse_assignments(["a=b=c", "d="], "--set") == {"a": "b=c", "d": ""}


@pytest.mark.parametrize("text", ["eta", "=0.1", ""])
def test_a_text_that_is_no_assignment_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=f"-p '{text}': expected NAME=VALUE"):
        hyperparameter_settings([text])


def test_no_hyperparameters_are_no_settings() -> None:
    assert hyperparameter_settings(None) == {}


def test_an_option_that_was_not_given_is_no_setting() -> None:
    settings = {"training.spot": False, "region": None}
    assert given_settings(settings) == {"training.spot": False}
