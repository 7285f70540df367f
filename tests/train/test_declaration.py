"""A hyperparameter is declared once: one more field, and everything knows it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from movielens.errors import HyperparameterError
from train.declaration import (
    Declaration,
    as_text,
    choice,
    declarations_of,
    flag,
    number,
    whole_number,
)
from train.hyperparameter_table import table
from train.hyperparameters import Hyperparameters
from train.specification import specification


@dataclass(frozen=True, kw_only=True)
class ToyHyperparameters(Hyperparameters):
    warmth: int = whole_number(
        default=3,
        low=1,
        high=9,
        meaning="how warm the toy is",
        shapes_model=False,
        tuned=(2, 5),
        other_names=("temperature",),
    )


def test_a_new_hyperparameter_is_parsed() -> None:
    assert ToyHyperparameters.parse({"warmth": "5"}).warmth == 5
    assert ToyHyperparameters.parse({}).warmth == 3


def test_a_new_hyperparameter_is_refused_out_of_range() -> None:
    expected = "warmth is '10', expected a whole number from 1 to 9"
    with pytest.raises(HyperparameterError, match=expected):
        ToyHyperparameters.parse({"warmth": "10"})


def test_a_new_hyperparameter_is_suggested_for_its_other_names() -> None:
    with pytest.raises(HyperparameterError, match="did you mean warmth"):
        ToyHyperparameters.parse({"temperature": "5"})


def test_a_new_hyperparameter_goes_only_where_it_belongs() -> None:
    toy = ToyHyperparameters()
    assert toy.to_json()["warmth"] == 3
    assert "warmth" not in toy.booster_params()
    assert "warmth" not in toy.shaping()


def test_a_new_hyperparameter_is_in_the_specification() -> None:
    toy = specification(ToyHyperparameters)
    assert toy["SupportedHyperParameters"][-1] == {
        "Name": "warmth",
        "Description": "a whole number from 1 to 9 (how warm the toy is)",
        "Type": "Integer",
        "IsTunable": True,
        "IsRequired": False,
        "DefaultValue": "3",
        "Range": {
            "IntegerParameterRangeSpecification": {"MinValue": "1", "MaxValue": "9"}
        },
    }
    assert toy["ParameterRanges"]["IntegerParameterRanges"][-1] == {
        "Name": "warmth",
        "MinValue": "2",
        "MaxValue": "5",
        "ScalingType": "Linear",
    }


def test_a_new_hyperparameter_is_in_the_table() -> None:
    last_line = table(ToyHyperparameters).splitlines()[-1]
    assert last_line == (
        "| `warmth` | `3` | a whole number from 1 to 9 | how warm the toy is |"
    )


@dataclass(frozen=True, kw_only=True)
class OneOfEachKind:
    whole: int = whole_number(default=1, low=0, high=5, meaning="")
    real: float = number(default=1, low=0, above_low=True, high=2, meaning="")
    unbounded: float = number(default=1, low=0, meaning="")
    name: str = choice(default="a", names=("a", "b"), meaning="")
    yes: bool = flag(default=True, meaning="")


def declaration(attribute: str) -> Declaration:
    return declarations_of(OneOfEachKind)[attribute]


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("whole", "a whole number from 0 to 5"),
        ("real", "a number above 0 to 2"),
        ("unbounded", "a number from 0"),
        ("name", "one of a, b"),
        ("yes", "true or false"),
    ],
)
def test_what_is_allowed_is_said_in_words(attribute: str, expected: str) -> None:
    assert declaration(attribute).expected == expected


@pytest.mark.parametrize(
    ("attribute", "text", "value"),
    [
        ("whole", "0", 0),
        ("whole", "5", 5),
        ("real", "0.5", 0.5),
        ("real", "2", 2.0),
        ("unbounded", "0", 0.0),
        ("unbounded", "1e30", 1e30),
        ("name", "b", "b"),
        ("yes", "FALSE", False),
    ],
)
def test_allowed_text_becomes_a_value(attribute: str, text: str, value: object) -> None:
    assert declaration(attribute).parse(text) == value


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        ("whole", "6"),
        ("whole", "-1"),
        ("whole", "1_0"),
        ("whole", "\u0663"),
        ("whole", ""),
        ("real", "0"),
        ("real", "2.1"),
        ("real", "nan"),
        ("real", "1e-60"),
        ("unbounded", "inf"),
        ("unbounded", "1e300"),
        ("unbounded", "-0.1"),
        ("name", "A"),
        ("yes", "yes"),
    ],
)
def test_other_text_is_refused(attribute: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        declaration(attribute).parse(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (0.5, "0.5"), (True, "true"), (("a", "b"), "a,b"), ((), "none")],
)
def test_a_value_is_written_as_a_user_would(value: object, text: str) -> None:
    assert as_text(value) == text
