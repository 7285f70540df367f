"""What a fuzz target is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

FOUND = Path(__file__).parent / "found"


@dataclass(frozen=True, slots=True)
class Target:
    """A function that reads any bytes, and what it is fed with first.

    Attributes:
        check: reads an input; an exception is a finding. Its docstring says what has
            to hold.
        seeds: small inputs that reach most of the code.
        words: what a mutation may insert.
        weight: its part of the time, beside the other targets'.
        most_bytes: of an input.
    """

    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...] = ()
    weight: int = 1
    most_bytes: int = 4096

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return self.check.__name__

    @property
    def oracle(self) -> str:
        """What has to hold, in words."""
        return inspect.getdoc(self.check) or ""

    def found(self) -> Iterator[tuple[str, bytes]]:
        """The inputs that once were findings, with their names."""
        for path in sorted((FOUND / self.name).glob("*")):
            yield path.name, path.read_bytes()
