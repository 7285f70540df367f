"""The options of a request.

They come in ``X-Amzn-SageMaker-Custom-Attributes``, a header that SageMaker passes on
as it is. They are separated by commas or semicolons, for example ``verbose,
contributions=3, on_unknown=error``. Callers may put other things into the header, such
as an id for tracing, so unknown names are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from movielens.errors import RequestError
from serve.fields import shown

_MOST_CONTRIBUTIONS = 100
_DEFAULT_CONTRIBUTIONS = "5"
_FLAGS = {"": True, "true": True, "false": False}


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
            given[name.strip().lower()] = value.strip().lower()
        return cls(
            verbose=_verbose(given.get("verbose", "false")),
            contributions=_contributions(given.get("contributions", "0")),
            refuse_unknown=_refuse_unknown(given.get("on_unknown", "predict")),
        )


def _verbose(value: str) -> bool:
    flag = _FLAGS.get(value)
    if flag is None:
        raise _bad_value("verbose", value, "true or false")
    return flag


def _contributions(value: str) -> int:
    count = value or _DEFAULT_CONTRIBUTIONS
    is_short_number = count.isascii() and count.isdecimal() and len(count) < 10
    if not is_short_number or int(count) > _MOST_CONTRIBUTIONS:
        expected = f"a whole number from 0 to {_MOST_CONTRIBUTIONS}"
        raise _bad_value("contributions", count, expected)
    return int(count)


def _refuse_unknown(value: str) -> bool:
    if value not in ("predict", "error"):
        raise _bad_value("on_unknown", value, "predict or error")
    return value == "error"


def _bad_value(name: str, value: str, expected: str) -> RequestError:
    return RequestError(
        f"custom attribute {name} is {shown(value)!r}, expected {expected}"
    )
