"""The options of a request.

They come in ``X-Amzn-SageMaker-Custom-Attributes``, a header that SageMaker passes on
as it is. They are separated by commas or semicolons, for example ``verbose,
contributions=3, on_unknown=error``. Callers may put other things into the header, such
as an id for tracing, so unknown names are ignored.

A JSON body may hold them too, as ``parameters`` beside its ``instances``. There they
replace those of the header, and unknown names are refused as in the rest of the body.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from movielens.errors import RequestError
from serve.fields import is_whole, shown

VERBOSE = "verbose"
CONTRIBUTIONS = "contributions"
ON_UNKNOWN = "on_unknown"

_MOST_CONTRIBUTIONS = 100
_DEFAULT_CONTRIBUTIONS = 5
_FLAGS = {"": True, "true": True, "false": False}
_POLICIES = {"predict": False, "error": True}


@dataclass(frozen=True, slots=True)
class Options:
    """How to answer.

    Attributes:
        verbose: whether CSV answers have all columns.
        contributions: how many features to name that moved the expected rating most; 0
            for none.
        refuse_unknown: whether a user or movie that training didn't know is an error.
    """

    verbose: bool = False
    contributions: int = 0
    refuse_unknown: bool = False

    @classmethod
    def parse(cls, text: str) -> Options:
        """Read the header.

        Raises:
            RequestError: if one of our options has a value that it doesn't take.

        Example:
            >>> Options.parse("trace=7; contributions")
            Options(verbose=False, contributions=5, refuse_unknown=False)
        """
        given = {}
        for part in re.split(r"[,;]", text):
            name, _, value = part.partition("=")
            name = name.strip().lower()
            if name in _OPTIONS:
                given[name] = value.strip().lower()
        return _changed(cls(), given, "custom attribute")

    def with_parameters(self, parameters: Mapping[str, Any]) -> Options:
        """These options, with those that a JSON body holds.

        Raises:
            RequestError: if one is unknown or has a value that it doesn't take.

        Example:
            >>> Options().with_parameters({"verbose": True, "contributions": 3})
            Options(verbose=True, contributions=3, refuse_unknown=False)
        """
        given = {}
        for name, value in parameters.items():
            if name not in _OPTIONS:
                raise RequestError(
                    f"unknown parameter {shown(name)!r}, "
                    f"expected some of {', '.join(_OPTIONS)}"
                )
            given[name] = _as_text(value)
        return _changed(self, given, "parameter")


def _as_text(value: Any) -> str:
    """A JSON value as the header would say it."""
    if value is True:
        return ""  # an option that is there without a value
    if is_whole(value):
        value = int(value)
    return str(value).lower()


def _changed(options: Options, given: Mapping[str, str], what: str) -> Options:
    changes: dict[str, Any] = {}
    for name, value in given.items():
        option = _OPTIONS[name]
        found = option.read(value)
        if found is None:
            expected = option.expected
            raise RequestError(
                f"{what} {name} is {shown(value)!r}, expected {expected}"
            )
        changes[option.attribute] = found
    return replace(options, **changes)


def _read_contributions(value: str) -> int | None:
    if not value:
        return _DEFAULT_CONTRIBUTIONS
    is_short_number = value.isascii() and value.isdecimal() and len(value) < 10
    if not is_short_number or int(value) > _MOST_CONTRIBUTIONS:
        return None
    return int(value)


class _Option(NamedTuple):
    """An option.

    Attributes:
        attribute: that of `Options`.
        read: the value that a text means, None if it means none.
        expected: how an error message describes such texts.
    """

    attribute: str
    read: Callable[[str], bool | int | None]
    expected: str


_OPTIONS = {
    VERBOSE: _Option("verbose", _FLAGS.get, "true or false"),
    CONTRIBUTIONS: _Option(
        "contributions",
        _read_contributions,
        f"a whole number from 0 to {_MOST_CONTRIBUTIONS}",
    ),
    ON_UNKNOWN: _Option("refuse_unknown", _POLICIES.get, "predict or error"),
}
