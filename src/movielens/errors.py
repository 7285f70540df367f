"""Every fault that a user can mend, as one small hierarchy.

A message says what was wrong, where, and what to do. Each entry point catches
    `HalfstarError` once: training writes the
failure file, serving answers with a status. Anything else that is raised is a bug and
looks like one.
"""

from __future__ import annotations

from typing import Self


class HalfstarError(Exception):
    """Base of the faults that a user can mend."""


class DataError(HalfstarError):
    """Raw MovieLens data that can't be used."""

    @classmethod
    def at(cls, file: str, place: str, column: str, value: str, expected: str) -> Self:
        """Locate one bad value: ``file`` with its channel, ``place`` such as ``line
        3``, the header counted.
        """
        return cls(f"{file} {place}: {column} is {value!r}, expected {expected}")


class HyperparameterError(HalfstarError):
    """Hyperparameters that are unknown, malformed or out of range; the message lists
    all of them.
    """


class ArtifactError(HalfstarError):
    """A model directory that is absent, damaged or of another schema version."""


class BuildError(HalfstarError):
    """A compiled part that is missing from this installation."""


class RequestError(HalfstarError):
    """A request body that isn't rows of raw ids."""

    @classmethod
    def at(cls, line: int, column: str, value: object, expected: str) -> Self:
        """Locate one bad value: ``line`` counted from 1 (of a CSV or JSON Lines body,
        or the place in a JSON list).
        """
        return cls(f"line {line}: {column} is {value!r}, expected {expected}")
