"""What a request may ask for in ``X-Amzn-SageMaker-Custom-Attributes``, which SageMaker
hands through untouched.

Options are parted by commas or semicolons, such as ``verbose, contributions=3,
on_unknown=error``. The header may carry whatever else a caller puts there, for example
an id for tracing, so other names are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from movielens.errors import RequestError
from serve.rows import shown

_MOST_CONTRIBUTIONS = 100
_FLAGS = {"": True, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Options:
    """How to answer.

    Attributes:
        verbose: whether CSV answers have all columns.
        contributions: how many features to name that moved the expected rating most, 0
            for none.
        refuse_unknown: whether a user or movie that training didn't know is an error.
    """

    verbose: bool = False
    contributions: int = 0
    refuse_unknown: bool = False

    @classmethod
    def parse(cls, text: str) -> Options:
        """Read the header's value.

        Raises:
            RequestError: if one of our options has a value that it can't have.
        """
        parts = (part.partition("=") for part in re.split(r"[,;]", text))
        given = {
            name.strip().lower(): value.strip().lower() for name, _, value in parts
        }
        verbose = _FLAGS.get(given.get("verbose", "false"))
        if verbose is None:
            raise _unusable("verbose", given["verbose"], "true or false")
        count = given.get("contributions", "0") or "5"
        if not (
            count.isascii()
            and count.isdecimal()
            and int(count[:9]) <= _MOST_CONTRIBUTIONS
        ):
            raise _unusable(
                "contributions",
                count,
                f"a whole number from 0 to {_MOST_CONTRIBUTIONS}",
            )
        on_unknown = given.get("on_unknown", "predict")
        if on_unknown not in ("predict", "error"):
            raise _unusable("on_unknown", on_unknown, "predict or error")
        return cls(verbose, int(count), on_unknown == "error")


def unknown(name: str, value: object) -> str:
    """What is wrong with an id that training didn't know, where that was to be an
    error.
    """
    return f"{name} {value} isn't known, and on_unknown=error was asked for"


def _unusable(name: str, value: str, expected: str) -> RequestError:
    return RequestError(
        f"custom attribute {name} is {shown(value)!r}, expected {expected}"
    )
