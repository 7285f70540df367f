"""How one hyperparameter is declared: everything that is known of it, in one field.

A dataclass field made by `whole_number`, `number`, `choice`, `flag` or `declared`
carries a `Declaration`. The job parses with it; SageMaker's specification
(`train.specification`) and the table in the docs (`train.hyperparameter_table`) are
made from it. So a new hyperparameter is one new field, and nothing else has to know.

Example:
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Toy:
    ...     warmth: int = whole_number(
    ...         default=3, low=1, high=9, meaning="how warm the toy is"
    ...     )
    >>> declarations_of(Toy)["warmth"].parse("7")
    7
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypedDict, Unpack

# SageMaker's names for the types of hyperparameters.
Kind = Literal["Integer", "Continuous", "Categorical", "FreeText"]

# XGBoost holds numbers as float32, and refuses those that are too large or too close to
# 0 for that.
SMALLEST_FLOAT = 2.0**-126
LARGEST_FLOAT = 2.0**127

_DECLARATION = "declaration"
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What is known of one hyperparameter.

    Attributes:
        default: the value of a job that doesn't set it.
        parse: makes the value from text; raises ValueError if it isn't allowed.
        expected: what is allowed, in words.
        meaning: what it does, in words, without a full stop; Markdown.
        kind: SageMaker's type.
        bounds: the least and the largest number allowed, of numbers.
        choices: the texts allowed, of categories.
        passed_to_xgboost: whether XGBoost gets the value, under the same name.
        shapes_model: whether another value may give other features or trees.
        tuned: the range in which a tuning job searches, None if it doesn't.
        other_names: what other libraries call it; only for helpful error messages.
    """

    default: Any
    parse: Callable[[str], Any]
    expected: str
    meaning: str
    kind: Kind = "FreeText"
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    passed_to_xgboost: bool = False
    shapes_model: bool = True
    tuned: tuple[float, float] | None = None
    other_names: tuple[str, ...] = ()

    @property
    def default_text(self) -> str:
        """The default as a user would write it."""
        return as_text(self.default)


class Facts(TypedDict, total=False):
    """What any declaration may add; `Declaration` has the meanings and the defaults."""

    passed_to_xgboost: bool
    shapes_model: bool
    tuned: tuple[float, float]
    other_names: tuple[str, ...]


def declared(declaration: Declaration) -> Any:
    """A dataclass field with this declaration."""
    return field(default=declaration.default, metadata={_DECLARATION: declaration})


def declarations_of(hyperparameters: type[Any]) -> dict[str, Declaration]:
    """The declarations of a dataclass by attribute, in the order of its fields."""
    return {each.name: each.metadata[_DECLARATION] for each in fields(hyperparameters)}


def whole_number(
    *, default: int, low: int, high: int, meaning: str, **facts: Unpack[Facts]
) -> Any:
    """A field for a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        # int() also takes underscores and the digits of other scripts.
        is_plain = text.isascii() and text.isdigit()
        if not is_plain or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return declared(
        Declaration(
            default=default,
            parse=parse,
            expected=f"a whole number from {low} to {high}",
            meaning=meaning,
            kind="Integer",
            bounds=(low, high),
            **facts,
        )
    )


def number(
    *,
    default: float,
    low: float,
    high: float = math.inf,
    meaning: str,
    above_low: bool = False,
    **facts: Unpack[Facts],
) -> Any:
    """A field for a number from ``low`` to ``high``, without a bound by default.

    Args:
        default: the value of a job that doesn't set it.
        low: the least value.
        high: the largest value; XGBoost's own bound always holds.
        meaning: what it does.
        above_low: whether ``low`` itself is refused.
        facts: see `Declaration`.
    """

    def parse(text: str) -> float:
        # float() also takes underscores and the digits of other scripts.
        is_plain = text.isascii() and "_" not in text
        value = float(text) if is_plain else math.nan

        is_high_enough = low < value if above_low else low <= value
        fits_float32 = value == 0 or SMALLEST_FLOAT <= abs(value) <= LARGEST_FLOAT
        # Every comparison with NaN is false.
        if not (is_high_enough and value <= high and fits_float32):
            raise ValueError(text)
        return value

    start = f"above {low:g}" if above_low else f"from {low:g}"
    end = "" if math.isinf(high) else f" to {high:g}"
    return declared(
        Declaration(
            default=default,
            parse=parse,
            expected=f"a number {start}{end}",
            meaning=meaning,
            kind="Continuous",
            bounds=(low, high),
            **facts,
        )
    )


def choice(
    *, default: str, names: tuple[str, ...], meaning: str, **facts: Unpack[Facts]
) -> Any:
    """A field for one of some names."""

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return declared(
        Declaration(
            default=default,
            parse=parse,
            expected="one of " + ", ".join(names),
            meaning=meaning,
            kind="Categorical",
            choices=names,
            **facts,
        )
    )


def flag(*, default: bool, meaning: str, **facts: Unpack[Facts]) -> Any:
    """A field for yes or no."""

    def parse(text: str) -> bool:
        if text.lower() not in _FLAGS:
            raise ValueError(text)
        return _FLAGS[text.lower()]

    return declared(
        Declaration(
            default=default,
            parse=parse,
            expected="true or false",
            meaning=meaning,
            kind="Categorical",
            choices=tuple(_FLAGS),
            **facts,
        )
    )


def as_text(value: object) -> str:
    """A value as a user would write it in ``hyperparameters.json``."""
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
