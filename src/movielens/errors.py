"""The faults that a user can fix, as one small hierarchy.

A message says what was wrong, where, and what to do. Each entry point catches
`HalfstarError` once: training writes the failure file, serving answers with a status
code. Any other exception is a bug and looks like one.
"""

from __future__ import annotations

from typing import Self


class HalfstarError(Exception):
    """Base class of the faults that a user can fix."""


class DataError(HalfstarError):
    """Raw MovieLens data that can't be used."""

    @classmethod
    def at(cls, file: str, place: str, column: str, value: str, expected: str) -> Self:
        """The error for one bad value.

        Args:
            file: the file's name, with its channel.
            place: where in the file, such as ``line 3``; the header counts as a line.
            column: the column's name.
            value: the value as the file has it.
            expected: what would be right.

        Example:
            >>> raise DataError.at("r.csv", "line 3", "userId", "x", "a number")
            Traceback (most recent call last):
            movielens.errors.DataError: r.csv line 3: userId is 'x', expected a number
        """
        return cls(f"{file} {place}: {column} is {value!r}, expected {expected}")


class HyperparameterError(HalfstarError):
    """Hyperparameters that are unknown, malformed or out of range.

    The message lists all of them.
    """


class ArtifactError(HalfstarError):
    """A model directory that is absent, damaged or of another schema version."""


class BuildError(HalfstarError):
    """A compiled extension that this installation lacks."""


class RequestError(HalfstarError):
    """A request body that isn't rows of raw ids."""

    @classmethod
    def at(cls, line: int, column: str, value: object, expected: str) -> Self:
        """The error for one bad value.

        Args:
            line: the line of a CSV or JSON Lines body, or the position in a JSON list;
                counted from 1.
            column: the column's name.
            value: the value as it was sent.
            expected: what would be right.
        """
        return cls(f"line {line}: {column} is {value!r}, expected {expected}")
